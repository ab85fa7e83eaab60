/* test_pool.c - the context's threads: every index once, for any number of them, after a fork, and
 * nothing left behind. */
#include "../../lib/base/base.h"
#include "../common/common.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST = 1000 };

struct tally {
    atomic_int visits[MOST];
    atomic_int most_worker;
};

static void count_visit(void *job, int64_t index, int worker)
{
    struct tally *tally = job;
    atomic_fetch_add(&tally->visits[index], 1);
    int most = atomic_load(&tally->most_worker);
    while (worker > most && !atomic_compare_exchange_weak(&tally->most_worker, &most, worker)) {
    }
}

static cae_context *context_with(int threads)
{
    cae_context *context;
    cae_context_options options;
    cae_context_options_init(&options, sizeof options);
    options.threads = threads;
    ck_assert_int_eq(cae_context_create(&context, &options), CAE_OK);
    return context;
}

static bool all_visited_once(cae_context *context, int count)
{
    static struct tally tally;
    memset(&tally, 0, sizeof tally);
    cae__parallel(context, count, count_visit, &tally);
    for (int i = 0; i < MOST; i++)
        if (atomic_load(&tally.visits[i]) != (i < count))
            return false;
    return atomic_load(&tally.most_worker) < cae_context_threads(context);
}

START_TEST(every_index_once)
{
    static const int threads[] = {1, 2, 3, 4, 7, 32}, counts[] = {0, 1, 2, 3, 31, 1000};
    for (int t = 0; t < 6; t++) {
        cae_context *context = context_with(threads[t]);
        for (int repeat = 0; repeat < 50; repeat++)
            for (int c = 0; c < 6; c++)
                ck_assert_msg(all_visited_once(context, counts[c]), "%d threads, %d indices",
                              threads[t], counts[c]);
        cae_context_destroy(context);
    }
}
END_TEST

START_TEST(threads_may_change_between_rounds)
{
    cae_context *context = context_with(4);
    for (int threads = 8; threads > 0; threads--) {
        ck_assert(all_visited_once(context, 100));
        assert_ok(context, cae_context_set_threads(context, threads));
        ck_assert(all_visited_once(context, 100));
    }
    cae_context_destroy(context);
}
END_TEST

/* The child has none of the parent's threads; both must go on working, and clean up. */
START_TEST(a_fork_leaves_both_sides_working)
{
    if (test_emulated(THREADS_AFTER_FORK))
        return;
    cae_context *context = context_with(3);
    ck_assert(all_visited_once(context, 100));
    const pid_t child = fork();
    if (child == 0) {
        alarm(20); /* a hang is a failure, not a wait */
        const bool works = all_visited_once(context, 100) && all_visited_once(context, 7);
        cae_context_destroy(context);
        _exit(works ? 0 : 1);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child ended with %d", status);
    ck_assert(all_visited_once(context, 100));
    cae_context_destroy(context);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("pool");
    TCase *c = tcase_create("pool");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, every_index_once);
    tcase_add_test(c, threads_may_change_between_rounds);
    if (!TEST_HAS_TSAN)
        tcase_add_test(c, a_fork_leaves_both_sides_working);
    suite_add_tcase(s, c);
    return s;
}

int main(void)
{
    return test_main(suite());
}
