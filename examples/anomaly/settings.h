/* settings.h - the command line of anomaly. */
#ifndef ANOMALY_SETTINGS_H
#define ANOMALY_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

/* Networks to compare; settings.c has their names. */
enum network { COMPACT, SHALLOW, COMPRESS, REFERENCE };

struct settings {
    const char *data;    /* CIFAR-10's directory; NULL: the built-in images */
    const char *picture; /* PNG to write; NULL: none */
    const char *model;   /* model file to write, with its threshold; NULL: none */
    int64_t network, score;
    int64_t smoothing, images, epochs, test, seed, threads;
    int64_t quantile;    /* in thousandths */
};

extern const char *const network_names[];

/* False when there is nothing to be done: *code is what to exit with then. */
bool settings_parse(struct settings *settings, int *code, int argc, char **argv);

#endif
