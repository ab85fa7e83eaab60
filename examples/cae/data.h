/* data.h - images to train on, to evaluate with, to calibrate by. */
#ifndef TOOL_DATA_H
#define TOOL_DATA_H

#include "command.h"

struct data {
    cae_dataset *dataset;
    const char *kind;   /* "cifar10", "folder", "npy" or "dead-leaves", the built-in images */
    int64_t skipped;    /* files of a folder that were none */
};

/* Open what --data names: a CIFAR-10 directory, another directory with pictures in it, or a .npy.
 * `split` is for what has two; of others it is all. `channels` is what the model reads; 0 where there
 * is none yet. Cut to --limit. Says what went wrong. */
bool data_open(struct data *data, const struct call *call, int32_t split, int32_t channels);

/* To train on and to evaluate with: the two parts of what has two, else the last tenth, at most a
 * thousand images, is kept back. */
bool data_open_both(struct data *train, struct data *test, const struct call *call);

void data_close(struct data *data);

#endif
