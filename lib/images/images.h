/* images.h - from files to arrays and back: PNG, JPEG, NumPy's .npy; and from folders to datasets.
 *
 * PNG is libpng's work and JPEG libjpeg-turbo's; without.c stands for both in builds that have
 * neither. All of them answer through the context they are given, so that a worker may bring one of
 * its own (folder.c). */
#ifndef CAE_IMAGES_H
#define CAE_IMAGES_H

#include "../base/base.h"

#define CAE__MOST_SIDE 1048576             /* pixels, as in datasets */
#define CAE__MOST_PIXELS ((int64_t)1 << 28) /* of one image */

/* Numbers with a shape; unused extents are 1. `data` is a block of cae__alloc. */
struct cae__numbers {
    int32_t type, rank;
    int64_t shape[CAE_MOST_RANK];
    size_t count, bytes;
    void *data;
};

struct cae_array {
    struct cae__handle handle;
    struct cae__numbers numbers;
};

/* --- array.c ---------------------------------------------------------------------------------- */

size_t cae__type_size(int32_t type);

/* Fill in all but `data`. */
cae_status cae__numbers_measure(struct cae__numbers *numbers, const cae_context *context,
                                int32_t type, const int64_t *shape, int32_t rank);

/* Memory for an image of which a file of `size` bytes says that it has it; `most` is how many
 * pixels a byte of such a file can hold at most. Refuses before it allocates. */
cae_status cae__image_allocate(struct cae__numbers *image, const cae_context *context, int32_t type,
                               int64_t height, int64_t width, int channels, size_t size,
                               int64_t most);
cae_status cae__image_check(const cae_context *context, int64_t height, int64_t width, size_t size,
                            int64_t most);

/* Height, width and channels of an image, which may have no third extent. CAE_ERR_SHAPE for other
 * arrays. */
cae_status cae__image_extents(int64_t extents[3], const cae_context *context,
                              const struct cae__numbers *image);

/* The numbers of a file. `block` is where the file is a block of cae__alloc, which the reader may
 * keep: *block is NULL then; `block` is NULL where it is the caller's memory. */
cae_status cae__numbers_read(struct cae__numbers *numbers, const cae_context *context,
                             const unsigned char *data, size_t size, unsigned char **block);

/* Bytes that become more. */
struct cae__bytes {
    unsigned char *data;
    size_t size, capacity;
};
bool cae__bytes_grow(struct cae__bytes *bytes, const cae_context *context, size_t more);

/* --- npy.c, png.c, jpeg.c ----------------------------------------------------------------------
 *
 * A reader leaves nothing allocated when it fails. What a writer makes is to be freed by
 * cae__free. */

bool cae__npy_is(const unsigned char *data, size_t size);
cae_status cae__npy_read(struct cae__numbers *numbers, const cae_context *context,
                         const unsigned char *data, size_t size, unsigned char **block);
cae_status cae__npy_write(unsigned char **data, size_t *size, const cae_context *context,
                          const struct cae__numbers *numbers);

bool cae__png_is(const unsigned char *data, size_t size);
cae_status cae__png_read(struct cae__numbers *image, const cae_context *context,
                         const unsigned char *data, size_t size);
cae_status cae__png_write(unsigned char **data, size_t *size, const cae_context *context,
                          const struct cae__numbers *image);

bool cae__jpeg_is(const unsigned char *data, size_t size);
cae_status cae__jpeg_read(struct cae__numbers *image, const cae_context *context,
                          const unsigned char *data, size_t size);
cae_status cae__jpeg_write(unsigned char **data, size_t *size, const cae_context *context,
                           const struct cae__numbers *image);

/* Pixels that a byte of a file can hold at most. A run of deflate's takes two bits for 258 bytes.
 * A block of JPEG's, 64 pixels, takes a bit or more, and each pixel is in one block at least. */
static inline int64_t cae__png_most(int bits_per_pixel)
{
    return 1032 * 8 / bits_per_pixel;
}
#define CAE__JPEG_MOST 512

#endif
