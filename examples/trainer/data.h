/* data.h - the images: a CIFAR-10 directory, or the built-in set. */
#ifndef TRAINER_DATA_H
#define TRAINER_DATA_H

#include "options.h"

#include <cae/cae.h>

/* "cifar10" or "dead-leaves". */
const char *data_name(const struct options *options);

/* Open one split, the training one cut to --limit. Says what went wrong. */
bool data_open(cae_dataset **out, cae_context *context, const struct options *options,
               int32_t split);

#endif
