/* samples.h - samples.png. */
#ifndef TRAINER_SAMPLES_H
#define TRAINER_SAMPLES_H

#include "run.h"

/* Draw some test images, always the same, above what the model makes of them. The model has been
 * evaluated: it is known to fit. */
bool samples_save(const char *path, const struct run *run);

#endif
