/* test_layers.c - every layer, forward and backward, against the double-precision definition.
 *
 * The table holds what breaks convolutions: nothing square, padding wider than a tap, 1x1 with a
 * stride, holes, kernels as large as the image, strides that leave pixels unread, output padding,
 * more rows than one tile, products that must be cut. Each case runs with 1, 3 and 8 lanes. Outputs
 * lie between guard bands and begin as NaN, so writing too far and not writing are both seen. */
#include "../../lib/network/network.h"
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
};

enum { SHAPES = sizeof shapes / sizeof shapes[0] };
static const int lane_counts[] = {1, 3, 8};
enum { LANE_COUNTS = 3, CASES = 2 * SHAPES * LANE_COUNTS };

/* One layer at one size with everything around it: lanes at the library's side, images in double
 * at the definition's. */
struct layer_case {
    char what[96];
    cae_context *context;
    struct ref_conv ref;
    struct cae__layer layer;
    struct cae__stage stage;
    int lanes;
    size_t in_len, out_len, w_len; /* of one image */
    double *x, *dy, *w, *b;        /* images one after another */
    float *x_lanes, *dy_lanes, *weight, *bias, *columns;
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

/* On the heap, because the stage points at the layer. */
static struct layer_case *case_new(int number)
{
    const int shape = number % SHAPES, transposed = number / SHAPES % 2;
    struct layer_case *t = calloc(1, sizeof *t);
    t->context = test_context();
    t->lanes = lane_counts[number / (2 * SHAPES)];
    snprintf(t->what, sizeof t->what, "%s%s, %d lanes", shapes[shape].name,
             transposed ? ", transposed" : "", t->lanes);

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
    t->layer = (struct cae__layer){
        .transposed = transposed, .in_channels = t->ref.in_c, .out_channels = t->ref.out_c,
        .kernel_h = t->ref.kernel_h, .kernel_w = t->ref.kernel_w,
        .stride_h = t->ref.stride_h, .stride_w = t->ref.stride_w,
        .padding_h = t->ref.padding_h, .padding_w = t->ref.padding_w,
        .dilation_h = t->ref.dilation_h, .dilation_w = t->ref.dilation_w,
        .output_padding_h = t->ref.output_padding_h, .output_padding_w = t->ref.output_padding_w,
        .bias = !shapes[shape].no_bias, .activation = t->ref.activation, .slope = 0.2f};
    assert_ok(t->context, cae__stage_init(t->context, &t->stage, &t->layer, 0, t->ref.in_h, t->ref.in_w,
                                         t->lanes));
    ck_assert_int_eq(t->stage.out_h, ref_out_h(&t->ref));
    ck_assert_int_eq(t->stage.out_w, ref_out_w(&t->ref));

    const size_t lanes = (size_t)t->lanes;
    t->in_len = ref_in_len(&t->ref), t->out_len = ref_out_len(&t->ref), t->w_len = ref_weight_len(&t->ref);
    ck_assert_uint_eq(t->stage.in_length, t->in_len * lanes);
    ck_assert_uint_eq(t->stage.out_length, t->out_len * lanes);
    t->x = random_array(1, t->in_len * lanes);
    t->dy = random_array(2, t->out_len * lanes);
    t->w = random_array(3, t->w_len);
    t->b = t->layer.bias ? random_array(4, (size_t)t->ref.out_c) : NULL;
    t->x_lanes = lanes_of(t->x, t->in_len, t->lanes);
    t->dy_lanes = lanes_of(t->dy, t->out_len, t->lanes);
    t->weight = floats_of(t->w, t->w_len);
    t->bias = t->b ? floats_of(t->b, (size_t)t->ref.out_c) : NULL;
    t->stage.weight = t->weight;
    t->stage.bias = t->bias;
    t->columns = guarded_floats((size_t)cae__column_rows(&t->stage.window) *
                               (size_t)cae__tile_length(&t->stage.window, t->stage.tile));
    /* scratch: a layer may leave it alone, but must not write past it */
    memset(t->columns, 0, sizeof(float) * (size_t)cae__column_rows(&t->stage.window) *
                              (size_t)cae__tile_length(&t->stage.window, t->stage.tile));
    return t;
}

static void case_finish(struct layer_case *t)
{
    guarded_finish(t->columns, t->what);
    free(t->x), free(t->dy), free(t->w), free(t->b);
    free(t->x_lanes), free(t->dy_lanes), free(t->weight), free(t->bias);
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
    if (t->layer.transposed)
        cae__conv_transpose_forward(&t->stage, t->x_lanes, y, t->columns);
    else
        cae__conv_forward(&t->stage, t->x_lanes, y, t->columns);
}

START_TEST(forward_equals_definition)
{
    struct layer_case *t = case_new(_i);
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
    cae__activation_backward(t->dy_lanes, y, (ptrdiff_t)(t->out_len * lanes), t->layer.activation,
                             t->layer.slope);
    (t->layer.transposed ? cae__conv_transpose_backward : cae__conv_backward)(
        &t->stage, t->x_lanes, t->dy_lanes, dw, db, dx, t->columns);

    for (int lane = 0; lane < t->lanes; lane++) {
        const double *x = t->x + (size_t)lane * t->in_len;
        ref_layer_forward(expected_y, z, &t->ref, x, t->w, t->b);
        ref_layer_backward(expected_dx, expected_dw, expected_db, &t->ref, x, t->w, z,
                           t->dy + (size_t)lane * t->out_len);
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
    check_backward(t, true);
    case_finish(t);
}
END_TEST

START_TEST(backward_of_the_first_layer)
{
    struct layer_case *t = case_new(_i);
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

/* <conv(x), g> = <x, conv_transpose(g)> with the same weight, whatever the geometry: a convolution
 * maps C channels to K and reads a weight [K][C], the transposed one maps K to C and reads [K][C]. */
START_TEST(transposed_convolution_is_the_adjoint)
{
    struct layer_case *t = case_new(_i); /* the first SHAPES cases of a lane count are convolutions */
    const size_t in = t->in_len * (size_t)t->lanes, out = t->out_len * (size_t)t->lanes;
    t->layer.activation = CAE_ACTIVATION_NONE;
    t->stage.bias = NULL;

    struct cae__layer adjoint = t->layer;
    adjoint.transposed = true;
    adjoint.in_channels = t->layer.out_channels;
    adjoint.out_channels = t->layer.in_channels;
    /* what a strided convolution leaves unread at the end is output padding of its adjoint */
    adjoint.output_padding_h = (t->ref.in_h + 2 * t->ref.padding_h -
                                t->ref.dilation_h * (t->ref.kernel_h - 1) - 1) % t->ref.stride_h;
    adjoint.output_padding_w = (t->ref.in_w + 2 * t->ref.padding_w -
                                t->ref.dilation_w * (t->ref.kernel_w - 1) - 1) % t->ref.stride_w;
    struct cae__stage stage;
    assert_ok(t->context, cae__stage_init(t->context, &stage, &adjoint, 0, t->stage.out_h,
                                         t->stage.out_w, t->lanes));
    ck_assert_int_eq(stage.out_h, t->ref.in_h);
    ck_assert_int_eq(stage.out_w, t->ref.in_w);
    stage.weight = t->weight;
    stage.bias = NULL;

    float *y = guarded_floats(out), *back = guarded_floats(in);
    cae__conv_forward(&t->stage, t->x_lanes, y, t->columns);
    cae__conv_transpose_forward(&stage, t->dy_lanes, back, t->columns);
    const double left = dot(y, t->dy_lanes, out), right = dot(t->x_lanes, back, in);
    const double size = sqrt(dot(y, y, out) * dot(t->dy_lanes, t->dy_lanes, out));
    ck_assert_msg(fabs(left - right) <= 1e-6 * size, "%s: <conv x, g> = %.9g, <x, conv' g> = %.9g",
                  t->what, left, right);
    guarded_finish(back, t->what);
    guarded_finish(y, t->what);
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

/* Everything that is unused in a block must stay out of the result. */
START_TEST(unused_lanes_have_no_gradient)
{
    enum { LANES = 8, USED = 3, PIXELS = 10 };
    float y[PIXELS * LANES], target[PIXELS * LANES], dy[PIXELS * LANES];
    random_floats(1, y, PIXELS * LANES, -1, 1);
    random_floats(2, target, PIXELS * LANES, -1, 1);
    const struct { int32_t kind; int ref; } kinds[] = {
        {CAE_LOSS_MSE, REF_MSE}, {CAE_LOSS_L1, REF_L1}, {CAE_LOSS_HUBER, REF_HUBER}};
    for (int k = 0; k < 3; k++) {
        const struct cae__loss loss = {kinds[k].kind, 0.3f};
        const double sum = cae__loss_gradient(&loss, dy, y, target, PIXELS, LANES, USED, 1.0f / (PIXELS * USED));
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

START_TEST(lanes_in_and_out)
{
    for (int lanes = 1; lanes <= 9; lanes++)
        for (int used = 1; used <= lanes; used++) {
            const size_t length = 37;
            float *images = new_floats(length * (size_t)used);
            random_floats(5, images, length * (size_t)used, -1, 1);
            float *packed = guarded_floats(length * (size_t)lanes);
            float *back = guarded_floats(length * (size_t)used);
            cae__interleave(packed, images, length, lanes, used);
            for (size_t i = 0; i < length * (size_t)lanes; i++) {
                const size_t lane = i % (size_t)lanes;
                ck_assert(packed[i] == (lane < (size_t)used
                                        ? images[lane * length + i / (size_t)lanes] : 0.0f));
            }
            cae__deinterleave(back, packed, length, lanes, used);
            ck_assert(memcmp(back, images, length * (size_t)used * sizeof(float)) == 0);
            guarded_finish(back, "deinterleave");
            guarded_finish(packed, "interleave");
            free(images);
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
    tcase_add_loop_test(c, backward_of_the_first_layer, 0, 2 * SHAPES);
    tcase_add_loop_test(c, transposed_convolution_is_the_adjoint, 0, SHAPES);
    tcase_add_loop_test(c, transposed_convolution_is_the_adjoint, 4 * SHAPES, 5 * SHAPES);
    tcase_add_test(c, kernels_that_do_not_fit_are_refused);
    tcase_add_test(c, unused_lanes_have_no_gradient);
    tcase_add_test(c, lanes_in_and_out);
    suite_add_tcase(s, c);
    return s;
}

int main(void)
{
    return test_main(suite());
}
