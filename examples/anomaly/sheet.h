/* sheet.h - frames, what the model makes of them, error maps and masks, as a picture. */
#ifndef ANOMALY_SHEET_H
#define ANOMALY_SHEET_H

#include <stdbool.h>

/* One column. Images are [3][side][side] in [-1, 1]. */
struct exhibit {
    const char *kind;
    float *frame, *output, *map;  /* the map [side][side] */
    unsigned char *mask;          /* [side][side], 1 where the defect is */
    double score;
};

/* Draw them side by side and write a PNG. Maps are black at 0, and orange at `alarm`. A score above
 * `threshold` is marked. Says what went wrong. */
bool sheet_save(const char *path, const struct exhibit *exhibits, int count, int side, double alarm,
                double threshold);

#endif
