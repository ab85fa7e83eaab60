/* metrics.h - metrics.json. */
#ifndef TRAINER_METRICS_H
#define TRAINER_METRICS_H

#include "run.h"

#include <jansson.h>

/* Every setting and figure of the run, to be given back by json_decref; NULL when there is no
 * memory, of which a message tells. */
json_t *metrics_describe(const struct run *run);

/* Write every setting and figure of the run as one JSON object. What has no finite value, such as
 * the loss of a run that did not train, is null. */
bool metrics_save(const char *path, const struct run *run);

/* Give the model a note of what it was trained on, as JSON: what a run that was interrupted and resumed
 * has in common with one that was not. */
bool metrics_note(const struct run *run);

#endif
