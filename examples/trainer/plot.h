/* plot.h - loss.png. */
#ifndef TRAINER_PLOT_H
#define TRAINER_PLOT_H

#include "curve.h"

#include <stdbool.h>

struct plot {
    const char *title, *subtitle;
    struct curve curve;
};

/* Draw the training loss over the epochs, on a logarithmic axis. Without steps there is nothing to
 * draw, and no file. */
bool plot_loss(const char *path, const struct plot *plot);

#endif
