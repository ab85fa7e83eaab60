/* test_determinism.c - the same bits for any number of threads, run after run and across save and resume, for
 * networks of every kind; and by how much results differ where they may: between engines, instruction sets
 * and the processors that OpenBLAS takes a machine for. CAE_TEST_VERBOSE=1 prints the figures that
 * docs/numerics.md gives. */
#include "api.h"

#include <fcntl.h>
#include <math.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- Networks that keep the size of an image, each a way of its own through the kernels ------------- */

struct layer {
    bool transposed;
    int in, out, kernel, stride, padding, dilation, output_padding, activation;
};

enum { MOST_LAYERS = 4 };

static const struct network {
    const char *name;
    struct layer layers[MOST_LAYERS];
    bool residual; /* and trained with all that the trainer can draw, and a moving average */
} networks[] = {
    {"reference",
     {{false, 3, 8, 3, 1, 0, 1, 0, CAE_ACTIVATION_RELU},
      {false, 8, 8, 3, 1, 0, 1, 0, CAE_ACTIVATION_RELU},
      {true, 8, 8, 3, 1, 0, 1, 0, CAE_ACTIVATION_RELU},
      {true, 8, 3, 3, 1, 0, 1, 0, CAE_ACTIVATION_NONE}}, false},
    {"strided",
     {{false, 3, 6, 3, 2, 1, 1, 0, CAE_ACTIVATION_LEAKY_RELU},
      {false, 6, 5, 5, 2, 2, 1, 0, CAE_ACTIVATION_TANH},
      {true, 5, 6, 5, 2, 2, 1, 1, CAE_ACTIVATION_SIGMOID},
      {true, 6, 3, 3, 2, 1, 1, 1, CAE_ACTIVATION_NONE}}, false},
    {"dilated",
     {{false, 3, 7, 3, 1, 2, 2, 0, CAE_ACTIVATION_TANH},
      {true, 7, 9, 3, 1, 3, 3, 0, CAE_ACTIVATION_RELU},
      {false, 9, 4, 1, 1, 0, 1, 0, CAE_ACTIVATION_LEAKY_RELU},
      {true, 4, 3, 5, 1, 2, 1, 0, CAE_ACTIVATION_SIGMOID}}, false},
    {"wide",
     {{false, 3, 33, 3, 1, 1, 1, 0, CAE_ACTIVATION_RELU},
      {false, 33, 32, 3, 1, 1, 1, 0, CAE_ACTIVATION_RELU},
      {true, 32, 34, 3, 1, 1, 1, 0, CAE_ACTIVATION_RELU},
      {true, 34, 3, 3, 1, 1, 1, 0, CAE_ACTIVATION_NONE}}, false},
    {"residual",
     {{false, 3, 8, 3, 1, 1, 1, 0, CAE_ACTIVATION_RELU},
      {false, 8, 9, 3, 2, 1, 1, 0, CAE_ACTIVATION_RELU},
      {true, 9, 8, 3, 2, 1, 1, 1, CAE_ACTIVATION_RELU},
      {true, 8, 3, 3, 1, 1, 1, 0, CAE_ACTIVATION_NONE}}, true},
};

static cae_model *model_of(cae_context *context, const struct network *n)
{
    cae_spec *spec;
    cae_model *model;

    assert_ok(context, cae_spec_create(&spec, context));
    for (int i = 0; i < MOST_LAYERS; i++) {
        const struct layer l = n->layers[i];
        cae_conv_options o;
        assert_ok(context, cae_conv_options_init(&o, sizeof o));
        o.kernel_h = o.kernel_w = l.kernel, o.stride_h = o.stride_w = l.stride;
        o.padding_h = o.padding_w = l.padding, o.dilation_h = o.dilation_w = l.dilation;
        o.output_padding_h = o.output_padding_w = l.output_padding, o.activation = l.activation;
        assert_ok(context, (l.transposed ? cae_spec_add_conv_transpose : cae_spec_add_conv)(
                               spec, l.in, l.out, &o));
    }
    assert_ok(context, cae_spec_set_residual(spec, n->residual));
    assert_ok(context, cae_model_create(&model, context, spec, 7));
    cae_spec_destroy(spec);
    return model;
}

static cae_context *context_of(int threads, int32_t engine, int32_t cpu)
{
    cae_context_options options;
    cae_context *context = NULL;

    ck_assert_int_eq(cae_context_options_init(&options, sizeof options), CAE_OK);
    options.threads = threads, options.engine = engine, options.cpu = cpu;
    if (cae_context_create(&context, &options) == CAE_ERR_UNSUPPORTED)
        return NULL;
    ck_assert_ptr_nonnull(context);
    return context;
}

/* --- A run: its checkpoint, and what the model computes then --------------------------------------- */

enum { IMAGES = 45, SIDE = 16, LENGTH = 3 * SIDE * SIDE, LARGE_H = 300, LARGE_W = 244 };

struct run {
    cae_model *model;
    cae_dataset *data;
    cae_optimizer *optimizer;
    cae_trainer *trainer;
};

static void run_init(struct run *r, cae_context *context, const struct network *n, int32_t kind, int batch)
{
    cae_optimizer_options how;
    cae_trainer_options o;

    r->model = model_of(context, n);
    assert_ok(context, cae_dataset_create_dead_leaves(&r->data, context, IMAGES, 3, SIDE, SIDE, 1, NULL));
    assert_ok(context, cae_optimizer_options_init(&how, sizeof how));
    assert_ok(context, cae_trainer_options_init(&o, sizeof o));
    how.kind = kind, how.momentum = kind == CAE_OPTIMIZER_SGD ? 0.9 : 0;
    how.learning_rate = kind == CAE_OPTIMIZER_SGD ? 0.01 : 1e-3;
    o.batch = batch, o.noise_sigma = 0.1, o.clip_norm = 1;
    if (n->residual) {
        o.noise_sigma_max = 0.3, o.average_decay = 0.9, o.loss = CAE_LOSS_CHARBONNIER;
        o.augment = CAE_AUGMENT_MIRROR | CAE_AUGMENT_FLIP | CAE_AUGMENT_TRANSPOSE;
        o.ssim_weight = 0.1, o.shuffle_window = 20;
    }
    assert_ok(context, cae_optimizer_create(&r->optimizer, r->model, &how));
    assert_ok(context, cae_trainer_create(&r->trainer, r->model, r->optimizer, r->data, &o));
}

static void run_finish(struct run *r)
{
    cae_trainer_destroy(r->trainer);
    cae_optimizer_destroy(r->optimizer);
    cae_dataset_destroy(r->data);
    cae_model_destroy(r->model);
}

static void steps(cae_context *context, const struct run *r, int count)
{
    for (int i = 0; i < count; i++)
        assert_ok(context, cae_trainer_step(NULL, r->trainer));
}

static void append(struct bytes *all, const void *data, size_t size)
{
    all->data = realloc(all->data, all->size + size + 1);
    ck_assert_ptr_nonnull(all->data);
    memcpy(all->data + all->size, data, size);
    all->size += size;
}

/* Everything the model says about some images: one, nine, half the way, a large one, and how good it is. */
static void append_outputs(struct bytes *all, cae_context *context, const struct run *r)
{
    static float x[3 * LARGE_H * LARGE_W], y[3 * LARGE_H * LARGE_W], latent[100000];
    cae_evaluation e;
    cae_evaluation_options noisy;
    int32_t c, h, w;

    random_floats(9, x, COUNT(x), -1, 1);
    for (int count = 1; count <= 9; count += 8) {
        const size_t floats = (size_t)count * LENGTH;
        assert_ok(context, cae_model_forward(y, floats, r->model, NULL, x, floats, count, SIDE, SIDE));
        append(all, y, floats * sizeof *y);
    }
    assert_ok(context, cae_model_output_shape(&c, &h, &w, r->model, NULL, CAE_PART_ENCODER, SIDE, SIDE));
    const size_t floats = (size_t)(9 * c * h * w);
    ck_assert_uint_le(floats, COUNT(latent));
    assert_ok(context, cae_model_encode(latent, floats, r->model, NULL, x, 9 * LENGTH, 9, SIDE, SIDE));
    append(all, latent, floats * sizeof *latent);
    assert_ok(context, cae_model_decode(y, 9 * LENGTH, r->model, NULL, latent, floats, 9, h, w));
    append(all, y, 9 * LENGTH * sizeof *y);
    assert_ok(context, cae_model_forward(y, COUNT(y), r->model, NULL, x, COUNT(x), 1, LARGE_H, LARGE_W));
    append(all, y, sizeof y);
    assert_ok(context, cae_evaluation_init(&e, sizeof e));
    assert_ok(context, cae_evaluation_options_init(&noisy, sizeof noisy));
    noisy.noise_sigma = 0.2;
    assert_ok(context, cae_model_evaluate(&e, r->model, NULL, r->data, &noisy));
    append(all, &e, sizeof e);
}

/* Seven steps of nineteen images, three to an epoch: the last of an epoch has seven. With `stop` the
 * run ends after so many, and another with `threads_after` takes it up from its checkpoint. */
static struct bytes trace(const struct network *n, int32_t engine, int32_t kind, int batch, int threads,
                          int stop, int threads_after, bool outputs)
{
    cae_context *context = context_of(threads, engine, CAE_CPU_AUTO);
    struct bytes all = {NULL, 0}, file;
    struct run r;

    run_init(&r, context, n, kind, batch);
    steps(context, &r, stop ? stop : 7);
    if (stop) {
        assert_ok(context, cae_trainer_save(r.trainer, in_directory("stopped")));
        run_finish(&r);
        cae_context_destroy(context);
        context = context_of(threads_after, engine, CAE_CPU_AUTO);
        run_init(&r, context, n, kind, batch);
        assert_ok(context, cae_trainer_resume(r.trainer, in_directory("stopped")));
        steps(context, &r, 7 - stop);
    }
    assert_ok(context, cae_trainer_save(r.trainer, in_directory("checkpoint")));
    file = file_bytes(in_directory("checkpoint"));
    append(&all, file.data, file.size);
    bytes_free(&file);
    if (outputs)
        append_outputs(&all, context, &r);
    run_finish(&r);
    cae_context_destroy(context);
    return all;
}

static void expect(struct bytes expected, struct bytes found, const char *what)
{
    assert_same_bytes(found, expected, what);
    bytes_free(&found);
}

enum { ENGINES = CAE_ENGINE_DIRECT + 1 };

START_TEST(the_same_bits)
{
    static const int threads[] = {1, 2, 3, 4, 7};
    const struct network *n = &networks[_i / ENGINES];
    const int32_t engine = _i % ENGINES, kind = _i % 3;
    const struct bytes once = trace(n, engine, kind, 19, 1, 0, 0, true);
    struct bytes owned = once;
    char what[100];

    for (int i = 0; i < COUNT(threads); i++) {
        if (test_quick() && threads[i] != 3)
            continue;
        snprintf(what, sizeof what, "%s, engine %d, %d threads", n->name, (int)engine, threads[i]);
        expect(once, trace(n, engine, kind, 19, threads[i], 0, 0, true), what);
        if (i % 2 == 0)
            continue;
        snprintf(what, sizeof what, "%s, engine %d, %d threads, then %d", n->name, (int)engine, threads[i],
                 threads[COUNT(threads) - 1 - i]);
        struct bytes found = trace(n, engine, kind, 19, threads[i], i == 1 ? 5 : 1,
                                   threads[COUNT(threads) - 1 - i], false);
        ck_assert_uint_lt(found.size, once.size);
        expect((struct bytes){once.data, found.size}, found, what); /* the checkpoint comes first */
    }
    bytes_free(&owned);
}
END_TEST

/* Batches that fill blocks of eight, leave one image alone, or make more blocks than gradients of their own
 * (which 45 images do not). A batch of one runs with one lane. */
START_TEST(batches_of_any_size)
{
    static const int batches[] = {1, 7, 8, 9, 44, 100};
    const struct network *n = &networks[_i / ENGINES];
    const int32_t engine = _i % ENGINES;
    char what[100];

    for (int i = 0; i < COUNT(batches); i++) {
        if (test_quick() && i % 3 != 0)
            continue;
        struct bytes once = trace(n, engine, CAE_OPTIMIZER_ADAM, batches[i], 1, 0, 0, false);
        snprintf(what, sizeof what, "%s, engine %d, batches of %d", n->name, (int)engine, batches[i]);
        expect(once, trace(n, engine, CAE_OPTIMIZER_ADAM, batches[i], 3, 0, 0, false), what);
        bytes_free(&once);
    }
}
END_TEST

/* --- Where results may differ -------------------------------------------------------------------- */

enum { MOST_FLOATS = 40000, LONG_RUN = 50 };

/* A forward run, the first gradient, and the parameters after 1 and after 50 steps. */
struct sample {
    int32_t count, outputs;
    float output[9 * LENGTH], gradient[MOST_FLOATS], first[MOST_FLOATS], last[MOST_FLOATS];
    double loss;
};

static void all_tensors(float *values, int32_t *count, cae_context *context, const struct run *r,
                        bool gradient)
{
    *count = 0;
    for (int i = 0; i < cae_model_tensor_count(r->model); i++) {
        const char *name = cae_model_tensor_name(r->model, i);
        int64_t shape[4];
        assert_ok(context, cae_model_tensor_shape(shape, NULL, r->model, name));
        const size_t n = (size_t)(shape[0] * shape[1] * shape[2] * shape[3]);
        ck_assert_uint_le((size_t)*count + n, MOST_FLOATS);
        if (gradient)
            assert_ok(context, cae_trainer_get_gradient(values + *count, n, r->trainer, name));
        else
            assert_ok(context, cae_model_get_tensor(values + *count, n, r->model, name));
        *count += (int32_t)n;
    }
}

static void take_sample(struct sample *s, cae_context *context, const struct network *n, int32_t kind)
{
    float x[9 * LENGTH];
    cae_progress progress;
    struct run r;

    run_init(&r, context, n, kind, 19);
    random_floats(9, x, 9 * LENGTH, -1, 1);
    assert_ok(context, cae_model_forward(s->output, 9 * LENGTH, r.model, NULL, x, 9 * LENGTH, 9, SIDE, SIDE));
    steps(context, &r, 1);
    all_tensors(s->gradient, &s->count, context, &r, true);
    all_tensors(s->first, &s->count, context, &r, false);
    steps(context, &r, LONG_RUN - 1);
    all_tensors(s->last, &s->count, context, &r, false);
    assert_ok(context, cae_progress_init(&progress, sizeof progress));
    assert_ok(context, cae_trainer_progress(&progress, r.trainer));
    s->loss = progress.loss;
    run_finish(&r);
}

/* Largest difference over the largest value of: outputs, gradients, parameters after 1 and 50 steps; and of
 * the last loss. */
static void compare_samples(const char *what, const struct network *n, int32_t kind,
                            const struct sample *a, const struct sample *b)
{
    const size_t count = (size_t)a->count;
    const double output = relative_error(a->output, b->output, 9 * LENGTH);
    const double gradient = relative_error(a->gradient, b->gradient, count);
    const double first = relative_error(a->first, b->first, count);
    const double last = relative_error(a->last, b->last, count);
    const double loss = fabs(a->loss - b->loss) / fabs(b->loss);

    if (test_verbose())
        printf("%-26s %-9s %-4s  output %.1e  gradient %.1e  weights after 1 step %.1e, after %d %.1e  "
               "loss %.1e\n", what, n->name, kind == CAE_OPTIMIZER_SGD ? "SGD" : "Adam", output, gradient,
               first, LONG_RUN, last, loss);
    ck_assert_int_eq(a->count, b->count);
    /* Ten times and more what was measured: the figures are of a few shapes and processors. Adam divides by
     * the gradient's size: where that is rounding alone, so is the sign of an update. */
    ck_assert_msg(output < 5e-6 && gradient < 2e-5, "%s, %s: output off by %g, gradient by %g", what,
                  n->name, output, gradient);
    ck_assert_msg(kind != CAE_OPTIMIZER_SGD || (first < 5e-6 && last < 1e-3), "%s, %s: weights off by %g, %g",
                  what, n->name, first, last);
    ck_assert_msg(loss < 1e-2, "%s, %s: loss off by %g", what, n->name, loss);
}

static const char *const levels[] = {"auto", "baseline", "avx2", "avx512"};

START_TEST(engines_and_instruction_sets_differ_by_little)
{
    static struct sample a, b;
    const struct network *n = &networks[_i / 2];
    const int32_t kind = _i % 2;
    char what[64];

    if (test_quick())
        return;
    cae_context *context = context_of(1, CAE_ENGINE_DIRECT, CAE_CPU_AUTO);
    const int32_t best = cae_context_cpu(context);
    ck_assert_int_lt(best, COUNT(levels));
    take_sample(&a, context, n, kind);
    cae_context_destroy(context);
    context = context_of(1, CAE_ENGINE_GEMM, CAE_CPU_AUTO);
    take_sample(&b, context, n, kind);
    cae_context_destroy(context);
    compare_samples("direct and gemm", n, kind, &a, &b);
    for (int32_t cpu = CAE_CPU_BASELINE; cpu < best; cpu++) {
        context = context_of(1, CAE_ENGINE_DIRECT, cpu);
        take_sample(&b, context, n, kind);
        cae_context_destroy(context);
        snprintf(what, sizeof what, "direct, best and %s", levels[cpu]);
        compare_samples(what, n, kind, &b, &a);
    }
}
END_TEST

/* --- OpenBLAS on other processors: it looks at its variable when it is loaded, so in another process ---- */

#if defined __x86_64__ /* elsewhere its processors have other names */
enum { ON_X86_64 = 1 };
#else
enum { ON_X86_64 = 0 };
#endif
static const char *const coretypes[] = {"Prescott", "Haswell", "SkylakeX"};

static const char *program, *samples_path;

/* What that process is for: one sample of each network by matrix products, to a file. */
START_TEST(samples_are_written)
{
    static struct sample s;
    FILE *file = fopen(samples_path, "wb");
    cae_context *context = context_of(1, CAE_ENGINE_GEMM, CAE_CPU_AUTO);

    ck_assert_ptr_nonnull(file);
    for (int i = 0; i < COUNT(networks); i++) {
        take_sample(&s, context, &networks[i], CAE_OPTIMIZER_SGD);
        ck_assert_uint_eq(fwrite(&s, sizeof s, 1, file), 1);
    }
    cae_context_destroy(context);
    ck_assert_int_eq(fclose(file), 0);
}
END_TEST

static bool samples_of(const char *coretype, const char *path)
{
    int status;
    const pid_t child = fork();

    if (child == 0) {
        setenv("OPENBLAS_CORETYPE", coretype, 1);
        setenv("CK_VERBOSITY", "silent", 1);
        unsetenv("CK_RUN_CASE"); /* the one there is */
        execl(program, program, "--samples", path, (char *)NULL);
        _exit(127);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    /* a processor that lacks the instructions ends it by a signal, an exit is a failure of the test */
    ck_assert_msg(!WIFEXITED(status) || WEXITSTATUS(status) == 0, "%s: exit %d", coretype,
                  WEXITSTATUS(status));
    return WIFEXITED(status);
}

START_TEST(openblas_kernels_differ_by_little)
{
    static struct sample own[COUNT(networks)], other;
    char info[256], what[64];

    cae_build_info(info, sizeof info);
    if (!ON_X86_64 || test_quick() || !strstr(info, "DYNAMIC_ARCH"))
        return;
    cae_context *context = context_of(1, CAE_ENGINE_GEMM, CAE_CPU_AUTO);
    for (int i = 0; i < COUNT(networks); i++)
        take_sample(&own[i], context, &networks[i], CAE_OPTIMIZER_SGD);
    cae_context_destroy(context);
    for (int c = 0; c < COUNT(coretypes); c++) {
        if (!samples_of(coretypes[c], in_directory("samples")))
            continue;
        FILE *file = fopen(in_directory("samples"), "rb");
        ck_assert_ptr_nonnull(file);
        for (int i = 0; i < COUNT(networks); i++) {
            ck_assert_uint_eq(fread(&other, sizeof other, 1, file), 1);
            snprintf(what, sizeof what, "gemm, own and %s", coretypes[c]);
            compare_samples(what, &networks[i], CAE_OPTIMIZER_SGD, &other, &own[i]);
        }
        fclose(file);
    }
}
END_TEST

int main(int argc, char **argv)
{
    Suite *suite = suite_create("determinism");
    TCase *same = tcase_create("same"), *near;

    if (argc == 3 && strcmp(argv[1], "--samples") == 0) {
        samples_path = argv[2];
        tcase_set_timeout(same, 120);
        tcase_add_test(same, samples_are_written);
        suite_add_tcase(suite, same);
        return test_main(suite);
    }
    program = argv[0];
    tcase_set_timeout(same, 120);
    tcase_add_unchecked_fixture(same, directory_setup, directory_teardown);
    tcase_add_loop_test(same, the_same_bits, 0, ENGINES * COUNT(networks));
    tcase_add_loop_test(same, batches_of_any_size, 0, ENGINES * COUNT(networks));
    suite_add_tcase(suite, same);
    near = tcase_create("near");
    tcase_set_timeout(near, 120);
    tcase_add_unchecked_fixture(near, directory_setup, directory_teardown);
    tcase_add_loop_test(near, engines_and_instruction_sets_differ_by_little, 0, 2 * COUNT(networks));
    tcase_add_test(near, openblas_kernels_differ_by_little);
    suite_add_tcase(suite, near);
    return test_main(suite);
}
