/* task.h - what makes one trainer different from another. */
#ifndef TRAINER_TASK_H
#define TRAINER_TASK_H

#include <stdbool.h>

struct task {
    const char *name;     /* of the program, in messages and in metrics.json */
    const char *summary;  /* first line of --help */
    bool noisy;           /* the input is corrupted: --sigma exists, reports show the noisy input */
    double sigma;         /* default of --sigma */
    const char *out;      /* default of --out */
    const char *eval_out; /* the same with --eval, which must not overwrite a training's reports */
};

/* Exit codes. An interrupted run ends with 128 + the signal's number, as a shell would report it:
 * 130 for Ctrl-C. */
enum { EXIT_USAGE = 2, EXIT_SIGNAL = 128 };

/* The whole program: read the arguments, train or evaluate, report. Returns the exit code. */
int task_main(const struct task *task, int argc, char **argv);

#endif
