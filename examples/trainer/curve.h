/* curve.h - the training loss over the epochs, gathered for the eye.
 *
 * Steps are gathered into at most BUCKETS groups, of each of which the smallest, the largest and
 * the mean loss are shown. So a run of a hundred steps and one of a million read alike. */
#ifndef TRAINER_CURVE_H
#define TRAINER_CURVE_H

#include "axis.h"
#include "run.h"

enum { BUCKETS = 120 };

struct curve {
    const struct history *history;
    int64_t steps_per_epoch;
    const char *loss;    /* its name */
    double input_mse;    /* error of the noisy input itself, a line to get below; 0: none */
};

struct bucket {
    double epoch;        /* of its middle, as a real number */
    double low, high, mean;
    double learning_rate;
};

/* Of everything in the run's log, the steps before a resume included. */
struct curve curve_of(const struct run *run);

/* 0 for a history without steps, of which nothing below may be asked. */
int curve_buckets(const struct curve *curve);

/* Bucket i of n holds the rows from i count / n up to, not including, (i + 1) count / n. */
struct bucket curve_bucket(const struct curve *curve, int i);

/* How many steps a bucket holds, about. */
size_t curve_steps_each(const struct curve *curve);

/* All of it, from one end of the paper to the other: epochs, and decimal logarithms of the loss
 * with some air around them. */
struct scale curve_epochs(const struct curve *curve, double from, double to);
struct scale curve_losses(const struct curve *curve, double from, double to);

#endif
