/* group_alone.c - a build without MPI: a process is by itself, and says so where it is not. */
#include "group.h"

#include "launcher.h"
#include "message.h"

bool group_begin(struct group *group)
{
    const struct launcher launcher = launcher_find();

    *group = (struct group){.ranks = 1};
    return launcher.ranks <= 1 ||
           fail("started as one of %d processes, which would all do the same and write over each other: "
                "this build has no MPI (meson's option mpi)", launcher.ranks);
}

int group_threads(const struct group *group)
{
    (void)group;
    return 0;
}

bool group_set(struct group *group, cae_context *context, int32_t reduction, double timeout)
{
    (void)group, (void)context, (void)reduction, (void)timeout;
    return true;
}

bool group_agree(struct group *group, bool good)
{
    (void)group;
    return good;
}

bool group_all(struct group *group, bool good)
{
    (void)group;
    return good;
}

bool group_is_lost(const struct group *group)
{
    (void)group;
    return false;
}

bool group_join(struct group *group, cae_context *context, cae_trainer *trainer)
{
    (void)group, (void)context, (void)trainer;
    return true;
}

int group_end(struct group *group, int exit_code)
{
    (void)group;
    return exit_code;
}
