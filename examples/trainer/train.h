/* train.h - the training loop. */
#ifndef TRAINER_TRAIN_H
#define TRAINER_TRAIN_H

#include "run.h"

enum outcome { TRAINED, INTERRUPTED, FAILED };

/* Train to --epochs with a checkpoint after every epoch, then save the model. Interrupted: both are
 * saved, and how to go on has been said. Failed: so has why. */
enum outcome train(struct run *run);

#endif
