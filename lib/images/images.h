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
/* All but `data`, by the first bytes of a file of `size`: CAE__NPY_HEAD of them, or all there are.
 * And where the numbers are, and how they differ from what they become. */
#define CAE__NPY_HEAD (65536 + 12)
struct cae__npy_place {
    size_t start;  /* in the file */
    bool swapped;  /* of the other order of bytes */
    bool narrowed; /* they have more bytes there */
};
cae_status cae__npy_look(struct cae__numbers *numbers, struct cae__npy_place *place,
                         const cae_context *context, const unsigned char *head, size_t head_size,
                         uint64_t size);
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

/* CAE_ERR_UNSUPPORTED in builds without PNG and JPEG. */
cae_status cae__images_check(const cae_context *context);

/* --- look.c ----------------------------------------------------------------------------------- */

/* The size of a PNG or JPEG file, by its header alone; a photo may yet be turned. */
cae_status cae__image_look(int64_t *height, int64_t *width, const cae_context *context,
                           const char *path);

/* --- walk.c ----------------------------------------------------------------------------------- */

/* A file below a directory; `name` is its path from there. */
struct cae__file {
    const char *name;
    char *reason;      /* a block: why it cannot be used, or NULL */
    cae_status status;
    int64_t number;    /* among all, by the bytes of their names */
    int64_t pixels;
    int64_t first;     /* image of the dataset */
    int64_t crops;
};

struct cae__files {
    struct cae__file *list;
    int64_t count;
    char *names; /* all of them */
};

/* All files in and below a directory whose name is that of an image, in the order of their names. A
 * folder in it that cannot be read is one of them, with its reason. */
cae_status cae__files_find(struct cae__files *files, const cae_context *context,
                           const char *directory);
void cae__files_free(struct cae__files *files, const cae_context *context);
/* `directory`/`name`, in `path` of CAE__PATH_ROOM. */
cae_status cae__path_join(char *path, const cae_context *context, const char *directory,
                          const char *name);
#define CAE__PATH_ROOM 4096
/* The file cannot be used: keep the status and the context's text. */
void cae__file_skip(struct cae__file *file, const cae_context *context, cae_status status);

/* ---------------------------------------------------------------------------------------------- */

/* Whether a name ends so; `end` is in small letters. */
bool cae__name_ends(const char *name, const char *end);

/* Pixels that a byte of a file can hold at most. A run of deflate's takes two bits for 258 bytes.
 * A block of JPEG's, 64 pixels, takes a bit or more, and each pixel is in one block at least. */
static inline int64_t cae__png_most(int bits_per_pixel)
{
    return 1032 * 8 / bits_per_pixel;
}
#define CAE__JPEG_MOST 512

#endif
