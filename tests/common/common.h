/* common.h - what the C tests share. Nothing here is shared with lib/, so a fault there cannot
 * hide behind the same fault here.
 *
 *   main              return test_main(suite);
 *   random data       random_floats(seed, x, n, -1, 1): the same on every machine
 *   comparing         assert_close, assert_close_ref: each element against its own tolerance
 *                     relative_error: the largest difference over the largest magnitude
 *   writing too far   guarded_floats / guarded_finish
 *   reading files     st_open ... : a small safetensors reader
 *
 * A helper that fails ends the test that called it, with a message that begins with `what`.
 * CK_FORK=no runs everything in one process (debuggers, sanitizers, valgrind), as always with
 * Check; CAE_TEST_VERBOSE=1 makes tests print the errors they measured, CAE_TEST_QUICK=1 shortens
 * the longest, CAE_TEST_EMULATED=1 says that an emulator runs them. */
#ifndef CAE_TESTS_COMMON_H
#define CAE_TESTS_COMMON_H

#include <check.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cae/cae.h>

/* --- Running ---------------------------------------------------------------------------------- */

/* Run a suite and free it. Returns main's exit code; a run in which no test ran has failed. */
int test_main(Suite *suite);

/* CAE_TEST_VERBOSE is set and not "0". */
bool test_verbose(void);
/* CAE_TEST_QUICK is: long loops may be cut short. For valgrind, which looks at memory, not values. */
bool test_quick(void);

/* ThreadSanitizer ends a child of a process with threads that starts threads, so forks are not for it. */
#if defined __has_feature
#define TEST_HAS_TSAN __has_feature(thread_sanitizer)
#elif defined __SANITIZE_THREAD__
#define TEST_HAS_TSAN 1
#else
#define TEST_HAS_TSAN 0
#endif

/* CAE_TEST_EMULATED is: what runs the tests is qemu-user, which cannot do everything that Linux can. Says
 * what is therefore skipped, and why. */
bool test_emulated(const char *skipped);
/* The same without a word: for what is only made smaller. */
bool test_is_emulated(void);
#define THREADS_AFTER_FORK                                                                          \
    "threads in a child of a process with threads: qemu-user 7.2 fails an assertion of its own, "   \
    "plugins/core.c:221"

/* A context with default options, which is to say one thread and no log. */
cae_context *test_context(void);

/* Fails the test unless `call` returns CAE_OK; shows the status and the context's text. */
#define assert_ok(context, call) assert_ok_at(context, call, #call, __FILE__, __LINE__)
void assert_ok_at(const cae_context *context, cae_status status, const char *call,
                  const char *file, int line);

/* Fails the test unless `call` returns `expected`, an error, and the context says why. */
#define assert_fails(context, expected, call)                                                       \
    assert_fails_at(context, expected, call, #call, __FILE__, __LINE__)
void assert_fails_at(const cae_context *context, cae_status expected, cae_status status,
                     const char *call, const char *file, int line);

/* malloc and calloc that end the test instead of returning NULL; zero elements are fine. */
float *new_floats(size_t n);
double *new_doubles(size_t n);

/* --- Random data: SplitMix64, no state outside the call --------------------------------------- */

/* n values uniform in [low, high). */
void random_floats(uint64_t seed, float *values, size_t n, double low, double high);
/* The same values as random_floats: exact floats, held as doubles. */
void random_doubles(uint64_t seed, double *values, size_t n, double low, double high);
/* n bytes. */
void random_bytes(uint64_t seed, uint8_t *values, size_t n);
/* Philox4x32-10, written a second time: a counter becomes its four words. */
void philox(uint32_t counter[4], uint64_t seed);
/* One number 0 <= r < limit; advances *state. */
uint32_t random_below(uint64_t *state, uint32_t limit);

/* From this machine's order of bytes to that of files, and back: reverses the bytes of each of n
 * elements where the two differ. */
void little_endian(void *values, size_t n, size_t width);

/* --- Comparing -------------------------------------------------------------------------------- */

/* Every |actual - expected| <= absolute + relative |expected|. The message gives the number of
 * mismatches, the first and the worst, each with index and both values. NaN equals nothing. */
void assert_close(const float *actual, const float *expected, size_t n, double relative,
                  double absolute, const char *what);
/* The same against double precision. */
void assert_close_ref(const float *actual, const double *expected, size_t n, double relative,
                      double absolute, const char *what);

/* max |actual - expected| / max |expected|; infinity when anything is NaN or expected is all 0 and
 * actual is not. */
double relative_error(const float *actual, const float *expected, size_t n);
double relative_error_ref(const float *actual, const double *expected, size_t n);

/* --- Guard bands ------------------------------------------------------------------------------ */

/* n floats, all NaN, with known values on both sides; release with guarded_finish. */
float *guarded_floats(size_t n);
/* Fails the test when a guard was overwritten or one of the values was not written; frees. */
void guarded_finish(float *values, const char *what);

/* --- Files ------------------------------------------------------------------------------------ */

/* A safetensors file, read whole. For files that tests trust: it checks enough not to read out of
 * bounds and ends the test on anything it does not like. */
struct st_file;

struct st_file *st_open(const char *path);
void st_close(struct st_file *file);
/* A metadata value, NULL when there is none. */
const char *st_metadata(const struct st_file *file, const char *key);
/* Number of tensors, and the name of one of them in the order of the header. */
size_t st_count(const struct st_file *file);
const char *st_name(const struct st_file *file, size_t index);
bool st_has(const struct st_file *file, const char *name);
/* Data of an F32 or F64 tensor; `count` (may be NULL) receives its number of elements. Ends the
 * test when there is no such tensor or its type is another. Lives as long as the file. */
const float *st_floats(const struct st_file *file, const char *name, size_t *count);
const double *st_doubles(const struct st_file *file, const char *name, size_t *count);
/* Writes up to 8 extents, returns the rank. */
int st_shape(int64_t *shape, const struct st_file *file, const char *name);

#endif
