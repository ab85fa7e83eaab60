/* test_metrics.c - MSE, PSNR and SSIM on plain arrays.
 *
 * Three witnesses: golden values that scikit-image 0.19.3 gave for two pairs of generated images;
 * the formulas written out in tests/ref, on sizes that fit no blocking; and what is known without
 * computing. Live comparison with scikit-image is in tests/parity/interop.py. */
#include "../common/common.h"
#include "../ref/ref.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 32, CHANNELS = 3, PIXELS = CHANNELS * SIDE * SIDE };

static cae_context *context;

static void setup(void)
{
    context = test_context();
}

static void teardown(void)
{
    cae_context_destroy(context);
}

/* --- Golden pairs --------------------------------------------------------------------------------
 *
 * Images of bytes, generated in the order [row][column][channel]. x is the state of the generator
 * x' = 1664525 x + 1013904223 mod 2^32, of which the upper 8 bits are used. */

static float *plane(float *image, int y, int x, int c)
{
    return &image[(c * SIDE + y) * SIDE + x];
}

static void noise_image(float *image, uint32_t state)
{
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++)
            for (int c = 0; c < CHANNELS; c++) {
                state = 1664525 * state + 1013904223;
                *plane(image, y, x, c) = (float)(state >> 24);
            }
}

static void ramp_image(float *image)
{
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++)
            for (int c = 0; c < CHANNELS; c++)
                *plane(image, y, x, c) = (float)((x * 5 + y * 3 + c * 40) % 256);
}

/* The ramp with a quarter of the noise: (noise - 128) / 4, rounded down, clipped to bytes. */
static void noisy_image(float *image, const float *ramp)
{
    noise_image(image, 12345);
    for (int i = 0; i < PIXELS; i++)
        image[i] = fminf(255, fmaxf(0, ramp[i] + floorf((image[i] - 128) / 4)));
}

static void scale_image(float *image, float factor, float offset)
{
    for (int i = 0; i < PIXELS; i++)
        image[i] = image[i] * factor + offset;
}

static const struct golden {
    const char *name;
    double mse, psnr, gaussian11, uniform7;
} golden[] = {
    {"ramp and noisy ramp", 0.004965938581314879, 23.03998656098608, 0.4410144998758485,
     0.5438699603555134},
    {"noise and noise", 0.16584831154684096, 7.802889455471073, -0.011154965854994143,
     -0.0008150139311217478},
};

static void golden_pair(float *a, float *b, int which)
{
    if (which == 0) {
        ramp_image(a);
        noisy_image(b, a);
    } else {
        noise_image(a, 777);
        noise_image(b, 778);
    }
}

static double ssim(const float *a, const float *b, int c, int h, int w, double range, int kind)
{
    double value = (double)NAN;

    assert_ok(context, cae_ssim(&value, context, a, b, c, h, w, range, kind));
    return value;
}

static double psnr(const float *a, const float *b, size_t n, double range)
{
    double value = (double)NAN;

    assert_ok(context, cae_psnr(&value, context, a, b, n, range));
    return value;
}

static double mse(const float *a, const float *b, size_t n)
{
    double value = (double)NAN;

    assert_ok(context, cae_mse(&value, context, a, b, n));
    return value;
}

/* The generators above are those of the golden values: their first pixels say so. */
START_TEST(golden_images_are_the_right_ones)
{
    const int noise[] = {137, 193, 214, 109, 58, 151};
    const int noisy[] = {0, 9, 82, 13, 71, 60, 9, 53, 96, 33, 25, 110};
    float a[PIXELS], b[PIXELS];

    golden_pair(a, b, 1);
    for (int i = 0; i < 6; i++)
        ck_assert_int_eq((int)*plane(a, 0, i / 3, i % 3), noise[i]);
    golden_pair(a, b, 0);
    for (int i = 0; i < 12; i++)
        ck_assert_int_eq((int)*plane(b, 0, i / 3, i % 3), noisy[i]);
}
END_TEST

START_TEST(golden_values_of_bytes)
{
    const struct golden *g = &golden[_i];
    float a[PIXELS], b[PIXELS];

    golden_pair(a, b, _i);
    ck_assert_double_eq_tol(mse(a, b, PIXELS) / (255.0 * 255.0), g->mse, 1e-12);
    ck_assert_double_eq_tol(psnr(a, b, PIXELS, 255), g->psnr, 1e-10);
    ck_assert_double_eq_tol(ssim(a, b, CHANNELS, SIDE, SIDE, 255, CAE_SSIM_GAUSSIAN11),
                            g->gaussian11, 1e-10);
    ck_assert_double_eq_tol(ssim(a, b, CHANNELS, SIDE, SIDE, 255, CAE_SSIM_UNIFORM7), g->uniform7,
                            1e-10);
}
END_TEST

/* Scaled to [0, 1] the values are not exact floats any more. */
START_TEST(golden_values_of_unit_range)
{
    const struct golden *g = &golden[_i];
    float a[PIXELS], b[PIXELS];

    golden_pair(a, b, _i);
    scale_image(a, 1 / 255.0f, 0);
    scale_image(b, 1 / 255.0f, 0);
    ck_assert_double_eq_tol(mse(a, b, PIXELS), g->mse, 1e-7);
    ck_assert_double_eq_tol(psnr(a, b, PIXELS, 1), g->psnr, 1e-6);
    ck_assert_double_eq_tol(ssim(a, b, CHANNELS, SIDE, SIDE, 1, CAE_SSIM_GAUSSIAN11),
                            g->gaussian11, 1e-6);
    ck_assert_double_eq_tol(ssim(a, b, CHANNELS, SIDE, SIDE, 1, CAE_SSIM_UNIFORM7), g->uniform7,
                            1e-6);
}
END_TEST

/* --- Against the formulas --------------------------------------------------------------------- */

static const struct {
    int c, h, w;
    double range;
} sizes[] = {
    {1, 7, 7, 1},     {1, 11, 11, 2},   {3, 11, 37, 2},  {2, 37, 11, 1},  {5, 12, 13, 255},
    {1, 64, 65, 2},   {3, 31, 29, 255}, {4, 8, 70, 1},   {1, 70, 10, 2},  {7, 17, 19, 1},
};

enum { SIZES = sizeof sizes / sizeof *sizes };

/* What goes into the metrics, as floats and as doubles. */
struct pair {
    size_t n;
    float *a, *b;
    double *da, *db;
};

/* b is a with noise of `noise` of the range: 0.02 is a good reconstruction, 1 has nothing of a. */
static struct pair pair_new(uint64_t seed, size_t n, double range, double noise)
{
    struct pair p = {n, new_floats(n), new_floats(n), new_doubles(n), new_doubles(n)};

    random_floats(seed, p.a, n, 0, range);
    random_floats(seed + 1, p.b, n, -noise * range, noise * range);
    for (size_t i = 0; i < n; i++) {
        p.b[i] += p.a[i];
        p.da[i] = (double)p.a[i];
        p.db[i] = (double)p.b[i];
    }
    return p;
}

static void pair_free(struct pair *p)
{
    free(p->a);
    free(p->b);
    free(p->da);
    free(p->db);
}

static void check_against_ref(const struct pair *p, int c, int h, int w, double range)
{
    const double expected_mse = ref_mse(p->da, p->db, p->n);

    ck_assert_double_eq_tol(mse(p->a, p->b, p->n), expected_mse, 1e-12 * expected_mse);
    ck_assert_double_eq_tol(psnr(p->a, p->b, p->n, range), ref_psnr(p->da, p->db, p->n, range),
                            1e-9);
    if (h >= 11 && w >= 11)
        ck_assert_double_eq_tol(ssim(p->a, p->b, c, h, w, range, CAE_SSIM_GAUSSIAN11),
                                ref_ssim(p->da, p->db, c, h, w, range, REF_GAUSSIAN11), 1e-9);
    ck_assert_double_eq_tol(ssim(p->a, p->b, c, h, w, range, CAE_SSIM_UNIFORM7),
                            ref_ssim(p->da, p->db, c, h, w, range, REF_UNIFORM7), 1e-9);
}

START_TEST(awkward_sizes_equal_the_formulas)
{
    const double noises[] = {0.001, 0.02, 0.3, 1};
    const int c = sizes[_i].c, h = sizes[_i].h, w = sizes[_i].w;

    for (int k = 0; k < 4; k++) {
        struct pair p = pair_new(100 * (uint64_t)_i + 10 * (uint64_t)k, (size_t)(c * h * w),
                                 sizes[_i].range, noises[k]);

        check_against_ref(&p, c, h, w, sizes[_i].range);
        pair_free(&p);
    }
}
END_TEST

/* A million elements: summed in float, this would be off in the fifth digit. */
START_TEST(long_arrays_are_summed_in_double)
{
    struct pair p = pair_new(7, 1021 * 1021, 2, 0.1);
    const double expected = ref_mse(p.da, p.db, p.n);

    ck_assert_double_eq_tol(mse(p.a, p.b, p.n), expected, 1e-12 * expected);
    ck_assert_double_eq_tol(psnr(p.a, p.b, p.n, 2), ref_psnr(p.da, p.db, p.n, 2), 1e-9);
    pair_free(&p);
}
END_TEST

/* Far from zero and almost flat: E[x^2] - E[x]^2 in float would be noise. */
START_TEST(small_contrast_on_a_large_offset)
{
    const int side = 24;
    struct pair p = pair_new(8, (size_t)(side * side), 0.5, 0.5);

    for (size_t i = 0; i < p.n; i++) {
        p.da[i] = (double)(p.a[i] += 250);
        p.db[i] = (double)(p.b[i] += 250);
    }
    check_against_ref(&p, 1, side, side, 255);
    pair_free(&p);
}
END_TEST

/* --- Known without computing ------------------------------------------------------------------ */

START_TEST(equal_images)
{
    float a[PIXELS];

    noise_image(a, (uint32_t)_i);
    if (_i == 0)
        memset(a, 0, sizeof a); /* flat: both variances vanish */
    ck_assert_double_eq(mse(a, a, PIXELS), 0);
    ck_assert_double_eq(psnr(a, a, PIXELS, 255), HUGE_VAL);
    ck_assert_double_eq_tol(ssim(a, a, CHANNELS, SIDE, SIDE, 255, CAE_SSIM_GAUSSIAN11), 1, 1e-12);
    ck_assert_double_eq_tol(ssim(a, a, CHANNELS, SIDE, SIDE, 255, CAE_SSIM_UNIFORM7), 1, 1e-12);
}
END_TEST

START_TEST(one_value_and_symmetry)
{
    const float one = 1, three = 3;
    float a[PIXELS], b[PIXELS];

    ck_assert_double_eq(mse(&one, &three, 1), 4);
    ck_assert_double_eq_tol(psnr(&one, &three, 1, 2), 0, 1e-12);
    ck_assert_double_eq_tol(psnr(&one, &three, 1, 20), 20, 1e-12);

    golden_pair(a, b, 0);
    ck_assert_double_eq(mse(a, b, PIXELS), mse(b, a, PIXELS));
    for (int kind = CAE_SSIM_GAUSSIAN11; kind <= CAE_SSIM_UNIFORM7; kind++)
        ck_assert_double_eq_tol(ssim(a, b, CHANNELS, SIDE, SIDE, 255, kind),
                                ssim(b, a, CHANNELS, SIDE, SIDE, 255, kind), 1e-14);
}
END_TEST

/* The mean of an image is that of its channels. */
START_TEST(channels_count_alike)
{
    float a[PIXELS], b[PIXELS];

    golden_pair(a, b, 0);
    for (int kind = CAE_SSIM_GAUSSIAN11; kind <= CAE_SSIM_UNIFORM7; kind++) {
        double sum = 0;

        for (int c = 0; c < CHANNELS; c++)
            sum += ssim(plane(a, 0, 0, c), plane(b, 0, 0, c), 1, SIDE, SIDE, 255, kind);
        ck_assert_double_eq_tol(ssim(a, b, CHANNELS, SIDE, SIDE, 255, kind), sum / CHANNELS,
                                1e-12);
    }
}
END_TEST

/* --- Arguments -------------------------------------------------------------------------------- */

#define refused(status, call) assert_fails(context, status, call)

START_TEST(null_and_empty)
{
    float a[PIXELS] = {0};
    double out;

    refused(CAE_ERR_ARGUMENT, cae_mse(NULL, context, a, a, PIXELS));
    refused(CAE_ERR_ARGUMENT, cae_mse(&out, context, NULL, a, PIXELS));
    refused(CAE_ERR_ARGUMENT, cae_mse(&out, context, a, NULL, PIXELS));
    refused(CAE_ERR_ARGUMENT, cae_mse(&out, context, a, a, 0));
    refused(CAE_ERR_ARGUMENT, cae_psnr(NULL, context, a, a, PIXELS, 1));
    refused(CAE_ERR_ARGUMENT, cae_psnr(&out, context, NULL, a, PIXELS, 1));
    refused(CAE_ERR_ARGUMENT, cae_psnr(&out, context, a, NULL, PIXELS, 1));
    refused(CAE_ERR_ARGUMENT, cae_psnr(&out, context, a, a, 0, 1));
    refused(CAE_ERR_ARGUMENT, cae_ssim(NULL, context, a, a, 3, SIDE, SIDE, 1, 0));
    refused(CAE_ERR_ARGUMENT, cae_ssim(&out, context, NULL, a, 3, SIDE, SIDE, 1, 0));
    refused(CAE_ERR_ARGUMENT, cae_ssim(&out, context, a, NULL, 3, SIDE, SIDE, 1, 0));
}
END_TEST

static const double bad_ranges[] = {0, -1, (double)NAN, HUGE_VAL, -HUGE_VAL};

START_TEST(data_range_is_a_positive_number)
{
    float a[PIXELS] = {0};
    double out;

    refused(CAE_ERR_ARGUMENT, cae_psnr(&out, context, a, a, PIXELS, bad_ranges[_i]));
    refused(CAE_ERR_ARGUMENT, cae_ssim(&out, context, a, a, 3, SIDE, SIDE, bad_ranges[_i], 0));
}
END_TEST

static const struct {
    int32_t c, h, w, kind;
    cae_status expected;
} bad_images[] = {
    {0, SIDE, SIDE, CAE_SSIM_GAUSSIAN11, CAE_ERR_ARGUMENT},
    {-1, SIDE, SIDE, CAE_SSIM_GAUSSIAN11, CAE_ERR_ARGUMENT},
    {3, 0, SIDE, CAE_SSIM_GAUSSIAN11, CAE_ERR_ARGUMENT},
    {3, -SIDE, SIDE, CAE_SSIM_UNIFORM7, CAE_ERR_ARGUMENT},
    {3, SIDE, 0, CAE_SSIM_GAUSSIAN11, CAE_ERR_ARGUMENT},
    {3, SIDE, INT32_MIN, CAE_SSIM_UNIFORM7, CAE_ERR_ARGUMENT},
    {3, SIDE, SIDE, 2, CAE_ERR_ARGUMENT},
    {3, SIDE, SIDE, -1, CAE_ERR_ARGUMENT},
    {3, 10, SIDE, CAE_SSIM_GAUSSIAN11, CAE_ERR_SHAPE},
    {3, SIDE, 10, CAE_SSIM_GAUSSIAN11, CAE_ERR_SHAPE},
    {3, 6, SIDE, CAE_SSIM_UNIFORM7, CAE_ERR_SHAPE},
    {3, SIDE, 6, CAE_SSIM_UNIFORM7, CAE_ERR_SHAPE},
};

START_TEST(impossible_images)
{
    float a[PIXELS] = {0};
    double out;

    refused(bad_images[_i].expected, cae_ssim(&out, context, a, a, bad_images[_i].c,
                                              bad_images[_i].h, bad_images[_i].w, 1,
                                              bad_images[_i].kind));
}
END_TEST

/* 2^93 pixels: the product must not wrap around to something that seems to fit. */
START_TEST(sizes_that_overflow)
{
    float a[PIXELS] = {0};
    double out;

    ck_assert_int_lt(cae_ssim(&out, context, a, a, INT32_MAX, INT32_MAX, INT32_MAX, 1, 0), 0);
    ck_assert_int_lt(cae_mse(&out, context, a, a, SIZE_MAX), 0);
    ck_assert_int_lt(cae_psnr(&out, context, a, a, SIZE_MAX / 2, 1), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("metrics");
    TCase *values = tcase_create("values");
    TCase *arguments = tcase_create("arguments");

    tcase_add_checked_fixture(values, setup, teardown);
    tcase_add_test(values, golden_images_are_the_right_ones);
    tcase_add_loop_test(values, golden_values_of_bytes, 0, 2);
    tcase_add_loop_test(values, golden_values_of_unit_range, 0, 2);
    tcase_add_loop_test(values, awkward_sizes_equal_the_formulas, 0, SIZES);
    tcase_add_test(values, long_arrays_are_summed_in_double);
    tcase_add_test(values, small_contrast_on_a_large_offset);
    tcase_add_loop_test(values, equal_images, 0, 3);
    tcase_add_test(values, one_value_and_symmetry);
    tcase_add_test(values, channels_count_alike);
    suite_add_tcase(suite, values);

    tcase_add_checked_fixture(arguments, setup, teardown);
    tcase_add_test(arguments, null_and_empty);
    tcase_add_loop_test(arguments, data_range_is_a_positive_number, 0, 5);
    tcase_add_loop_test(arguments, impossible_images, 0, sizeof bad_images / sizeof *bad_images);
    tcase_add_test(arguments, sizes_that_overflow);
    suite_add_tcase(suite, arguments);
    return test_main(suite);
}
