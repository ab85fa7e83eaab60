/* architecture.h - what layers a model has, as it tells itself when it is saved. */
#ifndef TRAINER_ARCHITECTURE_H
#define TRAINER_ARCHITECTURE_H

#include <cae/cae.h>
#include <jansson.h>
#include <stdbool.h>

/* The JSON that docs/file-format.md describes under libcae.architecture, to be given back by
 * json_decref; NULL when there is none, of which a message tells. */
json_t *architecture_of(const cae_model *model);

/* One of the integers of a layer, or one of a pair of them; 0 when it is not there. */
int64_t architecture_number(const json_t *layer, const char *key);
int64_t architecture_part(const json_t *layer, const char *key, size_t part);

/* What the layer turns a height (axis 0) or width (axis 1) into. */
int64_t architecture_output(const json_t *layer, size_t axis, int64_t size);

/* Weights and biases. */
int64_t architecture_parameters(const json_t *layer);

#endif
