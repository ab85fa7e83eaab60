/* picture.h - arrays of numbers as something to look at. */
#ifndef TRAINER_PICTURE_H
#define TRAINER_PICTURE_H

#include "files.h"

#include <cairo.h>
#include <stdint.h>

/* Planes [channels][height][width]. Three or more channels: the first three are red, green and
 * blue; fewer: the first is grey. `low` is shown black and `high` white. What is shown is the
 * rectangle from (left, top); picture_of shows all. */
struct picture {
    const float *values;
    int32_t channels, height, width;
    double low, high;
    int32_t left, top, shown_width, shown_height;
};

struct picture picture_of(const float *values, int32_t channels, int32_t height, int32_t width,
                          double low, double high);

/* The middle of the same, at most `most` pixels wide and high. */
struct picture picture_middle(struct picture picture, int32_t most);

/* Enlarged with every pixel a square: nothing is smoothed away. */
void picture_draw(cairo_t *canvas, const struct picture *picture, double x, double y, double zoom);

/* The same as a PNG file, added to `png`. Says what went wrong. */
bool picture_png(struct bytes *png, const struct picture *picture, int zoom);

/* For cairo_surface_write_to_png_stream: adds to a struct bytes. */
cairo_status_t picture_collect(void *bytes, const unsigned char *data, unsigned int size);

#endif
