/* test_trouble.c - numbers that make trouble: the host's floating-point environment, denormal numbers, runs
 * that explode, values that are not finite, images that are hardly there. Each comes to a status or to the
 * right result, never to a signal, a hang or a model that is lost. */
#include "api.h"

#include <fenv.h>
#include <float.h>
#include <math.h>
#include <time.h>

#if defined __SSE2__
#include <immintrin.h>
#endif

/* --- The host's floating-point environment ------------------------------------------------------ */

enum { FLUSHING = 0x8040, CONTROL = 0xffc0 }; /* of MXCSR: denormals to 0; all but the sticky flags */

static unsigned control_word(void)
{
#if defined __SSE2__
    return _mm_getcsr() & CONTROL;
#else
    return 0;
#endif
}

static const struct environment {
    const char *name;
    int rounding;
    bool flushing, traps;
} environments[] = {
    {"as it is", FE_TONEAREST, false, false},
#ifdef FE_UPWARD
    {"rounding up", FE_UPWARD, false, false},
#endif
#ifdef FE_DOWNWARD
    {"rounding down", FE_DOWNWARD, false, false},
#endif
#ifdef FE_TOWARDZERO
    {"rounding to zero", FE_TOWARDZERO, false, false},
#endif
    {"flushing denormals", FE_TONEAREST, true, false},
    {"with traps", FE_TONEAREST, false, true},
};

static void enter(const struct environment *e)
{
    ck_assert_int_eq(fesetround(e->rounding), 0);
#if defined __SSE2__
    if (e->flushing)
        _mm_setcsr(_mm_getcsr() | FLUSHING);
#endif
    feclearexcept(FE_ALL_EXCEPT);
#if defined __GLIBC__
    if (e->traps)
        feenableexcept(FE_DIVBYZERO | FE_INVALID | FE_OVERFLOW);
#endif
}

static void leave(void)
{
    fesetenv(FE_DFL_ENV);
}

/* What a callback finds; they are called in the middle of everything. */
static struct {
    int rounding, wrong;
    unsigned control;
    long calls;
} host;

static void look(void)
{
    host.calls++;
    if (fegetround() != host.rounding || control_word() != host.control)
        host.wrong++;
}

static void *looking_allocate(void *user, size_t bytes)
{
    look();
    return heap_allocate(user, bytes);
}

static void looking_release(void *user, void *block)
{
    look();
    heap_release(user, block);
}

static void looking_log(void *user, int32_t level, const char *text)
{
    (void)user, (void)level, (void)text;
    look();
}

static int32_t looking_progress(void *user, const cae_progress *progress)
{
    (void)user, (void)progress;
    look();
    return 0;
}

/* Everything that computes, one after the other into one row of bytes. */
struct record {
    unsigned char bytes[400000];
    size_t used;
};

static void keep(struct record *r, const void *bytes, size_t size)
{
    ck_assert_uint_le(r->used + size, sizeof r->bytes);
    memcpy(r->bytes + r->used, bytes, size);
    r->used += size;
}

static cae_model *troubled_model(cae_context *context)
{
    cae_conv_options o;
    cae_spec *spec;
    cae_model *model;

    assert_ok(context, cae_conv_options_init(&o, sizeof o));
    assert_ok(context, cae_spec_create(&spec, context));
    o.activation = CAE_ACTIVATION_LEAKY_RELU, o.slope = 0.1;
    assert_ok(context, cae_spec_add_conv(spec, 3, 5, &o));
    o.activation = CAE_ACTIVATION_TANH, o.stride_h = o.stride_w = 2;
    assert_ok(context, cae_spec_add_conv(spec, 5, 4, &o));
    o.activation = CAE_ACTIVATION_SIGMOID, o.output_padding_h = o.output_padding_w = 1;
    assert_ok(context, cae_spec_add_conv_transpose(spec, 4, 5, &o));
    assert_ok(context, cae_spec_add_conv_transpose(spec, 5, 3, NULL));
    assert_ok(context, cae_model_create(&model, context, spec, 1));
    cae_spec_destroy(spec);
    return model;
}

static void images_and_metrics(struct record *r, cae_context *context, cae_dataset *data)
{
    enum { LENGTH = 3 * 16 * 16 };
    float a[LENGTH], b[LENGTH];
    double figure;

    assert_ok(context, cae_dataset_get(a, LENGTH, data, 3));
    keep(r, a, sizeof a);
    memcpy(b, a, sizeof b);
    ck_assert_int_eq(cae_add_noise(b, LENGTH, 0.3, 1, 2, 3), CAE_OK);
    keep(r, b, sizeof b);
    assert_ok(context, cae_mse(&figure, context, a, b, LENGTH));
    keep(r, &figure, sizeof figure);
    assert_ok(context, cae_psnr(&figure, context, a, b, LENGTH, 1.9));
    keep(r, &figure, sizeof figure);
    for (int kind = 0; kind < 2; kind++) {
        assert_ok(context, cae_ssim(&figure, context, a, b, 3, 16, 16, 1.9, kind));
        keep(r, &figure, sizeof figure);
    }
}

static void inference(struct record *r, cae_context *context, const cae_model *model)
{
    static float x[3 * 260 * 256], y[3 * 260 * 256];
    int32_t c, h, w;

    random_floats(5, x, COUNT(x), -1, 1);
    assert_ok(context, cae_model_output_shape(&c, &h, &w, model, NULL, CAE_PART_WHOLE, 260, 256));
    ck_assert_int_eq(c * h * w, COUNT(y));
    assert_ok(context, cae_model_forward(y, COUNT(y), model, NULL, x, COUNT(x), 1, 260, 256));
    keep(r, y, sizeof y / 8);
    assert_ok(context, cae_model_forward(y, 9 * 768, model, NULL, x, 9 * 768, 9, 16, 16));
    keep(r, y, 9 * 768 * sizeof *y);
    assert_ok(context, cae_model_encode(y, 4 * 6 * 6, model, NULL, x, 768, 1, 16, 16));
    keep(r, y, 4 * 6 * 6 * sizeof *y);
}

static void training(struct record *r, cae_context *context, cae_model *model, cae_dataset *data,
                     int32_t kind)
{
    cae_optimizer_options how;
    cae_trainer_options o;
    cae_optimizer *optimizer;
    cae_trainer *trainer;
    cae_progress progress;
    cae_evaluation evaluation;
    cae_evaluation_options noisy;
    struct bytes file;

    assert_ok(context, cae_optimizer_options_init(&how, sizeof how));
    assert_ok(context, cae_trainer_options_init(&o, sizeof o));
    how.kind = kind, how.momentum = kind == CAE_OPTIMIZER_SGD ? 0.7 : 0.0, how.weight_decay = 0.01;
    o.batch = 30, o.noise_sigma = 0.1, o.clip_norm = 0.1, o.loss = CAE_LOSS_HUBER, o.huber_delta = 0.3;
    o.schedule = CAE_SCHEDULE_COSINE, o.warmup_steps = 3, o.decay_steps = 7;
    assert_ok(context, cae_optimizer_create(&optimizer, model, &how));
    assert_ok(context, cae_trainer_create(&trainer, model, optimizer, data, &o));
    assert_ok(context, cae_trainer_step(NULL, trainer));
    assert_ok(context, cae_trainer_save(trainer, in_directory("middle")));
    assert_ok(context, cae_trainer_resume(trainer, in_directory("middle")));
    assert_ok(context, cae_progress_init(&progress, sizeof progress));
    assert_ok(context, cae_trainer_progress(&progress, trainer));
    keep(r, &progress, sizeof progress);
    assert_ok(context, cae_trainer_epoch(&progress, trainer, looking_progress, NULL));
    keep(r, &progress, sizeof progress);
    assert_ok(context, cae_trainer_save(trainer, in_directory("end")));
    file = file_bytes(in_directory("end"));
    keep(r, file.data, file.size);
    bytes_free(&file);
    assert_ok(context, cae_evaluation_init(&evaluation, sizeof evaluation));
    assert_ok(context, cae_evaluation_options_init(&noisy, sizeof noisy));
    noisy.noise_sigma = 0.2;
    assert_ok(context, cae_model_evaluate(&evaluation, model, NULL, data, &noisy));
    keep(r, &evaluation, sizeof evaluation);
    cae_trainer_destroy(trainer);
    cae_optimizer_destroy(optimizer);
}

static void everything(struct record *r, cae_context *context, int32_t kind)
{
    cae_model *model = troubled_model(context);
    cae_dataset *data;

    assert_ok(context, cae_dataset_create_dead_leaves(&data, context, 40, 3, 16, 16, 1, NULL));
    images_and_metrics(r, context, data);
    inference(r, context, model);
    training(r, context, model, data, kind);
    cae_dataset_destroy(data);
    cae_model_destroy(model);
}

static cae_context *looking_context(struct heap *heap, int32_t engine, int threads)
{
    cae_context_options options = heap_options(heap, threads);
    cae_context *context = NULL;

    options.engine = engine;
    options.allocate = looking_allocate, options.release = looking_release;
    options.log = looking_log;
    ck_assert_int_eq(cae_context_create(&context, &options), CAE_OK);
    return context;
}

/* The same bits, the environment as it was, its sticky flags too, and the host's own in every callback. */
static void in_environment(const struct environment *e, const struct record *expected, int32_t engine,
                           int threads, int32_t kind)
{
    static struct record found;
    struct heap heap = HEAP;
    cae_context *context;

    if (test_quick() && (e->flushing || e->traps)) /* valgrind knows neither */
        return;
    found.used = 0;
    enter(e);
    host.rounding = fegetround(), host.control = control_word(), host.wrong = 0, host.calls = 0;
    context = looking_context(&heap, engine, threads);
    everything(&found, context, kind);
    cae_context_destroy(context);

    const int rounding = fegetround(), raised = fetestexcept(FE_ALL_EXCEPT);
    const unsigned control = control_word();
    leave();
    ck_assert_msg(rounding == e->rounding && control == host.control, "%s: changed", e->name);
    ck_assert_msg((raised & ~FE_INEXACT) == 0, "%s: flags %x were raised", e->name, raised);
    ck_assert_msg(host.calls > 100 && host.wrong == 0, "%s: %d of %ld callbacks saw another", e->name,
                  host.wrong, host.calls);
    size_t at = 0;
    while (at < found.used && found.bytes[at] == expected->bytes[at])
        at++;
    ck_assert_msg(found.used == expected->used && at == found.used,
                  "%s, engine %d, %d threads: other bits from byte %zu of %zu on", e->name, (int)engine,
                  threads, at, found.used);
    assert_balanced(&heap, e->name);
}

START_TEST(the_hosts_environment_is_its_own)
{
    static struct record expected;
    const int32_t engine = _i % 2 ? CAE_ENGINE_DIRECT : CAE_ENGINE_GEMM, kind = _i / 2;
    cae_context_options options;
    cae_context *context;

    if (test_quick() && _i > 0)
        return;
    ck_assert_int_eq(cae_context_options_init(&options, sizeof options), CAE_OK);
    options.engine = engine;
    ck_assert_int_eq(cae_context_create(&context, &options), CAE_OK);
    expected.used = 0;
    everything(&expected, context, kind);
    cae_context_destroy(context);
    for (int i = 0; i < COUNT(environments); i++)
        for (int threads = 1; threads <= 3; threads += 2)
            in_environment(&environments[i], &expected, engine, threads, kind);
}
END_TEST

/* Threads begin with a copy of the environment they were made in: not to depend on when that was. */
START_TEST(an_environment_that_changes_after_threads_have_started)
{
    static struct record expected, found;
    cae_context *context;

    if (test_quick())
        return;
    context = test_context();
    expected.used = 0;
    everything(&expected, context, CAE_OPTIMIZER_ADAM);
    assert_ok(context, cae_context_set_threads(context, 3));
    for (int i = COUNT(environments) - 1; i >= 0; i--) {
        if (test_quick() && (environments[i].flushing || environments[i].traps))
            continue;
        found.used = 0;
        enter(&environments[i]);
        everything(&found, context, CAE_OPTIMIZER_ADAM);
        leave();
        ck_assert_msg(memcmp(found.bytes, expected.bytes, expected.used) == 0, "%s: other bits",
                      environments[i].name);
    }
    cae_context_destroy(context);
}
END_TEST

/* A host that has invalid operations trap, and what is invalid: options and files get a status all the same. */
START_TEST(nonsense_is_no_trap)
{
    static const double nonsense[] = {NAN, -NAN, INFINITY, -INFINITY, 1e300, -1e300, -1.0};
    static const float bad[18] = {NAN};
    cae_context *context = test_context();
    cae_model *model = small_model(context, 1), *loaded;
    cae_dataset *data = float_images(context, NULL, 8, 8);
    cae_spec *spec = small_spec(context);
    cae_optimizer *optimizer, *none;
    cae_trainer *trainer, *no_trainer;
    struct bytes file = model_bytes(model), checkpoint;
    float a[200] = {0}, b[200] = {0};
    double out;

    assert_ok(context, cae_optimizer_create(&optimizer, model, NULL));
    assert_ok(context, cae_trainer_create(&trainer, model, optimizer, data, NULL));
    assert_ok(context, cae_trainer_save(trainer, in_directory("nonsense")));
    checkpoint = file_bytes(in_directory("nonsense"));
    memcpy(file.data + file.size - sizeof bad[0], bad, sizeof bad[0]);
    little_endian(file.data + file.size - sizeof bad[0], 1, sizeof bad[0]);
    struct bytes lie = edited(checkpoint, "\\\"loss_sum_bits\\\":\\\"0\\\"",
                              "\\\"loss_sum_bits\\\":\\\"9221120237041090560\\\"");
    write_file(in_directory("lie"), lie.data, lie.size);

    enter(&environments[COUNT(environments) - 1]);
    for (int i = 0; i < COUNT(nonsense); i++) {
        const double x = nonsense[i];
        cae_optimizer_options how = {0};
        cae_trainer_options o = {0};
        cae_evaluation_options e;
        cae_evaluation evaluation;
        cae_conv_options layer;
        double *rates[] = {&how.learning_rate, &how.momentum, &how.beta1, &how.beta2, &how.epsilon,
                           &how.weight_decay};
        double *numbers[] = {&o.huber_delta, &o.noise_sigma, &o.clip_norm, &o.decay_factor,
                             &o.final_fraction};
        for (int k = 0; k < COUNT(rates); k++) {
            assert_ok(context, cae_optimizer_options_init(&how, sizeof how));
            *rates[k] = x;
            assert_fails(context, CAE_ERR_OPTIONS, cae_optimizer_create(&none, model, &how));
        }
        for (int k = 0; k < COUNT(numbers); k++) {
            assert_ok(context, cae_trainer_options_init(&o, sizeof o));
            *numbers[k] = x;
            if (numbers[k] != &o.clip_norm || x != 1e300) /* a bound of that size is one */
                assert_fails(context, CAE_ERR_OPTIONS,
                             cae_trainer_create(&no_trainer, model, optimizer, data, &o));
        }
        assert_fails(context, CAE_ERR_ARGUMENT, cae_optimizer_set_learning_rate(optimizer, x));
        assert_ok(context, cae_evaluation_options_init(&e, sizeof e));
        assert_ok(context, cae_evaluation_init(&evaluation, sizeof evaluation));
        e.noise_sigma = x;
        assert_fails(context, CAE_ERR_OPTIONS, cae_model_evaluate(&evaluation, model, NULL, data, &e));
        ck_assert_int_eq(cae_add_noise(a, 200, x, 1, 1, 1), CAE_ERR_ARGUMENT);
        assert_ok(context, cae_conv_options_init(&layer, sizeof layer));
        layer.slope = x;
        assert_fails(context, CAE_ERR_OPTIONS, cae_spec_add_conv(spec, 1, 1, &layer));
        if (x != 1e300) {
            assert_fails(context, CAE_ERR_ARGUMENT, cae_psnr(&out, context, a, b, 200, x));
            assert_fails(context, CAE_ERR_ARGUMENT, cae_ssim(&out, context, a, b, 1, 14, 14, x, 0));
        }
    }
    assert_fails(context, CAE_ERR_NUMERIC, cae_model_set_tensor(model, "0.weight", bad, 18));
    ck_assert(cae_model_load_memory(&loaded, context, file.data, file.size) < 0);
    assert_fails(context, CAE_ERR_FORMAT, cae_trainer_resume(trainer, in_directory("lie")));
    leave();
    bytes_free(&file), bytes_free(&checkpoint), bytes_free(&lie);
    cae_trainer_destroy(trainer), cae_optimizer_destroy(optimizer), cae_dataset_destroy(data);
    cae_spec_destroy(spec), cae_model_destroy(model), cae_context_destroy(context);
}
END_TEST

/* --- Denormal numbers --------------------------------------------------------------------------- */

/* What one pixel becomes under a weight of 1. */
static float through_one(float x)
{
    cae_context *context = test_context();
    cae_model *model = pointwise_model(context, 1.0f, 0.0f);
    float y = NAN;

    assert_ok(context, cae_model_forward(&y, 1, model, NULL, &x, 1, 1, 1, 1));
    cae_model_destroy(model);
    cae_context_destroy(context);
    return y;
}

/* Most processors have a switch; RISC-V and s390x have not, nor has valgrind. */
static bool denormals_are_flushed(void)
{
    return through_one(1e-40f) == 0.0f;
}

START_TEST(denormal_numbers_count_as_zero)
{
    ck_assert(through_one(FLT_MIN) == FLT_MIN);
#if defined __x86_64__ || defined __aarch64__
    if (!test_quick())
        ck_assert(denormals_are_flushed());
#endif
    if (denormals_are_flushed())
        ck_assert(through_one(-1e-40f) == 0.0f && through_one(FLT_MIN / 2) == 0.0f);
}
END_TEST

/* Of processor time, of all threads: what other processes do in the meantime does not count. */
static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

struct scales {
    const char *what;
    float inputs, weights, biases;
};

static const struct scales scales[] = {
    {"normal", 1.0f, 1.0f, 1.0f},
    {"denormal inputs", 1e-40f, 1.0f, 0.0f},
    {"denormal weights", 1.0f, 1e-38f, 0.0f},
    {"denormal everything", 1e-40f, 1e-38f, 1e-38f},
    {"denormal products", 1e-20f, 1e-20f, 0.0f},
};

static void scale_model(cae_model *model, struct scales s)
{
    for (int i = 0; i < cae_model_tensor_count(model); i++) {
        const char *name = cae_model_tensor_name(model, i);
        int64_t shape[4];
        float values[1000];
        ck_assert_int_eq(cae_model_tensor_shape(shape, NULL, model, name), CAE_OK);
        const size_t count = (size_t)(shape[0] * shape[1] * shape[2] * shape[3]);
        ck_assert_int_eq(cae_model_get_tensor(values, count, model, name), CAE_OK);
        for (size_t k = 0; k < count; k++)
            values[k] *= strstr(name, "weight") ? s.weights : s.biases;
        ck_assert_int_eq(cae_model_set_tensor(model, name, values, count), CAE_OK);
    }
}

/* The fastest of some steps and of some runs, of 32 images. */
static void time_of(double *step, double *forward, struct scales s, int32_t engine, int threads)
{
    enum { N = 32, LENGTH = 3 * 32 * 32, TIMES = 4 };
    static float x[N * LENGTH], y[N * LENGTH];
    cae_context_options options;
    cae_optimizer_options how;
    cae_dataset_options as;
    cae_context *context;
    cae_model *model;
    cae_dataset *data;
    cae_optimizer *sgd;
    cae_trainer *trainer;

    ck_assert_int_eq(cae_context_options_init(&options, sizeof options), CAE_OK);
    options.engine = engine, options.threads = threads;
    ck_assert_int_eq(cae_context_create(&context, &options), CAE_OK);
    assert_ok(context, cae_model_create_reference(&model, context, 1));
    scale_model(model, s);
    random_floats(2, x, N * LENGTH, -1, 1);
    for (int i = 0; i < N * LENGTH; i++)
        x[i] *= s.inputs;
    assert_ok(context, cae_dataset_options_init(&as, sizeof as));
    as.type = CAE_TYPE_F32;
    assert_ok(context, cae_dataset_create(&data, context, x, sizeof x, N, 3, 32, 32, &as));
    assert_ok(context, cae_optimizer_options_init(&how, sizeof how));
    how.kind = CAE_OPTIMIZER_SGD, how.learning_rate = 1e-37; /* stay where we are */
    assert_ok(context, cae_optimizer_create(&sgd, model, &how));
    assert_ok(context, cae_trainer_create(&trainer, model, sgd, data, NULL));
    *step = *forward = HUGE_VAL;
    for (int i = 0; i < TIMES; i++) {
        const double start = seconds();
        assert_ok(context, cae_trainer_step(NULL, trainer));
        const double middle = seconds();
        assert_ok(context, cae_model_forward(y, N * LENGTH, model, NULL, x, N * LENGTH, N, 32, 32));
        *step = fmin(*step, middle - start);
        *forward = fmin(*forward, seconds() - middle);
    }
    cae_trainer_destroy(trainer), cae_optimizer_destroy(sgd), cae_dataset_destroy(data);
    cae_model_destroy(model), cae_context_destroy(context);
}

/* Without the switch these take 14 to 160 times as long. Four times leaves room for caches
 * that others use at the same time, the fastest of four runs being taken. */
START_TEST(denormal_numbers_take_no_longer)
{
    const int32_t engine = _i % 2 ? CAE_ENGINE_DIRECT : CAE_ENGINE_GEMM;
    const int threads = _i / 2 ? 2 : 1;
    double normal_step, normal_forward, step, forward;

    if (test_quick() || !denormals_are_flushed())
        return;
    time_of(&normal_step, &normal_forward, scales[0], engine, threads);
    for (int i = 1; i < COUNT(scales); i++) {
        time_of(&step, &forward, scales[i], engine, threads);
        if (test_verbose())
            printf("engine %d, %d threads, %s: step %.2f ms, %.1f times as long; forward %.2f ms, %.1f\n",
                   (int)engine, threads, scales[i].what, 1e3 * step, step / normal_step, 1e3 * forward,
                   forward / normal_forward);
        ck_assert_msg(step < 4 * normal_step && forward < 4 * normal_forward,
                      "%s: a step %.1f times as long, a run %.1f", scales[i].what, step / normal_step,
                      forward / normal_forward);
    }
}
END_TEST

/* Weight decay on images that are all 0: weights without a gradient fade, to 0 or to the last normal number
 * of which half is none, and do not become denormal. */
START_TEST(weights_that_fade)
{
    static float zeros[16 * 64];
    cae_context *context = test_context();
    cae_model *model = pointwise_model(context, 1e-36f, 0.0f);
    cae_dataset *data = float_images(context, zeros, 16, 8);
    cae_optimizer_options how;
    cae_optimizer *optimizer;
    cae_trainer *trainer;
    float weight = NAN;

    assert_ok(context, cae_optimizer_options_init(&how, sizeof how));
    how.kind = _i, how.learning_rate = 0.5, how.weight_decay = _i == CAE_OPTIMIZER_ADAM ? 0.0 : 1.0;
    assert_ok(context, cae_optimizer_create(&optimizer, model, &how));
    assert_ok(context, cae_trainer_create(&trainer, model, optimizer, data, NULL));
    for (int i = 0; i < 30; i++)
        assert_ok(context, cae_trainer_step(NULL, trainer));
    assert_ok(context, cae_model_get_tensor(&weight, 1, model, "0.weight"));
    ck_assert_msg(_i == CAE_OPTIMIZER_ADAM ? weight == 1e-36f : weight < 2 * FLT_MIN, "weight %g",
                  (double)weight);
    if (denormals_are_flushed())
        ck_assert_msg(weight == 0.0f || weight >= FLT_MIN, "weight %g", (double)weight);
    cae_trainer_destroy(trainer), cae_optimizer_destroy(optimizer), cae_dataset_destroy(data);
    cae_model_destroy(model), cae_context_destroy(context);
}
END_TEST

/* Options may be as small as a float gets: counted as 0, an epsilon would make 0 / 0 of a weight that has
 * no gradient, and a clipping factor would stop training. */
START_TEST(the_smallest_options)
{
    static float values[16 * 64];
    cae_context *context = test_context();
    cae_model *model = pointwise_model(context, 0.5f, 0.0f);
    cae_optimizer_options how;
    cae_trainer_options o;
    cae_optimizer *optimizer;
    cae_trainer *trainer;
    float before, after, gradient;

    for (int i = 0; i < COUNT(values); i++)
        values[i] = _i ? 1e17f : 0.0f;
    cae_dataset *data = float_images(context, values, 16, 8);
    assert_ok(context, cae_optimizer_options_init(&how, sizeof how));
    assert_ok(context, cae_trainer_options_init(&o, sizeof o));
    how.epsilon = 1.5e-45;
    if (_i)
        how.kind = CAE_OPTIMIZER_SGD, how.learning_rate = 1e3, o.clip_norm = 1e-6;
    assert_ok(context, cae_optimizer_create(&optimizer, model, &how));
    assert_ok(context, cae_trainer_create(&trainer, model, optimizer, data, &o));
    assert_ok(context, cae_model_get_tensor(&before, 1, model, "0.weight"));
    assert_ok(context, cae_trainer_step(NULL, trainer));
    assert_ok(context, cae_trainer_step(NULL, trainer));
    assert_ok(context, cae_model_get_tensor(&after, 1, model, "0.weight"));
    assert_ok(context, cae_trainer_get_gradient(&gradient, 1, trainer, "0.weight"));
    if (_i)
        ck_assert_msg(fabsf(after - (before + 2e-3f)) < 1e-6f && fabsf(gradient + 1e-6f) < 1e-8f,
                      "%g after %g, the gradient %g", (double)after, (double)before, (double)gradient);
    else
        ck_assert(after == before && gradient == 0.0f);
    cae_trainer_destroy(trainer), cae_optimizer_destroy(optimizer), cae_dataset_destroy(data);
    cae_model_destroy(model), cae_context_destroy(context);
}
END_TEST

/* --- Runs that explode -------------------------------------------------------------------------- */

struct explosion {
    int32_t kind;
    double rate, momentum, decay;
    int32_t nesterov, loss;
};

static const struct explosion explosions[] = {
    {CAE_OPTIMIZER_SGD, 1e30, 0, 0, 0, CAE_LOSS_MSE},
    {CAE_OPTIMIZER_SGD, 1e6, 0.99, 0, 1, CAE_LOSS_MSE},
    {CAE_OPTIMIZER_SGD, 3e38, 0.9, 0, 0, CAE_LOSS_L1},
    {CAE_OPTIMIZER_SGD, 1, 0, 3e38, 0, CAE_LOSS_HUBER},
    {CAE_OPTIMIZER_ADAM, 1e30, 0, 0, 0, CAE_LOSS_MSE},
    {CAE_OPTIMIZER_ADAM, 3e38, 0, 3e38, 0, CAE_LOSS_HUBER},
    {CAE_OPTIMIZER_ADAMW, 1e10, 0, 1e20, 0, CAE_LOSS_MSE},
    {CAE_OPTIMIZER_ADAMW, 3e38, 0, 3e38, 0, CAE_LOSS_L1},
};

/* Steps until one is refused. Then the model is finite, what it was when its loss was last finite, and
 * goes on at a sensible rate from there, as does the checkpoint of it. */
START_TEST(a_run_that_explodes)
{
    const struct explosion *e = &explosions[_i / 4];
    cae_context_options options;
    cae_optimizer_options how;
    cae_trainer_options o;
    cae_context *context;
    cae_optimizer *optimizer;
    cae_trainer *trainer;
    cae_status status = CAE_OK;
    struct bytes model_at[3] = {{0}}; /* after the last steps, newest last */
    int step;

    ck_assert_int_eq(cae_context_options_init(&options, sizeof options), CAE_OK);
    options.engine = _i % 2 ? CAE_ENGINE_DIRECT : CAE_ENGINE_GEMM, options.threads = _i / 2 % 2 ? 3 : 1;
    ck_assert_int_eq(cae_context_create(&context, &options), CAE_OK);
    cae_model *model = troubled_model(context);
    cae_dataset *data;
    assert_ok(context, cae_dataset_create_dead_leaves(&data, context, 24, 3, 12, 12, 1, NULL));
    assert_ok(context, cae_optimizer_options_init(&how, sizeof how));
    assert_ok(context, cae_trainer_options_init(&o, sizeof o));
    how.kind = e->kind, how.momentum = e->momentum, how.nesterov = e->nesterov;
    how.weight_decay = e->decay, how.learning_rate = e->rate;
    o.loss = e->loss, o.shuffle = 0;
    assert_ok(context, cae_optimizer_create(&optimizer, model, &how));
    assert_ok(context, cae_trainer_create(&trainer, model, optimizer, data, &o));

    model_at[2] = model_bytes(model);
    for (step = 0; step < 200; step++) {
        status = cae_trainer_step(NULL, trainer);
        if (status != CAE_OK)
            break;
        bytes_free(&model_at[0]);
        model_at[0] = model_at[1], model_at[1] = model_at[2], model_at[2] = model_bytes(model);
    }
    ck_assert_msg(status == CAE_ERR_NUMERIC, "after %d steps: %d", step, (int)status);
    assert_says(context, "finite");
    cae_progress progress;
    assert_ok(context, cae_progress_init(&progress, sizeof progress));
    assert_ok(context, cae_trainer_progress(&progress, trainer));
    ck_assert(progress.step == step || progress.step == step - 1);
    struct bytes now = model_bytes(model);
    assert_same_bytes(now, model_at[progress.step == step ? 2 : 1], "the model of the last good loss");
    bytes_free(&now);

    assert_ok(context, cae_trainer_save(trainer, in_directory("exploded")));
    cae_model *loaded;
    assert_ok(context, cae_model_load(&loaded, context, in_directory("exploded")));
    assert_same_models(loaded, model, "the checkpoint");
    cae_model_destroy(loaded);
    status = cae_trainer_step(NULL, trainer); /* the same again: the file is as good afterwards */
    ck_assert(status == CAE_OK || status == CAE_ERR_NUMERIC);
    assert_ok(context, cae_trainer_resume(trainer, in_directory("exploded")));
    if (e->decay == 0) { /* else another decay is what it takes */
        assert_ok(context, cae_optimizer_set_learning_rate(optimizer, 1e-6));
        for (int i = 0; i < 3; i++)
            assert_ok(context, cae_trainer_step(NULL, trainer));
    }
    for (int i = 0; i < 3; i++)
        bytes_free(&model_at[i]);
    cae_trainer_destroy(trainer), cae_optimizer_destroy(optimizer), cae_dataset_destroy(data);
    cae_model_destroy(model), cae_context_destroy(context);
}
END_TEST

/* --- Values that are not finite ----------------------------------------------------------------- */

static const float strange_values[] = {NAN, INFINITY, -INFINITY, FLT_MAX, -FLT_MAX};

/* Wherever it is, on either engine: the dataset takes it, a step says which image it was and changes
 * nothing, an evaluation refuses, and a run of the model passes it on to the pixels that see it. */
START_TEST(one_strange_value)
{
    enum { N = 11, SIDE = 8, LENGTH = SIDE * SIDE };
    const float value = strange_values[_i / 2];
    float x[N * LENGTH], y[N * LENGTH];
    cae_context_options options;
    cae_context *context;
    cae_optimizer *optimizer;
    cae_trainer *trainer;
    cae_evaluation evaluation;

    random_floats(1, x, N * LENGTH, -1, 1);
    x[9 * LENGTH] = value; /* a corner of the tenth */
    ck_assert_int_eq(cae_context_options_init(&options, sizeof options), CAE_OK);
    options.engine = _i % 2 ? CAE_ENGINE_DIRECT : CAE_ENGINE_GEMM, options.threads = 2;
    ck_assert_int_eq(cae_context_create(&context, &options), CAE_OK);
    cae_model *model = small_model(context, 1);
    cae_dataset *data = float_images(context, x, N, SIDE);
    struct bytes before = model_bytes(model), after;
    assert_ok(context, cae_optimizer_create(&optimizer, model, NULL));
    assert_ok(context, cae_trainer_create(&trainer, model, optimizer, data, NULL));
    assert_fails(context, CAE_ERR_NUMERIC, cae_trainer_step(NULL, trainer));
    if (!isfinite(value))
        assert_says(context, "image 9");
    after = model_bytes(model);
    assert_same_bytes(after, before, "a step that was refused");

    assert_ok(context, cae_evaluation_init(&evaluation, sizeof evaluation));
    if (!isfinite(value))
        assert_fails(context, CAE_ERR_NUMERIC,
                     cae_model_evaluate(&evaluation, model, NULL, data, NULL));
    assert_ok(context, cae_model_forward(y, N * LENGTH, model, NULL, x, N * LENGTH, N, SIDE, SIDE));
    for (int i = 0; i < N * LENGTH; i++) /* two 3x3 layers: pixels up to 2 away see the corner */
        ck_assert_msg(isfinite(y[i]) || (i / LENGTH == 9 && i % LENGTH / SIDE <= 2 && i % SIDE <= 2),
                      "pixel %d of image %d", i % LENGTH, i / LENGTH);
    if (isnan(value))
        ck_assert(isnan(y[9 * LENGTH]));
    bytes_free(&before), bytes_free(&after);
    cae_trainer_destroy(trainer), cae_optimizer_destroy(optimizer), cae_dataset_destroy(data);
    cae_model_destroy(model), cae_context_destroy(context);
}
END_TEST

/* Noise alone can pass the largest float. The data is at fault then, not the update before it. */
START_TEST(noise_that_is_not_finite)
{
    cae_context *context = test_context();
    cae_model *model = small_model(context, 1);
    cae_dataset *data = float_images(context, NULL, 8, 8);
    cae_trainer_options o;
    cae_optimizer *optimizer;
    cae_trainer *plain, *noisy;
    struct bytes before, after;

    assert_ok(context, cae_trainer_options_init(&o, sizeof o));
    o.noise_sigma = 3e38;
    assert_ok(context, cae_optimizer_create(&optimizer, model, NULL));
    assert_ok(context, cae_trainer_create(&plain, model, optimizer, data, NULL));
    assert_ok(context, cae_trainer_create(&noisy, model, optimizer, data, &o));
    assert_ok(context, cae_trainer_step(NULL, plain));
    before = model_bytes(model);
    assert_fails(context, CAE_ERR_NUMERIC, cae_trainer_step(NULL, noisy));
    assert_says(context, "image");
    after = model_bytes(model);
    assert_same_bytes(after, before, "noise beyond floats");
    bytes_free(&before), bytes_free(&after);
    cae_trainer_destroy(plain), cae_trainer_destroy(noisy), cae_optimizer_destroy(optimizer);
    cae_dataset_destroy(data), cae_model_destroy(model), cae_context_destroy(context);
}
END_TEST

/* --- Images that are hardly there --------------------------------------------------------------- */

static const struct {
    int height, width;
} slivers[] = {{1, 1}, {1, 2}, {1, 7}, {1, 40}, {40, 1}, {1, 300}, {2, 2}};

/* 1x1 kernels on images of one row, column or pixel: all there is to compute is w x + b, and a step's
 * gradient is that of a line. SSIM has no window and is NaN. */
START_TEST(slivers_train)
{
    enum { N = 10 };
    const int height = slivers[_i / 2].height, width = slivers[_i / 2].width, length = height * width;
    float *x = new_floats((size_t)(N * length)), *y = guarded_floats((size_t)(N * length)), weight, bias;
    cae_context_options options;
    cae_dataset_options as;
    cae_context *context;
    cae_dataset *data;
    cae_optimizer *optimizer;
    cae_trainer *trainer;
    cae_evaluation e;
    double gradient = 0;

    ck_assert_int_eq(cae_context_options_init(&options, sizeof options), CAE_OK);
    options.engine = _i % 2 ? CAE_ENGINE_DIRECT : CAE_ENGINE_GEMM;
    ck_assert_int_eq(cae_context_create(&context, &options), CAE_OK);
    cae_model *model = pointwise_model(context, 0.75f, 0.25f);
    random_floats(3, x, (size_t)(N * length), -1, 1);
    assert_ok(context, cae_model_forward(y, (size_t)(N * length), model, NULL, x, (size_t)(N * length), N,
                                         height, width));
    for (int i = 0; i < N * length; i++) {
        ck_assert_msg(fabsf(y[i] - (0.75f * x[i] + 0.25f)) < 1e-6f, "pixel %d", i);
        gradient += 2 * (0.25 - 0.25 * (double)x[i]) * (double)x[i] / (N * length);
    }
    guarded_finish(y, "slivers");
    assert_ok(context, cae_dataset_options_init(&as, sizeof as));
    as.type = CAE_TYPE_F32;
    assert_ok(context, cae_dataset_create(&data, context, x, (size_t)(N * length) * sizeof *x, N, 1, height,
                                          width, &as));
    assert_ok(context, cae_optimizer_create(&optimizer, model, NULL));
    assert_ok(context, cae_trainer_create(&trainer, model, optimizer, data, NULL));
    assert_ok(context, cae_trainer_step(NULL, trainer));
    assert_ok(context, cae_trainer_get_gradient(&weight, 1, trainer, "0.weight"));
    assert_ok(context, cae_trainer_get_gradient(&bias, 1, trainer, "0.bias"));
    ck_assert_msg(fabs((double)weight - gradient) < 1e-6, "%g, not %g", (double)weight, gradient);
    assert_ok(context, cae_evaluation_init(&e, sizeof e));
    assert_ok(context, cae_model_evaluate(&e, model, NULL, data, NULL));
    ck_assert(isfinite(e.mse) && isfinite(e.psnr) && isnan(e.ssim) && isnan(e.ssim_uniform7));
    cae_trainer_destroy(trainer), cae_optimizer_destroy(optimizer), cae_dataset_destroy(data);
    cae_model_destroy(model), cae_context_destroy(context);
    free(x);
}
END_TEST

/* SSIM of two constant images has no structure to compare: (2 a b + c1) / (a^2 + b^2 + c1). */
START_TEST(constant_images)
{
    enum { SIDE = 13 };
    cae_context *context = test_context();
    float a[SIDE * SIDE], b[SIDE * SIDE];
    const double c1 = 0.02 * 0.02;

    static const float levels[] = {0.0f, 1.0f, -1.0f, 0.3f, 1e-30f};
    for (int i = 0; i < COUNT(levels); i++)
        for (int j = 0; j < COUNT(levels); j++)
            for (int kind = 0; kind < 2; kind++) {
                const double u = (double)levels[i], v = (double)levels[j];
                double ssim, psnr;
                for (int k = 0; k < SIDE * SIDE; k++)
                    a[k] = levels[i], b[k] = levels[j];
                assert_ok(context, cae_ssim(&ssim, context, a, b, 1, SIDE, SIDE, 2, kind));
                assert_ok(context, cae_psnr(&psnr, context, a, b, SIDE * SIDE, 2));
                ck_assert_msg(fabs(ssim - (2 * u * v + c1) / (u * u + v * v + c1)) < 1e-9,
                              "%g and %g: %.15g", u, v, ssim);
                ck_assert(i == j ? psnr == HUGE_VAL : isfinite(psnr));
            }
    cae_context_destroy(context);
}
END_TEST

/* --- Calls as an attacker would make them ------------------------------------------------------- */

/* Silence would be a wrong result: inputs are read again after outputs have been written. */
START_TEST(outputs_that_overlap_inputs)
{
    enum { N = 9, LENGTH = 64, ALL = N * LENGTH };
    cae_context *context = test_context();
    cae_model *model = small_model(context, 1);
    float *x = new_floats(2 * ALL);

    random_floats(1, x, 2 * ALL, -1, 1);
    for (int shift = -ALL + 1; shift < ALL; shift += ALL - 1) {
        float *from = x + (shift < 0 ? ALL : 0), *to = from + shift;
        assert_fails(context, CAE_ERR_ARGUMENT,
                     cae_model_forward(to, ALL, model, NULL, from, ALL, N, 8, 8));
        assert_says(context, "overlaps");
    }
    assert_ok(context, cae_model_forward(x + ALL, ALL, model, NULL, x, ALL, N, 8, 8));
    assert_ok(context, cae_model_forward(x, ALL, model, NULL, x + ALL, ALL, N, 8, 8));
    free(x);
    cae_model_destroy(model);
    cae_context_destroy(context);
}
END_TEST

/* A buffer of one byte less is refused and not written to. */
START_TEST(a_buffer_of_one_byte_less)
{
    cae_context *context = test_context();
    cae_model *model = small_model(context, 1);

    for (int onnx = 0; onnx < 2; onnx++) {
        size_t size = 0;
        ck_assert_int_eq(onnx ? cae_model_export_onnx_memory(NULL, 0, &size, model, CAE_PART_WHOLE)
                              : cae_model_save_memory(NULL, 0, &size, model), CAE_OK);
        unsigned char *buffer = calloc(1, size); /* exactly: sanitizers see the byte beyond */
        const size_t needed = size;
        ck_assert_ptr_nonnull(buffer);
        ck_assert_int_eq(onnx ? cae_model_export_onnx_memory(buffer, size - 1, &size, model, CAE_PART_WHOLE)
                              : cae_model_save_memory(buffer, size - 1, &size, model), CAE_ERR_ARGUMENT);
        ck_assert_uint_eq(size, needed);
        for (size_t i = 0; i < size; i++)
            ck_assert(buffer[i] == 0);
        ck_assert_int_eq(onnx ? cae_model_export_onnx_memory(buffer, size, &size, model, CAE_PART_WHOLE)
                              : cae_model_save_memory(buffer, size, &size, model), CAE_OK);
        free(buffer);
    }
    cae_model_destroy(model);
    cae_context_destroy(context);
}
END_TEST

/* Every number as large as it goes: a status, at once, and no request for memory of that size. */
START_TEST(the_largest_numbers)
{
    struct heap heap = HEAP;
    cae_context *context = heap_context(&heap, 1);
    cae_model *model = small_model(context, 1);
    float x[64] = {0}, y[64];
    int32_t c, h, w;

    ck_assert(cae_context_set_threads(context, INT32_MAX) < 0);
    ck_assert(cae_context_set_threads(context, INT32_MIN) < 0);
    static const int32_t sides[] = {INT32_MAX, INT32_MAX - 1, 1 << 30, 65536, 46341};
    for (int i = 0; i < COUNT(sides); i++)
        for (int j = 0; j < COUNT(sides); j++) {
            cae_dataset *data = NULL;
            ck_assert(cae_model_forward(y, 64, model, NULL, x, 64, 1, sides[i], sides[j]) < 0);
            ck_assert(cae_model_forward(y, 64, model, NULL, x, 64, INT64_MAX, sides[i], sides[j]) < 0);
            ck_assert(cae_model_forward(y, SIZE_MAX, model, NULL, x, SIZE_MAX, INT64_MAX, sides[i],
                                        sides[j]) < 0);
            ck_assert(cae_model_output_shape(&c, &h, &w, model, NULL, CAE_PART_WHOLE, sides[i],
                                             sides[j]) <= 0);
            ck_assert(cae_dataset_create(&data, context, x, sizeof x, INT64_MAX, INT32_MAX, sides[i],
                                         sides[j], NULL) < 0);
            ck_assert(cae_dataset_create_dead_leaves(&data, context, INT64_MAX, 3, sides[i], sides[j], 1,
                                                     NULL) < 0);
            ck_assert_ptr_null(data);
        }
    ck_assert_uint_lt(heap.largest, 1 << 20);
    cae_model_destroy(model);
    cae_context_destroy(context);
    assert_balanced(&heap, "large numbers");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("trouble");
    TCase *environment = tcase_create("environment"), *denormal = tcase_create("denormal");
    TCase *values = tcase_create("values"), *calls = tcase_create("calls");

    tcase_set_timeout(environment, 60);
    tcase_add_unchecked_fixture(environment, directory_setup, directory_teardown);
    tcase_add_loop_test(environment, the_hosts_environment_is_its_own, 0, 6);
    tcase_add_test(environment, an_environment_that_changes_after_threads_have_started);
    tcase_add_test(environment, nonsense_is_no_trap);
    suite_add_tcase(suite, environment);

    tcase_set_timeout(denormal, 60);
    tcase_add_test(denormal, denormal_numbers_count_as_zero);
    tcase_add_loop_test(denormal, denormal_numbers_take_no_longer, 0, 4);
    tcase_add_loop_test(denormal, weights_that_fade, 0, 3);
    tcase_add_loop_test(denormal, the_smallest_options, 0, 2);
    suite_add_tcase(suite, denormal);

    tcase_add_unchecked_fixture(values, directory_setup, directory_teardown);
    tcase_add_loop_test(values, a_run_that_explodes, 0, 4 * COUNT(explosions));
    tcase_add_loop_test(values, one_strange_value, 0, 2 * COUNT(strange_values));
    tcase_add_test(values, noise_that_is_not_finite);
    tcase_add_loop_test(values, slivers_train, 0, 2 * COUNT(slivers));
    tcase_add_test(values, constant_images);
    suite_add_tcase(suite, values);

    tcase_add_test(calls, outputs_that_overlap_inputs);
    tcase_add_test(calls, a_buffer_of_one_byte_less);
    tcase_add_test(calls, the_largest_numbers);
    suite_add_tcase(suite, calls);
    return test_main(suite);
}
