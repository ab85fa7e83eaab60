/* events.h - files that TensorBoard reads.
 *
 * A file is a run of records (TFRecord), each an Event message of TensorFlow's event.proto in the
 * wire format of protocol buffers. What is written here is the little of it that scalars and
 * pictures take. */
#ifndef TRAINER_EVENTS_H
#define TRAINER_EVENTS_H

#include "files.h"

#include <stdint.h>

/* {0} takes everything and writes nothing. */
struct events {
    char *path;
    struct bytes records;    /* not in the file yet */
    struct bytes event;      /* the one being composed */
    bool failed;             /* no memory for it */
};

/* Begin a file of its own in `directory`, under the name that TensorBoard looks for. Older files
 * beside it stay, and are read before it. */
bool events_open(struct events *events, const char *directory);

/* One event: a step with any number of values. */
void events_begin(struct events *events, int64_t step);
void events_scalar(struct events *events, const char *tag, double value);
void events_png(struct events *events, const char *tag, const struct bytes *png, int32_t height,
                int32_t width);
void events_end(struct events *events);

/* An event that takes back what older files say of this step and later ones. */
void events_restart(struct events *events, int64_t step);

/* Bring the file up to date; says what went wrong. */
bool events_flush(struct events *events);

/* Gives back memory; what has not been flushed is lost. */
void events_close(struct events *events);

#endif
