/* test_engines.c - engines, instruction sets and tiles: what they share, and what must not depend on them. */
#include "api.h"
#include "../ref/ref.h"

#include <math.h>

enum { ENGINES = CAE_ENGINE_DIRECT + 1, CPUS = CAE_CPU_AVX512 + 1, COMBINATIONS = ENGINES * CPUS };

static int32_t best_cpu(void)
{
    cae_context *context = test_context();
    const int32_t cpu = cae_context_cpu(context);
    cae_context_destroy(context);
    return cpu;
}

/* NULL when this machine cannot: CAE_ERR_UNSUPPORTED, and nothing but. Quick tests take one instruction set. */
static cae_context *context_for(int combination, int threads)
{
    if (test_quick() && combination >= ENGINES)
        return NULL;
    cae_context *context = NULL;
    cae_context_options options;
    cae_context_options_init(&options, sizeof options);
    options.engine = combination % ENGINES;
    options.cpu = combination / ENGINES;
    options.threads = threads;
    const cae_status status = cae_context_create(&context, &options);
    if (options.cpu > best_cpu()) {
        ck_assert_int_eq(status, CAE_ERR_UNSUPPORTED);
        ck_assert_ptr_null(context);
    } else {
        ck_assert_int_eq(status, CAE_OK);
        ck_assert_int_eq(cae_context_cpu(context),
                         options.cpu == CAE_CPU_AUTO ? best_cpu() : options.cpu);
    }
    return context;
}

static cae_model *reference(cae_context *context)
{
    cae_model *model;
    assert_ok(context, cae_model_create_reference(&model, context, 5));
    return model;
}

/* Padding, strides, dilation, every activation: some layers of it are always matrix products. */
static cae_model *mixed(cae_context *context)
{
    cae_spec *spec;
    cae_model *model;
    cae_conv_options o;
    assert_ok(context, cae_conv_options_init(&o, sizeof o));
    assert_ok(context, cae_spec_create(&spec, context));
    o.padding_h = 1, o.padding_w = 2, o.kernel_w = 5, o.activation = CAE_ACTIVATION_LEAKY_RELU;
    assert_ok(context, cae_spec_add_conv(spec, 3, 9, &o));
    o.stride_h = 2, o.stride_w = 2, o.padding_w = 1, o.kernel_w = 3;
    o.activation = CAE_ACTIVATION_TANH;
    assert_ok(context, cae_spec_add_conv(spec, 9, 5, &o));
    o.output_padding_h = 1, o.output_padding_w = 1, o.activation = CAE_ACTIVATION_RELU;
    assert_ok(context, cae_spec_add_conv_transpose(spec, 5, 7, &o));
    o.stride_h = 1, o.stride_w = 1, o.output_padding_h = 0, o.output_padding_w = 0;
    o.dilation_h = 2, o.padding_h = 2, o.activation = CAE_ACTIVATION_SIGMOID;
    assert_ok(context, cae_spec_add_conv_transpose(spec, 7, 3, &o));
    assert_ok(context, cae_model_create(&model, context, spec, 3));
    cae_spec_destroy(spec);
    return model;
}

/* y = model(x), both [count][3][height][width]: the models above keep even sizes. */
static float *run(cae_context *context, const cae_model *model, const float *x, int count, int height,
                  int width)
{
    const size_t floats = (size_t)count * 3 * (size_t)height * (size_t)width;
    float *y = guarded_floats(floats);
    assert_ok(context, cae_model_forward(y, floats, model, context, x, floats, count, height, width));
    return y;
}

static float *picture(int count, int height, int width)
{
    const size_t floats = (size_t)count * 3 * (size_t)height * (size_t)width;
    float *x = new_floats(floats);
    random_floats((uint64_t)(height * width), x, floats, -1, 1);
    return x;
}

/* All engines at all levels, small images by one and by eight, and a large one: within a few rounding
 * errors of sums of up to 135 terms. */
START_TEST(engines_and_levels_agree)
{
    static const int sizes[][3] = {{1, 32, 32}, {9, 12, 20}, {1, 272, 244}};
    cae_context *context = context_for(_i, 1), *other = context_for(CAE_ENGINE_GEMM, 1);
    for (int s = 0; context && s < COUNT(sizes); s++)
        for (int kind = 0; kind < 2; kind++) {
            const int count = sizes[s][0], height = sizes[s][1], width = sizes[s][2];
            cae_model *a = kind ? mixed(context) : reference(context);
            cae_model *b = kind ? mixed(other) : reference(other);
            float *x = picture(count, height, width);
            float *left = run(context, a, x, count, height, width);
            float *right = run(other, b, x, count, height, width);
            const size_t floats = (size_t)count * 3 * (size_t)height * (size_t)width;
            const double error = relative_error(left, right, floats);
            ck_assert_msg(error < 5e-6, "%dx%d: off by %g", height, width, error);
            guarded_finish(left, "engine"), guarded_finish(right, "gemm"), free(x);
            cae_model_destroy(a), cae_model_destroy(b);
        }
    cae_context_destroy(context), cae_context_destroy(other);
}
END_TEST

/* 300x310 pixels are more than one tile. Each part of them, cut out by hand so small that it is run whole,
 * gives the same bits away from its own edges, of which a pixel of the result sees four. */
START_TEST(tiles_give_the_bits_of_the_whole)
{
    enum { H = 300, W = 310, PART_H = 180, PART_W = 190, EDGE = 4 };
    cae_context *context = context_for(_i, 1);
    if (!context)
        return;
    cae_model *model = reference(context);
    float *x = picture(1, H, W), *y = run(context, model, x, 1, H, W);
    float *part = new_floats(3 * PART_H * PART_W);
    for (int corner = 0; corner < 4; corner++) {
        const int top = corner / 2 * (H - PART_H), left = corner % 2 * (W - PART_W);
        for (int c = 0; c < 3; c++)
            for (int i = 0; i < PART_H; i++)
                memcpy(part + (c * PART_H + i) * PART_W, x + (c * H + top + i) * W + left,
                       PART_W * sizeof *part);
        float *alone = run(context, model, part, 1, PART_H, PART_W);
        for (int c = 0; c < 3; c++)
            for (int i = top ? EDGE : 0; i < PART_H - (top ? 0 : EDGE); i++)
                for (int j = left ? EDGE : 0; j < PART_W - (left ? 0 : EDGE); j++) {
                    const float a = y[(c * H + top + i) * W + left + j];
                    const float b = alone[(c * PART_H + i) * PART_W + j];
                    /* matrix products sum in an order that depends on their shape */
                    const float allowed = _i % ENGINES == CAE_ENGINE_GEMM ? 2e-6f : 0.0f;
                    ck_assert_msg(fabsf(a - b) <= allowed, "corner %d, (%d, %d, %d): %.9g and %.9g",
                                  corner, c, i, j, (double)a, (double)b);
                }
        guarded_finish(alone, "a part");
    }
    guarded_finish(y, "the whole");
    free(x), free(part);
    cae_model_destroy(model);
    cae_context_destroy(context);
}
END_TEST

START_TEST(threads_do_not_change_a_bit_of_a_large_image)
{
    enum { H = 270, W = 350, FLOATS = 2 * 3 * H * W };
    float *x = picture(2, H, W), *expected[2] = {NULL, NULL};
    for (int threads = 1; threads <= 7; threads += threads < 3 ? 1 : 4)
        for (int kind = 0; kind < 2; kind++) {
            cae_context *context = context_for(_i, threads);
            if (!context)
                continue;
            cae_model *model = kind ? mixed(context) : reference(context);
            float *y = run(context, model, x, 2, H, W);
            if (!expected[kind]) {
                expected[kind] = y;
            } else {
                ck_assert_msg(memcmp(y, expected[kind], FLOATS * sizeof *y) == 0, "%d threads", threads);
                guarded_finish(y, "threads");
            }
            cae_model_destroy(model);
            cae_context_destroy(context);
        }
    for (int kind = 0; kind < 2; kind++)
        if (expected[kind])
            guarded_finish(expected[kind], "one thread");
    free(x);
}
END_TEST

/* Five steps of 24 images with noise. */
static struct bytes trained(int combination, int threads, bool with_strides)
{
    cae_context *context = context_for(combination, threads);
    if (!context)
        return (struct bytes){0};
    cae_model *model = with_strides ? mixed(context) : reference(context);
    cae_dataset *data;
    cae_optimizer *adam;
    cae_trainer *trainer;
    cae_trainer_options options;
    cae_trainer_options_init(&options, sizeof options);
    options.batch = 24, options.noise_sigma = 0.1;
    assert_ok(context, cae_dataset_create_dead_leaves(&data, context, 100, 3, 16, 16, 1, NULL));
    assert_ok(context, cae_optimizer_create(&adam, model, NULL));
    assert_ok(context, cae_trainer_create(&trainer, model, adam, data, &options));
    for (int step = 0; step < 5; step++)
        assert_ok(context, cae_trainer_step(NULL, trainer));
    const struct bytes bytes = model_bytes(model);
    cae_trainer_destroy(trainer), cae_optimizer_destroy(adam), cae_dataset_destroy(data);
    cae_model_destroy(model), cae_context_destroy(context);
    return bytes;
}

START_TEST(threads_do_not_change_a_bit_of_training)
{
    static const int threads[] = {2, 3, 4, 7};
    for (int with_strides = 0; with_strides < 2; with_strides++) {
        struct bytes one = trained(_i, 1, with_strides);
        if (!one.data)
            return;
        for (int i = 0; i < COUNT(threads); i++) {
            struct bytes many = trained(_i, threads[i], with_strides);
            assert_same_bytes(many, one, "one thread and many");
            bytes_free(&many);
        }
        bytes_free(&one);
    }
}
END_TEST

/* --- Memory ------------------------------------------------------------------------------------------- */

struct meter {
    size_t now, most;
};

static void *meter_allocate(void *user, size_t bytes)
{
    struct meter *meter = user;
    size_t *block = malloc(bytes + 16);
    if (!block)
        return NULL;
    *block = bytes;
    meter->now += bytes;
    meter->most = meter->now > meter->most ? meter->now : meter->most;
    return (unsigned char *)block + 16;
}

static void meter_release(void *user, void *block)
{
    struct meter *meter = user;
    size_t *front = (size_t *)(void *)((unsigned char *)block - 16);
    meter->now -= *front;
    free(front);
}

/* Bounded by the tile, whose size depends a little on how the image divides: sixteen times the pixels. */
START_TEST(memory_does_not_grow_with_the_image)
{
    size_t most[2];
    if (test_quick())
        return;
    for (int i = 0; i < 2; i++) {
        const int height = i ? 2000 : 500, width = i ? 1400 : 350;
        struct meter meter = {0, 0};
        cae_context *context;
        cae_context_options options;
        cae_context_options_init(&options, sizeof options);
        options.allocate = meter_allocate, options.release = meter_release;
        options.allocator_user = &meter;
        ck_assert_int_eq(cae_context_create(&context, &options), CAE_OK);
        cae_model *model = reference(context);
        float *x = picture(1, height, width), *y = run(context, model, x, 1, height, width);
        guarded_finish(y, "y"), free(x);
        cae_model_destroy(model);
        cae_context_destroy(context);
        ck_assert_uint_eq(meter.now, 0);
        most[i] = meter.most;
    }
    if (test_verbose())
        printf("memory beside the images: %zu and %zu bytes\n", most[0], most[1]);
    ck_assert_uint_lt(most[1], 2 * most[0]);
    ck_assert_uint_lt(most[1], (size_t)4 << 20);
}
END_TEST

/* A model that is all enlargement: a small image is large on its way, and run in tiles. Each pixel is
 * the double-precision definition's, and memory stays that of a tile. */
START_TEST(what_enlarges_is_run_in_tiles)
{
    const int height = 90, width = 130;
    struct meter meter = {0, 0};
    cae_context *context;
    cae_context_options options;
    cae_conv_options o;
    cae_spec *spec;
    cae_model *model;
    cae_context_options_init(&options, sizeof options);
    options.engine = _i;
    options.allocate = meter_allocate, options.release = meter_release;
    options.allocator_user = &meter;
    ck_assert_int_eq(cae_context_create(&context, &options), CAE_OK);
    assert_ok(context, cae_spec_create(&spec, context));
    assert_ok(context, cae_conv_options_init(&o, sizeof o));
    o.stride_h = o.stride_w = 4, o.output_padding_h = 1, o.activation = CAE_ACTIVATION_TANH;
    assert_ok(context, cae_spec_add_conv_transpose(spec, 2, 3, &o));
    assert_ok(context, cae_model_create(&model, context, spec, 8));
    cae_spec_destroy(spec);
    const size_t before = meter.now;
    meter.most = before;

    struct ref_conv l = ref_conv_default(1, 2, height, width, 3);
    l.stride_h = l.stride_w = 4, l.output_padding_h = 1, l.activation = CAE_ACTIVATION_TANH;
    const size_t in = ref_in_len(&l), out = ref_out_len(&l), weights = ref_weight_len(&l);
    ck_assert_int_gt(ref_out_h(&l) * ref_out_w(&l), 65536);
    float *x = new_floats(in), *y = guarded_floats(out), *w = new_floats(weights), b[3];
    double *xd = new_doubles(in), *yd = new_doubles(out), *wd = new_doubles(weights), bd[3];
    random_floats(4, x, in, -1, 1);
    assert_ok(context, cae_model_get_tensor(w, weights, model, "0.weight"));
    assert_ok(context, cae_model_get_tensor(b, 3, model, "0.bias"));
    for (size_t i = 0; i < in; i++)
        xd[i] = x[i];
    for (size_t i = 0; i < weights; i++)
        wd[i] = w[i];
    for (int i = 0; i < 3; i++)
        bd[i] = b[i];
    ref_layer_forward(yd, NULL, &l, xd, wd, bd);
    assert_ok(context, cae_model_forward(y, out, model, NULL, x, in, 1, height, width));
    ck_assert_msg(relative_error_ref(y, yd, out) < 2e-6, "off by %g", relative_error_ref(y, yd, out));
    ck_assert_uint_lt(meter.most - before, (size_t)1 << 20); /* untiled: the output's 2.2 MB and more */

    guarded_finish(y, "y"), free(x), free(w), free(xd), free(yd), free(wd);
    cae_model_destroy(model);
    cae_context_destroy(context);
    ck_assert_uint_eq(meter.now, 0);
}
END_TEST

/* One column between 65,535 columns of zeros on each side: with them the rows make 2^32 + 98,303 values,
 * which pointers of 32 bits used to count as 98,303, few enough for a copy that nobody had room for. */
START_TEST(zeros_around_a_column_are_counted_in_full)
{
    enum { HEIGHT = 32769 };
    cae_context_options options;
    cae_context *context;
    cae_spec *spec;
    cae_model *model;
    cae_conv_options o;
    float *x = new_floats(HEIGHT), *y = guarded_floats(HEIGHT), w[3], b;

    assert_ok(NULL, cae_context_options_init(&options, sizeof options));
    options.engine = CAE_ENGINE_DIRECT;
    assert_ok(NULL, cae_context_create(&context, &options));
    assert_ok(context, cae_conv_options_init(&o, sizeof o));
    o.kernel_h = 1;
    o.dilation_w = o.padding_w = 65535;
    assert_ok(context, cae_spec_create(&spec, context));
    assert_ok(context, cae_spec_add_conv(spec, 1, 1, &o));
    assert_ok(context, cae_model_create(&model, context, spec, 1));
    assert_ok(context, cae_model_get_tensor(w, 3, model, "0.weight"));
    assert_ok(context, cae_model_get_tensor(&b, 1, model, "0.bias"));
    random_floats(2, x, HEIGHT, -1, 1);
    assert_ok(context, cae_model_forward(y, HEIGHT, model, NULL, x, HEIGHT, 1, HEIGHT, 1));
    for (int i = 0; i < HEIGHT; i++) /* the other two taps see zeros */
        ck_assert_float_eq_tol(y[i], w[1] * x[i] + b, 1e-6f);

    guarded_finish(y, "y");
    free(x);
    cae_spec_destroy(spec);
    cae_model_destroy(model);
    cae_context_destroy(context);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("engines");
    TCase *c = tcase_create("engines");
    tcase_set_timeout(c, 120);
    tcase_add_loop_test(c, engines_and_levels_agree, 0, COMBINATIONS);
    tcase_add_loop_test(c, tiles_give_the_bits_of_the_whole, 0, COMBINATIONS);
    tcase_add_loop_test(c, threads_do_not_change_a_bit_of_a_large_image, 0, COMBINATIONS);
    tcase_add_loop_test(c, threads_do_not_change_a_bit_of_training, 0, COMBINATIONS);
    tcase_add_test(c, memory_does_not_grow_with_the_image);
    tcase_add_test(c, zeros_around_a_column_are_counted_in_full);
    tcase_add_loop_test(c, what_enlarges_is_run_in_tiles, CAE_ENGINE_AUTO, CAE_ENGINE_DIRECT + 1);
    suite_add_tcase(s, c);
    return s;
}

int main(void)
{
    return test_main(suite());
}
