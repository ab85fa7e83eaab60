/* test_refusals.c - what the C library and the system refuse while a call runs: memory that does not come
 * from the context's allocator, threads, and the locks they need. This program has its own malloc and
 * pthread_create, which the library finds before those of the C library. */
#include "calls.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>

#if defined __has_feature
#define UNDER_MEMORY_SANITIZER __has_feature(memory_sanitizer)
#else
#define UNDER_MEMORY_SANITIZER 0
#endif

#if defined __GLIBC__ && !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__ && \
    !UNDER_MEMORY_SANITIZER

/* --- Doors to refuse at ------------------------------------------------------------------------ */

enum door { MALLOC, THREAD, MUTEX, CONDITION, DOORS };

static struct {
    bool open_again;   /* one request is refused, or that and all after it */
    atomic_long requests, refuse_at; /* refuse_at -1: none */
} doors[DOORS];
static atomic_bool watching;
static _Thread_local int ours; /* requests of the test itself, and of the context's allocator */

static bool refused(enum door door)
{
    if (!atomic_load(&watching) || ours > 0)
        return false;
    const long request = atomic_fetch_add(&doors[door].requests, 1);
    const long at = atomic_load(&doors[door].refuse_at);
    return at >= 0 && (doors[door].open_again ? request == at : request >= at);
}

static void watch(enum door door, long refuse_at, bool open_again)
{
    for (int i = 0; i < DOORS; i++) {
        atomic_store(&doors[i].requests, 0);
        atomic_store(&doors[i].refuse_at, -1);
    }
    doors[door].open_again = open_again;
    atomic_store(&doors[door].refuse_at, refuse_at);
    atomic_store(&watching, true);
}

static long watched(enum door door)
{
    atomic_store(&watching, false);
    return atomic_load(&doors[door].requests);
}

/* NOLINTBEGIN(bugprone-reserved-identifier): the names that glibc has for its own */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);
/* NOLINTEND(bugprone-reserved-identifier) */

void *malloc(size_t size)
{
    if (!refused(MALLOC))
        return __libc_malloc(size);
    errno = ENOMEM;
    return NULL;
}

void *calloc(size_t count, size_t size)
{
    if (!refused(MALLOC))
        return __libc_calloc(count, size);
    errno = ENOMEM;
    return NULL;
}

void *realloc(void *block, size_t size)
{
    if (!refused(MALLOC))
        return __libc_realloc(block, size);
    errno = ENOMEM;
    return NULL;
}

/* The function behind a door; C has no cast for what dlsym returns. */
static void behind(void *function, const char *name)
{
    void *symbol = dlsym(RTLD_NEXT, name);

    memcpy(function, &symbol, sizeof symbol);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                   void *argument)
{
    int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

    if (refused(THREAD))
        return EAGAIN;
    behind(&real, "pthread_create");
    return real(thread, attributes, run, argument);
}

int pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes)
{
    int (*real)(pthread_mutex_t *, const pthread_mutexattr_t *);

    if (refused(MUTEX))
        return ENOMEM;
    behind(&real, "pthread_mutex_init");
    return real(mutex, attributes);
}

int pthread_cond_init(pthread_cond_t *condition, const pthread_condattr_t *attributes)
{
    int (*real)(pthread_cond_t *, const pthread_condattr_t *);

    if (refused(CONDITION))
        return ENOMEM;
    behind(&real, "pthread_cond_init");
    return real(condition, attributes);
}

/* The context's allocator, which these doors are not about. */
static void *own_allocate(void *user, size_t bytes)
{
    ours++;
    void *block = heap_allocate(user, bytes);
    ours--;
    return block;
}

static void own_release(void *user, void *block)
{
    ours++;
    heap_release(user, block);
    ours--;
}

struct logged {
    int warnings;
    char text[200];
};

static void keep_warning(void *user, int32_t level, const char *text)
{
    struct logged *logged = user;

    logged->warnings += level == CAE_LOG_WARNING;
    snprintf(logged->text, sizeof logged->text, "%s", text);
}

static struct setting setting(int threads, struct logged *logged)
{
    return (struct setting){.threads = threads, .engine = CAE_ENGINE_AUTO, .allocate = own_allocate,
                            .release = own_release, .log = keep_warning, .log_user = logged};
}

/* --- Memory beside the context's allocator ------------------------------------------------------- */

/* Who may ask the C library: realpath, stdio, libjpeg, directories, qsort for long lists, and the start of
 * threads. */
static bool may_bypass(const struct call *call, int threads)
{
    return threads > 1 || strstr(call->name, "by three") || strstr(call->name, "_save") ||
           strstr(call->name, "cifar10") || strstr(call->name, "_export_onnx") ||
           strstr(call->name, "JPEG") || strstr(call->name, "turned") || strstr(call->name, "folder");
}

/* A status or success, never a crash; what there was is as it was. */
START_TEST(the_c_library_has_no_memory)
{
    const struct call *call = &calls[_i / 2];
    const int threads = _i % 2 ? 3 : 1;
    struct logged logged = {0};
    struct result expected, found;
    struct world w;
    long asked;

    if (call->run == make_context) /* with an allocator of its own, that asks malloc */
        return;
    write_files();
    world_init(&w, setting(threads, &logged));
    if (call->prepare)
        ck_assert_int_eq(call->prepare(&w), CAE_OK);
    ck_assert_int_eq(call->run(&w), CAE_OK);
    expected = result_of(&w);
    world_free(&w);

    for (long k = 0;; k++) {
        cae_status status;
        ck_assert_int_lt(k, 100);
        world_init(&w, setting(threads, &logged));
        if (call->prepare)
            ck_assert_int_eq(call->prepare(&w), CAE_OK);
        watch(MALLOC, k, true);
        status = call->run(&w);
        asked = watched(MALLOC);
        ck_assert_msg(asked == 0 || may_bypass(call, threads), "%s asked the C library for memory",
                      call->name);
        ck_assert_msg(status == CAE_OK || status == CAE_ERR_MEMORY, "%s gave %d: %s", call->name,
                      (int)status, cae_context_error(w.context));
        if (status == CAE_ERR_MEMORY)
            assert_says(w.context, "emory");
        if (status != CAE_OK)
            ck_assert_int_eq(call->run(&w), CAE_OK);
        found = result_of(&w);
        assert_same_results(found, expected, call->name);
        bytes_free(&found.state);
        world_free(&w);
        if (asked <= k) { /* there was no k-th to refuse */
            if (test_verbose() && asked > 0)
                printf("%s, %d threads: %ld requests to the C library\n", call->name, threads, asked);
            break;
        }
    }
    bytes_free(&expected.state);
}
END_TEST

/* --- Threads and locks ---------------------------------------------------------------------------- */

static void work(struct world *w)
{
    ck_assert_int_eq(forward_strided(w), CAE_OK);
    ck_assert_int_eq(take_step(w), CAE_OK);
    ck_assert_int_eq(train_watched_epoch(w), CAE_OK);
    ck_assert_int_eq(evaluate(w), CAE_OK);
    ck_assert_int_eq(make_leaves(w), CAE_OK);
}

static struct result undisturbed_work(void)
{
    struct logged logged = {0};
    struct result result;
    struct world w;

    world_init(&w, setting(1, &logged));
    work(&w);
    result = result_of(&w);
    world_free(&w);
    ck_assert_int_eq(logged.warnings, 0);
    return result;
}

static void compare_work(struct world *w, struct result expected, const char *what)
{
    struct result found = result_of(w);

    assert_same_results(found, expected, what);
    bytes_free(&found.state);
}

/* The n-th thread is refused, alone or with all after it: those before it do the work, one warning says how
 * many they are, nobody asks again until cae_context_set_threads does. */
START_TEST(threads_are_refused)
{
    enum { THREADS = 4 };
    struct result expected = undisturbed_work(), twice;
    char text[64];
    struct logged logged = {0};
    struct world w;
    const long n = _i / 2;

    world_init(&w, setting(1, &logged)); /* the same work on top of itself */
    work(&w), work(&w);
    twice = result_of(&w);
    world_free(&w);

    world_init(&w, setting(THREADS, &logged));
    watch(THREAD, n, _i % 2);
    work(&w);
    ck_assert_int_eq(watched(THREAD), n + 1); /* the one that was refused is the last asked for */
    compare_work(&w, expected, "with fewer threads");
    snprintf(text, sizeof text, "%ld of %d", n + 1, THREADS);
    ck_assert_msg(logged.warnings == 1 && strstr(logged.text, text), "%d warnings, the last \"%s\"",
                  logged.warnings, logged.text);

    watch(THREAD, -1, true);
    ck_assert_int_eq(forward_strided(&w), CAE_OK);
    ck_assert_int_eq(watched(THREAD), 0);
    assert_ok(w.context, cae_context_set_threads(w.context, THREADS));
    watch(THREAD, -1, true);
    work(&w);
    ck_assert_int_eq(watched(THREAD), THREADS - 1);
    compare_work(&w, twice, "with all threads again");
    ck_assert_int_eq(logged.warnings, 1);
    bytes_free(&expected.state), bytes_free(&twice.state);
    world_free(&w);
}
END_TEST

/* Without a lock there are no threads; the next call tries again. */
START_TEST(locks_are_refused)
{
    const enum door door = _i == 0 ? MUTEX : CONDITION;
    struct result expected = undisturbed_work();
    struct logged logged = {0};
    struct world w;

    world_init(&w, setting(4, &logged));
    watch(door, _i == 2, false);
    work(&w);
    const long asked = watched(door);
    ck_assert_int_gt(asked, 1 + (_i == 2));
    ck_assert_msg(logged.warnings > 0 && strstr(logged.text, "1 of 4"), "\"%s\"", logged.text);
    compare_work(&w, expected, "without locks");
    logged.warnings = 0;
    watch(door, -1, false);
    ck_assert_int_eq(forward_strided(&w), CAE_OK);
    ck_assert_int_eq(watched(THREAD), 3);
    ck_assert_int_eq(logged.warnings, 0);
    bytes_free(&expected.state);
    world_free(&w);
}
END_TEST

/* The library is linked to these doors: or nothing above would test anything. */
START_TEST(the_doors_are_used)
{
    struct logged logged = {0};
    struct world w;

    world_init(&w, setting(4, &logged));
    watch(MALLOC, -1, false);
    ck_assert_int_eq(forward_strided(&w), CAE_OK);
    ck_assert_int_eq(save_model(&w), CAE_OK);
    ck_assert_int_eq(watched(THREAD), 3);
    ck_assert_int_eq(watched(MUTEX), 1);
    ck_assert_int_eq(watched(CONDITION), 2);
    ck_assert_int_gt(watched(MALLOC), 0);
    world_free(&w);
}
END_TEST

int main(void)
{
    if (test_quick()) /* valgrind has its own malloc before this one */
        return 77;
    Suite *suite = suite_create("refusals");
    TCase *memory = tcase_create("memory"), *threads = tcase_create("threads");

    tcase_set_timeout(memory, 60);
    tcase_add_unchecked_fixture(memory, directory_setup, directory_teardown);
    tcase_add_test(memory, the_doors_are_used);
    tcase_add_loop_test(memory, the_c_library_has_no_memory, 0, 2 * COUNT(calls));
    suite_add_tcase(suite, memory);
    tcase_add_unchecked_fixture(threads, directory_setup, directory_teardown);
    tcase_add_loop_test(threads, threads_are_refused, 0, 6);
    tcase_add_loop_test(threads, locks_are_refused, 0, 3);
    suite_add_tcase(suite, threads);
    return test_main(suite);
}

#else

int main(void)
{
    return 77; /* only glibc lets a program bring its own malloc and keep the one below */
}

#endif
