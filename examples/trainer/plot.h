/* plot.h - loss.png. */
#ifndef TRAINER_PLOT_H
#define TRAINER_PLOT_H

#include "history.h"

struct plot {
    const char *title, *subtitle;
    const struct history *history;
    int64_t steps_per_epoch;
    double input_mse;  /* error of the noisy input itself, a line to get below; 0: none */
};

/* Draw the training loss over the epochs, on a logarithmic axis. Without steps there is nothing to
 * draw, and no file. */
bool plot_loss(const char *path, const struct plot *plot);

#endif
