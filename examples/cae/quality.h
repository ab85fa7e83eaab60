/* quality.h - how well a model does, as a table and as JSON. */
#ifndef TOOL_QUALITY_H
#define TOOL_QUALITY_H

#include "command.h"
#include "data.h"

#include <jansson.h>

/* Run a model over images with noise of `sigma`, which is the same in every evaluation. */
bool quality_measure(cae_evaluation *quality, const struct call *call, const cae_model *model,
                     const struct data *data, double sigma);

/* On standard output, or stderr. */
void quality_print(const cae_evaluation *quality, const struct data *data, double sigma);

/* The names of the trainers' metrics.json. NULL when there is no memory. */
json_t *quality_describe(const cae_evaluation *quality, double sigma);

#endif
