/* metrics.h - metrics.json. */
#ifndef TRAINER_METRICS_H
#define TRAINER_METRICS_H

#include "run.h"

/* Write every setting and figure of the run as one JSON object. What has no finite value, such as
 * the loss of a run that did not train, is null. */
bool metrics_save(const char *path, const struct run *run);

#endif
