/* group.c - the processes that train together, over MPI.
 *
 * They agree at each stage: whatever goes wrong on one of them ends all, and none waits for
 * another that has left. */
#if defined __linux__ && !defined _GNU_SOURCE
#define _GNU_SOURCE /* sched_getaffinity */
#endif
#include "group.h"

#include "launcher.h"
#include "message.h"

#include <cae/mpi.h>
#if defined __linux__
#include <sched.h>
#endif
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { LAST_SECONDS = 10, PROCESSORS = 1024 };

static const struct timespec nap = {.tv_nsec = 5000000};

/* --- Beginning -------------------------------------------------------------------------------- */

/* A launcher of another MPI: each process finds itself alone in its world. */
static bool is_whole(const struct launcher *launcher, int ranks)
{
    char build[256];

    cae_mpi_build_info(build, sizeof build);
    return launcher->ranks <= 1 || launcher->ranks == ranks ||
           fail("started as one of %d processes by a launcher that does not belong to this build's MPI, "
                "which finds %d; expected the mpirun of: %s", launcher->ranks, ranks, build);
}

static bool make(struct group *group, cae_context *context, const cae_mpi_options *options)
{
    cae_mpi *mpi = NULL;
    const cae_status status = cae_mpi_create(&mpi, context, MPI_COMM_WORLD, options);

    if (status) {
        fail("cannot make a group of the processes: %s",
             mpi ? cae_mpi_error(mpi) : cae_status_string(status));
        group->lost = group->lost || cae_mpi_is_broken(mpi);
        cae_mpi_destroy(mpi);
        return false;
    }
    cae_mpi_destroy(group->mpi);
    group->mpi = mpi;
    group->rank = cae_mpi_rank(mpi);
    group->ranks = cae_mpi_ranks(mpi);
    return true;
}

bool group_begin(struct group *group)
{
    const struct launcher launcher = launcher_find();
    cae_context *context = NULL;
    int level, ranks = 0;
    bool good;

    *group = (struct group){.ranks = 1};
    if (!launcher.found)
        return true;
    if (MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &level) != MPI_SUCCESS)
        return fail("MPI cannot be initialized");
    group->begun = true;
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN); /* see <cae/mpi.h> */
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    good = is_whole(&launcher, ranks) &&
           (!cae_context_create(&context, NULL) || fail("out of memory")) &&
           make(group, context, NULL);
    cae_context_destroy(context);
    if (good)
        message_as_rank(group->rank);
    /* tables and --help are the same everywhere */
    return good && group_agree(group, !group->rank || freopen("/dev/null", "w", stdout) ||
                                          fail("cannot open /dev/null"));
}

bool group_set(struct group *group, cae_context *context, int32_t reduction, double timeout)
{
    cae_mpi_options options;

    if (!group->mpi)
        return true;
    cae_mpi_options_init(&options, sizeof options);
    options.reduction = reduction;
    if (timeout > 0)
        options.timeout = timeout;
    return make(group, context, &options);
}

/* --- Processors ------------------------------------------------------------------------------- */

/* 1 for each processor that this process may use. */
static int mark_processors(int marks[PROCESSORS])
{
    int count = 0;
#if defined __linux__
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof set, &set) == 0)
        for (int i = 0; i < PROCESSORS && i < CPU_SETSIZE; i++)
            count += marks[i] = CPU_ISSET(i, &set) != 0;
#else
    for (int i = 0; i < PROCESSORS && i < sysconf(_SC_NPROCESSORS_ONLN); i++)
        count += marks[i] = 1;
#endif
    return count;
}

/* A processor that several ranks may use is shared by them: whether a launcher binds each rank
 * to some of its own or leaves all to all, the shares add up. */
int group_threads(const struct group *group)
{
    int mine[PROCESSORS] = {0}, users[PROCESSORS] = {0};
    double share = 0;
    MPI_Comm node;

    if (!group->mpi)
        return 0;
    MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node);
    mark_processors(mine);
    MPI_Allreduce(mine, users, PROCESSORS, MPI_INT, MPI_SUM, node);
    MPI_Comm_free(&node);
    for (int i = 0; i < PROCESSORS; i++)
        share += mine[i] && users[i] > 0 ? 1.0 / users[i] : 0;
    return share < 1 ? 1 : (int)(share + 0.001);
}

/* --- Agreeing --------------------------------------------------------------------------------- */

bool group_all(struct group *group, bool good)
{
    return group->mpi ? !cae_mpi_agree(NULL, group->mpi, good ? CAE_OK : CAE_ERR_ARGUMENT) : good;
}

bool group_agree(struct group *group, bool good)
{
    int32_t failed;
    cae_status mine = CAE_OK;

    if (!group->mpi)
        return good;
    if (!good)
        mine = message_is_hearsay() ? CAE_ERR_PEER : CAE_ERR_ARGUMENT;
    if (!cae_mpi_agree(&failed, group->mpi, mine))
        return true;
    if (failed < 0 || failed == group->rank)
        message_release();
    else
        message_drop();
    return false;
}

bool group_is_lost(const struct group *group)
{
    return group->lost || cae_mpi_is_broken(group->mpi);
}

bool group_join(struct group *group, cae_context *context, cae_trainer *trainer)
{
    const cae_status status = group->mpi ? cae_mpi_join(group->mpi, trainer) : CAE_OK;

    return !status ||
           fail_status(context, status, "cannot train as one of %d processes", group->ranks);
}

/* --- Ending ----------------------------------------------------------------------------------- */

/* MPI_Finalize would wait for ranks that are no more. Nor is it known what MPI_Abort does when
 * it cannot reach its launcher: the alarm does. */
static void abandon(const struct group *group, int exit_code)
{
    message_release();
    fail("the other processes are lost: %s", cae_mpi_error(group->mpi));
    message_release();
    fflush(stdout);
    alarm(LAST_SECONDS);
    MPI_Abort(MPI_COMM_WORLD, exit_code);
    _exit(exit_code);
}

/* Rank 0 writes reports when the others have nothing left to do: that takes as long as it takes,
 * and they leave it the processors. */
static int wait_for_first(int exit_code)
{
    int its = exit_code, done = 0;
    MPI_Request request;

    MPI_Ibcast(&its, 1, MPI_INT, 0, MPI_COMM_WORLD, &request);
    while (!MPI_Test(&request, &done, MPI_STATUS_IGNORE) && !done)
        nanosleep(&nap, NULL);
    return exit_code ? exit_code : its;
}

static volatile sig_atomic_t last_code;

static void leave(int number)
{
    (void)number;
    _exit(last_code);
}

/* All is written, and all ranks know: an MPI that does not come to its end is left. */
static void finalize(int exit_code)
{
    last_code = exit_code;
    signal(SIGALRM, leave);
    alarm(LAST_SECONDS);
    /* MPICH 4.0 over UCX and TCP: after non-blocking calls MPI_Finalize may not return, with
     * these it mostly does */
    MPI_Barrier(MPI_COMM_WORLD);
    MPI_Barrier(MPI_COMM_WORLD);
    MPI_Finalize();
    alarm(0);
}

int group_end(struct group *group, int exit_code)
{
    if (!group->begun)
        return exit_code;
    if (group_is_lost(group))
        abandon(group, exit_code ? exit_code : EXIT_FAILURE);
    message_release();
    exit_code = wait_for_first(exit_code);
    cae_mpi_destroy(group->mpi);
    fflush(stdout);
    finalize(exit_code);
    return exit_code;
}
