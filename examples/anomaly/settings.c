/* settings.c - the command line: one table from which it is parsed and explained. */
#include "settings.h"

#include "../trainer/message.h"

#include <cae/cae.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const network_names[] = {
    [COMPACT] = "compact", [SHALLOW] = "shallow", [COMPRESS] = "compress",
    [REFERENCE] = "reference", NULL};
static const char *const score_names[] = {
    [CAE_SCORE_MEAN] = "mean", [CAE_SCORE_PEAK] = "peak", NULL};

static const struct row {
    const char *name, *value;
    size_t field;
    const char *const *words;           /* one of these */
    int64_t least, most;                /* or a number; both 0: a name */
    const char *help;
} rows[] = {
#define FIELD(name) offsetof(struct settings, name)
    {"data", "DIR", FIELD(data), NULL, 0, 0,
     "clean images from CIFAR-10 in its binary format, not the built-in ones"},
    {"picture", "FILE", FIELD(picture), NULL, 0, 0, "draw frames, error maps and masks as PNG"},
    {"model", "FILE", FIELD(model), NULL, 0, 0, "save the model with its threshold"},
    {"network", "NAME", FIELD(network), network_names, 0, 0,
     "compact, shallow, compress or reference (compact)"},
    {"score", "NAME", FIELD(score), score_names, 0, 0, "mean or peak (peak)"},
    {"smoothing", "N", FIELD(smoothing), NULL, 0, 256, "radius of the map's box blur (1)"},
    {"quantile", "N", FIELD(quantile), NULL, 1, 1000,
     "thousandths of the clean images that are to stay below the threshold (950)"},
    {"images", "N", FIELD(images), NULL, 1, 50000, "to train on (3000)"},
    {"epochs", "N", FIELD(epochs), NULL, 1, 10000, "passes over them (20)"},
    {"test", "N", FIELD(test), NULL, 1, 5000, "clean images to score, and as many of each defect (500)"},
    {"seed", "N", FIELD(seed), NULL, 0, INT32_MAX, "of weights, images and defects (1)"},
    {"threads", "N", FIELD(threads), NULL, 0, 1024, "0 is one per processor; changes no result (0)"},
};

enum { ROWS = sizeof rows / sizeof *rows };

static const struct settings defaults = {
    .network = COMPACT, .score = CAE_SCORE_PEAK, .smoothing = 1, .quantile = 950, .images = 3000,
    .epochs = 20, .test = 500, .seed = 1};

static void explain(void)
{
    puts("usage: anomaly [--NAME VALUE]...\n\n"
         "Train an auto-encoder on clean images, calibrate it on others, and find out which of a\n"
         "third set it notices that something is wrong with.\n");
    for (int i = 0; i < ROWS; i++)
        printf("  --%-9s %-4s  %s\n", rows[i].name, rows[i].value, rows[i].help);
}

static bool parse_word(int64_t *value, const char *text, const char *const *words)
{
    for (*value = 0; words[*value]; ++*value)
        if (!strcmp(text, words[*value]))
            return true;
    return false;
}

static bool parse_number(int64_t *value, const char *text, int64_t least, int64_t most)
{
    if (!*text || strspn(text, "0123456789") != strlen(text))
        return false;
    errno = 0;
    *value = strtoll(text, NULL, 10);
    return !errno && *value >= least && *value <= most;
}

static bool parse_row(struct settings *settings, const struct row *row, const char *text)
{
    void *field = (char *)settings + row->field;

    if (row->words)
        return parse_word(field, text, row->words) ||
               fail("--%s: expected one of: %s", row->name, row->help);
    if (row->most)
        return parse_number(field, text, row->least, row->most) ||
               fail("--%s: expected a whole number from %lld to %lld, found \"%s\"", row->name,
                    (long long)row->least, (long long)row->most, text);
    *(const char **)field = text;
    return *text || fail("--%s: expected a path", row->name);
}

static const struct row *find_row(const char *argument)
{
    for (int i = 0; i < ROWS; i++)
        if (!strncmp(argument, "--", 2) && !strcmp(argument + 2, rows[i].name))
            return &rows[i];
    return NULL;
}

bool settings_parse(struct settings *settings, int *code, int argc, char **argv)
{
    *settings = defaults;
    *code = 2;
    for (int i = 1; i < argc; i += 2) {
        const struct row *row = find_row(argv[i]);
        if (!strcmp(argv[i], "--help")) {
            explain();
            *code = 0;
            return false;
        }
        if (!row)
            return fail("no option %s; --help lists them", argv[i]);
        if (i + 1 == argc)
            return fail("%s: expected a value", argv[i]);
        if (!parse_row(settings, row, argv[i + 1]))
            return false;
    }
    return true;
}
