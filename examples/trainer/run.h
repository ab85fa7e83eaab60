/* run.h - one run of a trainer: what it works with and what it has found out. */
#ifndef TRAINER_RUN_H
#define TRAINER_RUN_H

#include "events.h"
#include "group.h"
#include "history.h"
#include "options.h"
#include "recipe.h"
#include "task.h"

#include <cae/cae.h>

/* Paths inside --out. */
struct outputs {
    char *metrics, *log, *log_aside, *loss, *samples, *page, *model, *checkpoint;
    int lock;                   /* of the directory */
};

struct run {
    const struct task *task;
    const char *program;        /* as it was called, for commands to be repeated */
    struct options options;     /* as they were given; what follows from them is in: */
    struct recipe recipe;       /* of a training */
    struct outputs outputs;

    struct group group;         /* the processes that train together */
    cae_context *context;
    cae_dataset *train, *test;  /* train is NULL with --eval, and so are optimizer and trainer */
    cae_model *model;
    cae_optimizer *optimizer;
    cae_trainer *trainer;

    struct history history;
    struct events events;       /* of --tensorboard */
    cae_progress progress;      /* after the last step taken, in this run or before */
    int64_t first_step;         /* steps taken before this run */
    int64_t images;             /* trained on in this run */
    double seconds;             /* of training in this run, without evaluation and files */

    cae_evaluation_options evaluation_options;
    cae_evaluation evaluation;
};

#endif
