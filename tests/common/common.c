/* common.c - running, random data, comparing, guard bands. See common.h. */
#include "common.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- Running ---------------------------------------------------------------------------------- */

int test_main(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    int ran, failed;

    srunner_run_all(runner, CK_ENV); /* CK_VERBOSITY says how much is shown */
    ran = srunner_ntests_run(runner);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return ran > 0 && failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static bool wanted(const char *variable)
{
    const char *value = getenv(variable);

    return value && strcmp(value, "0") != 0;
}

bool test_verbose(void)
{
    return wanted("CAE_TEST_VERBOSE");
}

bool test_quick(void)
{
    return wanted("CAE_TEST_QUICK");
}

bool test_is_emulated(void)
{
    return wanted("CAE_TEST_EMULATED");
}

bool test_emulated(const char *skipped)
{
    const bool emulated = test_is_emulated();

    if (emulated)
        printf("skipped: %s\n", skipped);
    fflush(stdout); /* a test may be a process of its own */
    return emulated;
}

cae_context *test_context(void)
{
    cae_context *context = NULL;
    cae_status status = cae_context_create(&context, NULL);

    if (status != CAE_OK || !context)
        ck_abort_msg("cae_context_create: %s", cae_status_string(status));
    return context;
}

void assert_ok_at(const cae_context *context, cae_status status, const char *call,
                  const char *file, int line)
{
    if (status != CAE_OK)
        ck_abort_msg("%s:%d: %s gave %d (%s): %s", file, line, call, (int)status,
                     cae_status_string(status), context ? cae_context_error(context) : "");
}

void assert_fails_at(const cae_context *context, cae_status expected, cae_status status,
                     const char *call, const char *file, int line)
{
    if (status != expected)
        ck_abort_msg("%s:%d: %s gave %d (%s) instead of %d (%s): %s", file, line, call,
                     (int)status, cae_status_string(status), (int)expected,
                     cae_status_string(expected), context ? cae_context_error(context) : "");
    if (context && cae_context_error(context)[0] == '\0')
        ck_abort_msg("%s:%d: %s failed without saying why", file, line, call);
}

static void *new_zeroed(size_t n, size_t size)
{
    void *block = calloc(n ? n : 1, size);

    if (!block)
        ck_abort_msg("no memory for %zu elements of %zu bytes", n, size);
    return block;
}

float *new_floats(size_t n)
{
    return new_zeroed(n, sizeof(float));
}

double *new_doubles(size_t n)
{
    return new_zeroed(n, sizeof(double));
}

/* --- Random data: SplitMix64 (Steele, Lea & Flood 2014) --------------------------------------- */

static uint64_t splitmix(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

/* 24 bits, so that the unit interval is exact in a float. */
static float uniform(uint64_t *state, double low, double high)
{
    double unit = (double)(splitmix(state) >> 40) * 0x1p-24;

    return (float)(low + (high - low) * unit);
}

void random_floats(uint64_t seed, float *values, size_t n, double low, double high)
{
    for (size_t i = 0; i < n; i++)
        values[i] = uniform(&seed, low, high);
}

void random_doubles(uint64_t seed, double *values, size_t n, double low, double high)
{
    for (size_t i = 0; i < n; i++)
        values[i] = (double)uniform(&seed, low, high);
}

void random_bytes(uint64_t seed, uint8_t *values, size_t n)
{
    for (size_t i = 0; i < n; i++)
        values[i] = (uint8_t)(splitmix(&seed) >> 56);
}

void philox(uint32_t c[4], uint64_t seed)
{
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);

    for (int round = 0; round < 10; round++) {
        const uint64_t a = (uint64_t)c[0] * 0xD2511F53u, b = (uint64_t)c[2] * 0xCD9E8D57u;
        const uint32_t next[4] = {(uint32_t)(b >> 32) ^ c[1] ^ k0, (uint32_t)b,
                                  (uint32_t)(a >> 32) ^ c[3] ^ k1, (uint32_t)a};

        memcpy(c, next, sizeof next);
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
}

uint32_t random_below(uint64_t *state, uint32_t limit)
{
    return (uint32_t)(((splitmix(state) >> 32) * limit) >> 32);
}

void little_endian(void *values, size_t n, size_t width)
{
    const uint16_t one = 1;
    unsigned char *number = values, first;

    memcpy(&first, &one, sizeof first);
    if (first == 1)
        return;
    for (size_t i = 0; i < n; i++, number += width)
        for (size_t low = 0, high = width - 1; low < high; low++, high--) {
            const unsigned char byte = number[low];

            number[low] = number[high];
            number[high] = byte;
        }
}

/* --- Comparing -------------------------------------------------------------------------------- */

/* Expected values come as floats or as doubles; exactly one of the two pointers is set. */
struct expectation {
    const float *single;
    const double *dual;
};

static double at(struct expectation e, size_t i)
{
    return e.single ? (double)e.single[i] : e.dual[i];
}

static void compare(const float *actual, struct expectation expected, size_t n, double relative,
                    double absolute, const char *what)
{
    size_t first = n, worst = n, bad = 0;
    double worst_excess = 0;

    for (size_t i = 0; i < n; i++) {
        double e = at(expected, i), a = (double)actual[i];
        double excess = fabs(a - e) - (absolute + relative * fabs(e));

        if (a == e || excess <= 0) /* equal infinities are equal; a NaN fails both */
            continue;
        if (bad++ == 0)
            first = i;
        if (worst == n || isnan(excess) || excess > worst_excess) {
            worst = i;
            worst_excess = excess;
        }
    }
    if (bad)
        ck_abort_msg("%s: %zu of %zu values differ by more than %g + %g |expected|; "
                     "first [%zu]: %.9g, expected %.9g; worst [%zu]: %.9g, expected %.9g",
                     what, bad, n, absolute, relative, first, (double)actual[first],
                     at(expected, first), worst, (double)actual[worst], at(expected, worst));
}

static double error_of(const float *actual, struct expectation expected, size_t n)
{
    double difference = 0, magnitude = 0;

    for (size_t i = 0; i < n; i++) {
        double e = at(expected, i), d = fabs((double)actual[i] - e);

        if (isnan(d))
            return HUGE_VAL;
        difference = fmax(difference, d);
        magnitude = fmax(magnitude, fabs(e));
    }
    return difference == 0 ? 0 : difference / magnitude;
}

void assert_close(const float *actual, const float *expected, size_t n, double relative,
                  double absolute, const char *what)
{
    compare(actual, (struct expectation){expected, NULL}, n, relative, absolute, what);
}

void assert_close_ref(const float *actual, const double *expected, size_t n, double relative,
                      double absolute, const char *what)
{
    compare(actual, (struct expectation){NULL, expected}, n, relative, absolute, what);
}

double relative_error(const float *actual, const float *expected, size_t n)
{
    return error_of(actual, (struct expectation){expected, NULL}, n);
}

double relative_error_ref(const float *actual, const double *expected, size_t n)
{
    return error_of(actual, (struct expectation){NULL, expected}, n);
}

/* --- Guard bands: [length, guard][values][guard] ---------------------------------------------- */

enum { GUARD = 32 }; /* floats on each side: two vectors of the widest machine */

static const float guard_value = -7.25e30f;

float *guarded_floats(size_t n)
{
    float *block = new_floats(n + 2 * GUARD);

    for (size_t i = 0; i < n + 2 * GUARD; i++)
        block[i] = i < GUARD || i >= GUARD + n ? guard_value : NAN;
    memcpy(block, &n, sizeof n);
    return block + GUARD;
}

void guarded_finish(float *values, const char *what)
{
    const size_t stored = sizeof(size_t) / sizeof(float);
    float *block = values - GUARD;
    size_t n;

    memcpy(&n, block, sizeof n);
    for (size_t i = stored; i < GUARD; i++)
        if (block[i] != guard_value)
            ck_abort_msg("%s: wrote %zu floats before the first", what, GUARD - i);
    for (size_t i = 0; i < GUARD; i++)
        if (values[n + i] != guard_value)
            ck_abort_msg("%s: wrote %zu floats past the last of %zu", what, i + 1, n);
    for (size_t i = 0; i < n; i++)
        if (isnan(values[i]))
            ck_abort_msg("%s: value [%zu] of %zu is not written, or NaN", what, i, n);
    free(block);
}
