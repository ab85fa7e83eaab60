/* data.h - from bytes and buffers to samples. */
#ifndef CAE_DATA_H
#define CAE_DATA_H

#include "../base/base.h"

#define CAE__MOST_LANES 8 /* images side by side in a block, see network/plan.c */

struct cae_dataset {
    struct cae__handle handle;
    int64_t count;
    int channels, height, width;
    size_t length;             /* values of one image */
    int32_t type, layout, scale;
    const unsigned char *data; /* first image, `count` of them without gaps */
    void *owned;               /* the block to free, NULL when borrowed */
    const cae_dataset *parent; /* of a slice: keeps `data` alive */
    int64_t skipped;           /* files of a folder that were left out */
};

/* Drop one reference; the caller's own goes with cae_dataset_destroy. */
void cae__dataset_release(cae_dataset *dataset);

cae_status cae__dataset_options(const cae_context *context, cae_dataset_options *known,
                                const cae_dataset_options *given);
/* The same for sources that know what their data looks like: only the scale may be chosen. */
cae_status cae__dataset_scale(const cae_context *context, int32_t *scale,
                              const cae_dataset_options *given);

/* A dataset of bytes, [channels][height][width], in memory of its own: `owned` is to be filled by
 * the caller. */
cae_status cae__dataset_allocate(cae_dataset **out, cae_context *context, int64_t count,
                                 int channels, int height, int width, int32_t scale);

/* A dataset around a block of cae__alloc that holds `bytes` bytes: it is the dataset's from here on,
 * and freed when there is none. `prototype` says count, shape, type, layout and scale. */
cae_status cae__dataset_adopt(cae_dataset **out, cae_context *context, void *block, size_t bytes,
                              const cae_dataset *prototype);

/* Image `index` as [channels][height][width] floats in the dataset's range, or a part of it. */
void cae__dataset_read(float *pixels, const cae_dataset *dataset, int64_t index);
void cae__dataset_read_part(float *pixels, const cae_dataset *dataset, int64_t index, int way,
                            size_t first, size_t count);
/* `used` images interleaved: [channels][height][width][lanes], zeros in the lanes beyond. `ways`
 * says how each of them lies, a sum of enum cae_augment; NULL as it is. */
void cae__dataset_read_lanes(float *out, const cae_dataset *dataset, const int64_t *images,
                             const int *ways, int lanes, int used);

#endif
