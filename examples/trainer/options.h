/* options.h - the command line. */
#ifndef TRAINER_OPTIONS_H
#define TRAINER_OPTIONS_H

#include "arguments.h"
#include "task.h"

struct options {
    const char *data;   /* NULL: the built-in image set */
    const char *out;
    const char *resume; /* NULL: start afresh */
    const char *eval;   /* NULL: train */
    const char *tensorboard; /* NULL: no events are written */
    int64_t preset;     /* enum cae_preset */
    int64_t epochs;     /* in total, those before a resume included; 0: the preset's */
    int64_t batch;      /* 0: the preset's */
    int64_t seed;
    int64_t threads;    /* 0: one per processor */
    int64_t engine;     /* enum cae_engine */
    int64_t limit;      /* 0: all training images */
    int64_t memory;     /* MiB of pixels; 0: all */
    int64_t window;     /* 0: of all training images */
    double lr;          /* 0: the preset's */
    double sigma;
    bool quiet;
    int64_t reduction;  /* enum cae_reduction, in a group */
    double timeout;     /* seconds, in a group; 0: the library's */
};

/* Read the command line into `options`. False, with *exit_code set, when there is nothing left to
 * do: --help and --version have been answered on stdout, or a message said what is wrong. */
bool options_read(struct options *options, int *exit_code, const struct task *task, int argc,
                  char **argv);

/* Print the command, quoted for a shell, with the options that are not as they would be anyway. */
void options_print(FILE *file, const char *program, const struct options *options,
                   const struct task *task);

/* Print the command, quoted for a shell, that continues this run from `checkpoint`. */
void options_print_resume(FILE *file, const char *program, const struct options *options,
                          const struct task *task, const char *checkpoint);

/* The same for evaluating `model` as it is. */
void options_print_eval(FILE *file, const char *program, const struct options *options,
                        const struct task *task, const char *model);

/* "auto", "gemm" or "direct". */
const char *options_engine_name(const struct options *options);

#endif
