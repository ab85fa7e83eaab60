/* ranks.h - a group of ranks that are threads of this process: the sum hook without a network.
 *
 * Values meet in an order that changes from sum to sum, as those of a network may. A rank that never
 * comes is waited for no longer than `patience`. */
#ifndef CAE_TESTS_RANKS_H
#define CAE_TESTS_RANKS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cae/cae.h>

enum { RANKS_MOST = 17 };

struct ranks {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int count;
    double patience;   /* seconds */
    bool broken;
    int arrived, left; /* at the sum that is going on */
    long sums;         /* completed */
    size_t floats;     /* summed, of one rank */
    float *values[RANKS_MOST];
    size_t lengths[RANKS_MOST];
    struct rank {
        struct ranks *all;
        int number;
        long sums_left;    /* before this rank fails to come; -1: it always does */
        unsigned delay_us; /* before each sum */
    } rank[RANKS_MOST];
};

void ranks_init(struct ranks *ranks, int count);
void ranks_finish(struct ranks *ranks);

/* A cae_sum_fn; `user` is a struct rank. */
int32_t ranks_sum(void *user, float *values, size_t count);

/* Options of a rank. */
cae_group_options ranks_options(struct ranks *ranks, int rank, int32_t reduction);

/* Run `body` once for each rank, each in a thread of its own, and wait for all. */
void ranks_run(struct ranks *ranks, void (*body)(void *user, int rank), void *user);

#endif
