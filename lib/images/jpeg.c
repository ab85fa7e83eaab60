/* jpeg.c - images as JPEG, by libjpeg-turbo (or any library with the interface of libjpeg 6b).
 *
 * Its errors leave by longjmp, as in png.c. Warnings, after which it would go on with pixels that
 * nobody took, are errors here; nothing is printed, nothing exits. What the library allocates for
 * itself it takes from malloc: libjpeg has no say in that. Image and file are the context's. */
#include "images.h"

#include <inttypes.h>
#include <limits.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

#define QUALITY 95
#define MOST_JPEG_SIDE 65500 /* JPEG_MAX_DIMENSION: 65535 is what the format has */
#define MOST_SCANS 100       /* each goes through all pixels; 10 are usual, 64 and more possible */
#define BAND 16              /* rows that are decoded before they are turned */
#define FIRST_ROOM 65536     /* bytes of a file that is being written */
#define EXIF_MARKER (JPEG_APP0 + 1)
#define UPRIGHT 1

struct coder {
    jmp_buf jump;
    const cae_context *context;
    cae_status status; /* of what ended an attempt */
    bool noted;        /* the context has its text already */
    char text[JMSG_LENGTH_MAX];
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    struct jpeg_decompress_struct in; /* one of the two */
    struct jpeg_compress_struct out;
    struct jpeg_destination_mgr destination;
    struct cae__numbers image;
    const unsigned char *data; /* reading */
    size_t size;
    unsigned char *band;       /* rows as the file has them, to be turned; NULL for none */
    struct cae__bytes file;    /* writing */
};

/* --- What libjpeg calls ----------------------------------------------------------------------- */

static void on_error(j_common_ptr common)
{
    struct coder *coder = common->client_data;
    common->err->format_message(common, coder->text);
    coder->status = common->err->msg_code == JERR_OUT_OF_MEMORY ? CAE_ERR_MEMORY : CAE_ERR_FORMAT;
    longjmp(coder->jump, 1);
}

/* Level -1 is a warning: damaged pixels, but for those below, which real cameras give cause for. */
static void on_message(j_common_ptr common, int level)
{
    const int code = common->err->msg_code;
    if (level < 0 && code != JWRN_EXTRANEOUS_DATA && code != JWRN_ADOBE_XFORM &&
        code != JWRN_JFIF_MAJOR)
        on_error(common);
}

static void no_output(j_common_ptr common)
{
    (void)common;
}

/* Leave the body: the context knows why. */
static _Noreturn void give_up(struct coder *coder, cae_status status)
{
    coder->status = status;
    coder->noted = true;
    longjmp(coder->jump, 1);
}

static void count_scans(j_common_ptr common)
{
    struct coder *coder = common->client_data;
    if (coder->in.input_scan_number > MOST_SCANS)
        give_up(coder, cae__fail(coder->context, CAE_ERR_FORMAT,
                                 "JPEG: more than %d scans", MOST_SCANS));
}

static cae_status attempt(struct coder *coder, void (*body)(struct coder *))
{
    coder->in.err = coder->out.err = jpeg_std_error(&coder->errors);
    coder->errors.error_exit = on_error;
    coder->errors.emit_message = on_message;
    coder->errors.output_message = no_output;
    coder->in.client_data = coder->out.client_data = coder;
    if (setjmp(coder->jump) == 0) {
        body(coder);
        return CAE_OK;
    }
    if (coder->noted)
        return coder->status;
    if (coder->status == CAE_ERR_MEMORY)
        return cae__fail_memory(coder->context);
    return cae__fail(coder->context, coder->status, "JPEG: %s", coder->text);
}

/* --- Which way up: the orientation in EXIF, which is a TIFF file without an image ------------- */

static unsigned number(const unsigned char *at, int bytes, bool little)
{
    unsigned value = 0;
    for (int i = 0; i < bytes; i++)
        value = value << 8 | at[little ? bytes - 1 - i : i];
    return value;
}

#define EXIF "Exif\0" /* and the text's own zero */
#define EXIF_SIZE sizeof EXIF

/* 1 to 8; UPRIGHT where nothing sensible is said. */
static int exif_orientation(const unsigned char *tiff, size_t length)
{
    enum { ENTRY = 12, ORIENTATION = 0x0112, SHORT = 3 };
    if (length < 8)
        return UPRIGHT;
    const bool little = tiff[0] == 'I';
    const size_t directory = number(tiff + 4, 4, little);
    if (directory > length - 2)
        return UPRIGHT;
    const unsigned entries = number(tiff + directory, 2, little);
    for (unsigned i = 0; i < entries; i++) {
        const size_t entry = directory + 2 + (size_t)i * ENTRY;
        if (length - entry < ENTRY) /* where the one before ends, which is not beyond `length` */
            return UPRIGHT;
        const unsigned char *at = tiff + entry;
        const unsigned value = number(at + 8, 2, little);
        if (number(at, 2, little) == ORIENTATION)
            return number(at + 2, 2, little) == SHORT && value >= 1 && value <= 8 ? (int)value
                                                                                 : UPRIGHT;
    }
    return UPRIGHT;
}

static int orientation_of(const struct jpeg_decompress_struct *in)
{
    for (jpeg_saved_marker_ptr marker = in->marker_list; marker; marker = marker->next)
        if (marker->data_length >= EXIF_SIZE && memcmp(marker->data, EXIF, EXIF_SIZE) == 0)
            return exif_orientation(marker->data + EXIF_SIZE, marker->data_length - EXIF_SIZE);
    return UPRIGHT;
}

/* Where pixel (y, x) of the file goes: first + y down + x right, in pixels. */
struct turn {
    int64_t first, down, right;
};

/* Of an image that is not upright. */
static struct turn turn_of(int orientation, int64_t height, int64_t width)
{
    const int64_t last = height * width - 1;
    switch (orientation) {
    case 2: return (struct turn){width - 1, width, -1};           /* left is right */
    case 3: return (struct turn){last, -width, -1};               /* upside down */
    case 4: return (struct turn){last - width + 1, -width, 1};    /* top is bottom */
    case 5: return (struct turn){0, 1, height};                   /* rows are columns */
    case 6: return (struct turn){height - 1, -1, height};         /* lies on its left side */
    case 7: return (struct turn){last, -1, -height};              /* 5 and 3 */
    default: return (struct turn){last - height + 1, 1, -height}; /* 8: lies on its right side */
    }
}

/* --- Reading ---------------------------------------------------------------------------------- */

static void check_kind(struct coder *coder)
{
    struct jpeg_decompress_struct *in = &coder->in;
    const char *kind = in->jpeg_color_space == JCS_CMYK || in->jpeg_color_space == JCS_YCCK
                           ? "in CMYK, the colours of printing"
                     : in->jpeg_color_space == JCS_UNKNOWN ? "of unknown colours"
                     : in->data_precision != 8 ? "of other than 8 bits"
                     : in->arith_code ? "in arithmetic coding" : NULL;
    if (kind)
        give_up(coder, cae__fail(coder->context, CAE_ERR_FORMAT,
                                 "JPEG: an image %s, expected grey or colour (YCbCr or RGB) of 8 "
                                 "bits in Huffman coding", kind));
}

static void begin_reading(struct coder *coder)
{
    struct jpeg_decompress_struct *in = &coder->in;
    jpeg_create_decompress(in);
    in->mem->max_memory_to_use = 0; /* whatever JPEGMEM says */
    coder->progress.progress_monitor = count_scans;
    in->progress = &coder->progress;
    if (coder->size > ULONG_MAX)
        ERREXIT(in, JERR_INPUT_EMPTY);
    jpeg_mem_src(in, coder->data, (unsigned long)coder->size);
    jpeg_save_markers(in, EXIF_MARKER, 0xffff);
    (void)jpeg_read_header(in, TRUE);
    check_kind(coder);
    in->out_color_space = in->jpeg_color_space == JCS_GRAYSCALE ? JCS_GRAYSCALE : JCS_RGB;
}

/* Memory, before libjpeg takes its own. */
static void allocate(struct coder *coder, int orientation)
{
    const struct jpeg_decompress_struct *in = &coder->in;
    const bool lies = orientation > 4;
    const int channels = in->out_color_space == JCS_GRAYSCALE ? 1 : 3;
    const int64_t height = in->image_height, width = in->image_width;
    const cae_status status =
        cae__image_allocate(&coder->image, coder->context, CAE_TYPE_U8, lies ? width : height,
                            lies ? height : width, channels, coder->size, CAE__JPEG_MOST);
    if (status != CAE_OK)
        give_up(coder, status);
    if (orientation != UPRIGHT) {
        coder->band = cae__alloc(coder->context, BAND, (size_t)width * (size_t)channels);
        if (!coder->band)
            give_up(coder, cae__fail_memory(coder->context));
    }
}

static void read_upright(struct coder *coder)
{
    const size_t pitch = (size_t)coder->in.output_width * (size_t)coder->in.output_components;
    while (coder->in.output_scanline < coder->in.output_height) {
        JSAMPROW row = (JSAMPROW)coder->image.data + coder->in.output_scanline * pitch;
        (void)jpeg_read_scanlines(&coder->in, &row, 1);
    }
}

/* A band of rows at a time, whose columns are pieces of rows where the image lies. */
static void read_turned(struct coder *coder, int orientation)
{
    struct jpeg_decompress_struct *in = &coder->in;
    const struct turn turn = turn_of(orientation, in->output_height, in->output_width);
    const size_t channels = (size_t)in->output_components;
    const size_t pitch = (size_t)in->output_width * channels;
    while (in->output_scanline < in->output_height) {
        const int64_t y = in->output_scanline;
        int rows = 0;
        for (; rows < BAND && in->output_scanline < in->output_height; rows++) {
            JSAMPROW row = coder->band + (size_t)rows * pitch;
            (void)jpeg_read_scanlines(in, &row, 1);
        }
        for (int64_t x = 0; x < (int64_t)in->output_width; x++)
            for (int i = 0; i < rows; i++)
                memcpy((unsigned char *)coder->image.data +
                           (size_t)(turn.first + (y + i) * turn.down + x * turn.right) * channels,
                       coder->band + (size_t)i * pitch + (size_t)x * channels, channels);
    }
}

static void read_image(struct coder *coder)
{
    begin_reading(coder);
    const int orientation = orientation_of(&coder->in);
    allocate(coder, orientation);
    (void)jpeg_start_decompress(&coder->in);
    if (coder->in.output_width != coder->in.image_width ||
        coder->in.output_height != coder->in.image_height ||
        coder->in.output_components != coder->image.shape[2])
        ERREXIT(&coder->in, JERR_CONVERSION_NOTIMPL);
    if (orientation == UPRIGHT)
        read_upright(coder);
    else
        read_turned(coder, orientation);
    (void)jpeg_finish_decompress(&coder->in);
}

cae_status cae__jpeg_read(struct cae__numbers *image, const cae_context *context,
                          const unsigned char *data, size_t size)
{
    struct coder coder = {.context = context, .data = data, .size = size};
    const cae_status status = attempt(&coder, read_image);
    jpeg_destroy_decompress(&coder.in);
    cae__free(context, coder.band);
    if (status == CAE_OK)
        *image = coder.image;
    else
        cae__free(context, coder.image.data);
    return status;
}

/* --- Writing ---------------------------------------------------------------------------------- */

/* libjpeg writes into what is free behind the file's bytes, and asks for more when it is full. */
static void offer_room(struct coder *coder)
{
    coder->destination.next_output_byte = coder->file.data + coder->file.size;
    coder->destination.free_in_buffer = coder->file.capacity - coder->file.size;
}

static void begin_file(j_compress_ptr out)
{
    offer_room(out->client_data);
}

static boolean grow_file(j_compress_ptr out)
{
    struct coder *coder = out->client_data;
    coder->file.size = coder->file.capacity;
    if (!cae__bytes_grow(&coder->file, coder->context, 1))
        give_up(coder, cae__fail_memory(coder->context));
    offer_room(coder);
    return TRUE;
}

static void end_file(j_compress_ptr out)
{
    struct coder *coder = out->client_data;
    coder->file.size = coder->file.capacity - coder->destination.free_in_buffer;
}

static void write_image(struct coder *coder)
{
    struct jpeg_compress_struct *out = &coder->out;
    const struct cae__numbers *image = &coder->image;
    const size_t pitch = image->bytes / (size_t)image->shape[0];

    jpeg_create_compress(out);
    out->mem->max_memory_to_use = 0; /* whatever JPEGMEM says */
    out->dest = &coder->destination;
    out->dest->init_destination = begin_file;
    out->dest->empty_output_buffer = grow_file;
    out->dest->term_destination = end_file;
    out->image_height = (JDIMENSION)image->shape[0];
    out->image_width = (JDIMENSION)image->shape[1];
    out->input_components = (int)image->shape[2];
    out->in_color_space = image->shape[2] == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(out);
    jpeg_set_quality(out, QUALITY, TRUE);
    for (int i = 0; i < out->num_components; i++) /* colour in full resolution */
        out->comp_info[i].h_samp_factor = out->comp_info[i].v_samp_factor = 1;
    out->optimize_coding = TRUE;
    jpeg_start_compress(out, TRUE);
    while (out->next_scanline < out->image_height) {
        JSAMPROW row = (JSAMPROW)image->data + out->next_scanline * pitch;
        (void)jpeg_write_scanlines(out, &row, 1);
    }
    jpeg_finish_compress(out);
}

static cae_status check_image(const cae_context *context, const struct cae__numbers *image)
{
    int64_t extents[3];
    cae_status status = cae__image_extents(extents, context, image);
    if (status == CAE_OK && extents[2] != 1 && extents[2] != 3)
        status = cae__fail(context, CAE_ERR_SHAPE, "JPEG: an image of %" PRId64 " channels, "
                           "expected 1 or 3: JPEG has no alpha, PNG has", extents[2]);
    if (status == CAE_OK && image->type != CAE_TYPE_U8)
        status = cae__fail(context, CAE_ERR_SHAPE, "JPEG: an image of %s, expected bytes: PNG and "
                           ".npy hold 16 bits, .npy holds floats",
                           image->type == CAE_TYPE_U16 ? "16 bits" : "floats");
    if (status == CAE_OK && (extents[0] > MOST_JPEG_SIDE || extents[1] > MOST_JPEG_SIDE ||
                             extents[0] * extents[1] > CAE__MOST_PIXELS))
        status = cae__fail(context, CAE_ERR_SHAPE,
                           "JPEG: an image of %" PRId64 "x%" PRId64 ", expected sides of at most "
                           "%d and at most %" PRId64 " pixels", extents[0], extents[1],
                           MOST_JPEG_SIDE, CAE__MOST_PIXELS);
    return status;
}

cae_status cae__jpeg_write(unsigned char **data, size_t *size, const cae_context *context,
                           const struct cae__numbers *image)
{
    cae_status status = check_image(context, image);
    if (status != CAE_OK)
        return status;
    struct coder coder = {.context = context, .image = *image};
    if (!cae__bytes_grow(&coder.file, context, FIRST_ROOM))
        return cae__fail_memory(context);
    status = attempt(&coder, write_image);
    jpeg_destroy_compress(&coder.out);
    if (status != CAE_OK) {
        cae__free(context, coder.file.data);
        return status;
    }
    *data = coder.file.data;
    *size = coder.file.size;
    return CAE_OK;
}
