/* command.h - what the commands of `cae` have in common: their options, their tables, how they end. */
#ifndef TOOL_COMMAND_H
#define TOOL_COMMAND_H

#include "../trainer/arguments.h"

#include <cae/cae.h>

/* Exit codes. A training that was interrupted ends with 128 + the signal's number, as a shell would
 * report it. */
enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_ANOMALIES = 3, EXIT_SIGNAL = 128 };

/* All options of all commands; each command has some of them. -1 and NULL: not given, unless the
 * defaults of the command say otherwise. */
struct settings {
    const char *model, *data, *out, *map;
    const char *crop, *size;    /* HEIGHTxWIDTH, or one number for both */
    int64_t format;             /* of standard output: enum cae_file_format; -1: by the input */
    int64_t scale;              /* enum cae_scale */
    int64_t bits;               /* of the pixels written; -1: as they were read */
    int64_t threads;
    int64_t task, preset, kind; /* indices of choices */
    int64_t smoothing;
    int64_t epochs, batch, seed, limit;
    int64_t memory;             /* MiB of pixels */
    const char *cache;
    double lr, sigma, sigma_max, quantile;
    bool force, json, quiet, check, grey;
};

struct command;

/* One run of a command. */
struct call {
    const struct command *command;
    struct settings settings;
    char **files;               /* arguments that are no options */
    int count;
    cae_context *context;
    cae_model *model;
};

struct command {
    const char *name, *summary;
    const char *synopsis;       /* what follows "cae NAME", a form a line */
    int least, most;            /* number of files */
    const char *files;          /* what they are: "expected IN and OUT" */
    const struct argument *arguments;
    int argument_count;
    struct settings defaults;
    const char *description;    /* the rest of --help */
    int (*run)(struct call *call);
};

extern const struct command command_calibrate, command_decode, command_denoise, command_encode,
    command_eval, command_info, command_score, command_train;

/* --- Rows that several tables have ----------------------------------------------------------- */

#define FIELD(name) offsetof(struct settings, name)
#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

extern const char *const format_choices[], *const scale_choices[];

#define ROW_MODEL(text) {"model", "FILE", ARGUMENT_NAME, FIELD(model), "a model file", 0, 0, text, NULL}
#define ROW_FORMAT                                                                                 \
    {"format", "NAME", ARGUMENT_CHOICE, FIELD(format), "npy, png or jpg", 0, 0,                    \
     "npy, png or jpg: of standard output (png, npy for .npy)", format_choices}
#define ROW_SCALE                                                                                  \
    {"scale", "NAME", ARGUMENT_CHOICE, FIELD(scale), "signed or unit", 0, 0,                       \
     "range that the model knows: signed is [-1, 1], unit [0, 1]", scale_choices}
#define ROW_BITS                                                                                   \
    {"bits", "N", ARGUMENT_WHOLE, FIELD(bits), "8 or 16", 8, 16, "bits of the pixels written, 8 or 16", \
     NULL}
#define ROW_THREADS                                                                                \
    {"threads", "N", ARGUMENT_WHOLE, FIELD(threads), "a whole number from 0 to 1024", 0, 1024,     \
     "threads; 0 is one per processor; results do not change", NULL}
#define ROW_FORCE                                                                                  \
    {"force", NULL, ARGUMENT_FLAG, FIELD(force), NULL, 0, 0, "let the output replace its input", NULL}
#define ROW_CROP                                                                                   \
    {"crop", "SIZE", ARGUMENT_NAME, FIELD(crop), "HEIGHTxWIDTH or one number", 0, 0,               \
     "of the parts that are cut out of photos, N or HEIGHTxWIDTH", NULL}
#define ROW_LIMIT(text)                                                                            \
    {"limit", "N", ARGUMENT_WHOLE, FIELD(limit), "a whole number from 1 to 1000000000", 1, 1000000000, \
     text, NULL}
#define ROW_SEED(text)                                                                             \
    {"seed", "N", ARGUMENT_WHOLE, FIELD(seed), "a whole number from 0 to 9223372036854775807", 0,  \
     INT64_MAX, text, NULL}
#define ROW_JSON                                                                                   \
    {"json", NULL, ARGUMENT_FLAG, FIELD(json), NULL, 0, 0, "print one JSON object", NULL}
#define ROW_HELP {"help", NULL, ARGUMENT_HELP, 0, NULL, 0, 0, "print this text", NULL}

#endif
