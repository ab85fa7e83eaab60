/* tensorboard.h - --tensorboard: what TensorBoard is told of a run. */
#ifndef TRAINER_TENSORBOARD_H
#define TRAINER_TENSORBOARD_H

#include "run.h"

/* All of these do nothing without --tensorboard. */

/* See that there can be a file, and begin one. */
bool tensorboard_prepare(const struct run *run);
bool tensorboard_open(struct run *run);

/* Loss and learning rate of the step just taken. Reaches the file by events_flush, or when there is
 * much of it; false when it does not. */
bool tensorboard_step(struct run *run);

/* The figures of the evaluation, and samples. */
bool tensorboard_results(struct run *run);

#endif
