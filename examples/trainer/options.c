/* options.c - the command line: one table from which it is parsed, explained and printed again. */
#include "options.h"

#include "message.h"
#include "recipe.h"

#include <stddef.h>
#include <stdlib.h>

#define FIELD(name) offsetof(struct options, name)

static const char *const engines[] = {
    [CAE_ENGINE_AUTO] = "auto", [CAE_ENGINE_GEMM] = "gemm", [CAE_ENGINE_DIRECT] = "direct", NULL};

static const char *const reductions[] = {[CAE_REDUCTION_DETERMINISTIC] = "deterministic",
                                         [CAE_REDUCTION_NATIVE] = "native", NULL};

static const struct argument rows[] = {
    {"data", "DIR", ARGUMENT_NAME, FIELD(data), "a directory", 0, 0,
     "CIFAR-10 in its binary format (the built-in images)", NULL},
    {"preset", "NAME", ARGUMENT_CHOICE, FIELD(preset), "reference, tuned, residual, quality or compress",
     0, 0, "network and recipe: reference, tuned, residual, quality or compress", recipe_presets},
    {"epochs", "N", ARGUMENT_WHOLE, FIELD(epochs), "a whole number from 1 to 1000000", 1, 1000000,
     "passes over the training images, in total (10, or what the preset needs)", NULL},
    {"batch", "N", ARGUMENT_WHOLE, FIELD(batch), "a whole number from 1 to 65536", 1, 65536,
     "images per step (64, or the preset's)", NULL},
    {"lr", "X", ARGUMENT_REAL, FIELD(lr), "a number greater than 0", 0, 0,
     "Adam's learning rate (0.001, or the preset's)", NULL},
    {"sigma", "X", ARGUMENT_REAL, FIELD(sigma), "a number greater than 0, at most 1000", 0, 1000,
     "standard deviation of the noise, on pixels in [-1, 1]", NULL},
    {"seed", "N", ARGUMENT_WHOLE, FIELD(seed), "a whole number from 0 to 9223372036854775807", 0,
     INT64_MAX, "of the weights, the shuffles and the noise", NULL},
    {"threads", "N", ARGUMENT_WHOLE, FIELD(threads), "a whole number from 0 to 1024", 0, 1024,
     "threads; 0 is one per processor; results do not change", NULL},
    {"reduction", "NAME", ARGUMENT_CHOICE, FIELD(reduction), "deterministic or native", 0, 0,
     "under mpirun: deterministic, the bits of one process, or native", reductions},
    {"timeout", "SECONDS", ARGUMENT_REAL, FIELD(timeout), "a number greater than 0", 0, 0,
     "under mpirun: how long a process waits for the others (300)", NULL},
    {"engine", "NAME", ARGUMENT_CHOICE, FIELD(engine), "auto, gemm or direct", 0, 0,
     "auto, gemm or direct", engines},
    {"limit", "N", ARGUMENT_WHOLE, FIELD(limit), "a whole number from 1 to 1000000000", 1, 1000000000,
     "use the first N training images only (all)", NULL},
    {"memory", "MIB", ARGUMENT_WHOLE, FIELD(memory), "a whole number from 1 to 1000000000", 1, 1000000000,
     "MiB of pixels to hold; --data with more stays on disk (all)", NULL},
    {"shuffle-window", "N", ARGUMENT_WHOLE, FIELD(window), "a whole number from 1 to 1000000000", 1,
     1000000000, "shuffle N images at a time, for slow disks (all)", NULL},
    {"out", "DIR", ARGUMENT_NAME, FIELD(out), "a directory", 0, 0, "where the results go", NULL},
    {"resume", "FILE", ARGUMENT_NAME, FIELD(resume), "a checkpoint file", 0, 0,
     "continue from a checkpoint", NULL},
    {"eval", "MODEL", ARGUMENT_NAME, FIELD(eval), "a model file", 0, 0,
     "no training: evaluate a saved model", NULL},
    {"tensorboard", "DIR", ARGUMENT_NAME, FIELD(tensorboard), "a directory", 0, 0,
     "write events for TensorBoard there, too", NULL},
    {"quiet", NULL, ARGUMENT_FLAG, FIELD(quiet), NULL, 0, 0, "print nothing but errors", NULL},
    {"help", NULL, ARGUMENT_HELP, 0, NULL, 0, 0, "print this text", NULL},
    {"version", NULL, ARGUMENT_VERSION, 0, NULL, 0, 0, "print the version", NULL},
};

enum { ROWS = sizeof rows / sizeof *rows };

static struct options defaults(const struct task *task)
{
    return (struct options){
        .out = task->out, .preset = CAE_PRESET_REFERENCE, .sigma = task->sigma, .seed = 1};
}

/* The rows of the table that this trainer has. */
static int rows_of(struct argument list[ROWS], const struct task *task)
{
    int count = 0;

    for (int i = 0; i < ROWS; i++)
        if (rows[i].field != FIELD(sigma) || task->noisy)
            list[count++] = rows[i];
    return count;
}

const char *options_engine_name(const struct options *options)
{
    return engines[options->engine];
}

/* --- The command, printed again --------------------------------------------------------------- */

void options_print(FILE *file, const char *program, const struct options *options,
                   const struct task *task)
{
    const struct options standard = defaults(task);

    print_quoted(file, program);
    arguments_print(file, rows, ROWS, options, &standard);
    putc('\n', file);
}

void options_print_resume(FILE *file, const char *program, const struct options *options,
                          const struct task *task, const char *checkpoint)
{
    struct options again = *options;

    again.resume = checkpoint;
    options_print(file, program, &again, task);
}

void options_print_eval(FILE *file, const char *program, const struct options *options,
                        const struct task *task, const char *model)
{
    struct options again = defaults(task);

    again.data = options->data;
    again.memory = options->memory;
    again.sigma = options->sigma;
    again.eval = model;
    options_print(file, program, &again, task);
}

/* --- --help, --version ------------------------------------------------------------------------ */

static bool shows_default(const struct argument *row, const void *standard)
{
    (void)standard;
    return row->field == FIELD(sigma) || row->kind == ARGUMENT_CHOICE ||
           row->field == FIELD(seed) || row->field == FIELD(threads) || row->field == FIELD(out);
}

static void print_help(const struct task *task)
{
    const struct options standard = defaults(task);
    struct argument list[ROWS];

    printf("NAME\n  %s - %s\n\n"
           "SYNOPSIS\n  %s [OPTION]...\n\nOPTIONS\n",
           task->name, task->summary, task->name);
    arguments_explain(list, rows_of(list, task), &standard, shows_default);
    printf("\n"
           "FILES\n"
           "  In --out: report.html, a page with all about the run; metrics.json, log.csv, loss.png,\n"
           "  samples.png, model.safetensors and, after every epoch, checkpoint.safetensors. With\n"
           "  --eval, which takes no notice of the training options: report.html, metrics.json and\n"
           "  samples.png (%s). In --tensorboard, which many runs may share: a file\n"
           "  events.out.tfevents.* for each, brought up to date after every epoch.\n"
           "\n"
           "SIGNALS\n"
           "  Ctrl-C finishes the batch, saves, and says how to resume; a second one ends at once.\n"
           "\n"
           "EXIT STATUS\n"
           "  0 done, 1 failed, 2 wrong usage, 130 interrupted, 143 terminated, 129 hung up.\n"
           "\n"
           "MANY PROCESSES\n"
           "  mpirun -np 4 %s ... trains on four, in a build with MPI. Rank 0 writes and reports;\n"
           "  --batch is that of all together. Any other number may --resume.\n"
           "\n"
           "EXAMPLES\n"
           "  %s                                             ten epochs on the built-in images\n"
           "  %s --data cifar-10-batches-bin --out runs/a    on CIFAR-10\n"
           "  %s --preset tuned                              the same network, trained better\n"
           "  %s --resume runs/a/checkpoint.safetensors --data cifar-10-batches-bin --epochs 20\n"
           "  %s --eval runs/a/model.safetensors --data cifar-10-batches-bin\n"
           "\n"
           "SEE ALSO\n"
           "  examples/README.md says what is in the files; include/cae/cae.h is the library.\n",
           task->eval_out, task->name, task->name, task->name, task->name, task->name, task->name);
}

static void print_version(const struct task *task)
{
    char build[256];

    cae_build_info(build, sizeof build);
    printf("%s, %s\n", task->name, build);
}

/* --- Reading ---------------------------------------------------------------------------------- */

bool options_read(struct options *options, int *exit_code, const struct task *task, int argc,
                  char **argv)
{
    struct argument list[ROWS];
    int first = argc;
    enum arguments_found found;

    *options = defaults(task);
    found = arguments_read(options, &first, list, rows_of(list, task), argc, argv);
    if (found == ARGUMENTS_READ && first < argc) {
        fail("%s: expected options only", argv[first]);
        found = ARGUMENTS_WRONG;
    } else if (found == ARGUMENTS_READ && options->eval && options->resume) {
        fail("--eval and --resume: expected one of them, found both");
        found = ARGUMENTS_WRONG;
    }
    *exit_code = found == ARGUMENTS_WRONG ? EXIT_USAGE : EXIT_SUCCESS;
    switch (found) {
    case ARGUMENTS_HELP: print_help(task); return false;
    case ARGUMENTS_VERSION: print_version(task); return false;
    case ARGUMENTS_WRONG: hint("Try '%s --help'.", task->name); return false;
    default: break;
    }
    if (options->eval && options->out == task->out)  /* not given */
        options->out = task->eval_out;
    return true;
}
