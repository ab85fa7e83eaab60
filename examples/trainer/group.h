/* group.h - the processes that train together, when a launcher of MPI started them; else this
 * one. */
#ifndef TRAINER_GROUP_H
#define TRAINER_GROUP_H

#include <cae/cae.h>
#include <stdbool.h>

struct cae_mpi;

struct group {
    struct cae_mpi *mpi;  /* NULL: a process by itself */
    bool begun;           /* MPI, by this program */
    bool lost;            /* a rank, before there was a group */
    int rank, ranks;
};

/* Find the others. Before anything else; says what went wrong. */
bool group_begin(struct group *group);

/* How many threads are this rank's share of its machine's processors. */
int group_threads(const struct group *group);

/* Settle how sums are made (enum cae_reduction), and for how many seconds a rank waits for the
 * others; 0 is the library's default. All ranks, in the same order, as the calls that follow. */
bool group_set(struct group *group, cae_context *context, int32_t reduction, double timeout);

/* True when `good` is, on all ranks. Otherwise the first that failed has printed why. */
bool group_agree(struct group *group, bool good);

/* The same without a word, and what was to be said is still kept. */
bool group_all(struct group *group, bool good);

/* A rank is gone, and with it every word from the others. */
bool group_is_lost(const struct group *group);

bool group_join(struct group *group, cae_context *context, cae_trainer *trainer);

/* Wait for rank 0 and leave MPI. Returns the exit code: an error, or that of rank 0. Does not
 * return when ranks are lost, which a launcher has to clean up after. */
int group_end(struct group *group, int exit_code);

#endif
