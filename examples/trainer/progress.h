/* progress.h - how training is going: a bar on a terminal, one line per epoch elsewhere. */
#ifndef TRAINER_PROGRESS_H
#define TRAINER_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

/* Speed over the last seconds: images and seconds that fade away at the same rate. */
struct speed {
    double images, seconds;
};

struct progress {
    bool quiet, terminal;
    bool drawn;           /* the cursor is at the end of a bar */
    double drawn_at;
    int64_t epochs, steps_per_epoch;
    int ranks;            /* shown when they are several; 0 to begin with */
    struct speed speed;
};

/* What there is to tell after a step. */
struct progress_step {
    int64_t step, epoch;  /* both from 1 */
    bool epoch_done;
    int64_t images;       /* in this step */
    double seconds;       /* that it took */
    double loss;          /* mean of the epoch so far */
};

void progress_begin(struct progress *progress, int64_t epochs, int64_t steps_per_epoch, bool quiet);
void progress_show(struct progress *progress, const struct progress_step *step);

/* Leave the bar's line, so that what is printed next has one of its own. */
void progress_end(struct progress *progress);

/* Seconds of a clock that only goes forward. */
double seconds_now(void);

#endif
