/* test_layers.c - every layer, forward and backward, against the double-precision definition.
 *
 * The table holds what breaks convolutions: nothing square, padding wider than a tap, 1x1 with a
 * stride, holes, kernels as large as the image, strides that leave pixels unread, output padding,
 * more rows than one tile, products that must be cut, every number of outputs that a register tile can
 * be left with. Each case runs with 1 and 8 lanes, by both engines, with the kernels of every
 * instruction set that this machine has. Outputs lie between guard bands and begin as NaN, so writing
 * too far and not writing are both seen. */
#include "../../lib/network/engine.h"
#include "../common/common.h"
#include "../ref/ref.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Sums of up to a few thousand products in float, each rounded to 6e-8 of the running sum; compared
 * with the largest element of the result. Measured worst over the table: 1e-6. */
#define TOLERANCE 5e-6

static const struct {
    const char *name;
    int in_c, in_h, in_w, out_c;
    int kernel[2], stride[2], padding[2], dilation[2], output_padding[2];
    int activation;
    int no_bias;
} shapes[] = {
    {"reference, first", 3, 32, 32, 8, {3, 3}, {1, 1}, {0, 0}, {1, 1}, {0, 0}, REF_RELU, 0},
    {"reference, middle", 8, 30, 30, 8, {3, 3}, {1, 1}, {0, 0}, {1, 1}, {0, 0}, REF_RELU, 0},
    {"reference, last", 8, 30, 30, 3, {3, 3}, {1, 1}, {0, 0}, {1, 1}, {0, 0}, REF_NONE, 0},
    {"1x1", 5, 7, 9, 4, {1, 1}, {1, 1}, {0, 0}, {1, 1}, {0, 0}, REF_NONE, 0},
    {"1x1 with stride", 3, 9, 8, 2, {1, 1}, {2, 3}, {0, 0}, {1, 1}, {1, 2}, REF_TANH, 0},
    {"1x1 with padding", 2, 4, 5, 3, {1, 1}, {1, 1}, {2, 1}, {1, 1}, {0, 0}, REF_SIGMOID, 0},
    {"stride 2, doubles", 4, 8, 10, 3, {3, 3}, {2, 2}, {1, 1}, {1, 1}, {1, 1}, REF_RELU, 0},
    {"stride leaves pixels", 2, 10, 11, 3, {2, 3}, {3, 4}, {0, 0}, {1, 1}, {0, 0}, REF_NONE, 0},
    {"holes: stride above kernel", 2, 7, 9, 2, {2, 1}, {4, 3}, {0, 0}, {1, 1}, {0, 1}, REF_NONE, 1},
    {"dilation", 3, 13, 12, 4, {3, 2}, {1, 1}, {0, 0}, {2, 5}, {0, 0}, REF_LEAKY_RELU, 0},
    {"dilation, stride, padding", 2, 11, 14, 3, {3, 3}, {2, 3}, {3, 4}, {2, 3}, {1, 2}, REF_TANH, 0},
    {"rectangular kernel", 3, 9, 17, 2, {1, 5}, {1, 2}, {0, 2}, {1, 1}, {0, 1}, REF_RELU, 1},
    {"tall kernel", 2, 16, 5, 2, {7, 1}, {2, 1}, {3, 0}, {1, 1}, {0, 0}, REF_NONE, 0},
    {"padding wider than half the kernel", 2, 6, 5, 3, {3, 3}, {1, 1}, {2, 2}, {1, 1}, {0, 0},
     REF_LEAKY_RELU, 0},
    {"padding wider than the kernel", 2, 9, 9, 2, {2, 3}, {1, 2}, {4, 4}, {1, 1}, {0, 0}, REF_NONE, 0},
    {"kernel as large as the image", 3, 5, 4, 6, {5, 4}, {1, 1}, {0, 0}, {1, 1}, {0, 0}, REF_NONE, 0},
    {"one pixel", 4, 1, 1, 5, {1, 1}, {1, 1}, {0, 0}, {1, 1}, {0, 0}, REF_RELU, 0},
    {"one pixel, padded", 2, 1, 1, 3, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {0, 0}, REF_NONE, 0},
    {"one row, wide", 1, 1, 700, 2, {1, 9}, {1, 1}, {0, 4}, {1, 1}, {0, 0}, REF_NONE, 0},
    {"one column, tall", 1, 500, 1, 2, {5, 1}, {3, 1}, {2, 0}, {1, 1}, {0, 0}, REF_NONE, 0},
    {"row longer than a tile", 16, 3, 260, 4, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {0, 0}, REF_RELU, 0},
    {"many channels: products are cut", 70, 9, 9, 66, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {0, 0},
     REF_NONE, 0},
    {"one to one channel", 1, 12, 11, 1, {5, 5}, {1, 1}, {2, 2}, {1, 1}, {0, 0}, REF_TANH, 1},
    {"a product for each tap", 33, 5, 21, 40, {2, 3}, {1, 1}, {1, 2}, {2, 1}, {0, 0}, REF_RELU, 0},
    {"a product for each tap, in pieces", 40, 3, 300, 48, {3, 1}, {1, 1}, {3, 0}, {1, 1}, {0, 0},
     REF_SIGMOID, 0},
    {"two outputs, long rows", 3, 4, 147, 2, {3, 2}, {1, 1}, {1, 0}, {1, 1}, {0, 0}, REF_RELU, 0},
    {"three outputs, long rows", 1, 3, 255, 3, {2, 3}, {1, 1}, {0, 1}, {1, 1}, {0, 0}, REF_RELU, 0},
    {"five outputs", 2, 6, 19, 5, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {0, 0}, REF_SIGMOID, 0},
    {"seven outputs", 5, 3, 33, 7, {1, 4}, {1, 1}, {0, 2}, {1, 1}, {0, 0}, REF_LEAKY_RELU, 0},
    {"twelve outputs", 3, 5, 17, 12, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {0, 0}, REF_RELU, 1},
    {"nineteen outputs", 2, 4, 50, 19, {2, 2}, {1, 1}, {0, 0}, {1, 1}, {0, 0}, REF_RELU, 0},
    {"gradients in bands", 1, 150, 120, 2, {3, 3}, {1, 1}, {0, 0}, {1, 1}, {0, 0}, REF_NONE, 0},
    {"a row of vectors and one", 2, 3, 19, 4, {1, 3}, {1, 1}, {0, 0}, {1, 1}, {0, 0}, REF_RELU, 0},
};

enum { SHAPES = sizeof shapes / sizeof shapes[0] };
static const int lane_counts[] = {1, 8};

static const struct {
    const char *name;
    int32_t engine, cpu;
} engines[] = {
    {"gemm", CAE_ENGINE_GEMM, CAE_CPU_AUTO},
    {"gemm baseline", CAE_ENGINE_GEMM, CAE_CPU_BASELINE},
    {"direct baseline", CAE_ENGINE_DIRECT, CAE_CPU_BASELINE},
    {"direct avx2", CAE_ENGINE_DIRECT, CAE_CPU_AVX2},
    {"direct avx512", CAE_ENGINE_DIRECT, CAE_CPU_AVX512},
    {"auto", CAE_ENGINE_AUTO, CAE_CPU_AUTO},
};

enum { LANE_COUNTS = 2, ENGINES = 6, CASES = 2 * SHAPES * LANE_COUNTS * ENGINES };

/* NULL when this machine does not have the instructions, and in quick tests when what it has makes them
 * the same as others of the table. */
static cae_context *context_of(int engine)
{
    cae_context *context;
    cae_context_options options;
    const bool again = cae__best_cpu() == CAE_CPU_BASELINE &&
                       (engines[engine].engine == CAE_ENGINE_AUTO ||
                        (engines[engine].engine == CAE_ENGINE_GEMM && engines[engine].cpu));
    if (test_quick() && again)
        return NULL;
    cae_context_options_init(&options, sizeof options);
    options.engine = engines[engine].engine;
    options.cpu = engines[engine].cpu;
    const cae_status status = cae_context_create(&context, &options);
    if (status == CAE_ERR_UNSUPPORTED && cae__best_cpu() < options.cpu)
        return NULL;
    ck_assert_int_eq(status, CAE_OK);
    return context;
}

/* One layer at one size with everything around it: lanes at the library's side, images in double
 * at the definition's. It is the second of its model; the first is there for its activation, through
 * which gradients go back, and for the tables that only a layer above another needs. */
struct layer_case {
    char what[96];
    cae_context *context;
    struct ref_conv ref;
    cae_model *model;
    struct cae__plan plan;
    struct cae__stage *stage;
    const struct cae__layer *before;
    int lanes;
    size_t in_len, out_len, w_len; /* of one image */
    double *x, *dy, *w, *b;        /* images one after another */
    float *x_lanes, *dy_lanes, *scratch; /* x with the stage's margins */
};

static float *lanes_of(const double *images, size_t length, int lanes)
{
    float *result = new_floats(length * (size_t)lanes);
    for (size_t i = 0; i < length; i++)
        for (int lane = 0; lane < lanes; lane++)
            result[i * (size_t)lanes + (size_t)lane] = (float)images[(size_t)lane * length + i];
    return result;
}

/* One lane, dense. */
static float *lane_of(const float *lanes_array, size_t length, int lanes, int lane)
{
    float *result = new_floats(length);
    for (size_t i = 0; i < length; i++)
        result[i] = lanes_array[i * (size_t)lanes + (size_t)lane];
    return result;
}

static float *floats_of(const double *values, size_t n)
{
    float *result = new_floats(n);
    for (size_t i = 0; i < n; i++)
        result[i] = (float)values[i];
    return result;
}

static double *random_array(uint64_t seed, size_t n)
{
    double *values = new_doubles(n);
    random_doubles(seed, values, n, -1, 1);
    return values;
}

static cae_conv_options options_of(const struct ref_conv *ref, int activation, bool bias)
{
    cae_conv_options o;
    cae_conv_options_init(&o, sizeof o);
    o.kernel_h = ref->kernel_h, o.kernel_w = ref->kernel_w;
    o.stride_h = ref->stride_h, o.stride_w = ref->stride_w;
    o.padding_h = ref->padding_h, o.padding_w = ref->padding_w;
    o.dilation_h = ref->dilation_h, o.dilation_w = ref->dilation_w;
    o.output_padding_h = ref->output_padding_h, o.output_padding_w = ref->output_padding_w;
    o.bias = bias;
    o.activation = activation;
    o.slope = 0.2;
    return o;
}

static void set(const struct layer_case *t, const char *kind, const double *values, size_t count)
{
    char name[16];
    snprintf(name, sizeof name, "%d.%s", t->before->activation == CAE_ACTIVATION_NONE ? 1 : 2, kind);
    float *floats = floats_of(values, count);
    assert_ok(t->context, cae_model_set_tensor(t->model, name, floats, count));
    free(floats);
}

static void make_model(struct layer_case *t, int before, bool bias)
{
    cae_spec *spec;
    cae_conv_options pointwise, o = options_of(&t->ref, t->ref.activation, bias);
    cae_conv_options_init(&pointwise, sizeof pointwise);
    pointwise.kernel_h = pointwise.kernel_w = 1;
    pointwise.activation = before;
    pointwise.slope = 0.2;
    assert_ok(t->context, cae_spec_create(&spec, t->context));
    assert_ok(t->context, cae_spec_add_conv(spec, 1, t->ref.in_c, &pointwise));
    assert_ok(t->context, (t->ref.transposed ? cae_spec_add_conv_transpose : cae_spec_add_conv)(
                              spec, t->ref.in_c, t->ref.out_c, &o));
    assert_ok(t->context, cae_model_create(&t->model, t->context, spec, 1));
    cae_spec_destroy(spec);
    t->before = &t->model->layers[0];
    set(t, "weight", t->w, t->w_len);
    if (bias)
        set(t, "bias", t->b, (size_t)t->ref.out_c);
}

static float *with_margins(const struct layer_case *t)
{
    const size_t lanes = (size_t)t->lanes, run = (size_t)t->ref.in_w * lanes;
    const size_t left = (size_t)t->stage->in_margin.left * lanes;
    const size_t row = left + run + (size_t)t->stage->in_margin.right * lanes;
    const size_t rows = t->in_len * lanes / run;
    /* NOLINTNEXTLINE(clang-analyzer-optin.portability.UnixAPI): no case has no values */
    float *dense = lanes_of(t->x, t->in_len, t->lanes), *x = calloc(rows * row, sizeof *x);
    ck_assert_uint_eq(rows * row, t->stage->in_length);
    for (size_t i = 0; i < rows; i++)
        memcpy(x + i * row + left, dense + i * run, run * sizeof *x);
    free(dense);
    return x;
}

/* NULL when the machine cannot run it. */
static struct layer_case *case_new(int number)
{
    const int shape = number % SHAPES, transposed = number / SHAPES % 2;
    const int engine = number / (2 * SHAPES) % ENGINES;
    cae_context *context = context_of(engine);
    if (!context)
        return NULL;
    struct layer_case *t = calloc(1, sizeof *t);
    t->context = context;
    t->lanes = lane_counts[number / (2 * SHAPES * ENGINES)];
    snprintf(t->what, sizeof t->what, "%s%s, %d lanes, %s", shapes[shape].name,
             transposed ? ", transposed" : "", t->lanes, engines[engine].name);

    t->ref = ref_conv_default(transposed, shapes[shape].in_c, shapes[shape].in_h,
                             shapes[shape].in_w, shapes[shape].out_c);
    t->ref.kernel_h = shapes[shape].kernel[0], t->ref.kernel_w = shapes[shape].kernel[1];
    t->ref.stride_h = shapes[shape].stride[0], t->ref.stride_w = shapes[shape].stride[1];
    t->ref.padding_h = shapes[shape].padding[0], t->ref.padding_w = shapes[shape].padding[1];
    t->ref.dilation_h = shapes[shape].dilation[0], t->ref.dilation_w = shapes[shape].dilation[1];
    t->ref.activation = shapes[shape].activation;
    t->ref.slope = 0.2;
    if (transposed) {
        t->ref.output_padding_h = shapes[shape].output_padding[0];
        t->ref.output_padding_w = shapes[shape].output_padding[1];
        while (ref_out_h(&t->ref) < 1) /* padding crops: too much for a small image */
            t->ref.padding_h--;
        while (ref_out_w(&t->ref) < 1)
            t->ref.padding_w--;
    }
    const size_t lanes = (size_t)t->lanes;
    t->in_len = ref_in_len(&t->ref), t->out_len = ref_out_len(&t->ref), t->w_len = ref_weight_len(&t->ref);
    t->x = random_array(1, t->in_len * lanes);
    const int before = number % (CAE_ACTIVATION_SIGMOID + 1); /* every one before every kind of layer */
    if (before == CAE_ACTIVATION_RELU)
        for (size_t i = 0; i < t->in_len * lanes; i++) /* as a ReLU leaves it: half of it exactly 0 */
            t->x[i] = t->x[i] > 0 ? t->x[i] : 0;
    t->dy = random_array(2, t->out_len * lanes);
    t->w = random_array(3, t->w_len);
    t->b = shapes[shape].no_bias ? NULL : random_array(4, (size_t)t->ref.out_c);
    t->dy_lanes = lanes_of(t->dy, t->out_len, t->lanes);

    make_model(t, before, t->b != NULL);
    assert_ok(t->context, cae__plan_init(&t->plan, t->context, t->model, CAE_PART_WHOLE,
                                         t->ref.in_h, t->ref.in_w, t->lanes, true));
    t->stage = &t->plan.stages[1];
    ck_assert_int_eq(t->plan.lanes, t->lanes);
    ck_assert_int_eq(t->stage->out_h, ref_out_h(&t->ref));
    ck_assert_int_eq(t->stage->out_w, ref_out_w(&t->ref));
    ck_assert_uint_eq(t->stage->out_length, t->out_len * lanes);
    if (number / SHAPES % 4 < 2) { /* also without the margins that the layer below writes for it */
        t->stage->in_margin = t->stage[-1].out_margin = (struct cae__margin){0};
        t->stage->in_length = t->stage[-1].out_length = t->in_len * lanes;
        cae__direct_view(t->stage);
        cae__direct_aim(t->stage);
        if (t->plan.scratch < cae__direct_scratch(t->stage))
            t->plan.scratch = cae__direct_scratch(t->stage);
    }
    t->x_lanes = with_margins(t);
    if (engines[engine].engine == CAE_ENGINE_GEMM)
        ck_assert(!t->stage->direct.forward && !t->stage->direct.weight_gradient);
    t->scratch = guarded_floats((size_t)t->plan.scratch);
    /* a layer may leave it alone, but must not write past it */
    memset(t->scratch, 0, sizeof(float) * (size_t)t->plan.scratch);
    return t;
}

static void case_finish(struct layer_case *t)
{
    guarded_finish(t->scratch, t->what);
    free(t->x), free(t->dy), free(t->w), free(t->b);
    free(t->x_lanes), free(t->dy_lanes);
    cae__plan_finish(&t->plan, t->context);
    cae_model_destroy(t->model);
    cae_context_destroy(t->context);
    free(t);
}

static void assert_agrees(const float *actual, const double *expected, size_t n, const char *what,
                          const char *quantity)
{
    const double error = relative_error_ref(actual, expected, n);
    ck_assert_msg(error <= TOLERANCE, "%s: %s is off by %g, tolerance %g", what, quantity, error,
                  TOLERANCE);
}

static void forward(const struct layer_case *t, float *y)
{
    cae__layer_forward(t->stage, y, t->x_lanes, t->scratch);
}

START_TEST(forward_equals_definition)
{
    struct layer_case *t = case_new(_i);
    if (!t)
        return;
    float *y = guarded_floats(t->out_len * (size_t)t->lanes);
    double *expected = new_doubles(t->out_len);
    forward(t, y);
    for (int lane = 0; lane < t->lanes; lane++) {
        float *image = lane_of(y, t->out_len, t->lanes, lane);
        ref_layer_forward(expected, NULL, &t->ref, t->x + (size_t)lane * t->in_len, t->w, t->b);
        assert_agrees(image, expected, t->out_len, t->what, "y");
        free(image);
    }
    free(expected);
    guarded_finish(y, t->what);
    case_finish(t);
}
END_TEST

/* Parameter gradients are added to: they begin at 1 here and the definition starts there as well. */
static float *ones(size_t n)
{
    float *values = guarded_floats(n);
    for (size_t i = 0; i < n; i++)
        values[i] = 1.0f;
    return values;
}

static double *ones_ref(size_t n)
{
    double *values = new_doubles(n);
    for (size_t i = 0; i < n; i++)
        values[i] = 1.0;
    return values;
}

/* The derivative of an activation that gave y. */
static double slope_of(int32_t activation, double y)
{
    switch (activation) {
    case CAE_ACTIVATION_RELU: return y > 0;
    case CAE_ACTIVATION_LEAKY_RELU: return y > 0 ? 1 : (double)0.2f;
    case CAE_ACTIVATION_TANH: return 1 - y * y;
    case CAE_ACTIVATION_SIGMOID: return y * (1 - y);
    default: return 1;
    }
}

static void check_backward(struct layer_case *t, bool want_dx)
{
    const size_t lanes = (size_t)t->lanes, out_c = (size_t)t->ref.out_c;
    float *y = guarded_floats(t->out_len * lanes), *dw = ones(t->w_len);
    float *db = t->b ? ones(out_c) : NULL;
    float *dx = want_dx ? guarded_floats(t->in_len * lanes) : NULL;
    double *z = new_doubles(t->out_len), *expected_y = new_doubles(t->out_len);
    double *expected_dx = new_doubles(t->in_len), *expected_dw = ones_ref(t->w_len);
    double *expected_db = ones_ref(out_c);

    forward(t, y);
    t->stage->kernels->activation_backward(t->dy_lanes, y, (ptrdiff_t)(t->out_len * lanes),
                                           t->stage->layer->activation, t->stage->layer->slope);
    cae__layer_backward(t->stage, dw, db, dx, t->x_lanes, t->dy_lanes, t->before, t->scratch);

    for (int lane = 0; lane < t->lanes; lane++) {
        const double *x = t->x + (size_t)lane * t->in_len;
        ref_layer_forward(expected_y, z, &t->ref, x, t->w, t->b);
        ref_layer_backward(expected_dx, expected_dw, expected_db, &t->ref, x, t->w, z,
                           t->dy + (size_t)lane * t->out_len);
        for (size_t i = 0; i < t->in_len; i++)
            expected_dx[i] *= slope_of(t->before->activation, x[i]);
        if (dx) {
            float *image = lane_of(dx, t->in_len, t->lanes, lane);
            assert_agrees(image, expected_dx, t->in_len, t->what, "dx");
            free(image);
        }
    }
    assert_agrees(dw, expected_dw, t->w_len, t->what, "dw");
    if (db)
        assert_agrees(db, expected_db, out_c, t->what, "db");

    free(z), free(expected_y), free(expected_dx), free(expected_dw), free(expected_db);
    if (dx)
        guarded_finish(dx, t->what);
    if (db)
        guarded_finish(db, t->what);
    guarded_finish(dw, t->what);
    guarded_finish(y, t->what);
}

START_TEST(backward_equals_definition)
{
    struct layer_case *t = case_new(_i);
    if (!t)
        return;
    check_backward(t, true);
    case_finish(t);
}
END_TEST

START_TEST(backward_of_the_first_layer)
{
    struct layer_case *t = case_new(_i);
    if (!t)
        return;
    check_backward(t, false);
    case_finish(t);
}
END_TEST

static double dot(const float *a, const float *b, size_t n)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++)
        sum += (double)a[i] * b[i];
    return sum;
}

/* <forward(x), g> = <x, backward(g)> for a layer without bias and activations, whatever its geometry:
 * the input gradient is the adjoint. */
START_TEST(input_gradient_is_the_adjoint)
{
    struct layer_case *t = case_new(_i);
    if (!t)
        return;
    const size_t in = t->in_len * (size_t)t->lanes, out = t->out_len * (size_t)t->lanes;
    struct cae__layer plain = *t->stage->layer;
    struct cae__stage stage = *t->stage;
    plain.activation = CAE_ACTIVATION_NONE;
    stage.layer = &plain;
    stage.bias = NULL;

    float *y = guarded_floats(out), *back = guarded_floats(in), *dw = ones(t->w_len);
    cae__layer_forward(&stage, y, t->x_lanes, t->scratch);
    cae__layer_backward(&stage, dw, NULL, back, t->x_lanes, t->dy_lanes, NULL, t->scratch);
    float *x = lanes_of(t->x, t->in_len, t->lanes);
    const double left = dot(y, t->dy_lanes, out), right = dot(x, back, in);
    free(x);
    const double size = sqrt(dot(y, y, out) * dot(t->dy_lanes, t->dy_lanes, out));
    ck_assert_msg(fabs(left - right) <= 1e-6 * size, "%s: <f x, g> = %.9g, <x, f' g> = %.9g",
                  t->what, left, right);
    guarded_finish(dw, t->what);
    guarded_finish(back, t->what);
    guarded_finish(y, t->what);
    case_finish(t);
}
END_TEST

/* Two layers of random geometry, of which a part is asked for: the same as that part of the whole. To
 * the bit where no matrix product is involved. */
START_TEST(a_part_equals_its_part_of_the_whole)
{
    struct layer_case *t = case_new(_i);
    if (!t)
        return;
    const int oh = t->stage->out_h, ow = t->stage->out_w, channels = t->ref.out_c;
    const bool exact = t->stage->direct.forward && t->plan.stages[0].direct.forward;
    const size_t image = (size_t)t->ref.in_h * (size_t)t->ref.in_w;
    float *input = new_floats(image);
    random_floats(9, input, image, -1, 1);
    float *whole[2] = {new_floats(t->plan.longest), new_floats(t->plan.longest)};
    memcpy(whole[0], input, image * sizeof *input);
    cae__plan_run(&t->plan, whole[0], whole[0], whole, t->scratch);
    const float *expected = whole[0];

    uint64_t state = (uint64_t)_i;
    for (int part = 0; part < 6; part++) {
        struct cae__span rows = {0, oh}, columns = {0, ow};
        if (part > 0) {
            rows.first = (int)random_below(&state, (uint32_t)oh);
            rows.end = rows.first + 1 + (int)random_below(&state, (uint32_t)(oh - rows.first));
            columns.first = (int)random_below(&state, (uint32_t)ow);
            columns.end = columns.first + 1 + (int)random_below(&state, (uint32_t)(ow - columns.first));
        }
        cae__plan_crop(&t->plan, rows, columns, (struct cae__frame){0}, (struct cae__frame){0});
        const struct cae__span in_rows = t->plan.input_rows, in_columns = t->plan.input_columns;
        float *buffers[2] = {guarded_floats(t->plan.longest), guarded_floats(t->plan.longest)};
        float *scratch = guarded_floats((size_t)t->plan.scratch);
        memset(buffers[0], 0, t->plan.longest * sizeof(float));
        memset(buffers[1], 0, t->plan.longest * sizeof(float));
        memset(scratch, 0, (size_t)t->plan.scratch * sizeof(float));
        float *to = buffers[0];
        for (int y = in_rows.first; y < in_rows.end; y++)
            for (int x = in_columns.first; x < in_columns.end; x++)
                *to++ = input[(size_t)y * (size_t)t->ref.in_w + (size_t)x];
        const float *got = buffers[0]; /* two layers: there and back */
        cae__plan_run(&t->plan, buffers[0], buffers[0], buffers, scratch);
        double worst = 0, largest = 1e-30;
        for (int k = 0; k < channels; k++)
            for (int y = rows.first; y < rows.end; y++)
                for (int x = columns.first; x < columns.end; x++, got++) {
                    const float e = expected[((size_t)k * (size_t)oh + (size_t)y) * (size_t)ow + (size_t)x];
                    largest = fmax(largest, fabs((double)e));
                    worst = fmax(worst, fabs((double)*got - (double)e));
                }
        ck_assert_msg(worst <= (exact ? 0 : TOLERANCE * largest),
                      "%s, rows %d to %d, columns %d to %d: off by %g", t->what, rows.first,
                      rows.end, columns.first, columns.end, worst);
        guarded_finish(buffers[0], t->what);
        guarded_finish(buffers[1], t->what);
        guarded_finish(scratch, t->what);
    }
    free(input), free(whole[0]), free(whole[1]);
    case_finish(t);
}
END_TEST

START_TEST(kernels_that_do_not_fit_are_refused)
{
    cae_context *context = test_context();
    struct cae__stage stage;
    struct cae__layer layer = {.in_channels = 1, .out_channels = 1, .kernel_h = 3, .kernel_w = 3,
                               .stride_h = 1, .stride_w = 1, .dilation_h = 1, .dilation_w = 1};
    assert_fails(context, CAE_ERR_SHAPE, cae__stage_init(context, &stage, &layer, 0, 2, 3, 1));
    assert_ok(context, cae__stage_init(context, &stage, &layer, 0, 3, 3, 1));
    layer.transposed = true;
    layer.padding_h = 2;
    assert_fails(context, CAE_ERR_SHAPE, cae__stage_init(context, &stage, &layer, 0, 2, 3, 1));
    layer.padding_h = 0;
    layer.stride_h = 65535;
    assert_fails(context, CAE_ERR_SHAPE, cae__stage_init(context, &stage, &layer, 0, 70000, 3, 8));
    cae_context_destroy(context);
}
END_TEST

static const struct {
    int32_t kind;
    int ref;
} kinds[] = {{CAE_LOSS_MSE, REF_MSE}, {CAE_LOSS_L1, REF_L1}, {CAE_LOSS_HUBER, REF_HUBER},
             {CAE_LOSS_CHARBONNIER, REF_CHARBONNIER}};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

/* Every level, at lengths that are no number of vectors, with exact zeros, and with differences from
 * far below `delta` to far above it: the sum within rounding of itself, however small it is. */
START_TEST(losses_equal_their_definition)
{
    static const size_t lengths[] = {1, 3, 16, 17, 255, 256, 1003};
    static const float deltas[] = {1e-3f, 0.3f, 50.0f};
    const struct cae__kernels *kernels = cae__kernels_at(CAE_CPU_BASELINE + _i);
    if (!kernels)
        return;
    for (size_t at = 0; at < sizeof lengths / sizeof lengths[0]; at++)
        for (int k = 0; k < KINDS; k++)
            for (int d = 0; d < 3; d++) {
                const size_t n = lengths[at];
                const struct cae__loss loss = {kinds[k].kind, deltas[d]};
                float *y = new_floats(n), *target = new_floats(n), *dy = guarded_floats(n);
                double *a = new_doubles(n), *b = new_doubles(n), *expected = new_doubles(n);
                random_floats(at, y, n, -1, 1);
                random_floats(at + 50, target, n, -1, 1);
                for (size_t i = 0; i < n; i++) {
                    target[i] = i % 5 == 0 ? y[i] : i % 5 == 1 ? y[i] + 1e-4f : target[i];
                    a[i] = y[i], b[i] = target[i];
                }
                const double sum = kernels->loss_gradient(&loss, dy, y, target, n, 1, 1,
                                                          (float)(1.0 / (double)n));
                const double mean = ref_loss(expected, kinds[k].ref, deltas[d], a, b, n);
                ck_assert_double_eq_tol(sum / (double)n, mean, 1e-6 * mean + 1e-30);
                for (size_t i = 0; i < n; i++) {
                    ck_assert_double_eq_tol(dy[i], expected[i], 4e-7 * fabs(expected[i]) + 1e-30);
                    ck_assert(y[i] != target[i] || dy[i] == 0.0f);
                }
                guarded_finish(dy, "the gradient of a loss");
                free(y), free(target), free(a), free(b), free(expected);
            }
}
END_TEST

/* Charbonnier's at the ends of what epsilon may be, where squares are still floats. */
START_TEST(charbonnier_at_its_limits)
{
    static const float epsilons[] = {1e-18f, 1e18f}, differences[] = {0, 1e-18f, 1e-6f, 1};
    const struct cae__kernels *kernels = cae__kernels_at(CAE_CPU_BASELINE + _i);
    if (!kernels)
        return;
    for (int e = 0; e < 2; e++)
        for (int d = 0; d < 4; d++) {
            const struct cae__loss loss = {CAE_LOSS_CHARBONNIER, epsilons[e]};
            const double y = differences[d], target = 0;
            const float zero = 0;
            float slope;
            double expected;
            const double sum = kernels->loss_gradient(&loss, &slope, &differences[d], &zero, 1, 1, 1, 1);
            /* sqrt(d^2 + e^2) - e, without what cancels at 1e18 */
            const double root = hypot(y, (double)epsilons[e]);
            ref_loss(&expected, REF_CHARBONNIER, epsilons[e], &y, &target, 1);
            const double value = y * y / (root + (double)epsilons[e]);
            ck_assert_double_eq_tol(sum, value, 1e-6 * value + 1.2e-38);
            ck_assert_double_eq_tol(slope, expected, 4e-7 * expected + 1.2e-38);
        }
}
END_TEST

/* Everything that is unused in a block must stay out of the result. */
START_TEST(unused_lanes_have_no_gradient)
{
    enum { LANES = 8, USED = 3, PIXELS = 10 };
    float y[PIXELS * LANES], target[PIXELS * LANES], dy[PIXELS * LANES];
    random_floats(1, y, PIXELS * LANES, -1, 1);
    random_floats(2, target, PIXELS * LANES, -1, 1);
    for (int k = 0; k < KINDS; k++) {
        const struct cae__loss loss = {kinds[k].kind, 0.3f};
        const double sum = cae__kernels_at(CAE_CPU_AUTO)->loss_gradient(
            &loss, dy, y, target, PIXELS, LANES, USED, 1.0f / (PIXELS * USED));
        double a[PIXELS * USED], b[PIXELS * USED], expected[PIXELS * USED];
        for (int p = 0; p < PIXELS; p++)
            for (int lane = 0; lane < USED; lane++) {
                a[p * USED + lane] = y[p * LANES + lane];
                b[p * USED + lane] = target[p * LANES + lane];
            }
        const double mean = ref_loss(expected, kinds[k].ref, (double)0.3f, a, b, PIXELS * USED);
        ck_assert_double_eq_tol(sum / (PIXELS * USED), mean, 1e-7);
        for (int i = 0; i < PIXELS * LANES; i++)
            ck_assert_double_eq_tol(dy[i], i % LANES < USED
                                    ? expected[i / LANES * USED + i % LANES] : 0.0, 1e-8);
    }
}
END_TEST

/* Every level, with rows apart from each other, and lengths that are not a number of vectors. */
START_TEST(lanes_in_and_out)
{
    const struct cae__kernels *kernels = cae__kernels_at(CAE_CPU_BASELINE + _i);
    if (!kernels)
        return;
    for (int lanes = 1; lanes <= 9; lanes++)
        for (int used = 1; used <= lanes; used++) {
            const size_t length = 37, stride = 41;
            float *images = new_floats(stride * (size_t)used);
            random_floats(5, images, stride * (size_t)used, -1, 1);
            float *packed = guarded_floats(length * (size_t)lanes);
            float *back = new_floats(stride * (size_t)used);
            memcpy(back, images, stride * (size_t)used * sizeof *back);
            kernels->interleave(packed, images, length, stride, lanes, used);
            for (size_t i = 0; i < length * (size_t)lanes; i++) {
                const size_t lane = i % (size_t)lanes;
                ck_assert(packed[i] == (lane < (size_t)used
                                        ? images[lane * stride + i / (size_t)lanes] : 0.0f));
            }
            for (int lane = 0; lane < used; lane++)
                memset(back + (size_t)lane * stride, 0, length * sizeof *back);
            kernels->deinterleave(back, packed, length, stride, lanes, used);
            ck_assert(memcmp(back, images, stride * (size_t)used * sizeof(float)) == 0);
            free(back);
            guarded_finish(packed, "interleave");
            free(images);
        }
}
END_TEST

/* Everything but products has the same bits at every level: losses with their gradients, row sums,
 * activations, bytes. */
START_TEST(levels_agree_to_the_bit)
{
    enum { LENGTH = 1003 };
    const struct cae__kernels *kernels = cae__kernels_at(CAE_CPU_BASELINE + _i);
    const struct cae__kernels *base = cae__kernels_at(CAE_CPU_BASELINE);
    if (!kernels)
        return;
    float y[LENGTH], target[LENGTH], a[LENGTH], b[LENGTH];
    unsigned char bytes[LENGTH];
    random_floats(1, y, LENGTH, -1, 1);
    random_floats(2, target, LENGTH, -1, 1);
    for (int i = 0; i < LENGTH; i++)
        bytes[i] = (unsigned char)i;
    for (int kind = CAE_LOSS_MSE; kind <= CAE_LOSS_CHARBONNIER; kind++) {
        const struct cae__loss loss = {kind, 0.3f};
        const double left = kernels->loss_gradient(&loss, a, y, target, LENGTH, 1, 1, 0.01f);
        const double right = base->loss_gradient(&loss, b, y, target, LENGTH, 1, 1, 0.01f);
        ck_assert(left == right && memcmp(a, b, sizeof a) == 0);
    }
    for (int activation = CAE_ACTIVATION_NONE; activation <= CAE_ACTIVATION_SIGMOID; activation++) {
        const float bias = 0.25f;
        memcpy(a, y, sizeof a), memcpy(b, y, sizeof b);
        kernels->bias_activation(a, 1, LENGTH, 0, &bias, activation, 0.2f);
        base->bias_activation(b, 1, LENGTH, 0, &bias, activation, 0.2f);
        ck_assert(memcmp(a, b, sizeof a) == 0);
        kernels->activation_backward(a, y, LENGTH, activation, 0.2f);
        base->activation_backward(b, y, LENGTH, activation, 0.2f);
        ck_assert(memcmp(a, b, sizeof a) == 0);
    }
    a[0] = b[0] = 1;
    kernels->add_row_sums(a, y, 1, LENGTH);
    base->add_row_sums(b, y, 1, LENGTH);
    ck_assert(a[0] == b[0]);
    for (int is_signed = 0; is_signed < 2; is_signed++) {
        kernels->scale_bytes(a, bytes, LENGTH, is_signed);
        for (int i = 0; i < LENGTH; i++) /* correctly rounded, so 0 and 255 are the ends exactly */
            ck_assert(a[i] == (is_signed ? (float)bytes[i] / 127.5f - 1.0f : (float)bytes[i] / 255.0f));
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("layers");
    TCase *c = tcase_create("layers");
    tcase_set_timeout(c, 120);
    tcase_add_loop_test(c, forward_equals_definition, 0, CASES);
    tcase_add_loop_test(c, backward_equals_definition, 0, CASES);
    tcase_add_loop_test(c, backward_of_the_first_layer, 0, CASES / LANE_COUNTS);
    tcase_add_loop_test(c, input_gradient_is_the_adjoint, 0, CASES);
    tcase_add_loop_test(c, a_part_equals_its_part_of_the_whole, 0, CASES / LANE_COUNTS);
    tcase_add_test(c, kernels_that_do_not_fit_are_refused);
    tcase_add_loop_test(c, losses_equal_their_definition, 0, 3);
    tcase_add_loop_test(c, charbonnier_at_its_limits, 0, 3);
    tcase_add_test(c, unused_lanes_have_no_gradient);
    tcase_add_loop_test(c, lanes_in_and_out, 0, 3);
    tcase_add_loop_test(c, levels_agree_to_the_bit, 0, 3);
    suite_add_tcase(s, c);
    return s;
}

int main(void)
{
    return test_main(suite());
}
