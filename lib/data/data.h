/* data.h - from bytes and buffers to samples. */
#ifndef CAE_DATA_H
#define CAE_DATA_H

#include "../base/base.h"
#include "../base/file.h"

#define CAE__MOST_LANES 8 /* images side by side in a block, see network/plan.c */

struct cae__store;

struct cae_dataset {
    struct cae__handle handle;
    int64_t count;
    int channels, height, width;
    size_t length;             /* values of one image */
    int32_t type, layout, scale;
    const unsigned char *data; /* first image, `count` of them without gaps; or NULL and */
    struct cae__store *store;  /* where they are, from `first` on */
    int64_t first;
    void *owned;               /* the block to free, NULL when borrowed */
    const cae_dataset *parent; /* of a slice: keeps `data` and `store` alive */
    int64_t skipped;           /* files of a folder that were left out */
};

/* Drop one reference; the caller's own goes with cae_dataset_destroy. */
void cae__dataset_release(cae_dataset *dataset);

cae_status cae__dataset_options(const cae_context *context, cae_dataset_options *known,
                                const cae_dataset_options *given);
/* The same for sources that know what their data looks like: only scale and memory may be chosen. */
cae_status cae__dataset_plain_options(const cae_context *context, cae_dataset_options *known,
                                      const cae_dataset_options *given);
/* CAE_ERR_OPTIONS unless `memory` is 0: for sources that are no files. */
cae_status cae__dataset_refuse_memory(const cae_context *context, const cae_dataset_options *o);
/* Whether `images` images of `bytes` bytes may be held. */
bool cae__dataset_fits(const cae_dataset_options *o, int64_t images, size_t bytes);

/* A dataset of bytes, [channels][height][width], in memory of its own: `owned` is to be filled by
 * the caller. */
cae_status cae__dataset_allocate(cae_dataset **out, cae_context *context, int64_t count,
                                 int channels, int height, int width, int32_t scale);

/* A dataset around a block of cae__alloc that holds `bytes` bytes: it is the dataset's from here on,
 * and freed when there is none. `prototype` says count, shape, type, layout and scale. */
cae_status cae__dataset_adopt(cae_dataset **out, cae_context *context, void *block, size_t bytes,
                              const cae_dataset *prototype);

/* A dataset of images that stay where they are, `first` of them being 0: the store is the dataset's
 * from here on, and destroyed when there is none. */
cae_status cae__dataset_shelve(cae_dataset **out, cae_context *context, struct cae__store *store,
                               const cae_dataset *prototype);

/* --- Reading ------------------------------------------------------------------------------------
 *
 * Images may stay in files, and a read may fail. As readers are workers, who keep no text, they only
 * say which image it was, and the calling thread asks for the explanation. `room` is memory for the
 * bytes of images on their way: NULL of 0 bytes where all are in memory. */

#define CAE__ALL_READ (-1)
/* Bytes of room to read `images` images at a time, a multiple of 64. */
size_t cae__dataset_room(const cae_dataset *dataset, int images);
/* The failure in words, for an image that could not be read. */
cae_status cae__dataset_explain(const cae_context *context, const cae_dataset *dataset,
                                int64_t index);
/* This image will be asked for soon. */
void cae__dataset_announce(const cae_dataset *dataset, int64_t index);

/* Image `index` as it is stored, and a part of such a one as [channels][height][width] floats in the
 * dataset's range; NULL when it cannot be read. */
const unsigned char *cae__dataset_bytes(const cae_dataset *dataset, int64_t index, void *room);
void cae__dataset_read_part(float *pixels, const cae_dataset *dataset, const unsigned char *image,
                            int way, size_t first, size_t count);
/* All of image `index`. False when it cannot be read. */
bool cae__dataset_read(float *pixels, const cae_dataset *dataset, int64_t index, void *room);
/* `used` images interleaved: [channels][height][width][lanes], zeros in the lanes beyond. `ways`
 * says how each of them lies, a sum of enum cae_augment; NULL as it is. CAE__ALL_READ, or the first
 * of them that cannot be read. */
int64_t cae__dataset_read_lanes(float *out, const cae_dataset *dataset, const int64_t *images,
                                const int *ways, int lanes, int used, void *room);

/* --- store.c: images in files -------------------------------------------------------------------- */

/* `volumes` files will be added, and `extents` runs of images, each of `image` bytes with `label`
 * (0 or 1) before them. */
cae_status cae__store_create(struct cae__store **out, const cae_context *context, int64_t volumes,
                             int64_t extents, size_t image, size_t label);
/* An open file, the store's from here on; closed when that fails. */
cae_status cae__store_add_file(struct cae__store *store, const cae_context *context,
                               cae__opened file, const char *path);
/* Images `first` and up begin at an offset of the file just added. */
void cae__store_add_images(struct cae__store *store, int64_t first, int64_t offset);
/* Its images are floats of the other order of bytes. */
void cae__store_swap_floats(struct cae__store *store);
void cae__store_destroy(struct cae__store *store, const cae_context *context);
/* What cae__dataset_room is for one image; the pixels of one, in it; and the rest. */
size_t cae__store_room(const struct cae__store *store);
const unsigned char *cae__store_read(unsigned char *room, struct cae__store *store, int64_t image);
/* Whether reads had to wait of late. Asked once for each block of images: the answer wears off. */
bool cae__store_is_slow(struct cae__store *store);
void cae__store_announce(const struct cae__store *store, int64_t image);
cae_status cae__store_explain(const cae_context *context, const struct cae__store *store,
                              int64_t image, int64_t name);

#endif
