/* gallery.h - test images as they are, as the model gets them, and as it gives them back. */
#ifndef TRAINER_GALLERY_H
#define TRAINER_GALLERY_H

#include "picture.h"
#include "run.h"

/* [count][channels][height][width] each. */
struct gallery {
    int64_t count;
    int64_t *indices;    /* of the images in the test set */
    int32_t channels, height, width;
    size_t pixels;       /* values in one image */
    double low, high;    /* of the data's range */
    float *clean, *input, *output;
};

/* Room for `count` images. Whatever it says, gallery_end gives it back. */
bool gallery_begin(struct gallery *gallery, const struct run *run, int64_t count);
void gallery_end(struct gallery *gallery);

/* Choose images spread over the whole test set, for its order may mean something. */
void gallery_spread(const struct gallery *gallery, const struct run *run);

/* Fetch the images that the indices name, and run the model. The model has been evaluated: it is
 * known to fit. */
bool gallery_fill(const struct gallery *gallery, const struct run *run);

/* Image i of clean, input or output. */
struct picture gallery_picture(const struct gallery *gallery, const float *images, int64_t i);

/* In dB, infinite for equal images. */
double gallery_psnr(const struct gallery *gallery, const float *images, int64_t i);

#endif
