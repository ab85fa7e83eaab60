/* defects.h - what can be wrong with an image: painted on it, with a mask of where. */
#ifndef ANOMALY_DEFECTS_H
#define ANOMALY_DEFECTS_H

#include <stdint.h>

enum defect {
    SCRATCH, /* a thin straight line, dark on light and light on dark */
    BLOB,    /* a stain with soft edges, of a strong colour */
    BLOCK,   /* a square of pixels that are missing: black, as from a lost packet */
    TEXTURE, /* a patch of something else: checks finer than any texture of the clean images */
    DEFECTS
};

extern const char *const defect_names[DEFECTS];

/* Paint a defect, a function of (kind, seed) alone, on an image [3][side][side] of values in
 * [-1, 1]. `mask` [side][side] becomes 1 where the image has changed and 0 elsewhere. */
void defect_paint(float *image, unsigned char *mask, int side, enum defect kind, uint64_t seed);

#endif
