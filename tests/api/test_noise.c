/* test_noise.c - cae_add_noise: the same bits for the same (seed, visit, image), other bits for
 * others, and a normal distribution.
 *
 * Bounds on statistics are five standard errors of the statistic for that many values: a right
 * generator fails one such check in two million. The draws are fixed, so they do not flicker. */
#include "api.h"

#include <math.h>

#define SEED 0x123456789abcdef0u
#define VISIT 7
#define IMAGE 99

static float *noise_of(size_t count, uint64_t seed, uint32_t visit, uint64_t image)
{
    float *values = new_floats(count);

    ck_assert_int_eq(cae_add_noise(values, count, 1, seed, visit, image), CAE_OK);
    return values;
}

static bool same_noise(uint64_t seed, uint32_t visit, uint64_t image)
{
    float *a = noise_of(64, SEED, VISIT, IMAGE), *b = noise_of(64, seed, visit, image);
    int equal = 0;

    for (int i = 0; i < 64; i++)
        equal += a[i] == b[i];
    free(a);
    free(b);
    ck_assert(equal == 64 || equal <= 1); /* by chance, two of 64 floats are never equal */
    return equal == 64;
}

/* --- A function of seed, visit and image ----------------------------------------------------- */

START_TEST(the_same_noise_again)
{
    ck_assert(same_noise(SEED, VISIT, IMAGE));
    ck_assert(same_noise(SEED, VISIT, IMAGE));
}
END_TEST

START_TEST(every_bit_of_the_seed_counts)
{
    ck_assert(!same_noise(SEED ^ (uint64_t)1 << _i, VISIT, IMAGE));
}
END_TEST

START_TEST(every_bit_of_the_visit_counts)
{
    ck_assert(!same_noise(SEED, VISIT ^ (uint32_t)1 << _i, IMAGE));
}
END_TEST

/* A number that has no noise of its own must be refused, not given another's. */
START_TEST(every_bit_of_the_image_counts)
{
    const uint64_t image = IMAGE ^ (uint64_t)1 << _i;
    float value = 0;

    if (_i < 56 || cae_add_noise(&value, 1, 1, SEED, VISIT, image) != CAE_ERR_ARGUMENT)
        ck_assert(!same_noise(SEED, VISIT, image));
}
END_TEST

START_TEST(seed_visit_and_image_are_not_mixed_up)
{
    float *a = noise_of(4, 1, 2, 3);
    const uint64_t others[][3] = {{1, 3, 2}, {2, 1, 3}, {2, 3, 1}, {3, 1, 2}, {3, 2, 1}};

    for (int i = 0; i < COUNT(others); i++) {
        float *b = noise_of(4, others[i][0], (uint32_t)others[i][1], others[i][2]);

        ck_assert(a[0] != b[0] && a[1] != b[1]);
        free(b);
    }
    free(a);
}
END_TEST

/* The first n values do not depend on how many are asked for; nothing is written beyond. */
START_TEST(a_shorter_image_has_the_beginning)
{
    const size_t counts[] = {1, 2, 3, 4, 5, 63, 64, 65, 255, 256, 257, 1000, 3071};
    float *whole = noise_of(3072, SEED, VISIT, IMAGE);

    for (int i = 0; i < COUNT(counts); i++) {
        float *part = guarded_floats(counts[i]);

        memset(part, 0, counts[i] * sizeof *part);
        ck_assert_int_eq(cae_add_noise(part, counts[i], 1, SEED, VISIT, IMAGE), CAE_OK);
        ck_assert_int_eq(memcmp(part, whole, counts[i] * sizeof *part), 0);
        guarded_finish(part, "noise");
    }
    free(whole);
}
END_TEST

/* --- The definition in docs/numerics.md, written a second time ------------------------------- */

/* Value 256 k + 64 j + i of an image is normal j of the Philox block 64 k + i. */
static double normal(size_t at, uint64_t seed, uint32_t visit, uint64_t image)
{
    const size_t block = at / 256 * 64 + at % 64, j = at / 64 % 4;
    uint32_t w[4] = {(uint32_t)block, (uint32_t)image, visit,
                     3u << 24 | (uint32_t)(image >> 32)};
    double u1, u2;

    philox(w, seed);
    u1 = ((w[j / 2 * 2] >> 8) + 1) * 0x1p-24;
    u2 = (w[j / 2 * 2 + 1] >> 8) * 0x1p-24 * 6.283185307179586;
    return sqrt(-2 * log(u1)) * (j % 2 ? sin(u2) : cos(u2));
}

/* The library computes in float: 4e-6 is 8 roundings at the largest value there is, 5.77. */
START_TEST(noise_is_philox_and_box_muller)
{
    const uint64_t image = 5 + ((uint64_t)3 << 32);
    float *values = noise_of(3072, SEED, VISIT, image);
    double *expected = new_doubles(3072);

    for (size_t i = 0; i < 3072; i++)
        expected[i] = normal(i, SEED, VISIT, image);
    assert_close_ref(values, expected, 3072, 0, 4e-6, "noise");
    free(values);
    free(expected);
}
END_TEST

/* The bits themselves: a checkpoint resumes only with the noise it was trained with. */
START_TEST(golden_values)
{
    static const float first[8] = {
        -0x1.0e6c0ap-1f, 0x1.84099ep-3f,  0x1.41f00ep+0f, 0x1.2097f6p-1f,
        0x1.ff50dp-2f,   -0x1.2d072cp-2f, 0x1.df1caap-1f, 0x1.d78ec4p-1f};
    float *values = noise_of(100000, 1, 0, 0);
    uint64_t hash = 0xcbf29ce484222325; /* FNV-1a */

    for (int i = 0; i < 8; i++)
        ck_assert_msg(values[i] == first[i], "value %d is %a, expected %a", i,
                      (double)values[i], (double)first[i]);
    for (int i = 0; i < 100000; i++) {
        uint32_t bits;

        memcpy(&bits, &values[i], sizeof bits);
        for (int k = 0; k < 4; k++)
            hash = (hash ^ (bits >> 8 * k & 0xff)) * 0x100000001b3;
    }
    ck_assert_uint_eq(hash, 0x1aa5690db10e6c7a);
    free(values);
}
END_TEST

/* --- Its distribution ------------------------------------------------------------------------ */

enum { MILLION = 1000000, SHORT = 40 /* values of each image, visit or seed */ };

/* A million values: of one image (0), or the first of many images (1), of many visits (2), of many
 * seeds (3). A stream may be fine along one of these and poor along another. */
static float *million(int along)
{
    float *values = new_floats(MILLION);

    if (along == 0)
        ck_assert_int_eq(cae_add_noise(values, MILLION, 1, 1, 0, 0), CAE_OK);
    for (uint32_t i = 0; along > 0 && i < MILLION / SHORT; i++)
        ck_assert_int_eq(cae_add_noise(values + (size_t)SHORT * i, SHORT, 1, along == 3 ? i : 1,
                                       along == 2 ? i : 0, along == 1 ? i : 0),
                         CAE_OK);
    return values;
}

static void check_close(double found, double expected, double standard_error, const char *what)
{
    ck_assert_msg(fabs(found - expected) <= 5 * standard_error,
                  "%s is %g, expected %g with a standard error of %g", what, found, expected,
                  standard_error);
}

START_TEST(moments_are_those_of_a_normal)
{
    const double n = MILLION;
    float *values = million(_i);
    double sum = 0, squares = 0, cubes = 0, fourths = 0, mean, variance;

    for (int i = 0; i < MILLION; i++)
        sum += (double)values[i];
    mean = sum / n;
    for (int i = 0; i < MILLION; i++) {
        const double d = (double)values[i] - mean;

        squares += d * d;
        cubes += d * d * d;
        fourths += d * d * d * d;
    }
    variance = squares / n;
    check_close(mean, 0, 1 / sqrt(n), "the mean");
    check_close(sqrt(variance), 1, 1 / sqrt(2 * n), "the standard deviation");
    check_close(cubes / n / pow(variance, 1.5), 0, sqrt(6 / n), "the skewness");
    check_close(fourths / n / (variance * variance), 3, sqrt(24 / n), "the kurtosis");
    free(values);
}
END_TEST

START_TEST(tails_are_those_of_a_normal)
{
    const double n = MILLION, limits[] = {-3.5, -3, -2, -1, -0.5, 0, 0.5, 1, 2, 3, 3.5};
    float *values = million(_i), largest = 0;

    for (int k = 0; k < COUNT(limits); k++) {
        const double p = 0.5 * erfc(-limits[k] / sqrt(2.0));
        int below = 0;

        for (int i = 0; i < MILLION; i++)
            below += (double)values[i] < limits[k];
        check_close(below / n, p, sqrt(p * (1 - p) / n), "a part of the values");
    }
    for (int i = 0; i < MILLION; i++)
        largest = fmaxf(largest, fabsf(values[i]));
    ck_assert(largest > 4.2f); /* 27 of a million lie beyond */
    ck_assert(largest <= 5.78f); /* 24-bit uniforms: sqrt(48 ln 2) */
    free(values);
}
END_TEST

static double correlation(const float *a, const float *b, int n)
{
    double sum = 0; /* mean 0 and variance 1 have been shown above */

    for (int i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum / n;
}

/* Neighbours, the two halves of one transform, and values at the distance of an image's row. */
START_TEST(values_do_not_depend_on_each_other)
{
    const int lags[] = {1, 2, 3, 4, 32, SHORT, 2 * SHORT, 63, 64, 128, 192, 256, 1024, 3072};

    for (int along = 0; along < 4; along++) {
        float *values = million(along);

        for (int k = 0; k < COUNT(lags); k++) {
            const int n = MILLION - lags[k];

            check_close(correlation(values, values + lags[k], n), 0, 1 / sqrt((double)n),
                        "the correlation of values");
        }
        free(values);
    }
}
END_TEST

/* Streams that differ by one in seed, visit or image, at the same place in each. */
START_TEST(streams_do_not_depend_on_each_other)
{
    float *a = noise_of(MILLION, 1, 1, 1), *b;
    const uint64_t others[][3] = {{2, 1, 1}, {1, 2, 1}, {1, 1, 2}, {0, 1, 1}, {1, 0, 1}, {1, 1, 0},
                                  {1, CAE_VISIT_EVALUATION, 1}};

    for (int i = 0; i < COUNT(others); i++) {
        b = noise_of(MILLION, others[i][0], (uint32_t)others[i][1], others[i][2]);
        check_close(correlation(a, b, MILLION), 0, 1e-3, "the correlation of streams");
        free(b);
    }
    free(a);
}
END_TEST

/* --- Values and arguments -------------------------------------------------------------------- */

START_TEST(noise_is_scaled_and_added)
{
    float *unit = noise_of(1000, SEED, VISIT, IMAGE), *sum = new_floats(1000);
    float *expected = new_floats(1000), *twice = new_floats(1000);

    random_floats(4, sum, 1000, -1, 1);
    for (int i = 0; i < 1000; i++)
        expected[i] = sum[i] + 0.25f * unit[i]; /* a power of two: no rounding in the product */
    ck_assert_int_eq(cae_add_noise(sum, 1000, 0.25, SEED, VISIT, IMAGE), CAE_OK);
    ck_assert_int_eq(memcmp(sum, expected, 1000 * sizeof *sum), 0);

    ck_assert_int_eq(cae_add_noise(twice, 1000, 0.1, SEED, VISIT, IMAGE), CAE_OK);
    for (int i = 0; i < 1000; i++)
        expected[i] = 0.1f * unit[i];
    ck_assert_int_eq(memcmp(twice, expected, 1000 * sizeof *sum), 0);
    free(unit);
    free(sum);
    free(expected);
    free(twice);
}
END_TEST

START_TEST(no_noise_changes_nothing)
{
    float values[100], before[100];

    random_floats(4, values, 100, -1, 1);
    memcpy(before, values, sizeof before);
    ck_assert_int_eq(cae_add_noise(values, 100, 0, 1, 2, 3), CAE_OK);
    ck_assert_int_eq(cae_add_noise(values, 0, 1, 1, 2, 3), CAE_OK);
    ck_assert_int_eq(cae_add_noise(NULL, 0, 1, 1, 2, 3), CAE_OK);
    ck_assert_int_eq(memcmp(values, before, sizeof before), 0);
}
END_TEST

/* The last is a finite double that no float holds. */
static const double bad_sigmas[] = {-0.1, -1e-300, (double)NAN, HUGE_VAL, -HUGE_VAL, 1e300};

START_TEST(sigma_is_a_finite_number_of_zero_or_more)
{
    float values[100], before[100];

    random_floats(4, values, 100, -1, 1);
    memcpy(before, values, sizeof before);
    ck_assert_int_eq(cae_add_noise(values, 100, bad_sigmas[_i], 1, 2, 3), CAE_ERR_ARGUMENT);
    ck_assert_int_eq(memcmp(values, before, sizeof before), 0);
    ck_assert_int_eq(cae_add_noise(NULL, 100, 1, 1, 2, 3), CAE_ERR_ARGUMENT);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("noise");
    TCase *function = tcase_create("a function");
    TCase *distribution = tcase_create("distribution");
    TCase *values = tcase_create("values");

    tcase_add_test(function, the_same_noise_again);
    tcase_add_loop_test(function, every_bit_of_the_seed_counts, 0, 64);
    tcase_add_loop_test(function, every_bit_of_the_visit_counts, 0, 32);
    tcase_add_loop_test(function, every_bit_of_the_image_counts, 0, 64);
    tcase_add_test(function, seed_visit_and_image_are_not_mixed_up);
    tcase_add_test(function, a_shorter_image_has_the_beginning);
    tcase_add_test(function, noise_is_philox_and_box_muller);
    tcase_add_test(function, golden_values);
    suite_add_tcase(suite, function);

    tcase_set_timeout(distribution, 60);
    tcase_add_loop_test(distribution, moments_are_those_of_a_normal, 0, 4);
    tcase_add_loop_test(distribution, tails_are_those_of_a_normal, 0, 4);
    tcase_add_test(distribution, values_do_not_depend_on_each_other);
    tcase_add_test(distribution, streams_do_not_depend_on_each_other);
    suite_add_tcase(suite, distribution);

    tcase_add_test(values, noise_is_scaled_and_added);
    tcase_add_test(values, no_noise_changes_nothing);
    tcase_add_loop_test(values, sigma_is_a_finite_number_of_zero_or_more, 0, COUNT(bad_sigmas));
    suite_add_tcase(suite, values);
    return test_main(suite);
}
