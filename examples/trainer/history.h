/* history.h - every step taken, in memory and in log.csv. */
#ifndef TRAINER_HISTORY_H
#define TRAINER_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct history_row {
    int64_t step, epoch;  /* both from 1; the epoch that the step belongs to */
    double loss;          /* of the step's batch, before its update */
    double learning_rate;
    double images_per_second;
};

/* {0} is empty. */
struct history {
    struct history_row *rows;
    size_t count, capacity;
    size_t saved;         /* rows that log.csv has already */
    bool on_disk;         /* log.csv is this run's, to be appended to */
};

bool history_add(struct history *history, const struct history_row *row);
void history_free(struct history *history);

/* Take in the rows of `path` up to `last_step`: what a resumed run has behind it. A missing file is
 * fine, and so is anything behind that step: it was not finished. A file that is not such a log is an
 * error, and stays as it is. */
bool history_load(struct history *history, const char *path, int64_t last_step);

/* Bring `path` up to date: the first call replaces it, the others append. */
bool history_save(struct history *history, const char *path);

/* The first log of a new run changes together with the checkpoint of an older one: it is written
 * aside, then the checkpoint is saved, then the log takes its place. */
bool history_save_aside(const struct history *history, const char *aside);
bool history_take_place(struct history *history, const char *aside, const char *path);

/* A run that was killed just before its log took its place: do so now if it is the log of this
 * checkpoint; else remove what is aside. A file that is no log is an error there too. */
bool history_recover(const char *aside, const char *path, const char *checkpoint,
                     int64_t last_step);

#endif
