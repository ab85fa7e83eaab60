/* png.c - images as PNG, by libpng.
 *
 * libpng leaves by longjmp when something is wrong, as its error handler must not return. All that
 * calls it is therefore the `body` of an attempt: what has to outlive the jump is in struct coder,
 * in the frame of the caller, and the body's own variables end with it. Memory comes from the
 * context; nothing is printed; chunks that do not say what the pixels are go by unread. */
#include "images.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <png.h>

#define FIRST_ROOM 65536 /* bytes of a file that is being written */

struct coder {
    jmp_buf jump;
    const cae_context *context;
    cae_status status; /* of what ended an attempt */
    bool no_memory;    /* the allocator said NULL, whatever libpng made of that */
    bool noted;        /* the context has its text already */
    char text[128];    /* libpng's words */
    png_structp png;
    png_infop info;
    struct cae__numbers image;
    const unsigned char *at; /* reading */
    size_t left, size;
    struct cae__bytes file; /* writing */
};

/* --- What libpng calls ------------------------------------------------------------------------ */

static void on_error(png_structp png, png_const_charp text)
{
    struct coder *coder = png_get_error_ptr(png);
    snprintf(coder->text, sizeof coder->text, "%s", text);
    longjmp(coder->jump, 1);
}

static void on_warning(png_structp png, png_const_charp text)
{
    (void)png, (void)text; /* of chunks that do not matter here */
}

static png_voidp allocate(png_structp png, png_alloc_size_t size)
{
    struct coder *coder = png_get_mem_ptr(png);
    void *block = cae__alloc(coder->context, 1, size);
    coder->no_memory |= !block;
    return block;
}

static void release(png_structp png, png_voidp block)
{
    const struct coder *coder = png_get_mem_ptr(png);
    cae__free(coder->context, block);
}

static void read_bytes(png_structp png, png_bytep to, size_t count)
{
    struct coder *coder = png_get_io_ptr(png);
    if (count > coder->left)
        png_error(png, "the file is cut off");
    memcpy(to, coder->at, count);
    coder->at += count;
    coder->left -= count;
}

static void write_bytes(png_structp png, png_bytep from, size_t count)
{
    struct coder *coder = png_get_io_ptr(png);
    if (!cae__bytes_grow(&coder->file, coder->context, count)) {
        coder->no_memory = true;
        png_error(png, "out of memory");
    }
    memcpy(coder->file.data + coder->file.size, from, count);
    coder->file.size += count;
}

static void flush_bytes(png_structp png)
{
    (void)png;
}

/* --- Attempts --------------------------------------------------------------------------------- */

/* Leave the body: the context knows why. */
static _Noreturn void give_up(struct coder *coder, cae_status status)
{
    coder->status = status;
    coder->noted = true;
    longjmp(coder->jump, 1);
}

static cae_status attempt(struct coder *coder, void (*body)(struct coder *))
{
    if (setjmp(coder->jump) == 0) {
        body(coder);
        coder->status = CAE_OK;
    }
    if (coder->no_memory) /* a warning to libpng where it can do without */
        return cae__fail_memory(coder->context);
    if (coder->status == CAE_OK || coder->noted)
        return coder->status;
    return cae__fail(coder->context, CAE_ERR_FORMAT, "PNG: %s", coder->text);
}

cae_status cae__images_check(const cae_context *context)
{
    (void)context;
    return CAE_OK;
}

/* --- Reading ---------------------------------------------------------------------------------- */

/* All that may be in a PNG and says nothing of its pixels: profiles, texts, times. */
static void ignore_chunks(png_structp png)
{
#ifdef PNG_HANDLE_AS_UNKNOWN_SUPPORTED
    static const png_byte names[] = "bKGD\0cHRM\0eXIf\0gAMA\0hIST\0iCCP\0iTXt\0oFFs\0pCAL\0pHYs\0"
                                    "sBIT\0sCAL\0sPLT\0sRGB\0tEXt\0tIME\0zTXt";
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, names, (int)(sizeof names / 5));
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, 0);
#else
    (void)png;
#endif
}

static void begin_reading(struct coder *coder)
{
    coder->png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, coder, on_error, on_warning, coder,
                                          allocate, release);
    coder->info = coder->png ? png_create_info_struct(coder->png) : NULL;
    if (!coder->info) {
        snprintf(coder->text, sizeof coder->text, "libpng does not start");
        longjmp(coder->jump, 1);
    }
    png_set_user_limits(coder->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX); /* ours come first */
    ignore_chunks(coder->png);
    png_set_read_fn(coder->png, coder, read_bytes);
    png_read_info(coder->png, coder->info);
}

/* Colours and alpha from palettes, 8 or 16 bits, and memory for them. */
static void settle_format(struct coder *coder)
{
    png_struct *png = coder->png;
    png_info *info = coder->info;
    const int bits = png_get_bit_depth(png, info);
    const int64_t most = cae__png_most(bits * png_get_channels(png, info));
    png_set_expand(png);
    if (bits == 16 && cae__is_little_endian())
        png_set_swap(png);

    /* in the file's own kind of pixels, before libpng takes memory for rows of them */
    const int64_t height = png_get_image_height(png, info), width = png_get_image_width(png, info);
    cae_status status = cae__image_check(coder->context, height, width, coder->size, most);
    if (status != CAE_OK)
        give_up(coder, status);
    (void)png_set_interlace_handling(png);
    png_read_update_info(png, info);
    status = cae__image_allocate(&coder->image, coder->context,
                                 bits == 16 ? CAE_TYPE_U16 : CAE_TYPE_U8, height, width,
                                 png_get_channels(png, info), coder->size, most);
    if (status != CAE_OK)
        give_up(coder, status);
    if (png_get_rowbytes(png, info) != coder->image.bytes / (size_t)height)
        png_error(png, "rows of another size than their pixels");
}

static void read_image(struct coder *coder)
{
    begin_reading(coder);
    settle_format(coder);
    const size_t pitch = coder->image.bytes / (size_t)coder->image.shape[0];
    const int passes = png_get_interlace_type(coder->png, coder->info) == PNG_INTERLACE_NONE
                           ? 1 : PNG_INTERLACE_ADAM7_PASSES;
    for (int pass = 0; pass < passes; pass++) {
        png_bytep row = coder->image.data;
        for (int64_t y = 0; y < coder->image.shape[0]; y++, row += pitch)
            png_read_row(coder->png, row, NULL);
    }
    png_read_end(coder->png, NULL); /* or the file was cut off behind its pixels */
}

cae_status cae__png_read(struct cae__numbers *image, const cae_context *context,
                         const unsigned char *data, size_t size)
{
    struct coder coder = {.context = context, .status = CAE_ERR_FORMAT, .at = data, .left = size,
                          .size = size};
    const cae_status status = attempt(&coder, read_image);
    png_destroy_read_struct(&coder.png, &coder.info, NULL);
    if (status == CAE_OK)
        *image = coder.image;
    else
        cae__free(context, coder.image.data);
    return status;
}

/* --- Writing ---------------------------------------------------------------------------------- */

static void write_image(struct coder *coder)
{
    static const int colours[5] = {0, PNG_COLOR_TYPE_GRAY, PNG_COLOR_TYPE_GRAY_ALPHA,
                                   PNG_COLOR_TYPE_RGB, PNG_COLOR_TYPE_RGB_ALPHA};
    const struct cae__numbers *image = &coder->image;
    const size_t pitch = image->bytes / (size_t)image->shape[0];
    const int bits = image->type == CAE_TYPE_U16 ? 16 : 8;

    coder->png = png_create_write_struct_2(PNG_LIBPNG_VER_STRING, coder, on_error, on_warning,
                                           coder, allocate, release);
    coder->info = coder->png ? png_create_info_struct(coder->png) : NULL;
    if (!coder->info) {
        snprintf(coder->text, sizeof coder->text, "libpng does not start");
        longjmp(coder->jump, 1);
    }
    png_set_user_limits(coder->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    png_set_write_fn(coder->png, coder, write_bytes, flush_bytes);
    png_set_IHDR(coder->png, coder->info, (png_uint_32)image->shape[1],
                 (png_uint_32)image->shape[0], bits, colours[image->shape[2]], PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(coder->png, coder->info);
    if (bits == 16 && cae__is_little_endian())
        png_set_swap(coder->png);
    const unsigned char *row = image->data;
    for (int64_t y = 0; y < image->shape[0]; y++, row += pitch)
        png_write_row(coder->png, row);
    png_write_end(coder->png, NULL);
}

static cae_status check_image(const cae_context *context, const struct cae__numbers *image)
{
    int64_t extents[3];
    cae_status status = cae__image_extents(extents, context, image);
    if (status == CAE_OK && extents[2] > 4)
        status = cae__fail(context, CAE_ERR_SHAPE, "PNG: an image of %" PRId64 " channels, expected "
                           "1 to 4", extents[2]);
    if (status == CAE_OK && image->type == CAE_TYPE_F32)
        status = cae__fail(context, CAE_ERR_SHAPE, "PNG: an image of floats, expected bytes or 16 "
                           "bits: see cae_array_from_planes, or write .npy");
    if (status == CAE_OK && (extents[0] > CAE__MOST_SIDE || extents[1] > CAE__MOST_SIDE ||
                             extents[0] * extents[1] > CAE__MOST_PIXELS))
        status = cae__fail(context, CAE_ERR_SHAPE,
                           "PNG: an image of %" PRId64 "x%" PRId64 ", expected sides of at most "
                           "%d and at most %" PRId64 " pixels", extents[0], extents[1],
                           CAE__MOST_SIDE, CAE__MOST_PIXELS);
    return status;
}

cae_status cae__png_write(unsigned char **data, size_t *size, const cae_context *context,
                          const struct cae__numbers *image)
{
    cae_status status = check_image(context, image);
    if (status != CAE_OK)
        return status;
    struct coder coder = {.context = context, .status = CAE_ERR_FORMAT, .image = *image};
    if (!cae__bytes_grow(&coder.file, context, FIRST_ROOM))
        return cae__fail_memory(context);
    status = attempt(&coder, write_image);
    png_destroy_write_struct(&coder.png, &coder.info);
    if (status != CAE_OK) {
        cae__free(context, coder.file.data);
        return status;
    }
    *data = coder.file.data;
    *size = coder.file.size;
    return CAE_OK;
}
