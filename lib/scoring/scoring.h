/* scoring.h - from a frame and its reconstruction to a number and a map. */
#ifndef CAE_SCORING_H
#define CAE_SCORING_H

#include "../network/network.h"

/* --- Error map: (y - x)^2, mean over channels, box blur ---------------------------------------- */

/* Settled once for a frame size. A frame is worked off in bands of rows, which are the same
 * whatever the number of threads; each computes the rows that its blur reaches beyond it again. */
struct cae__error_map {
    int channels, height, width;
    int radius_h, radius_w; /* of the blur, no more than the frame has */
    int bands, band_rows;
    float *columns; /* [width]: how many the blur takes the mean of, at each */
};

/* What a band comes to. */
struct cae__band {
    double sum;   /* of squared errors, over all channels; NaN or infinite when one is */
    float peak;   /* of the map */
    bool finite;  /* is all of the map */
};

cae_status cae__error_map_init(struct cae__error_map *map, const cae_context *context, int channels,
                               int height, int width, int smoothing);
void cae__error_map_finish(struct cae__error_map *map, const cae_context *context);
/* Floats of scratch for a band of the map. */
uint64_t cae__error_map_scratch(const struct cae__error_map *map);
/* The band's part of `sum`. */
double cae__error_sum(const struct cae__error_map *map, const float *x, const float *y, int band);
/* Its part of the map, written to `values` [height][width] unless that is NULL. */
void cae__error_band(struct cae__band *out, float *values, const struct cae__error_map *map,
                     const float *x, const float *y, int band, float *scratch);

/* --- Scorer ------------------------------------------------------------------------------------ */

/* `known` holds the defaults for NULL. */
cae_status cae__scorer_options(const cae_context *context, cae_scorer_options *known,
                               const cae_scorer_options *given);
extern const cae_scorer_options cae__scorer_defaults;

/* Score all images of a dataset of the scorer's shape. Scores may be other than finite. */
cae_status cae__scorer_run_all(double *scores, cae_scorer *scorer, const cae_dataset *dataset);

#endif
