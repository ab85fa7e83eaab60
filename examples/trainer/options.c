/* options.c - the command line: one table from which it is parsed, explained and printed again. */
#include "options.h"

#include "message.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum kind { NAME, WHOLE, REAL, ENGINE, FLAG, HELP, VERSION };

struct row {
    const char *name;
    const char *value;   /* what stands for the value in --help; NULL: takes none */
    enum kind kind;
    size_t field;        /* offset in struct options */
    const char *expects; /* completes "--name: expected ..." */
    int64_t least, most; /* of a number; a real one is above `least`, and `most` 0 is no limit */
    const char *help;
};

#define FIELD(name) offsetof(struct options, name)

static const struct row rows[] = {
    {"data", "DIR", NAME, FIELD(data), "a directory", 0, 0,
     "CIFAR-10 in its binary format (the built-in images)"},
    {"epochs", "N", WHOLE, FIELD(epochs), "a whole number from 1 to 1000000", 1, 1000000,
     "passes over the training images, in total"},
    {"batch", "N", WHOLE, FIELD(batch), "a whole number from 1 to 65536", 1, 65536,
     "images per step"},
    {"lr", "X", REAL, FIELD(lr), "a number greater than 0", 0, 0, "Adam's learning rate"},
    {"sigma", "X", REAL, FIELD(sigma), "a number greater than 0, at most 1000", 0, 1000,
     "standard deviation of the noise, on pixels in [-1, 1]"},
    {"seed", "N", WHOLE, FIELD(seed), "a whole number from 0 to 9223372036854775807", 0, INT64_MAX,
     "of the weights, the shuffles and the noise"},
    {"threads", "N", WHOLE, FIELD(threads), "a whole number from 0 to 1024", 0, 1024,
     "threads; 0 is one per processor; results do not change"},
    {"engine", "NAME", ENGINE, FIELD(engine), "auto, gemm or direct", 0, 0,
     "auto, gemm or direct"},
    {"limit", "N", WHOLE, FIELD(limit), "a whole number from 1 to 1000000000", 1, 1000000000,
     "use the first N training images only (all)"},
    {"out", "DIR", NAME, FIELD(out), "a directory", 0, 0, "where the results go"},
    {"resume", "FILE", NAME, FIELD(resume), "a checkpoint file", 0, 0,
     "continue from a checkpoint"},
    {"eval", "MODEL", NAME, FIELD(eval), "a model file", 0, 0,
     "no training: evaluate a saved model"},
    {"tensorboard", "DIR", NAME, FIELD(tensorboard), "a directory", 0, 0,
     "write events for TensorBoard there, too"},
    {"quiet", NULL, FLAG, FIELD(quiet), NULL, 0, 0, "print nothing but errors"},
    {"help", NULL, HELP, 0, NULL, 0, 0, "print this text"},
    {"version", NULL, VERSION, 0, NULL, 0, 0, "print the version"},
};

enum { ROWS = sizeof rows / sizeof *rows, FIRST_ID = 256 /* above every character */ };

static const char *const engines[] = {
    [CAE_ENGINE_AUTO] = "auto", [CAE_ENGINE_GEMM] = "gemm", [CAE_ENGINE_DIRECT] = "direct"};

enum { ENGINES = sizeof engines / sizeof *engines };

static struct options defaults(const struct task *task)
{
    return (struct options){
        .out = task->out, .epochs = 10, .batch = 64, .lr = 1e-3, .sigma = task->sigma, .seed = 1};
}

static bool applies(const struct row *row, const struct task *task)
{
    return row->field != FIELD(sigma) || task->noisy;
}

/* --- Text to value: the whole text, in the C locale, or not at all ---------------------------- */

/* A leading dash is the next option, taken for the value that is missing. */
static bool parse_name(const char **value, const char *text)
{
    *value = text;
    return *text && *text != '-';
}

static bool parse_whole(int64_t *value, const char *text, int64_t least, int64_t most)
{
    if (!*text || strspn(text, "0123456789") != strlen(text))
        return false;                         /* strtoll would take signs and blanks */
    errno = 0;
    *value = strtoll(text, NULL, 10);
    return !errno && *value >= least && *value <= most;
}

static bool parse_real(double *value, const char *text, int64_t least, int64_t most)
{
    char *end;

    if (strspn(text, "0123456789.eE+-") != strlen(text))
        return false;                         /* strtod would take blanks, hex, inf and nan */
    *value = strtod(text, &end);
    return end != text && !*end && isfinite(*value) && *value > (double)least &&
           (!most || *value <= (double)most);
}

static bool parse_engine(int64_t *value, const char *text)
{
    for (*value = 0; *value < ENGINES; ++*value)
        if (!strcmp(text, engines[*value]))
            return true;
    return false;
}

static bool parse(struct options *options, const struct row *row, const char *text)
{
    void *field = (char *)options + row->field;

    switch (row->kind) {
    case NAME: return parse_name(field, text);
    case WHOLE: return parse_whole(field, text, row->least, row->most);
    case REAL: return parse_real(field, text, row->least, row->most);
    case ENGINE: return parse_engine(field, text);
    default: *(bool *)field = true; return true;
    }
}

/* --- Value to text ---------------------------------------------------------------------------- */

const char *format_real(char text[REAL_TEXT], double value)
{
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, REAL_TEXT, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    return text;
}

static void print_quoted(FILE *file, const char *text)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                "0123456789%+,-./:=@_";

    if (*text && strspn(text, plain) == strlen(text)) {
        fputs(text, file);
        return;
    }
    putc('\'', file);
    for (; *text; text++)
        if (*text == '\'')
            fputs("'\\''", file);
        else
            putc(*text, file);
    putc('\'', file);
}

static void print_value(FILE *file, const struct row *row, const struct options *options)
{
    const void *field = (const char *)options + row->field;
    char text[REAL_TEXT];

    switch (row->kind) {
    case NAME: print_quoted(file, *(const char *const *)field); break;
    case WHOLE: fprintf(file, "%lld", (long long)*(const int64_t *)field); break;
    case REAL: fputs(format_real(text, *(const double *)field), file); break;
    case ENGINE: fputs(options_engine_name(options), file); break;
    default: break;
    }
}

static bool same(const struct row *row, const struct options *a, const struct options *b)
{
    const void *x = (const char *)a + row->field, *y = (const char *)b + row->field;

    switch (row->kind) {
    case NAME: return *(const char *const *)x == *(const char *const *)y;
    case REAL: return *(const double *)x == *(const double *)y;
    case FLAG: return *(const bool *)x == *(const bool *)y;
    case WHOLE:
    case ENGINE: return *(const int64_t *)x == *(const int64_t *)y;
    default: return true;
    }
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
    for (const struct row *row = rows; row < rows + ROWS; row++) {
        if (same(row, options, &standard))
            continue;
        fprintf(file, " --%s", row->name);
        if (row->value) {
            putc(' ', file);
            print_value(file, row, options);
        }
    }
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
    again.sigma = options->sigma;
    again.eval = model;
    options_print(file, program, &again, task);
}

/* --- --help, --version ------------------------------------------------------------------------ */

static void print_row(const struct row *row, const struct options *standard)
{
    const bool has_default = row->kind == REAL || row->kind == ENGINE ||
                             (row->kind == WHOLE && row->field != FIELD(limit)) ||
                             row->field == FIELD(out);

    printf("  --%-11s %-6s %s", row->name, row->value ? row->value : "", row->help);
    if (row->value && has_default) {
        fputs(" (", stdout);
        print_value(stdout, row, standard);
        putchar(')');
    }
    putchar('\n');
}

static void print_help(const struct task *task)
{
    const struct options standard = defaults(task);

    printf("NAME\n  %s - %s\n\n"
           "SYNOPSIS\n  %s [OPTION]...\n\nOPTIONS\n",
           task->name, task->summary, task->name);
    for (const struct row *row = rows; row < rows + ROWS; row++)
        if (applies(row, task))
            print_row(row, &standard);
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
           "  0 done, 1 failed, 2 wrong usage, 130 interrupted, 143 terminated.\n"
           "\n"
           "EXAMPLES\n"
           "  %s                                             ten epochs on the built-in images\n"
           "  %s --data cifar-10-batches-bin --out runs/a    on CIFAR-10\n"
           "  %s --resume runs/a/checkpoint.safetensors --data cifar-10-batches-bin --epochs 20\n"
           "  %s --eval runs/a/model.safetensors --data cifar-10-batches-bin\n"
           "\n"
           "SEE ALSO\n"
           "  examples/README.md says what is in the files; include/cae/cae.h is the library.\n",
           task->eval_out, task->name, task->name, task->name, task->name);
}

static void print_version(const struct task *task)
{
    char build[256];

    cae_build_info(build, sizeof build);
    printf("%s, %s\n", task->name, build);
}

/* --- Reading ---------------------------------------------------------------------------------- */

static void list_for_getopt(struct option *list, const struct task *task)
{
    for (int i = 0; i < ROWS; i++)
        if (applies(&rows[i], task))
            *list++ = (struct option){rows[i].name, rows[i].value ? required_argument : no_argument,
                                      NULL, FIRST_ID + i};
    *list = (struct option){0};
}

/* getopt_long has said only that something is wrong; argv[optind - 1] is where. */
static bool refuse(int found, char **argv)
{
    if (found == ':')
        return fail("--%s: expected %s, found nothing", rows[optopt - FIRST_ID].name,
                    rows[optopt - FIRST_ID].expects);
    if (optopt >= FIRST_ID)
        return fail("--%s: expected no value", rows[optopt - FIRST_ID].name);
    if (optopt)
        return fail("-%c: no such option", optopt);
    return fail("%s: no such option, or not the only one that begins so", argv[optind - 1]);
}

static bool read_all(struct options *options, const struct row **question,
                     const struct task *task, int argc, char **argv)
{
    struct option list[ROWS + 1];
    int found;

    list_for_getopt(list, task);
    opterr = 0;
    while ((found = getopt_long(argc, argv, ":", list, NULL)) != -1) {
        if (found < FIRST_ID)
            return refuse(found, argv);
        const struct row *row = &rows[found - FIRST_ID];
        if (row->kind == HELP || row->kind == VERSION) {
            *question = row;
            return true;
        }
        if (!parse(options, row, optarg))
            return fail("--%s: expected %s, found '%s'", row->name, row->expects, optarg);
    }
    if (optind < argc)
        return fail("%s: expected options only", argv[optind]);
    if (options->eval && options->resume)
        return fail("--eval and --resume: expected one of them, found both");
    return true;
}

bool options_read(struct options *options, int *exit_code, const struct task *task, int argc,
                  char **argv)
{
    const struct row *question = NULL;

    *options = defaults(task);
    if (!read_all(options, &question, task, argc, argv)) {
        fprintf(stderr, "Try '%s --help'.\n", task->name);
        *exit_code = EXIT_USAGE;
        return false;
    }
    if (question) {
        (question->kind == HELP ? print_help : print_version)(task);
        *exit_code = EXIT_SUCCESS;
        return false;
    }
    if (options->eval && options->out == task->out)  /* not given */
        options->out = task->eval_out;
    return true;
}
