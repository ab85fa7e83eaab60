/* base.h - the ground floor: status and error text, memory, options, threads.
 *
 * Everything above may use it; it knows nothing of images or networks. */
#ifndef CAE_BASE_H
#define CAE_BASE_H

#include <fenv.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cae/cae.h>

#define CAE__MAX_THREADS 1024

/* --- Handles ------------------------------------------------------------------------------------
 *
 * Every handle begins with this. A handle holds a reference to its context and to the handles it
 * was made from, so that hosts with a garbage collector may destroy in any order. The caller has
 * one reference and gives it back once: a second destroy must not take another's. */
enum cae__kind {
    CAE__NO_KIND = 0, /* what a handle's memory says after its end */
    CAE__CONTEXT = 0x78746361,
    CAE__SPEC,
    CAE__MODEL,
    CAE__DATASET,
    CAE__OPTIMIZER,
    CAE__TRAINER,
    CAE__NUMBERS,
    CAE__SCORER
};

struct cae__handle {
    atomic_int references;
    atomic_int kind;        /* enum cae__kind */
    atomic_bool given_back; /* by the caller; others still refer to it */
    cae_context *context;
};

struct cae__pool;
struct cae__kernels;

struct cae__scratch {
    void *data;
    size_t size;
};

struct cae_context {
    struct cae__handle handle; /* its context is itself */
    int threads;
    int32_t engine, cpu;
    const struct cae__kernels *kernels; /* for `cpu` */
    cae_allocate_fn allocate;
    cae_release_fn release;
    void *allocator_user;
    cae_log_fn log;
    void *log_user;
    struct cae__pool *pool;                         /* NULL until there is work for it */
    struct cae__scratch scratch[CAE__MAX_THREADS];  /* one per worker, grown on demand */
    char error[512];
};

void cae__handle_init(struct cae__handle *handle, enum cae__kind kind, cae_context *context);
void cae__retain(const struct cae__handle *handle);
/* What destroy calls ask first: true once, for a handle of that kind. NULL is none. */
bool cae__give_back(void *handle, enum cae__kind kind);
/* True when that was the last reference: the caller frees the handle and calls cae__handle_end. */
bool cae__release(struct cae__handle *handle);
void cae__handle_end(void *handle);

/* --- Errors ----------------------------------------------------------------------------------- */

#if defined __MINGW32__ /* whose printf is the library's own, with %zu */
#define CAE__PRINTF(text, first) __attribute__((format(gnu_printf, text, first)))
#elif defined __GNUC__
#define CAE__PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define CAE__PRINTF(text, first)
#endif

/* Keep the text and return the status: `return cae__fail(ctx, CAE_ERR_SHAPE, "expected ...")`.
 * The text is a note about the call, not part of what the context is: hence the const.
 * Macros, so that compilers and checkers, which look at one file at a time, see that a
 * failure never is CAE_OK. */
#define cae__fail(context, status, ...) (cae__note(context, __VA_ARGS__), (cae_status)(status))
/* The same with the operating system's words for `error_number` appended: CAE_ERR_IO, or
 * CAE_ERR_MEMORY when it is ENOMEM, which cae__note_system returns. */
#define cae__fail_system(context, error_number, ...)                                               \
    (cae__note_system(context, error_number, __VA_ARGS__) ? (cae_status)CAE_ERR_MEMORY             \
                                                          : (cae_status)CAE_ERR_IO)
#define cae__fail_memory(context)                                                                  \
    cae__fail(context, CAE_ERR_MEMORY, "out of memory: the allocator returned NULL")
void cae__note(const cae_context *context, const char *format, ...) CAE__PRINTF(2, 3);
bool cae__note_system(const cae_context *context, int error_number, const char *format, ...)
    CAE__PRINTF(3, 4);
void cae__log(const cae_context *context, int32_t level, const char *format, ...) CAE__PRINTF(3, 4);

/* --- Memory: 64-byte aligned, through the context's allocator --------------------------------- */

void *cae__alloc(const cae_context *context, size_t count, size_t size);
void *cae__alloc_zero(const cae_context *context, size_t count, size_t size);
void cae__free(const cae_context *context, void *block);

/* False when the product does not fit. */
bool cae__multiply(size_t *product, size_t a, size_t b);

/* Whether a number's low byte comes first on this machine; and `count` numbers of `size` bytes, turned
 * from the other order into this one, or back. */
bool cae__is_little_endian(void);
void cae__swap_bytes(void *numbers, size_t count, size_t size);

/* --- Arithmetic: not in the host's floating-point environment ------------------------------------
 *
 * Whatever computes does so between these two, and calls nothing of the host there: no allocator,
 * no log. Tasks of cae__parallel, below, find it done. */
void cae__arithmetic_begin(fenv_t *host);
void cae__arithmetic_end(const fenv_t *host);
/* In place of begin, to look at the caller's numbers: denormal ones are what they are. */
void cae__checks_begin(fenv_t *host);
/* A caller's double, rounded to nearest, and questions about it: NaN and what is too large
 * get an answer, not the trap that a comparison in the host's environment might be.
 * Infinity is neither. */
float cae__to_float(double value);
bool cae__is_positive(double value);
bool cae__is_not_negative(double value);
bool cae__is_sigma(double value); /* not negative, as a float neither infinite */
bool cae__is_share(double value); /* more than 0, at most 1 */

/* --- Options: one rule for every struct ------------------------------------------------------- */

/* `known` already holds the defaults. An older caller's struct is shorter: what it lacks keeps its
 * default. A newer caller's is longer: fine while the part we cannot read is zero. NULL `given`
 * means all defaults. */
cae_status cae__options_read(const cae_context *context, void *known, uint32_t known_size,
                             const void *given, const char *name);
/* The body of every init call: as many bytes of `defaults` as the caller has room for,
 * the rest 0. */
cae_status cae__options_init(void *given, uint32_t size, const void *defaults, uint32_t known_size);
/* Write a result into a caller's struct of `*(uint32_t *)given` bytes, leaving that size alone. */
cae_status cae__result_write(const cae_context *context, void *given, const void *result,
                             uint32_t known_size, const char *name);

/* --- Threads ---------------------------------------------------------------------------------- */

/* Called once for each index in [0, count), on worker 0 (the calling thread) to threads - 1. */
typedef void (*cae__task)(void *job, int64_t index, int worker);

/* Run a task over all indices and wait. Which worker takes which index is left to chance, so a
 * task's result must not depend on it. Workers above count - 1 take none. */
void cae__parallel(cae_context *context, int64_t count, cae__task task, void *job);
void cae__pool_destroy(cae_context *context);
/* The system refused some when the pool was made. */
bool cae__pool_lacks_threads(const cae_context *context);

/* How many workers `count` indices can occupy. */
int cae__workers(const cae_context *context, int64_t count);

/* Make the scratch of all workers that `count` indices can occupy at least `size` bytes each; then
 * cae__scratch(context, worker) is it. */
cae_status cae__scratch_reserve(cae_context *context, int64_t count, uint64_t size);
static inline void *cae__scratch(const cae_context *context, int worker)
{
    return context->scratch[worker].data;
}

#endif
