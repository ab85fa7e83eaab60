/* launcher.c - was this process started as one of several by an MPI launcher?
 *
 * By the environment, as a run without one is to begin no MPI. mpirun of Open MPI, MPICH and
 * those made from it, and srun with --mpi=pmix or --mpi=pmi2 are known by what they tell the MPI
 * library. */
#include "launcher.h"

#include "arguments.h"

#include <limits.h>
#include <stdlib.h>

/* The first of these that is a number. */
static int number_in(const char *const *names)
{
    for (int64_t value; *names; names++)
        if (getenv(*names) && parse_whole(&value, getenv(*names), 0, INT_MAX))
            return (int)value;
    return -1;
}

struct launcher launcher_find(void)
{
    static const char *const ranks[] = {"OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK", NULL};
    static const char *const sizes[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS",
                                        NULL};
    struct launcher launcher = {.found = number_in(ranks) >= 0};

    if (launcher.found) {
        const int size = number_in(sizes);
        launcher.ranks = size > 0 ? size : 0;
    }
    return launcher;
}
