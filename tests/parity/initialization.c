/* initialization.c - a new model's parameters follow PyTorch's default distribution.
 *
 * nn.Conv2d and nn.ConvTranspose2d draw weights and biases alike from the uniform distribution on
 * +-1/sqrt(fan_in), fan_in = weight.shape[1] * kernel_h * kernel_w. The second extent of a
 * transposed weight is its output, so that fan_in counts what the layer gives, not what it takes;
 * the table has layers whose two channel counts differ, which tells the rules apart.
 *
 * Bounds are set so that a right library fails one check in about 10^8; seeds are fixed, so it
 * either always does or never. */
#include "../common/common.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SEEDS = 400 };

static const struct {
    int32_t in, out, kernel_h, kernel_w, middle;
} shapes[] = {
    /* Conv in -> middle, ConvTranspose middle -> out */
    {3, 3, 3, 3, 8}, {2, 7, 3, 5, 4}, {6, 1, 1, 1, 3}, {1, 5, 2, 4, 9},
};

enum { SHAPES = sizeof shapes / sizeof *shapes };

static cae_model *model_new(cae_context *context, int shape, uint64_t seed)
{
    cae_conv_options options;
    cae_model *model;
    cae_spec *spec;

    assert_ok(context, cae_conv_options_init(&options, sizeof options));
    options.kernel_h = shapes[shape].kernel_h;
    options.kernel_w = shapes[shape].kernel_w;
    assert_ok(context, cae_spec_create(&spec, context));
    assert_ok(context, cae_spec_add_conv(spec, shapes[shape].in, shapes[shape].middle, &options));
    assert_ok(context, cae_spec_add_conv_transpose(spec, shapes[shape].middle, shapes[shape].out,
                                                   &options));
    assert_ok(context, cae_model_create(&model, context, spec, seed));
    cae_spec_destroy(spec);
    return model;
}

/* Checks n values against the uniform distribution on [-bound, bound]. */
static void check_uniform(const float *values, size_t n, double bound, const char *what)
{
    double lowest = HUGE_VAL, highest = -HUGE_VAL, sum = 0, squares = 0;
    const double gap = 40 * bound / (double)n; /* e^-20 that none of n falls that close */

    for (size_t i = 0; i < n; i++) {
        const double v = (double)values[i];

        lowest = fmin(lowest, v);
        highest = fmax(highest, v);
        sum += v;
        squares += v * v;
    }
    if (highest > bound * (1 + 1e-7) || lowest < -bound * (1 + 1e-7))
        ck_abort_msg("%s: [%g, %g] leaves +-%g", what, lowest, highest, bound);
    if (highest < bound - gap || lowest > gap - bound)
        ck_abort_msg("%s: [%g, %g] does not fill +-%g", what, lowest, highest, bound);
    if (fabs(sum / (double)n) > 6 * bound / sqrt(3 * (double)n))
        ck_abort_msg("%s: mean %g of %zu values", what, sum / (double)n, n);
    if (fabs(squares / (double)n / (bound * bound) - 1.0 / 3) > 6 * sqrt(4.0 / 45 / (double)n))
        ck_abort_msg("%s: mean square %g, expected %g", what, squares / (double)n,
                     bound * bound / 3);
}

static double bound_of(const cae_model *model, const char *weight)
{
    int64_t shape[4];

    ck_assert_int_eq(cae_model_tensor_shape(shape, NULL, model, weight), CAE_OK);
    return 1 / sqrt((double)(shape[1] * shape[2] * shape[3]));
}

/* One tensor of SEEDS models, end to end. */
static void check_tensor(int shape, const char *name, const char *weight, int64_t rows,
                         int64_t per_row)
{
    const size_t count = (size_t)(rows * per_row);
    cae_context *context = test_context();
    float *values = new_floats(SEEDS * count);
    double bound = 0;

    for (size_t seed = 0; seed < SEEDS; seed++) {
        cae_model *model = model_new(context, shape, seed);

        bound = bound_of(model, weight);
        assert_ok(context, cae_model_get_tensor(values + seed * count, count, model, name));
        cae_model_destroy(model);
    }
    check_uniform(values, SEEDS * count, bound, name);
    free(values);
    cae_context_destroy(context);
}

START_TEST(parameters_are_uniform)
{
    const int64_t kernel = (int64_t)shapes[_i].kernel_h * shapes[_i].kernel_w;
    const int64_t in = shapes[_i].in, middle = shapes[_i].middle, out = shapes[_i].out;

    check_tensor(_i, "0.weight", "0.weight", middle, in * kernel);
    check_tensor(_i, "0.bias", "0.weight", middle, 1);
    check_tensor(_i, "1.weight", "1.weight", middle, out * kernel);
    check_tensor(_i, "1.bias", "1.weight", out, 1);
}
END_TEST

/* The rule in figures, without asking the library for a shape. */
START_TEST(fan_in_of_the_reference)
{
    static const struct {
        const char *name;
        double fan_in;
    } expected[] = {
        {"0.weight", 27}, {"2.weight", 72}, {"4.weight", 72}, {"6.weight", 27},
    };
    cae_context *context = test_context();
    cae_model *model;
    float *values = new_floats(576);

    assert_ok(context, cae_model_create_reference(&model, context, 1));
    ck_assert_int_eq(cae_model_parameter_count(model), 1611);
    for (int i = 0; i < 4; i++) {
        const size_t n = expected[i].fan_in == 27 ? 216 : 576;

        assert_ok(context, cae_model_get_tensor(values, n, model, expected[i].name));
        check_uniform(values, n, 1 / sqrt(expected[i].fan_in), expected[i].name);
    }
    free(values);
    cae_model_destroy(model);
    cae_context_destroy(context);
}
END_TEST

/* Tensors of one shape, and models of two seeds, share no values; equal seeds share all. */
START_TEST(draws_are_independent)
{
    enum { COUNT = 576 };
    cae_context *context = test_context();
    float values[4][COUNT];
    const uint64_t seeds[] = {1, 1, 1, UINT64_C(1) << 32 | 1}; /* the upper half counts too */
    const char *const names[] = {"2.weight", "2.weight", "4.weight", "2.weight"};

    for (int i = 0; i < 4; i++) {
        cae_model *model;

        assert_ok(context, cae_model_create_reference(&model, context, seeds[i]));
        assert_ok(context, cae_model_get_tensor(values[i], COUNT, model, names[i]));
        cae_model_destroy(model);
    }
    ck_assert_mem_eq(values[0], values[1], sizeof values[0]);
    for (int other = 2; other < 4; other++) {
        int equal = 0;

        for (int i = 0; i < COUNT; i++)
            equal += values[0][i] == values[other][i];
        ck_assert_int_lt(equal, 3);
    }
    cae_context_destroy(context);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("initialization");
    TCase *tcase = tcase_create("distribution");

    tcase_add_loop_test(tcase, parameters_are_uniform, 0, SHAPES);
    tcase_add_test(tcase, fan_in_of_the_reference);
    tcase_add_test(tcase, draws_are_independent);
    tcase_set_timeout(tcase, 30);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
