/* test_boundaries.c - the last value that is taken and the first that is not, and error paths that no
 * ordinary use comes to. */
#include "../api/fixture.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "../../lib/base/base.h"
#include "../../lib/formats/architecture.h"
#include "../../lib/formats/model_file.h"
#include "../../lib/random/random.h"

/* --- The ground floor ------------------------------------------------------------------------------- */

START_TEST(products_of_sizes)
{
    size_t product = 7;
    ck_assert(cae__multiply(&product, 0, SIZE_MAX) && product == 0);
    ck_assert(cae__multiply(&product, SIZE_MAX, 0) && product == 0);
    ck_assert(cae__multiply(&product, 1, SIZE_MAX) && product == SIZE_MAX);
    ck_assert(cae__multiply(&product, SIZE_MAX / 2, 2) && product == SIZE_MAX - 1);
    ck_assert(!cae__multiply(&product, SIZE_MAX / 2 + 1, 2));
    ck_assert(!cae__multiply(&product, SIZE_MAX, 2));
    ck_assert(!cae__multiply(&product, SIZE_MAX, SIZE_MAX));
}
END_TEST

START_TEST(blocks_begin_on_a_cache_line)
{
    void *blocks[64];
    for (int i = 0; i < COUNT(blocks); i++) {
        blocks[i] = cae__alloc(context, (size_t)i + 1, 3);
        ck_assert_ptr_nonnull(blocks[i]);
        ck_assert_uint_eq((uintptr_t)blocks[i] % 64, 0);
        memset(blocks[i], 0xff, 3 * ((size_t)i + 1));
    }
    for (int i = 0; i < COUNT(blocks); i++)
        cae__free(context, blocks[i]);
}
END_TEST

/* Refused before the allocator hears of it. */
START_TEST(more_than_there_can_be)
{
    const long before = atomic_load(&heap.requests);
    ck_assert_ptr_null(cae__alloc(context, SIZE_MAX, 2));
    ck_assert_ptr_null(cae__alloc(context, 1, SIZE_MAX));
    ck_assert_ptr_null(cae__alloc(context, 1, SIZE_MAX - 127));
    assert_fails(context, CAE_ERR_MEMORY, cae__scratch_reserve(context, 1, UINT64_MAX));
    assert_fails(context, CAE_ERR_MEMORY, cae__scratch_reserve(context, 1, SIZE_MAX / 2 + (uint64_t)1));
    ck_assert_int_eq(atomic_load(&heap.requests), before);
    ck_assert_ptr_null(cae__alloc(context, 1, SIZE_MAX - 128)); /* the allocator's own no */
    ck_assert_int_eq(atomic_load(&heap.requests), before + 1);
}
END_TEST

START_TEST(without_a_context)
{
    ck_assert_int_eq(cae__fail_system(NULL, EIO, "nobody hears %s", "this"), CAE_ERR_IO);
    ck_assert_int_eq(cae__fail(NULL, CAE_ERR_SHAPE, "nor this"), CAE_ERR_SHAPE);
    cae__log(NULL, CAE_LOG_WARNING, "nor this");
    cae__log(context, CAE_LOG_WARNING, "nor, without a log, this");
    ck_assert_int_eq(cae_context_cpu(NULL), CAE_CPU_AUTO);
    ck_assert_uint_eq(cae_abi_version(), CAE_ABI_VERSION);
}
END_TEST

enum { WORKERS = 4 };

struct masks {
    atomic_int arrived;
    sigset_t mask[WORKERS];
    bool asked[WORKERS];
};

/* Each waits for the others, so that no worker takes two. */
static void look_at_mask(void *job, int64_t index, int worker)
{
    struct masks *masks = job;
    (void)index;
    masks->asked[worker] = pthread_sigmask(SIG_SETMASK, NULL, &masks->mask[worker]) == 0;
    atomic_fetch_add(&masks->arrived, 1);
    for (int i = 0; i < 20000 && atomic_load(&masks->arrived) < WORKERS; i++)
        usleep(1000);
}

/* The host's handlers run on the host's threads; a fault belongs to the thread that made it. */
START_TEST(workers_leave_signals_to_the_host)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    static const int others[] = {SIGINT, SIGTERM, SIGHUP, SIGALRM, SIGUSR1, SIGCHLD, SIGPIPE, SIGPROF};
    struct masks masks = {.arrived = 0};
    sigset_t before, after;
    assert_ok(context, cae_context_set_threads(context, WORKERS));
    ck_assert_int_eq(pthread_sigmask(SIG_SETMASK, NULL, &before), 0);
    cae__parallel(context, WORKERS, look_at_mask, &masks);
    ck_assert_int_eq(pthread_sigmask(SIG_SETMASK, NULL, &after), 0);
    for (int worker = 0; worker < WORKERS; worker++) {
        ck_assert(masks.asked[worker]);
        for (int i = 0; i < COUNT(faults); i++)
            ck_assert_int_eq(sigismember(&masks.mask[worker], faults[i]), 0);
        for (int i = 0; i < COUNT(others); i++) {
            ck_assert_int_eq(sigismember(&masks.mask[worker], others[i]),
                             worker ? 1 : sigismember(&before, others[i]));
            ck_assert_int_eq(sigismember(&after, others[i]), sigismember(&before, others[i]));
        }
    }
}
END_TEST

/* --- Random numbers --------------------------------------------------------------------------------- */

/* All 64 bits of a seed, an image and an epoch count. */
START_TEST(upper_halves_count)
{
    struct cae__stream a, b, c;
    cae__stream_init(&a, 5, CAE__FOR_INIT, 9);
    cae__stream_init(&b, 5 | (uint64_t)1 << 32, CAE__FOR_INIT, 9);
    cae__stream_init(&c, 5, CAE__FOR_INIT, 9 | (uint64_t)1 << 32);
    const uint32_t words[] = {cae__stream_next(&a), cae__stream_next(&b), cae__stream_next(&c)};
    ck_assert(words[0] != words[1] && words[1] != words[2] && words[0] != words[2]);

    int same_epoch = 0, same_seed = 0;
    for (uint64_t i = 0; i < 1000; i++) {
        const uint64_t at = cae__permute(i, 1000, 5, 9);
        same_epoch += at == cae__permute(i, 1000, 5, 9 | (uint64_t)1 << 32);
        same_seed += at == cae__permute(i, 1000, 5 | (uint64_t)1 << 32, 9);
    }
    ck_assert_int_lt(same_epoch, 20); /* one is expected */
    ck_assert_int_lt(same_seed, 20);
}
END_TEST

/* More images than memory holds, where the two halves of an index have 31 bits. */
START_TEST(the_largest_permutation)
{
    const uint64_t count = (uint64_t)1 << 62;
    for (uint64_t i = 0; i < 100; i++) {
        const uint64_t at = cae__permute(count - 1 - i, count, 1, 1);
        ck_assert(at < count);
        for (uint64_t j = 0; j < i; j++)
            ck_assert(at != cae__permute(count - 1 - j, count, 1, 1));
    }
}
END_TEST

/* --- Networks --------------------------------------------------------------------------------------- */

static cae_model *one_layer_of(cae_context *own, bool transposed, int in, int out,
                               const cae_conv_options *o)
{
    cae_spec *spec = NULL;
    cae_model *model = NULL;
    assert_ok(own, cae_spec_create(&spec, own));
    assert_ok(own, (transposed ? cae_spec_add_conv_transpose : cae_spec_add_conv)(spec, in, out, o));
    assert_ok(own, cae_model_create(&model, own, spec, 3));
    cae_spec_destroy(spec);
    return model;
}

static cae_model *one_layer(cae_context *own, bool transposed, int channels, const cae_conv_options *o)
{
    return one_layer_of(own, transposed, channels, channels, o);
}

/* 2^31 - 1 values or 2^30 a side, and not one more. */
START_TEST(images_of_the_largest_size)
{
    static const struct {
        int32_t height, width;
        bool fits;
    } cases[] = {{1, 1 << 30, true},          {1 << 30, 1, true},
                 {1, (1 << 30) + 1, false},   {(1 << 30) + 1, 1, false},
                 {2, 1073741823, true},       {2, 1073741824, false},
                 {46340, 46341, true},        {46341, 46341, false},
                 {65536, 32768, false},       {INT32_MAX, 1, false},
                 {INT32_MAX, INT32_MAX, false}};
    cae_model *model = pointwise_model(context, 1, 0);
    for (int i = 0; i < COUNT(cases); i++)
        ck_assert_int_eq(cae_model_output_shape(NULL, NULL, NULL, model, NULL, CAE_PART_WHOLE,
                                                cases[i].height, cases[i].width),
                         cases[i].fits ? CAE_OK : CAE_ERR_SHAPE);
    cae_model_destroy(model);

    /* channels count, too: three of them, which 2^31 - 1 does not divide by */
    cae_conv_options o;
    assert_ok(context, cae_conv_options_init(&o, sizeof o));
    o.kernel_h = o.kernel_w = 1;
    model = one_layer(context, false, 3, &o);
    assert_ok(context, cae_model_output_shape(NULL, NULL, NULL, model, NULL, CAE_PART_WHOLE, 1,
                                              INT32_MAX / 3));
    assert_fails(context, CAE_ERR_SHAPE,
                 cae_model_output_shape(NULL, NULL, NULL, model, NULL, CAE_PART_WHOLE, 1,
                                        INT32_MAX / 3 + 1));
    cae_model_destroy(model);

    /* outputs beyond 2^30 pixels, in one direction and in both */
    o.stride_h = 65535, o.stride_w = 1;
    model = one_layer(context, true, 1, &o);
    assert_ok(context, cae_model_output_shape(NULL, NULL, NULL, model, NULL, CAE_PART_WHOLE, 16385, 1));
    assert_fails(context, CAE_ERR_SHAPE,
                 cae_model_output_shape(NULL, NULL, NULL, model, NULL, CAE_PART_WHOLE, 16386, 1));
    cae_model_destroy(model);
    o.stride_h = 1, o.stride_w = 65535;
    model = one_layer(context, true, 1, &o);
    assert_ok(context, cae_model_output_shape(NULL, NULL, NULL, model, NULL, CAE_PART_WHOLE, 1, 16385));
    assert_fails(context, CAE_ERR_SHAPE,
                 cae_model_output_shape(NULL, NULL, NULL, model, NULL, CAE_PART_WHOLE, 1, 32770));
    cae_model_destroy(model);

    /* Eight side by side pass it, one does not: the images are then run one by one, and what is refused is
     * the array of no values. */
    static const struct {
        int32_t channels, height, width;
    } many[] = {{1, 1, 1 << 30}, {4200, 256, 256}};
    for (int i = 0; i < COUNT(many); i++) {
        assert_ok(context, cae_conv_options_init(&o, sizeof o));
        o.kernel_h = o.kernel_w = 1;
        model = one_layer_of(context, false, 1, many[i].channels, &o);
        assert_fails(context, CAE_ERR_SHAPE, cae_model_forward(NULL, 0, model, NULL, NULL, 0, 8,
                                                               many[i].height, many[i].width));
        assert_says(context, "the input has 0 values, expected 8 x 1x");
        cae_model_destroy(model);
    }
}
END_TEST

/* The context of a call hears of its failure, not the model's. */
START_TEST(shapes_asked_of_another_context)
{
    cae_context *other = heap_context(&heap, 1);
    cae_model *model = small_model(context, 1);
    int32_t channels = -1, height = -1, width = -1;
    assert_ok(other, cae_model_output_shape(&channels, &height, &width, model, other, CAE_PART_ENCODER,
                                            8, 9));
    ck_assert(channels == 2 && height == 6 && width == 7);
    assert_fails(other, CAE_ERR_SHAPE,
                 cae_model_output_shape(NULL, NULL, NULL, model, other, CAE_PART_WHOLE, 2, 9));
    assert_fails(other, CAE_ERR_ARGUMENT, cae_model_channels(NULL, NULL, model, other, 9));
    assert_says(other, "part is 9");
    ck_assert_str_eq(cae_context_error(context), "");
    assert_fails(context, CAE_ERR_ARGUMENT, cae_model_channels(NULL, NULL, model, NULL, 7));
    assert_says(context, "part is 7");
    assert_says(other, "part is 9");
    cae_model_destroy(model);
    cae_context_destroy(other);
}
END_TEST

/* One step of training a layer of so many channels on images of side x side: the loss, the gradient of the
 * weights and the outputs before it, by one engine. */
static void step_with(int32_t engine, bool transposed, int channels, const cae_conv_options *o, int side,
                      int images, float *y, size_t y_count, float *gradient, size_t gradient_count)
{
    cae_context_options options = heap_options(&heap, 1);
    cae_context *own = NULL;
    options.engine = engine;
    assert_ok(NULL, cae_context_create(&own, &options));
    cae_model *model = one_layer(own, transposed, channels, o);
    cae_optimizer *optimizer = NULL;
    cae_trainer *trainer = NULL;
    cae_dataset *dataset = NULL;
    cae_dataset_options floats;
    const size_t count = (size_t)(images * channels * side * side);
    float *x = new_floats(count);
    random_floats(4, x, count, -1, 1);
    assert_ok(own, cae_model_forward(y, y_count, model, own, x, count, images, side, side));
    assert_ok(own, cae_dataset_options_init(&floats, sizeof floats));
    floats.type = CAE_TYPE_F32;
    assert_ok(own, cae_dataset_create(&dataset, own, x, count * sizeof *x, images, channels, side, side,
                                      &floats));
    assert_ok(own, cae_optimizer_create(&optimizer, model, NULL));
    assert_ok(own, cae_trainer_create(&trainer, model, optimizer, dataset, NULL));
    assert_ok(own, cae_trainer_step(NULL, trainer));
    assert_ok(own, cae_trainer_get_gradient(gradient, gradient_count, trainer, "0.weight"));
    cae_trainer_destroy(trainer);
    cae_optimizer_destroy(optimizer);
    cae_dataset_destroy(dataset);
    cae_model_destroy(model);
    cae_context_destroy(own);
    free(x);
}

static const struct {
    int channels, kernel, padding, dilation, side, images;
} unusual[] = {
    {160, 3, 1, 1, 4, 8},  /* a product of 16 floats would pass the limit of one thread */
    {32, 3, 8, 8, 5, 8},   /* taps that meet no pixel at all, product by product */
    {33, 3, 8, 8, 17, 1},  /* and some that do */
    {1, 131, 65, 1, 9, 2}, /* a column longer than a tile may be */
    {2, 93, 46, 1, 8, 8},
};

/* Both engines come to the same, where products are cut in unusual ways. */
START_TEST(engines_agree_on_unusual_shapes)
{
    const bool transposed = _i % 2;
    const int n = _i / 2;
    cae_conv_options o;
    assert_ok(context, cae_conv_options_init(&o, sizeof o));
    o.kernel_h = o.kernel_w = unusual[n].kernel;
    o.padding_h = o.padding_w = unusual[n].padding;
    o.dilation_h = o.dilation_w = unusual[n].dilation;
    const int channels = unusual[n].channels, side = unusual[n].side, images = unusual[n].images;
    const size_t y_count = (size_t)(images * channels * side * side);
    const size_t weights = (size_t)(channels * channels * o.kernel_h * o.kernel_w);
    float *y[2], *gradient[2];
    for (int i = 0; i < 2; i++) {
        y[i] = guarded_floats(y_count);
        gradient[i] = guarded_floats(weights);
        step_with(i ? CAE_ENGINE_DIRECT : CAE_ENGINE_GEMM, transposed, channels, &o, side, images, y[i],
                  y_count, gradient[i], weights);
    }
    /* sums of up to 17,000 products in two orders */
    ck_assert(relative_error(y[0], y[1], y_count) < 1e-5);
    ck_assert(relative_error(gradient[0], gradient[1], weights) < 1e-5);
    for (int i = 0; i < 2; i++) {
        guarded_finish(y[i], "output");
        guarded_finish(gradient[i], "gradient");
    }
}
END_TEST

/* A network that gives images their own shape back: some layers, then the same ones transposed. */
static cae_spec *there_and_back(cae_context *own, uint64_t seed)
{
    enum { PAIRS = 2 };
    cae_conv_options o[PAIRS];
    int channels[PAIRS + 1];
    cae_spec *spec = NULL;
    bool transposed[PAIRS];
    uint64_t state = seed;
    assert_ok(own, cae_spec_create(&spec, own));
    channels[0] = 1 + (int)random_below(&state, 3);
    for (int i = 0; i < PAIRS; i++) {
        channels[i + 1] = 1 + (int)random_below(&state, 8);
        assert_ok(own, cae_conv_options_init(&o[i], sizeof o[i]));
        o[i].kernel_h = 1 + (int)random_below(&state, 4), o[i].kernel_w = 1 + (int)random_below(&state, 5);
        o[i].padding_h = (int)random_below(&state, 3), o[i].padding_w = (int)random_below(&state, 4);
        o[i].dilation_h = 1 + (int)random_below(&state, 2), o[i].dilation_w = 1 + (int)random_below(&state, 2);
        if (random_below(&state, 3) == 0) { /* far wider than the image: a copy with zeros is not modest */
            o[i].padding_w = 10 + (int)random_below(&state, 12);
            o[i].kernel_w = 2 * o[i].padding_w + 1;
            o[i].dilation_w = 1;
        }
        o[i].activation = (int)random_below(&state, 5), o[i].slope = 0.25;
        o[i].bias = random_below(&state, 4) != 0;
        transposed[i] = random_below(&state, 3) == 0;
    }
    for (int i = 0; i < 2 * PAIRS; i++) {
        const int k = i < PAIRS ? i : 2 * PAIRS - 1 - i;
        const int in = channels[i < PAIRS ? k : k + 1], out = channels[i < PAIRS ? k + 1 : k];
        assert_ok(own, (transposed[k] == (i < PAIRS) ? cae_spec_add_conv_transpose
                                                     : cae_spec_add_conv)(spec, in, out, &o[k]));
    }
    return spec;
}

enum { NETWORKS = 400, MOST_WEIGHTS = 65536, MOST_VALUES = 3 * 9 * 17 * 17 };

/* All gradients of one step, one after the other, and the outputs before it; false where the kernels do
 * not fit the images. */
static bool step_of_network(int32_t engine, int n, float *gradients, size_t *weights, float *y, size_t *values)
{
    uint64_t state = (uint64_t)n + 1000;
    const int side = 3 + (int)random_below(&state, 15), images = n % 2 ? 9 : 1;
    cae_context_options options = heap_options(&heap, 1);
    cae_context *own = NULL;
    cae_model *model = NULL;
    cae_optimizer *optimizer = NULL;
    cae_trainer *trainer = NULL;
    cae_dataset *dataset = NULL;
    cae_dataset_options floats;
    int32_t channels;
    options.engine = engine;
    assert_ok(NULL, cae_context_create(&own, &options));
    cae_spec *spec = there_and_back(own, (uint64_t)n);
    assert_ok(own, cae_model_create(&model, own, spec, 3));
    assert_ok(own, cae_model_channels(&channels, NULL, model, NULL, CAE_PART_WHOLE));
    *values = (size_t)(images * channels * side * side);
    ck_assert_uint_le(*values, MOST_VALUES);
    float *x = new_floats(*values);
    random_floats(4, x, *values, -1, 1);
    const bool fits = cae_model_output_shape(NULL, NULL, NULL, model, NULL, CAE_PART_WHOLE, side, side) == CAE_OK;
    *weights = 0;
    if (fits) {
        assert_ok(own, cae_model_forward(y, *values, model, own, x, *values, images, side, side));
        assert_ok(own, cae_dataset_options_init(&floats, sizeof floats));
        floats.type = CAE_TYPE_F32;
        assert_ok(own, cae_dataset_create(&dataset, own, x, *values * sizeof *x, images, channels, side,
                                          side, &floats));
        assert_ok(own, cae_optimizer_create(&optimizer, model, NULL));
        assert_ok(own, cae_trainer_create(&trainer, model, optimizer, dataset, NULL));
        assert_ok(own, cae_trainer_step(NULL, trainer));
        for (int i = 0; i < cae_model_tensor_count(model); i++) {
            const char *name = cae_model_tensor_name(model, i);
            int64_t shape[4];
            assert_ok(own, cae_model_tensor_shape(shape, NULL, model, name));
            const size_t count = (size_t)(shape[0] * shape[1] * shape[2] * shape[3]);
            ck_assert_uint_le(*weights + count, MOST_WEIGHTS);
            assert_ok(own, cae_trainer_get_gradient(gradients + *weights, count, trainer, name));
            *weights += count;
        }
    }
    cae_trainer_destroy(trainer);
    cae_optimizer_destroy(optimizer);
    cae_dataset_destroy(dataset);
    cae_model_destroy(model);
    cae_spec_destroy(spec);
    cae_context_destroy(own);
    free(x);
    return fits;
}

/* Layers of both engines beside each other: `auto` mixes them where rows are short. Each network gives what
 * matrix products alone give. */
START_TEST(networks_of_all_kinds_agree)
{
    static float gradients[2][MOST_WEIGHTS], y[2][MOST_VALUES];
    size_t weights, values;
    const int networks = test_quick() ? NETWORKS / 8 : NETWORKS;
    int ran = 0;
    for (int n = 0; n < networks; n++) {
        if (!step_of_network(CAE_ENGINE_GEMM, n, gradients[0], &weights, y[0], &values))
            continue;
        ran++;
        for (int32_t engine = CAE_ENGINE_AUTO; engine <= CAE_ENGINE_DIRECT; engine += CAE_ENGINE_DIRECT) {
            ck_assert(step_of_network(engine, n, gradients[1], &weights, y[1], &values));
            char what[64];
            snprintf(what, sizeof what, "network %d, engine %d", n, (int)engine);
            /* sums of some hundred products in another order, which may cancel: what is summed is below 1 */
            assert_close(y[1], y[0], values, 1e-5, 1e-6, what);
            assert_close(gradients[1], gradients[0], weights, 1e-4, 1e-6, what);
        }
    }
    ck_assert_int_ge(ran, networks / 2);
}
END_TEST

/* What is not a number comes out as none: no activation, engine or width makes a number of it. */
START_TEST(nan_stays_nan)
{
    for (int i = 0; i < 2 * 2 * 2 * 5; i++) {
        const int side = i & 1 ? 24 : 3, images = i & 4 ? 9 : 1;
        const size_t count = (size_t)(images * side * side);
        cae_context_options options = heap_options(&heap, 1);
        cae_context *own = NULL;
        cae_conv_options o;
        float *x = new_floats(count), *y = new_floats(count);
        options.engine = i & 2 ? CAE_ENGINE_DIRECT : CAE_ENGINE_GEMM;
        assert_ok(NULL, cae_context_create(&own, &options));
        assert_ok(own, cae_conv_options_init(&o, sizeof o));
        o.padding_h = o.padding_w = 1;
        o.activation = i >> 3;
        cae_model *model = one_layer(own, false, 1, &o);
        for (size_t k = 0; k < count; k++)
            x[k] = NAN;
        assert_ok(own, cae_model_forward(y, count, model, own, x, count, images, side, side));
        for (size_t k = 0; k < count; k++)
            ck_assert_msg(isnan(y[k]), "activation %d, case %d: value %d is %g", i >> 3, i & 7, (int)k,
                          (double)y[k]);
        cae_model_destroy(model);
        cae_context_destroy(own);
        free(x);
        free(y);
    }
}
END_TEST

/* An image of several rows and columns of tiles: around every pixel it is what a piece of it gives that is
 * small enough to be run whole. A pixel of the output sees two pixels of the input to each side. */
START_TEST(tiles_in_rows_and_columns)
{
    enum { HEIGHT = 150, WIDTH = 2300, VALUES = HEIGHT * WIDTH, SIDE = 60, SEEN = 2 };
    static const int32_t engines[] = {CAE_ENGINE_GEMM, CAE_ENGINE_DIRECT};
    float *x = new_floats(VALUES), *y = new_floats(VALUES);
    static float piece[SIDE * SIDE], out[SIDE * SIDE];
    random_floats(5, x, VALUES, -1, 1);
    for (int i = 0; i < COUNT(engines); i++) {
        cae_context_options options = heap_options(&heap, 3);
        cae_context *own = NULL;
        options.engine = engines[i];
        assert_ok(NULL, cae_context_create(&own, &options));
        cae_model *model = small_model(own, 1);
        assert_ok(own, cae_model_forward(y, VALUES, model, own, x, VALUES, 1, HEIGHT, WIDTH));
        for (int top = 0; top < HEIGHT - 2 * SEEN; top += SIDE - 2 * SEEN)
            for (int left = 0; left < WIDTH - 2 * SEEN; left += SIDE - 2 * SEEN) {
                const int h = HEIGHT - top < SIDE ? HEIGHT - top : SIDE;
                const int w = WIDTH - left < SIDE ? WIDTH - left : SIDE;
                for (int r = 0; r < h; r++)
                    memcpy(piece + r * w, x + (top + r) * WIDTH + left, (size_t)w * sizeof *x);
                assert_ok(own, cae_model_forward(out, (size_t)(h * w), model, own, piece, (size_t)(h * w),
                                                 1, h, w));
                for (int r = top ? SEEN : 0; r < (top + h < HEIGHT ? h - SEEN : h); r++)
                    for (int c = left ? SEEN : 0; c < (left + w < WIDTH ? w - SEEN : w); c++)
                        ck_assert_msg(fabsf(out[r * w + c] - y[(top + r) * WIDTH + left + c]) < 1e-6f,
                                      "engine %d, row %d, column %d: %g, expected %g", (int)engines[i],
                                      top + r, left + c, (double)y[(top + r) * WIDTH + left + c],
                                      (double)out[r * w + c]);
            }
        cae_model_destroy(model);
        cae_context_destroy(own);
    }
    free(x);
    free(y);
}
END_TEST

/* Each allocation that a large image asks for fails once. */
START_TEST(a_large_image_without_memory)
{
    enum { SIDE = 264, VALUES = SIDE * SIDE };
    cae_model *model = small_model(context, 1);
    float *x = new_floats(VALUES), *y = new_floats(VALUES), *expected = new_floats(VALUES);
    random_floats(2, x, VALUES, -1, 1);
    cae_context *first = heap_context(&heap, 2);
    assert_ok(first, cae_model_forward(expected, VALUES, model, first, x, VALUES, 1, SIDE, SIDE));
    cae_context_destroy(first);
    int failures = 0;
    for (bool failed = true; failed;) {
        cae_context *own = heap_context(&heap, 2);
        const long blocks = atomic_load(&heap.blocks);
        heap_fail(&heap, failures, false);
        const cae_status status =
            cae_model_forward(y, VALUES, model, own, x, VALUES, 1, SIDE, SIDE);
        failed = heap_failed(&heap);
        heap_fail(&heap, -1, false);
        if (status != CAE_OK)
            ck_assert_int_eq(status, CAE_ERR_MEMORY);
        else
            ck_assert_mem_eq(y, expected, VALUES * sizeof *y);
        ck_assert(failed || status == CAE_OK);
        failures += failed;
        (void)blocks;
        cae_context_destroy(own);
    }
    ck_assert_int_ge(failures, 6);
    free(x);
    free(y);
    free(expected);
    cae_model_destroy(model);
}
END_TEST

/* --- Files ------------------------------------------------------------------------------------------ */

struct variation {
    const char *what;
    bool transposed;
    int channels;
    size_t field; /* of cae_conv_options */
    int32_t value;
};

#define FIELD(name, value) {#name, false, 2, offsetof(cae_conv_options, name), value}

/* Whatever distinguishes two layers distinguishes two architectures, though the tensors be the same. */
static const struct variation variations[] = {
    {"nothing", true, 2, 0, 0},
    {"transposed", false, 2, 0, 0},
    {"channels", true, 3, 0, 0},
    FIELD(kernel_h, 4), FIELD(kernel_w, 4), FIELD(stride_h, 2), FIELD(stride_w, 2), FIELD(padding_h, 2),
    FIELD(padding_w, 2), FIELD(dilation_h, 4), FIELD(dilation_w, 4), FIELD(output_padding_h, 1),
    FIELD(output_padding_w, 1), FIELD(bias, 0), FIELD(activation, CAE_ACTIVATION_TANH),
};

static cae_model *varied(const struct variation *v, double slope, int layers, int encoder)
{
    cae_conv_options o;
    cae_spec *spec = NULL;
    cae_model *model = NULL;
    assert_ok(context, cae_conv_options_init(&o, sizeof o));
    o.padding_h = o.padding_w = 1;
    o.dilation_h = o.dilation_w = 3;
    o.activation = CAE_ACTIVATION_LEAKY_RELU;
    o.slope = slope;
    if (v && v->field)
        memcpy((char *)&o + v->field, &v->value, sizeof v->value);
    const bool transposed = !v || v->field || v->transposed;
    const int channels = v ? v->channels : 2;
    assert_ok(context, cae_spec_create(&spec, context));
    for (int i = 0; i < layers; i++) {
        assert_ok(context, (transposed ? cae_spec_add_conv_transpose : cae_spec_add_conv)(
                               spec, channels, channels, &o));
        if (i + 1 == encoder)
            assert_ok(context, cae_spec_end_encoder(spec));
    }
    assert_ok(context, cae_model_create(&model, context, spec, 1));
    cae_spec_destroy(spec);
    return model;
}

static void assert_same(const cae_model *model, cae_model *other, bool same)
{
    static unsigned char data[65536];
    struct cae__safetensors file;
    size_t size;
    assert_ok(context, cae_model_save_memory(data, sizeof data, &size, other));
    assert_ok(context, cae__safetensors_open(&file, context, data, size));
    if (same) {
        assert_ok(context, cae__model_same_architecture(model, &file));
    } else {
        assert_fails(context, CAE_ERR_FORMAT, cae__model_same_architecture(model, &file));
        assert_says(context, "another architecture");
    }
    cae__safetensors_close(&file, context);
    cae_model_destroy(other);
}

START_TEST(architectures_that_differ_in_one_thing)
{
    const struct variation *v = &variations[_i];
    cae_model *model = varied(NULL, 0.01, 2, 1);
    assert_same(model, varied(v, 0.01, 2, 1), _i == 0);
    cae_model_destroy(model);
}
END_TEST

START_TEST(architectures_that_differ_elsewhere)
{
    cae_model *model = varied(NULL, 0.01, 2, 1);
    assert_same(model, varied(NULL, 0.01, 2, 1), true);
    assert_same(model, varied(NULL, 0.02, 2, 1), false);
    assert_same(model, varied(NULL, 0.01, 3, 1), false);
    assert_same(model, varied(NULL, 0.01, 1, 1), false);
    assert_same(model, varied(NULL, 0.01, 2, 2), false);
    cae_model_destroy(model);
}
END_TEST

/* A sound description with one text, which is in it once, replaced by another: refused, or not. */
static void assert_architecture(const char *from, const char *to, const char *says)
{
    static const char sound[] =
        "{\"version\":1,\"encoder_layers\":1,\"layers\":[{\"type\":\"conv_transpose\",\"in\":3,\"out\":4,"
        "\"kernel\":[5,6],\"stride\":[7,8],\"padding\":[9,10],\"dilation\":[11,12],"
        "\"output_padding\":[0,2],\"bias\":true,\"activation\":\"leaky_relu\",\"slope_bits\":13}]}";
    char text[2 * sizeof sound];
    const char *at = strstr(sound, from);
    cae_spec *spec = NULL;
    ck_assert(at && !strstr(at + 1, from));
    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - sound), sound, to, at + strlen(from));
    const cae_status status = cae__architecture_read(&spec, context, text);
    if (says) {
        ck_assert_msg(status == CAE_ERR_FORMAT, "%s gave %d", text, status);
        assert_says(context, says);
        ck_assert_ptr_null(spec);
    } else {
        ck_assert_msg(status == CAE_OK, "%s: %s", text, cae_context_error(context));
        cae_spec_destroy(spec);
    }
}

START_TEST(descriptions_at_their_limits)
{
    static const char *const pairs[] = {"\"kernel\":[5,6]", "\"stride\":[7,8]", "\"padding\":[9,10]",
                                        "\"dilation\":[11,12]", "\"output_padding\":[0,2]"};
    static const char *const wrong[][2] = {
        {"[-1,1]", "out of range"},        {"[1,-1]", "out of range"},
        {"[2147483648,1]", "out of range"}, {"[1,2147483648]", "out of range"},
        {"[4294967297,1]", "out of range"}, {"[1,4294967297]", "out of range"},
        {"[\"1\",1]", "not what it should be"}, {"[1,\"1\"]", "not what it should be"},
        {"[1]", "not what it should be"},  {"[1,1,1]", "not what it should be"},
        {"[]", "not what it should be"},   {"1", "not what it should be"},
        {"null", "not what it should be"}};
    assert_architecture("\"version\":1", "\"version\":1", NULL);
    for (int i = 0; i < COUNT(pairs); i++)
        for (int k = 0; k < COUNT(wrong); k++) {
            char to[64];
            snprintf(to, sizeof to, "%.*s%s", (int)(strchr(pairs[i], '[') - pairs[i]), pairs[i],
                     wrong[k][0]);
            assert_architecture(pairs[i], to, wrong[k][1]);
        }
    static const char *const others[][3] = {
        {"\"in\":3", "\"in\":-3", "out of range"},
        {"\"in\":3", "\"in\":4294967299", "out of range"},
        {"\"out\":4", "\"out\":4294967300", "out of range"},
        {"\"out\":4", "\"out\":0", "out_channels is 0"},
        {"\"slope_bits\":13", "\"slope_bits\":4294967296", "out of range"},
        {"\"slope_bits\":13", "\"slope_bits\":4294967295", "slope is"},
        {"\"slope_bits\":13", "\"slope_bits\":-1", "goes with leaky_relu"},
        {",\"slope_bits\":13", "", "goes with leaky_relu"},
        {"leaky_relu", "relu", "goes with leaky_relu"},
        {"leaky_relu", "gelu", "unknown activation \"gelu\""},
        {"conv_transpose", "convt", "type \"convt\""},
        {"conv_transpose", "conv", "output padding belongs"},
        {"\"bias\":true", "\"bias\":1", "not what it should be"},
        {"\"bias\":true", "\"bias\":true,\"groups\":1", "1 members that this version"},
        {"\"encoder_layers\":1", "\"encoder_layers\":0", "an encoder of 0"},
        {"\"encoder_layers\":1", "\"encoder_layers\":2", "an encoder of 2"},
        {"\"encoder_layers\":1", "\"encoder_layers\":4294967297", "an encoder of 4294967297"},
        {"\"version\":1", "\"version\":0", "version 0"},
        {"\"version\":1", "\"version\":3", "is of version 3"},
        {"\"version\":1", "\"version\":2", "version 2"}, /* that of residual models only */
        {"\"version\":1", "\"version\":\"1\"", "not what it should be"},
        {"\"version\":1,", "", "\"version\" is missing"},
        {"[{", "[7,{", "layer 0: not an object"},
        {"}]}", "},{}]}", "layer 1: \"type\" is missing"},
        {"[{", "{\"a\":[{", ""},
    };
    for (int i = 0; i < COUNT(others); i++)
        assert_architecture(others[i][0], others[i][1], others[i][2]);
    cae_spec *spec = NULL;
    assert_fails(context, CAE_ERR_FORMAT,
                 cae__architecture_read(&spec, context, "{\"version\":1,\"encoder_layers\":1,\"layers\":[]}"));
    assert_says(context, "0 layers");
    assert_fails(context, CAE_ERR_FORMAT, cae__architecture_read(&spec, context, "[]"));
    assert_says(context, "not a JSON object");
}
END_TEST

/* Opened: the status, and the text when it is not CAE_OK. */
static void assert_header(const char *header, size_t values, const char *says)
{
    static const unsigned char zeros[256];
    const struct bytes file = safetensors(header, strlen(header), zeros, values);
    struct cae__safetensors opened;
    if (!says) {
        assert_ok(context, cae__safetensors_open(&opened, context, file.data, file.size));
        cae__safetensors_close(&opened, context);
    } else {
        assert_fails(context, CAE_ERR_FORMAT,
                     cae__safetensors_open(&opened, context, file.data, file.size));
        assert_says(context, says);
    }
    free(file.data);
}

START_TEST(headers_at_their_limits)
{
    assert_header("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, NULL);
    assert_header("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 5, "cut off or extended");
    assert_header("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,\"4\"]}}", 4, "two data_offsets");
    assert_header("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[\"0\",4]}}", 4, "two data_offsets");
    assert_header("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,4]}}", 4, "two data_offsets");
    /* empty tensors lie where others begin, in whatever order they are named */
    assert_header("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
                  "\"b\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]},"
                  "\"c\":{\"dtype\":\"F32\",\"shape\":[0,7],\"data_offsets\":[4,4]},"
                  "\"d\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}", 4, NULL);
    assert_header("{\"b\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]},"
                  "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, NULL);
    /* two of the same bytes */
    assert_header("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
                  "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "a hole or an overlap");
}
END_TEST

/* A header that ends with the file, and those that would end one to eight bytes after it. */
START_TEST(headers_that_pass_the_end)
{
    unsigned char *file = malloc(10); /* not a byte more, for those who watch memory */
    struct cae__safetensors opened;
    ck_assert_ptr_nonnull(file);
    memcpy(file, (const unsigned char[10]){2, [8] = '{', '}'}, 10);
    assert_ok(context, cae__safetensors_open(&opened, context, file, 10));
    cae__safetensors_close(&opened, context);
    for (int beyond = 1; beyond <= 8; beyond++) {
        file[0] = (unsigned char)(2 + beyond);
        assert_fails(context, CAE_ERR_FORMAT, cae__safetensors_open(&opened, context, file, 10));
        assert_says(context, "cut off: a header of");
    }
    free(file);
}
END_TEST

/* A text as long as it may be, of what was expected and found. */
START_TEST(shapes_of_many_sides)
{
    const char *header =
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]},"
        "\"z\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[4,8]},"
        "\"e\":{\"dtype\":\"F32\",\"shape\":[9223372036854775807,9223372036854775807,"
        "9223372036854775807,9223372036854775807,9223372036854775807,9223372036854775807,"
        "9223372036854775807,9223372036854775807,0],\"data_offsets\":[8,8]}}";
    const struct bytes file = safetensors(header, strlen(header), "12345678", 8);
    static const int64_t one[4] = {1, 1, 1, 1}, none[1] = {0};
    struct cae__safetensors opened;
    float value;
    cae_status status = cae__safetensors_open(&opened, context, file.data, file.size);
    if (status == CAE_OK) { /* an empty tensor may claim any other side */
        assert_fails(context, CAE_ERR_FORMAT,
                     cae__safetensors_read(&value, &opened, context, "e", none, 1));
        assert_says(context, "9223372036854775807, 9223372036854775807");
        assert_fails(context, CAE_ERR_FORMAT,
                     cae__safetensors_read(&value, &opened, context, "a", one, 4));
        assert_says(context, "is [1, 1, 1, 1, 1, 1], expected [1, 1, 1, 1]");
        assert_fails(context, CAE_ERR_FORMAT,
                     cae__safetensors_read(&value, &opened, context, "z", one, 1));
        assert_says(context, "is [], expected [1]");
        assert_ok(context, cae__safetensors_read(&value, &opened, context, "z", one, 0));
        cae__safetensors_close(&opened, context);
    } else {
        ck_assert_int_eq(status, CAE_ERR_FORMAT);
        assert_says(context, "\"e\"");
    }
    free(file.data);
}
END_TEST

static bool holds(const unsigned char *data, size_t size, const char *text)
{
    for (size_t i = 0; i + strlen(text) <= size; i++)
        if (memcmp(data + i, text, strlen(text)) == 0)
            return true;
    return false;
}

/* Every activation has the name that ONNX knows it by, and no other. */
START_TEST(activations_in_onnx)
{
    static const char *const names[] = {"Relu", "LeakyRelu", "Tanh", "Sigmoid"};
    static unsigned char data[65536];
    cae_conv_options o;
    size_t size;
    assert_ok(context, cae_conv_options_init(&o, sizeof o));
    for (int32_t activation = CAE_ACTIVATION_NONE; activation <= CAE_ACTIVATION_SIGMOID; activation++) {
        o.activation = activation;
        cae_model *model = one_layer(context, false, 1, &o);
        assert_ok(context,
                  cae_model_export_onnx_memory(data, sizeof data, &size, model, CAE_PART_WHOLE));
        for (int i = 0; i < COUNT(names); i++) {
            char text[16]; /* a length, then as many bytes */
            snprintf(text, sizeof text, "%c%s", (char)strlen(names[i]), names[i]);
            ck_assert_int_eq(holds(data, size, text), i + 1 == activation);
        }
        cae_model_destroy(model);
    }
}
END_TEST

/* --- CIFAR-10 --------------------------------------------------------------------------------------- */

START_TEST(batches_have_a_layout_of_their_own)
{
    cae_dataset *dataset = NULL;
    for (int i = 0; i < 3; i++) {
        cae_dataset_options o;
        assert_ok(context, cae_dataset_options_init(&o, sizeof o));
        o.type = i == 0 ? CAE_TYPE_F32 : CAE_TYPE_U8;
        o.layout = i == 1 ? CAE_LAYOUT_NHWC : CAE_LAYOUT_NCHW;
        o.borrow = i == 2;
        assert_fails(context, CAE_ERR_OPTIONS,
                     cae_dataset_open_cifar10(&dataset, context, "/", CAE_SPLIT_TEST, &o));
        assert_says(context, "belong to cae_dataset_create");
        ck_assert_ptr_null(dataset);
        assert_fails(context, CAE_ERR_OPTIONS,
                     cae_dataset_create_dead_leaves(&dataset, context, 1, 3, 8, 8, 1, &o));
        ck_assert_ptr_null(dataset);
    }
}
END_TEST

/* A directory whose name fits and whose files' names do not. */
START_TEST(a_directory_of_a_long_name)
{
    cae_dataset *dataset = NULL;
    char path[4090];
    for (size_t i = 0; i + 1 < sizeof path; i++)
        path[i] = i % 2 ? '.' : '/';
    path[sizeof path - 1] = '\0';
    assert_fails(context, CAE_ERR_ARGUMENT,
                 cae_dataset_open_cifar10(&dataset, context, path, CAE_SPLIT_TEST, NULL));
    assert_says(context, "longer than 4095 bytes");
    ck_assert_ptr_null(dataset);
}
END_TEST

/* The longest side, in each direction, and the shortest slice. */
START_TEST(datasets_at_their_limits)
{
    enum { MOST = 1048576 };
    unsigned char *bytes = calloc(MOST + 1, 1);
    cae_dataset *dataset = NULL, *slice = NULL;
    float value;
    ck_assert_ptr_nonnull(bytes);
    for (int more = 0; more < 2; more++)
        for (int i = 0; i < 3; i++) {
            int32_t side[3] = {1, 1, 1};
            side[i] = MOST + more;
            const cae_status status = cae_dataset_create(&dataset, context, bytes, (size_t)(MOST + more), 1,
                                                         side[0], side[1], side[2], NULL);
            ck_assert_int_eq(status, more ? CAE_ERR_ARGUMENT : CAE_OK);
            cae_dataset_destroy(dataset);
        }
    bytes[0] = 255, bytes[1] = 0, bytes[2] = 255;
    assert_ok(context, cae_dataset_create(&dataset, context, bytes, 3, 3, 1, 1, 1, NULL));
    for (int first = 0; first < 3; first++) {
        assert_ok(context, cae_dataset_slice(&slice, dataset, first, 1));
        ck_assert_int_eq(cae_dataset_count(slice), 1);
        assert_ok(context, cae_dataset_get(&value, 1, slice, 0));
        ck_assert(value == (first == 1 ? -1 : 1));
        cae_dataset_destroy(slice);
    }
    assert_fails(context, CAE_ERR_ARGUMENT, cae_dataset_slice(&slice, dataset, 2, 2));
    assert_fails(context, CAE_ERR_ARGUMENT, cae_dataset_slice(&slice, dataset, 3, 1));
    assert_fails(context, CAE_ERR_ARGUMENT, cae_dataset_slice(&slice, dataset, 1, INT64_MAX));
    cae_dataset_destroy(dataset);
    free(bytes);
}
END_TEST

START_TEST(images_that_no_memory_holds)
{
    double out = -1;
    const float x = 0;
    ck_assert_int_eq(cae_ssim(&out, NULL, &x, &x, 1, 16, 16, 1.0, CAE_SSIM_UNIFORM7), CAE_ERR_ARGUMENT);
    assert_fails(context, CAE_ERR_SHAPE, cae_ssim(&out, context, &x, &x, INT32_MAX, INT32_MAX, INT32_MAX,
                                                  1.0, CAE_SSIM_UNIFORM7));
    assert_says(context, "more than memory can address");
    assert_fails(context, CAE_ERR_SHAPE,
                 cae_ssim(&out, context, &x, &x, 2, INT32_MAX, INT32_MAX, 1.0, CAE_SSIM_UNIFORM7));
    assert_says(context, "more than memory can address");
    ck_assert(out == -1);
}
END_TEST

/* --- Training --------------------------------------------------------------------------------------- */

struct training {
    cae_model *model;
    cae_optimizer *optimizer;
    cae_dataset *dataset;
    cae_trainer *trainer;
};

static void training_end(struct training *t)
{
    cae_trainer_destroy(t->trainer);
    cae_optimizer_destroy(t->optimizer);
    cae_dataset_destroy(t->dataset);
    cae_model_destroy(t->model);
}

static struct training training_of(cae_model *model, cae_dataset *dataset, cae_optimizer_options *oo,
                                   cae_trainer_options *to)
{
    struct training t = {.model = model, .dataset = dataset};
    assert_ok(context, cae_optimizer_create(&t.optimizer, model, oo));
    assert_ok(context, cae_trainer_create(&t.trainer, model, t.optimizer, dataset, to));
    return t;
}

/* The loss is a number, one of the gradients is not. */
START_TEST(a_gradient_that_is_not_finite)
{
    cae_conv_options o;
    cae_spec *spec = NULL;
    cae_model *model = NULL;
    cae_trainer_options options;
    cae_progress progress;
    const float zero = 0, large = 1e20f, bright = 1e30f;
    float after;
    assert_ok(context, cae_conv_options_init(&o, sizeof o));
    o.kernel_h = o.kernel_w = 1;
    o.bias = 0;
    assert_ok(context, cae_spec_create(&spec, context));
    assert_ok(context, cae_spec_add_conv(spec, 1, 1, &o));
    assert_ok(context, cae_spec_add_conv(spec, 1, 1, &o));
    assert_ok(context, cae_model_create(&model, context, spec, 1));
    cae_spec_destroy(spec);
    assert_ok(context, cae_model_set_tensor(model, "0.weight", &zero, 1));
    assert_ok(context, cae_model_set_tensor(model, "1.weight", &large, 1));
    assert_ok(context, cae_trainer_options_init(&options, sizeof options));
    options.loss = CAE_LOSS_L1;
    struct training t = training_of(model, float_images(context, &bright, 1, 1), NULL, &options);

    assert_fails(context, CAE_ERR_NUMERIC, cae_trainer_step(NULL, t.trainer));
    assert_says(context, "the loss is 1e+30 and the gradient's norm inf");
    assert_says(context, "nothing was updated");
    assert_ok(context, cae_model_get_tensor(&after, 1, model, "1.weight"));
    ck_assert(after == large);
    assert_ok(context, cae_progress_init(&progress, sizeof progress));
    assert_ok(context, cae_trainer_progress(&progress, t.trainer));
    ck_assert_int_eq(progress.step, 0);
    training_end(&t);
}
END_TEST

/* The weight would be infinite, though both moments are not. */
START_TEST(an_update_that_is_not_finite)
{
    cae_optimizer_options options;
    const float pixel = 0.5f;
    float weight;
    assert_ok(context, cae_optimizer_options_init(&options, sizeof options));
    options.kind = CAE_OPTIMIZER_ADAMW;
    options.learning_rate = 1e30;
    options.weight_decay = 1e30;
    struct training t = training_of(pointwise_model(context, 0.25f, 0), float_images(context, &pixel, 1, 1),
                                    &options, NULL);
    assert_fails(context, CAE_ERR_NUMERIC, cae_trainer_step(NULL, t.trainer));
    assert_says(context, "is not finite; nothing was updated");
    assert_ok(context, cae_model_get_tensor(&weight, 1, t.model, "0.weight"));
    ck_assert(weight == 0.25f);
    training_end(&t);
}
END_TEST

/* The second moment would be infinite, though the weight is not: it hardly moves. */
START_TEST(a_moment_that_is_not_finite)
{
    cae_trainer_options options;
    const float pixel = 1e25f;
    float weight;
    assert_ok(context, cae_trainer_options_init(&options, sizeof options));
    options.loss = CAE_LOSS_L1;
    struct training t = training_of(pointwise_model(context, 0.25f, 0), float_images(context, &pixel, 1, 1),
                                    NULL, &options);
    for (int i = 0; i < 2; i++) {
        assert_fails(context, CAE_ERR_NUMERIC, cae_trainer_step(NULL, t.trainer));
        assert_says(context, "step 1: the update");
        assert_says(context, "is not finite; nothing was updated");
        assert_ok(context, cae_model_get_tensor(&weight, 1, t.model, "0.weight"));
        ck_assert(weight == 0.25f);
    }
    training_end(&t);
}
END_TEST

/* Where there is nothing to learn, nothing is learned: no loss has a slope at 0. */
START_TEST(a_perfect_model_stays)
{
    for (int32_t loss = CAE_LOSS_MSE; loss <= CAE_LOSS_HUBER; loss++) {
        cae_trainer_options options;
        cae_optimizer_options sgd;
        cae_progress progress;
        float weight, bias;
        assert_ok(context, cae_trainer_options_init(&options, sizeof options));
        assert_ok(context, cae_optimizer_options_init(&sgd, sizeof sgd));
        assert_ok(context, cae_progress_init(&progress, sizeof progress));
        options.loss = loss;
        sgd.kind = CAE_OPTIMIZER_SGD;
        struct training t = training_of(pointwise_model(context, 1, 0), float_images(context, NULL, 11, 7),
                                        &sgd, &options);
        assert_ok(context, cae_trainer_step(&progress, t.trainer));
        assert_ok(context, cae_model_get_tensor(&weight, 1, t.model, "0.weight"));
        assert_ok(context, cae_model_get_tensor(&bias, 1, t.model, "0.bias"));
        ck_assert(progress.loss == 0 && progress.gradient_norm == 0 && weight == 1 && bias == 0);
        training_end(&t);
    }
}
END_TEST

/* Height and width are compared each by itself. */
START_TEST(models_that_change_one_side)
{
    for (int i = 0; i < 4; i++) {
        cae_conv_options o;
        cae_optimizer *optimizer = NULL;
        cae_trainer *trainer = NULL;
        assert_ok(context, cae_conv_options_init(&o, sizeof o));
        o.kernel_h = i & 1 ? 3 : 1;
        o.kernel_w = i & 2 ? 3 : 1;
        cae_model *model = one_layer(context, false, 1, &o);
        cae_dataset *dataset = float_images(context, NULL, 2, 5);
        assert_ok(context, cae_optimizer_create(&optimizer, model, NULL));
        const cae_status status = cae_trainer_create(&trainer, model, optimizer, dataset, NULL);
        ck_assert_int_eq(status, i == 0 ? CAE_OK : CAE_ERR_SHAPE);
        cae_trainer_destroy(trainer);
        cae_optimizer_destroy(optimizer);
        cae_dataset_destroy(dataset);
        cae_model_destroy(model);
    }
}
END_TEST

/* A caller that knew fewer fields gets those, from an epoch too. */
START_TEST(an_epoch_for_an_older_caller)
{
    struct training t = training_of(small_model(context, 1), float_images(context, NULL, 3, 6), NULL, NULL);
    cae_progress full, out;
    assert_ok(context, cae_progress_init(&full, sizeof full));
    const uint32_t size = (uint32_t)offsetof(cae_progress, loss); /* all that comes before it */
    ck_assert_uint_eq(size % 8, 0);
    memset(&out, 0x5a, sizeof out);
    out.size = size;
    assert_ok(context, cae_trainer_epoch(&out, t.trainer, NULL, NULL));
    assert_ok(context, cae_trainer_progress(&full, t.trainer));
    ck_assert_mem_eq((char *)&out + sizeof out.size, (char *)&full + sizeof full.size,
                     size - sizeof out.size);
    for (size_t i = size; i < sizeof out; i++)
        ck_assert_int_eq(((unsigned char *)&out)[i], 0x5a);
    training_end(&t);
}
END_TEST

/* Resumed in the middle of an epoch: the mean so far is what the trainer that saved it says. */
START_TEST(the_mean_so_far_of_a_resumed_epoch)
{
    cae_trainer_options options;
    cae_progress saved, resumed;
    const char *path = in_directory("middle");
    assert_ok(context, cae_trainer_options_init(&options, sizeof options));
    options.batch = 2;
    struct training t =
        training_of(small_model(context, 1), float_images(context, NULL, 7, 6), NULL, &options);
    assert_ok(context, cae_progress_init(&saved, sizeof saved));
    assert_ok(context, cae_progress_init(&resumed, sizeof resumed));
    for (int i = 0; i < 3; i++)
        assert_ok(context, cae_trainer_step(&saved, t.trainer));
    assert_ok(context, cae_trainer_save(t.trainer, path));
    struct training again =
        training_of(small_model(context, 2), float_images(context, NULL, 7, 6), NULL, &options);
    assert_ok(context, cae_trainer_resume(again.trainer, path));
    assert_ok(context, cae_trainer_progress(&resumed, again.trainer));
    ck_assert(saved.epoch_loss > 0);
    ck_assert(resumed.epoch_loss == saved.epoch_loss);
    ck_assert(resumed.images == 6 && resumed.step == 3 && resumed.epoch == 0);
    assert_ok(context, cae_trainer_step(&saved, t.trainer)); /* the end of the epoch */
    assert_ok(context, cae_trainer_step(&resumed, again.trainer));
    ck_assert(resumed.epoch_loss == saved.epoch_loss && resumed.loss == saved.loss);
    ck_assert(resumed.epoch_done && resumed.epoch == 1);

    /* and at its beginning there is none */
    assert_ok(context, cae_trainer_save(t.trainer, path));
    assert_ok(context, cae_trainer_resume(again.trainer, path));
    assert_ok(context, cae_trainer_progress(&resumed, again.trainer));
    ck_assert(resumed.epoch_loss == 0 && resumed.images == 0 && resumed.epoch == 1);
    training_end(&again);
    training_end(&t);
}
END_TEST

/* Replaces the trainer's state in a checkpoint, whatever it is. */
static struct bytes with_state(struct bytes file, const char *state)
{
    const size_t old = header_size(file);
    char *header = calloc(1, old + strlen(state) + 1), *text = calloc(1, old + 1);
    ck_assert(header && text);
    memcpy(text, file.data + 8, old);
    char *begin = strstr(text, "\"libcae.trainer\":\""), *end;
    ck_assert_ptr_nonnull(begin);
    begin += strlen("\"libcae.trainer\":\"");
    for (end = begin; *end != '"'; end++)
        end += *end == '\\';
    sprintf(header, "%.*s%s%s", (int)(begin - text), text, state, end);
    const struct bytes result =
        safetensors(header, strlen(header), file.data + 8 + old, file.size - 8 - old);
    free(header);
    free(text);
    return result;
}

#define STATE(version, step, epoch, position, updates, seed)                                       \
    STATE_OF(version, step, epoch, position, updates, seed, "0")
#define STATE_OF(version, step, epoch, position, updates, seed, loss)                              \
    "{\\\"version\\\":" version ",\\\"step\\\":" step ",\\\"epoch\\\":" epoch                          \
    ",\\\"position\\\":" position ",\\\"updates\\\":" updates                                          \
    ",\\\"loss_sum_bits\\\":\\\"" loss "\\\",\\\"seed\\\":\\\"" seed "\\\",\\\"batch\\\":64,\\\"images\\\":3,"    \
    "\\\"shuffle\\\":1,\\\"optimizer\\\":\\\"adam\\\",\\\"moments\\\":2}"

START_TEST(states_at_their_limits)
{
    static const struct {
        const char *state, *says;
    } states[] = {
        {STATE("1", "0", "0", "0", "0", "1"), NULL},
        {STATE("1", "9007199254740992", "9007199254740992", "2", "9007199254740992", "1"), NULL},
        {STATE("1", "9007199254740993", "0", "0", "0", "1"), "out of range"},
        {STATE("1", "0", "9007199254740993", "0", "0", "1"), "out of range"},
        {STATE("1", "0", "0", "0", "9007199254740993", "1"), "out of range"},
        {STATE("1", "0", "0", "3", "0", "1"), "out of range"},
        {STATE("1", "-1", "0", "0", "0", "1"), "out of range"},
        {STATE("1", "0", "-1", "0", "0", "1"), "out of range"},
        {STATE("1", "0", "0", "-1", "0", "1"), "out of range"},
        {STATE("1", "0", "0", "0", "-1", "1"), "out of range"},
        {STATE("1", "0", "0", "0", "0", "184467440737095516161"), "out of range"},
        {STATE("1", "0", "0", "0", "0", "18446744073709551617"), "out of range"}, /* 1 beyond 64 bits */
        {STATE("1", "0", "0", "0", "0", "01"), "out of range"},
        {STATE("1", "0", "0", "0", "0", ""), "out of range"},
        {STATE("1", "0", "0", "0", "0", "1 "), "out of range"},
        {STATE("1", "0", "0", "0", "0", "2"), "seed 2, this trainer 1"},
        {STATE("0", "0", "0", "0", "0", "1"), "version 0"},
        {STATE("2", "0", "0", "0", "0", "1"), "version 2"},
        {STATE_OF("1", "1", "0", "1", "1", "1", "9218868437227405311"), NULL},            /* DBL_MAX */
        {STATE_OF("1", "0", "0", "0", "0", "1", "9218868437227405312"), "out of range"},  /* infinity */
        {STATE_OF("1", "0", "0", "0", "0", "1", "9221120237041090560"), "out of range"},  /* NaN */
        {STATE_OF("1", "1", "0", "1", "1", "1", "13830554455654793216"), NULL}, /* -1: losses with SSIM */
        {STATE_OF("1", "0", "0", "0", "0", "1", "18442240474082181120"), "out of range"}, /* -infinity */
        {STATE_OF("1", "0", "0", "0", "0", "1", "x"), "out of range"},
        {"[]", "not a JSON object"},
        {"7", "not a JSON object"},
        {"", "no value"},
    };
    const char *path = in_directory("checkpoint");
    struct training t = training_of(small_model(context, 1), float_images(context, NULL, 3, 6), NULL, NULL);
    assert_ok(context, cae_trainer_save(t.trainer, path));
    const struct bytes sound = file_bytes(path);
    for (int i = 0; i < COUNT(states); i++) {
        const struct bytes file = with_state(sound, states[i].state);
        write_file(path, file.data, file.size);
        const cae_status status = cae_trainer_resume(t.trainer, path);
        if (!states[i].says) {
            ck_assert_int_eq(status, CAE_OK);
        } else {
            ck_assert_msg(status == CAE_ERR_FORMAT || status == CAE_ERR_SHAPE, "state %d: %d", i, status);
            assert_says(context, states[i].says);
        }
        free(file.data);
    }
    free(sound.data);
    training_end(&t);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("boundaries");
    TCase *base = tcase_create("base"), *networks = tcase_create("networks");
    TCase *files = tcase_create("files"), *training = tcase_create("training");

    tcase_add_checked_fixture(base, setup, teardown);
    tcase_add_test(base, products_of_sizes);
    tcase_add_test(base, blocks_begin_on_a_cache_line);
    tcase_add_test(base, more_than_there_can_be);
    tcase_add_test(base, without_a_context);
    tcase_set_timeout(base, 60);
    tcase_add_test(base, workers_leave_signals_to_the_host);
    tcase_add_test(base, upper_halves_count);
    tcase_add_test(base, the_largest_permutation);
    tcase_add_test(base, images_that_no_memory_holds);
    suite_add_tcase(suite, base);

    tcase_set_timeout(networks, 60);
    tcase_add_checked_fixture(networks, setup, teardown);
    tcase_add_test(networks, images_of_the_largest_size);
    tcase_add_test(networks, shapes_asked_of_another_context);
    tcase_add_loop_test(networks, engines_agree_on_unusual_shapes, 0, 2 * COUNT(unusual));
    tcase_add_test(networks, networks_of_all_kinds_agree);
    tcase_add_test(networks, nan_stays_nan);
    tcase_add_test(networks, tiles_in_rows_and_columns);
    tcase_add_test(networks, a_large_image_without_memory);
    suite_add_tcase(suite, networks);

    tcase_set_timeout(files, 60);
    tcase_add_checked_fixture(files, setup, teardown);
    tcase_add_loop_test(files, architectures_that_differ_in_one_thing, 0, COUNT(variations));
    tcase_add_test(files, architectures_that_differ_elsewhere);
    tcase_add_test(files, descriptions_at_their_limits);
    tcase_add_test(files, headers_at_their_limits);
    tcase_add_test(files, headers_that_pass_the_end);
    tcase_add_test(files, shapes_of_many_sides);
    tcase_add_test(files, activations_in_onnx);
    tcase_add_test(files, batches_have_a_layout_of_their_own);
    tcase_add_test(files, datasets_at_their_limits);
    tcase_add_test(files, a_directory_of_a_long_name);
    suite_add_tcase(suite, files);

    tcase_set_timeout(training, 60);
    tcase_add_unchecked_fixture(training, directory_setup, directory_teardown);
    tcase_add_checked_fixture(training, setup, teardown);
    tcase_add_test(training, a_gradient_that_is_not_finite);
    tcase_add_test(training, an_update_that_is_not_finite);
    tcase_add_test(training, a_moment_that_is_not_finite);
    tcase_add_test(training, a_perfect_model_stays);
    tcase_add_test(training, models_that_change_one_side);
    tcase_add_test(training, an_epoch_for_an_older_caller);
    tcase_add_test(training, the_mean_so_far_of_a_resumed_epoch);
    tcase_add_test(training, states_at_their_limits);
    suite_add_tcase(suite, training);
    return test_main(suite);
}
