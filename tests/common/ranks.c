/* ranks.c - see ranks.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "ranks.h"

#include <errno.h>
#include <fenv.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void ranks_init(struct ranks *ranks, int count)
{
    memset(ranks, 0, sizeof *ranks);
    pthread_mutex_init(&ranks->lock, NULL);
    pthread_cond_init(&ranks->changed, NULL);
    ranks->count = count;
    ranks->patience = 60;
    for (int i = 0; i < count; i++)
        ranks->rank[i] = (struct rank){.all = ranks, .number = i, .sums_left = -1};
}

void ranks_finish(struct ranks *ranks)
{
    for (int i = 0; i < ranks->count; i++)
        free(ranks->values[i]);
    pthread_cond_destroy(&ranks->changed);
    pthread_mutex_destroy(&ranks->lock);
}

static void wait_for_change(struct ranks *ranks, const struct timespec *until)
{
    if (pthread_cond_timedwait(&ranks->changed, &ranks->lock, until) == ETIMEDOUT) {
        ranks->broken = true;
        pthread_cond_broadcast(&ranks->changed);
    }
}

/* Different lengths would be a fault of the library: a sum of others' numbers. */
static bool same_lengths(const struct ranks *ranks)
{
    for (int i = 1; i < ranks->count; i++)
        if (ranks->lengths[i] != ranks->lengths[0])
            return false;
    return true;
}

static void add_up(float *sum, const struct ranks *ranks, size_t count)
{
    const int first = (int)(ranks->sums % ranks->count);

    memcpy(sum, ranks->values[first], count * sizeof *sum);
    for (int step = 1; step < ranks->count; step++) {
        const float *other = ranks->values[(first + step * (ranks->sums % 2 ? ranks->count - 1 : 1)) %
                                           ranks->count];
        for (size_t i = 0; i < count; i++)
            sum[i] += other[i];
    }
}

/* All bring their values, all add them up, and none goes on before all are done. */
static void meet(struct ranks *ranks, float *sum, size_t count, const struct timespec *until)
{
    const long round = ranks->sums;

    while (ranks->left > 0 && !ranks->broken) /* the sum before */
        wait_for_change(ranks, until);
    if (++ranks->arrived == ranks->count) {
        ranks->left = ranks->count;
        ranks->broken = ranks->broken || !same_lengths(ranks);
        pthread_cond_broadcast(&ranks->changed);
    }
    while (ranks->left == 0 && !ranks->broken)
        wait_for_change(ranks, until);
    if (ranks->broken)
        return;
    add_up(sum, ranks, count);
    if (--ranks->arrived == 0) {
        ranks->sums++;
        ranks->floats += count;
        ranks->left = 0;
        pthread_cond_broadcast(&ranks->changed);
    }
    while (ranks->sums == round && !ranks->broken)
        wait_for_change(ranks, until);
}

int32_t ranks_sum(void *user, float *values, size_t count)
{
    struct rank *rank = user;
    struct ranks *ranks = rank->all;
    struct timespec until;

    if (rank->sums_left == 0 || fegetround() != FE_TONEAREST) /* whatever the caller's is */
        return 1;
    rank->sums_left -= rank->sums_left > 0;
    if (rank->delay_us)
        usleep(rank->delay_us);
    clock_gettime(CLOCK_REALTIME, &until);
    const double seconds = (double)until.tv_sec + (double)until.tv_nsec * 1e-9 + ranks->patience;
    until.tv_sec = (time_t)seconds;
    until.tv_nsec = (long)((seconds - (double)until.tv_sec) * 1e9);

    pthread_mutex_lock(&ranks->lock);
    float *copy = realloc(ranks->values[rank->number], (count + 1) * sizeof *copy);
    if (!copy)
        abort();
    ranks->values[rank->number] = copy;
    memcpy(copy, values, count * sizeof *copy);
    ranks->lengths[rank->number] = count;
    meet(ranks, values, count, &until);
    const bool failed = ranks->broken;
    pthread_mutex_unlock(&ranks->lock);
    return failed;
}

cae_group_options ranks_options(struct ranks *ranks, int rank, int32_t reduction)
{
    cae_group_options options;

    cae_group_options_init(&options, sizeof options);
    options.rank = rank;
    options.ranks = ranks->count;
    options.reduction = reduction;
    options.sum = ranks_sum;
    options.user = &ranks->rank[rank];
    return options;
}

struct job {
    void (*body)(void *user, int rank);
    void *user;
    int rank;
};

static void *run(void *argument)
{
    const struct job *job = argument;

    job->body(job->user, job->rank);
    return NULL;
}

void ranks_run(struct ranks *ranks, void (*body)(void *user, int rank), void *user)
{
    pthread_t threads[RANKS_MOST];
    struct job jobs[RANKS_MOST];

    for (int i = 0; i < ranks->count; i++) {
        jobs[i] = (struct job){body, user, i};
        if (pthread_create(&threads[i], NULL, run, &jobs[i]) != 0)
            abort();
    }
    for (int i = 0; i < ranks->count; i++)
        pthread_join(threads[i], NULL);
}
