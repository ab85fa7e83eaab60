/* test_system.c - the library while the system refuses: every call that a save or a load makes fails
 * once, is interrupted, or does half of what it was asked for. */
#include "refuse.h"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "../../lib/base/base.h"
#include "../../lib/kernels/gemm.h"

static long online = -1;        /* what sysconf says, -1: the truth */
static bool speechless;         /* strerror_r fails */
static void (*meanwhile)(void); /* what somebody else does during the next read or fsync, once */

static void let_others_act(void)
{
    void (*act)(void) = meanwhile;
    meanwhile = NULL;
    if (act)
        act();
}

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker's --wrap makes these names */
ssize_t __real_read(int descriptor, void *data, size_t size);
ssize_t __wrap_read(int descriptor, void *data, size_t size);
ssize_t __wrap_read(int descriptor, void *data, size_t size)
{
    if (refused(READ))
        return armed.error ? -1 : 0;
    const ssize_t result = __real_read(descriptor, data, size < most ? size : most);
    let_others_act();
    return result;
}

ssize_t __real_write(int descriptor, const void *data, size_t size);
ssize_t __wrap_write(int descriptor, const void *data, size_t size);
ssize_t __wrap_write(int descriptor, const void *data, size_t size)
{
    note("write");
    if (refused(WRITE))
        return armed.error ? -1 : 0;
    return __real_write(descriptor, data, size < most ? size : most);
}

int __real_fsync(int descriptor);
int __wrap_fsync(int descriptor);
int __wrap_fsync(int descriptor)
{
    note("fsync");
    let_others_act();
    return refused(FSYNC) ? -1 : __real_fsync(descriptor);
}

/* As the real one, it closes even when it fails. */
int __real_close(int descriptor);
int __wrap_close(int descriptor);
int __wrap_close(int descriptor)
{
    note("close");
    const int result = __real_close(descriptor);
    return refused(CLOSE) ? -1 : result;
}

int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to)
{
    note("rename");
    return refused(RENAME) ? -1 : __real_rename(from, to);
}

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *argument)
{
    return refused(THREAD) ? EAGAIN : __real_pthread_create(thread, attributes, run, argument);
}

int __real_sched_getaffinity(pid_t process, size_t size, cpu_set_t *set);
int __wrap_sched_getaffinity(pid_t process, size_t size, cpu_set_t *set);
int __wrap_sched_getaffinity(pid_t process, size_t size, cpu_set_t *set)
{
    return refused(AFFINITY) ? -1 : __real_sched_getaffinity(process, size, set);
}

long __real_sysconf(int name);
long __wrap_sysconf(int name);
long __wrap_sysconf(int name)
{
    return name == _SC_NPROCESSORS_ONLN && online != -1 ? online : __real_sysconf(name);
}

/* What strerror_r is called where it is POSIX's. */
int __wrap___xpg_strerror_r(int number, char *text, size_t capacity);
int __wrap___xpg_strerror_r(int number, char *text, size_t capacity)
{
    if (speechless)
        return EINVAL;
    snprintf(text, capacity, "%s", strerror(number));
    return 0;
}

/* The library's locks notice who lets go of one that he does not hold, or takes one twice. */
static atomic_int locks, misuses;

int __real_pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes);
int __wrap_pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes);
int __wrap_pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes)
{
    pthread_mutexattr_t checking;
    (void)attributes;
    pthread_mutexattr_init(&checking);
    pthread_mutexattr_settype(&checking, PTHREAD_MUTEX_ERRORCHECK);
    const int result = __real_pthread_mutex_init(mutex, &checking);
    pthread_mutexattr_destroy(&checking);
    return result;
}

static int judged(int result)
{
    atomic_fetch_add(&locks, 1);
    atomic_fetch_add(&misuses, result != 0);
    return result;
}

int __real_pthread_mutex_lock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex)
{
    return judged(__real_pthread_mutex_lock(mutex));
}

int __real_pthread_mutex_unlock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex)
{
    return judged(__real_pthread_mutex_unlock(mutex));
}

int __real_pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex);
int __wrap_pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex);
int __wrap_pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex)
{
    return judged(__real_pthread_cond_wait(condition, mutex));
}

#if HAVE_OPENBLAS
static long products, largest; /* of multiplications */

void __real_cblas_sgemm(int order, int a_op, int b_op, int m, int n, int k, float alpha, const float *a,
                        int lda, const float *b, int ldb, float beta, float *c, int ldc);
void __wrap_cblas_sgemm(int order, int a_op, int b_op, int m, int n, int k, float alpha, const float *a,
                        int lda, const float *b, int ldb, float beta, float *c, int ldc);
void __wrap_cblas_sgemm(int order, int a_op, int b_op, int m, int n, int k, float alpha, const float *a,
                        int lda, const float *b, int ldb, float beta, float *c, int ldc)
{
    const long size = (long)m * n * k;
    products++;
    largest = size > largest ? size : largest;
    __real_cblas_sgemm(order, a_op, b_op, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}
#endif
/* NOLINTEND(bugprone-reserved-identifier) */

/* --- Saving ----------------------------------------------------------------------------------------- */

static cae_context *context;

static void setup(void)
{
    refuse_nothing();
    online = -1, speechless = false, meanwhile = NULL;
    directory_setup();
    context = test_context();
}

static void teardown(void)
{
    disarm();
    cae_context_destroy(context);
    directory_teardown();
}

/* All of the file before the name, and the name before the end of the call. */
START_TEST(a_save_is_written_synced_and_renamed_in_this_order)
{
    const char *path = in_directory("model");
    cae_model *model = small_model(context, 1);
    for (int again = 0; again < 2; again++) {
        disarm();
        assert_ok(context, cae_model_save(model, path));
        ck_assert_str_eq(trace, "create write fsync close rename close directory fsync close ");
    }
    cae_model_destroy(model);
}
END_TEST

static const struct {
    enum call call;
    int error, says; /* error 0: nothing is written */
} failures[] = {
    {OPEN, ENOSPC, ENOSPC}, {OPEN, EROFS, EROFS},   {WRITE, EIO, EIO},       {WRITE, ENOSPC, ENOSPC},
    {WRITE, EFBIG, EFBIG},  {WRITE, 0, ENOSPC},     {FSYNC, EIO, EIO},       {FSYNC, ENOSPC, ENOSPC},
    {CLOSE, EIO, EIO},      {CLOSE, EDQUOT, EDQUOT}, {RENAME, EACCES, EACCES}, {RENAME, EXDEV, EXDEV},
};

/* The status says so, what was there stays whole, and nothing else is left behind. */
START_TEST(a_save_that_fails_leaves_the_file_that_was_there)
{
    const char *path = in_directory("model");
    cae_model *first = small_model(context, 1), *second = small_model(context, 2), *loaded = NULL;
    float expected[2], found[2];
    assert_ok(context, cae_model_save(first, path));
    const struct bytes before = file_bytes(path);

    arm(failures[_i].call, 0, 1, failures[_i].error);
    assert_fails(context, CAE_ERR_IO, cae_model_save(second, path));
    ck_assert_int_eq(refusals, 1);
    disarm();
    assert_says(context, strerror(failures[_i].says));
    assert_says(context, path);
    ck_assert_int_eq(entries(), 1);
    const struct bytes after = file_bytes(path);
    ck_assert_uint_eq(after.size, before.size);
    ck_assert_mem_eq(after.data, before.data, before.size);
    assert_ok(context, cae_model_load(&loaded, context, path));
    assert_ok(context, cae_model_get_tensor(expected, 2, first, "0.bias"));
    assert_ok(context, cae_model_get_tensor(found, 2, loaded, "0.bias"));
    ck_assert_mem_eq(expected, found, sizeof found);

    /* the next one goes well */
    assert_ok(context, cae_model_save(second, path));
    ck_assert_int_eq(entries(), 1);
    free(before.data);
    free(after.data);
    cae_model_destroy(loaded);
    cae_model_destroy(second);
    cae_model_destroy(first);
}
END_TEST

/* Signals and small pieces are no failures. */
START_TEST(interrupted_calls_go_on)
{
    const char *path = in_directory("model");
    cae_model *model = small_model(context, 3), *loaded = NULL;
    assert_ok(context, cae_model_save(model, path));
    const struct bytes whole = file_bytes(path);
    const struct {
        enum call call;
        int skip;
    } interrupted[] = {{WRITE, 0}, {WRITE, 1}, {CLOSE, 0}};
    for (int i = 0; i < COUNT(interrupted); i++) {
        most = i == 1 ? 7 : SIZE_MAX;
        arm(interrupted[i].call, interrupted[i].skip, 3, EINTR);
        ck_assert_int_eq(unlink(path), 0);
        assert_ok(context, cae_model_save(model, path));
        ck_assert_int_gt(refusals, 0);
        disarm();
        const struct bytes again = file_bytes(path);
        ck_assert_uint_eq(again.size, whole.size);
        ck_assert_mem_eq(again.data, whole.data, whole.size);
        free(again.data);
    }
    for (int skip = 0; skip < 2; skip++) {
        most = 11;
        arm(READ, skip, 3, EINTR);
        assert_ok(context, cae_model_load(&loaded, context, path));
        ck_assert_int_eq(refusals, 3);
        disarm();
        cae_model_destroy(loaded);
    }
    free(whole.data);
    cae_model_destroy(model);
}
END_TEST

/* Some file systems cannot sync a directory: the file itself is safe by then. */
START_TEST(a_directory_that_cannot_be_synced_is_no_failure)
{
    const char *path = in_directory("model");
    cae_model *model = small_model(context, 4);
    arm(FSYNC, 1, 1, EINVAL);
    assert_ok(context, cae_model_save(model, path));
    ck_assert_int_eq(refusals, 1);
    arm(OPEN, 1, 1, EACCES); /* the first one makes the file */
    assert_ok(context, cae_model_save(model, path));
    ck_assert_int_eq(refusals, 1);
    ck_assert_str_eq(trace, "create write fsync close rename close directory ");
    cae_model_destroy(model);
}
END_TEST

/* Left behind by others who were killed, or put there by somebody: the next name is tried, up to a limit. */
START_TEST(names_that_are_taken)
{
    const char *path = in_directory("model");
    cae_model *model = small_model(context, 5);
    arm(OPEN, 0, 999, EEXIST);
    assert_ok(context, cae_model_save(model, path));
    ck_assert_int_eq(refusals, 999);
    arm(OPEN, 0, 100000, EEXIST);
    assert_fails(context, CAE_ERR_IO, cae_model_save(model, path));
    ck_assert_int_eq(refusals, 1000);
    disarm();
    assert_says(context, strerror(EEXIST));
    ck_assert_int_eq(entries(), 1);
    cae_model_destroy(model);
}
END_TEST

static cae_model *another;

static void save_another(void)
{
    ck_assert_int_eq(cae_model_save(another, in_directory("another")), CAE_OK);
}

/* Who saves into the same directory during a save takes another temporary name, and neither cleans up
 * what the other is writing. */
START_TEST(two_saves_at_a_time)
{
    cae_context *own = test_context();
    cae_model *model = small_model(context, 1), *loaded = NULL;
    another = small_model(own, 2);
    meanwhile = save_another;
    assert_ok(context, cae_model_save(model, in_directory("model")));
    ck_assert(!meanwhile);
    ck_assert_int_eq(entries(), 2);
    assert_ok(context, cae_model_load(&loaded, context, in_directory("model")));
    cae_model_destroy(loaded);
    assert_ok(context, cae_model_load(&loaded, context, in_directory("another")));
    cae_model_destroy(loaded);
    cae_model_destroy(model);
    cae_model_destroy(another);
    cae_context_destroy(own);
}
END_TEST

/* Where a link leads cannot be seen: neither the link nor what it leads to is touched. */
START_TEST(a_link_that_cannot_be_followed)
{
    const char *path = in_directory("model");
    char link[256];
    cae_model *first = small_model(context, 1), *second = small_model(context, 2);
    assert_ok(context, cae_model_save(first, path));
    struct bytes before = file_bytes(path);
    snprintf(link, sizeof link, "%s/link", test_directory);
    ck_assert_int_eq(symlink(path, link), 0);
    arm(STAT, 0, 1, EOVERFLOW);
    assert_fails(context, CAE_ERR_IO, cae_model_save(second, link));
    ck_assert_int_eq(refusals, 1);
    disarm();
    assert_says(context, "leads nowhere");
    struct bytes after = file_bytes(path);
    assert_same_bytes(before, after, "what the link leads to");
    ck_assert_int_eq(entries(), 2);
    bytes_free(&before);
    bytes_free(&after);
    cae_model_destroy(second);
    cae_model_destroy(first);
}
END_TEST

/* Files get the numbers 0 to 2 in a host that closed its own. */
START_TEST(a_host_without_standard_input)
{
    const char *path = in_directory("model");
    cae_model *model = small_model(context, 1), *loaded = NULL;
    const int kept = dup(STDIN_FILENO);
    ck_assert_int_ge(kept, 0);
    __real_close(STDIN_FILENO);
    errno = EEXIST; /* of something before */
    const cae_status saved = cae_model_save(model, path);
    const cae_status read_back = cae_model_load(&loaded, context, path);
    const int next = dup(kept); /* the lowest number that is free */
    dup2(kept, STDIN_FILENO);
    __real_close(kept);
    ck_assert_int_eq(saved, CAE_OK);
    ck_assert_int_eq(read_back, CAE_OK);
    ck_assert_int_eq(next, STDIN_FILENO);
    ck_assert_int_eq(entries(), 1);
    cae_model_destroy(loaded);
    cae_model_destroy(model);
}
END_TEST

/* --- Loading ---------------------------------------------------------------------------------------- */

static void touch(void)
{
    const struct timespec now[2] = {{.tv_nsec = UTIME_OMIT}, {1700000000, 5}};
    ck_assert_int_eq(utimensat(AT_FDCWD, in_directory("model"), now, 0), 0);
}

/* Half of one model and half of another would be a model like any other. */
START_TEST(a_file_that_is_written_into_while_it_is_read)
{
    cae_model *model = small_model(context, 3), *loaded = NULL;
    assert_ok(context, cae_model_save(model, in_directory("model")));
    meanwhile = touch;
    assert_fails(context, CAE_ERR_IO, cae_model_load(&loaded, context, in_directory("model")));
    assert_says(context, "changed while it was read");
    ck_assert_ptr_null(loaded);
    assert_ok(context, cae_model_load(&loaded, context, in_directory("model")));
    cae_model_destroy(loaded);
    cae_model_destroy(model);
}
END_TEST

START_TEST(a_load_that_fails)
{
    static const struct {
        enum call call;
        int skip, error;
        const char *says;
    } cases[] = {
        {OPEN, 0, EMFILE, NULL}, {FSTAT, 0, EOVERFLOW, "cannot look at"},
        {READ, 0, EIO, NULL},    {READ, 2, EIO, NULL},
        {READ, 0, 0, "became shorter"}, {READ, 2, 0, "became shorter"},
    };
    struct heap heap = HEAP;
    cae_context *own = heap_context(&heap, 1);
    const char *path = in_directory("model");
    cae_model *model = small_model(own, 6), *loaded = NULL;
    assert_ok(own, cae_model_save(model, path));
    const long blocks = atomic_load(&heap.blocks);
    for (int i = 0; i < COUNT(cases); i++) {
        if (cases[i].call == FSTAT && !STAT_IS_A_FUNCTION)
            continue;
        most = 64;
        arm(cases[i].call, cases[i].skip, 1, cases[i].error);
        assert_fails(own, CAE_ERR_IO, cae_model_load(&loaded, own, path));
        ck_assert_int_eq(refusals, 1);
        disarm();
        assert_says(own, cases[i].says ? cases[i].says : strerror(cases[i].error));
        assert_says(own, path);
        ck_assert_ptr_null(loaded);
        ck_assert_int_eq(atomic_load(&heap.blocks), blocks);
    }
    assert_ok(own, cae_model_load(&loaded, own, path));
    cae_model_destroy(loaded);
    cae_model_destroy(model);
    cae_context_destroy(own);
    assert_balanced(&heap, "after loads that failed");
}
END_TEST

/* The file is cut off after its size was asked for: the record that is not there is named. */
START_TEST(a_batch_that_shrinks_while_it_is_read)
{
    struct heap heap = HEAP;
    cae_context *own = heap_context(&heap, 1);
    cae_dataset *dataset = NULL;
    static const unsigned char records[2 * 3073];
    write_file(in_directory("test_batch.bin"), records, sizeof records);
    longer = 3073;
    assert_fails(own, CAE_ERR_IO,
                 cae_dataset_open_cifar10(&dataset, own, test_directory, CAE_SPLIT_TEST, NULL));
    longer = 0;
    assert_says(own, "record 2");
    assert_says(own, strerror(EIO));
    ck_assert_ptr_null(dataset);
    assert_ok(own, cae_dataset_open_cifar10(&dataset, own, test_directory, CAE_SPLIT_TEST, NULL));
    ck_assert_int_eq(cae_dataset_count(dataset), 2);
    cae_dataset_destroy(dataset);
    cae_context_destroy(own);
    assert_balanced(&heap, "after a batch that shrank");
}
END_TEST

START_TEST(a_reason_without_words_has_its_number)
{
    cae_model *model = NULL;
    speechless = true;
    assert_fails(context, CAE_ERR_IO, cae_model_load(&model, context, in_directory("none")));
#if defined __GLIBC__
    char expected[32];
    snprintf(expected, sizeof expected, ": error %d", ENOENT);
    assert_says(context, expected);
#endif
}
END_TEST

/* --- Threads ---------------------------------------------------------------------------------------- */

/* Without a log nobody hears of it, and the result is the same. */
START_TEST(threads_that_the_system_refuses)
{
    enum { IMAGES = 40, VALUES = IMAGES * 36 };
    float x[VALUES], expected[VALUES], y[VALUES];
    cae_model *model = small_model(context, 7);
    random_floats(8, x, VALUES, -1, 1);
    assert_ok(context, cae_model_forward(expected, VALUES, model, context, x, VALUES, IMAGES, 6, 6));
    for (int given = 0; given < 4; given++) {
        cae_context *own = test_context();
        assert_ok(own, cae_context_set_threads(own, 4));
        arm(THREAD, given, 100, EAGAIN);
        memset(y, 0, sizeof y);
        assert_ok(own, cae_model_forward(y, VALUES, model, own, x, VALUES, IMAGES, 6, 6));
        ck_assert_int_eq(refusals, given < 3); /* the first that is refused is the last */
        disarm();
        ck_assert_mem_eq(y, expected, sizeof y);
        cae_context_destroy(own);
    }
    cae_model_destroy(model);
}
END_TEST

static void count_index(void *job, int64_t index, int worker)
{
    (void)index, (void)worker;
    atomic_fetch_add((atomic_int *)job, 1);
}

START_TEST(locks_are_held_by_those_who_use_them)
{
    enum { ROUNDS = 300 };
    atomic_int indices = 0;
    for (int threads = 2; threads <= 5; threads++) {
        assert_ok(context, cae_context_set_threads(context, threads));
        for (int i = 0; i < ROUNDS; i++)
            cae__parallel(context, threads, count_index, &indices);
    }
    assert_ok(context, cae_context_set_threads(context, 1)); /* which ends the others */
    ck_assert_int_eq(atomic_load(&indices), ROUNDS * (2 + 3 + 4 + 5));
    ck_assert_int_gt(atomic_load(&locks), 4 * ROUNDS);
    ck_assert_int_eq(atomic_load(&misuses), 0);
}
END_TEST

/* 0 asks for as many as the system has; what it says is not always a number of threads. */
START_TEST(processors_that_cannot_be_counted)
{
    static const struct {
        long online;
        int threads;
    } cases[] = {{1, 1}, {3, 3}, {1024, 1024}, {1025, 1024}, {100000, 1024}, {0, 1}, {-2, 1}};
    for (int i = 0; i < COUNT(cases); i++) {
        arm(AFFINITY, 0, 1, EINVAL);
        online = cases[i].online;
        assert_ok(context, cae_context_set_threads(context, 0));
        ck_assert_int_eq(refusals, 1);
        ck_assert_int_eq(cae_context_threads(context), cases[i].threads);
    }
}
END_TEST

#if HAVE_OPENBLAS
/* A product that OpenBLAS would give to its own threads never reaches it: what is larger is cut in two, and
 * what is not stays whole. */
START_TEST(products_stay_on_the_calling_thread)
{
    static const struct {
        int m, n, k, products;
    } cases[] = {{1, 1, 1, 1}, {64, 64, 64, 1}, {5, 13, 4033, 2}, {4033, 5, 13, 2}, {13, 4033, 5, 2},
                 {1, 262144, 1, 1}, {1, 262145, 1, 2}, {128, 128, 64, 4}};
    const size_t most_floats = 300000;
    float *a = new_floats(most_floats), *b = new_floats(most_floats), *c = new_floats(most_floats);
    for (int i = 0; i < COUNT(cases); i++) {
        const int m = cases[i].m, n = cases[i].n, k = cases[i].k;
        products = largest = 0;
        cae__gemm(CAE__PLAIN, CAE__PLAIN, m, n, k, a, k, b, n, 0, c, n);
        ck_assert_int_eq(products, cases[i].products);
        ck_assert_int_le(largest, CAE__ONE_THREAD_LIMIT);
    }
    free(a);
    free(b);
    free(c);

    /* and in a network whose layers have many channels */
    cae_conv_options o;
    cae_spec *spec = NULL;
    cae_model *model = NULL;
    cae_context_options options;
    cae_context *own = NULL;
    enum { VALUES = 70 * 20 * 20 };
    float *x = new_floats(VALUES), *y = new_floats(VALUES);
    assert_ok(context, cae_context_options_init(&options, sizeof options));
    options.engine = CAE_ENGINE_GEMM;
    assert_ok(context, cae_context_create(&own, &options));
    assert_ok(own, cae_conv_options_init(&o, sizeof o));
    o.padding_h = o.padding_w = 1;
    assert_ok(own, cae_spec_create(&spec, own));
    assert_ok(own, cae_spec_add_conv(spec, 70, 70, &o));
    assert_ok(own, cae_spec_add_conv_transpose(spec, 70, 70, &o));
    assert_ok(own, cae_model_create(&model, own, spec, 1));
    products = largest = 0;
    assert_ok(own, cae_model_forward(y, VALUES, model, own, x, VALUES, 1, 20, 20));
    ck_assert_int_gt(products, 1);
    ck_assert_int_le(largest, CAE__ONE_THREAD_LIMIT);
    cae_model_destroy(model);
    cae_spec_destroy(spec);
    cae_context_destroy(own);
    free(x);
    free(y);
}
END_TEST
#endif

int main(void)
{
    Suite *suite = suite_create("system");
    TCase *saving = tcase_create("saving"), *loading = tcase_create("loading");
    TCase *threads = tcase_create("threads");

    tcase_set_timeout(saving, 60);
    tcase_add_checked_fixture(saving, setup, teardown);
    tcase_add_test(saving, a_save_is_written_synced_and_renamed_in_this_order);
    tcase_add_loop_test(saving, a_save_that_fails_leaves_the_file_that_was_there, 0, COUNT(failures));
    tcase_add_test(saving, interrupted_calls_go_on);
    tcase_add_test(saving, a_directory_that_cannot_be_synced_is_no_failure);
    tcase_add_test(saving, names_that_are_taken);
    tcase_add_test(saving, two_saves_at_a_time);
    tcase_add_test(saving, a_host_without_standard_input);
    if (STAT_IS_A_FUNCTION)
        tcase_add_test(saving, a_link_that_cannot_be_followed);
    suite_add_tcase(suite, saving);

    tcase_set_timeout(loading, 60);
    tcase_add_checked_fixture(loading, setup, teardown);
    tcase_add_test(loading, a_load_that_fails);
    tcase_add_test(loading, a_file_that_is_written_into_while_it_is_read);
    if (STAT_IS_A_FUNCTION)
        tcase_add_test(loading, a_batch_that_shrinks_while_it_is_read);
    tcase_add_test(loading, a_reason_without_words_has_its_number);
    suite_add_tcase(suite, loading);

    tcase_set_timeout(threads, 60);
    tcase_add_checked_fixture(threads, setup, teardown);
    tcase_add_test(threads, threads_that_the_system_refuses);
    tcase_add_test(threads, locks_are_held_by_those_who_use_them);
    tcase_add_test(threads, processors_that_cannot_be_counted);
#if HAVE_OPENBLAS
    tcase_add_test(threads, products_stay_on_the_calling_thread);
#endif
    suite_add_tcase(suite, threads);
    return test_main(suite);
}
