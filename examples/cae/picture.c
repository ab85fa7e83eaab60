/* picture.c - pictures as files, and as standard input and output. */
#include "picture.h"

#include "output.h"
#include "setup.h"

#include "../trainer/files.h"
#include "../trainer/message.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

float *floats_new(size_t count)
{
    float *floats = count <= SIZE_MAX / sizeof *floats ? malloc(count * sizeof *floats) : NULL;

    if (!floats)
        fail("out of memory for %zu values", count);
    return floats;
}

const char *input_name(const char *path)
{
    return !is_standard(path) ? path : "standard input";
}

const char *output_name(const char *path)
{
    return !is_standard(path) ? path : "standard output";
}

/* --- Reading --------------------------------------------------------------------------------- */

static bool read_standard_input(struct bytes *bytes)
{
    char block[65536];
    ssize_t got;

    while ((got = read(STDIN_FILENO, block, sizeof block)) != 0) {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail("standard input: %s", strerror(errno));
        if (!bytes_add(bytes, block, (size_t)got))
            return fail("standard input: out of memory");
    }
    return bytes->size || fail("standard input: expected a picture, found nothing");
}

cae_array *array_read(const struct call *call, const char *path)
{
    struct bytes bytes = {0};
    cae_array *array = NULL;
    cae_status status;

    if (!is_standard(path)) {
        status = cae_array_read(&array, call->context, path);
    } else {
        if (!read_standard_input(&bytes)) {
            bytes_free(&bytes);
            return NULL;
        }
        status = cae_array_read_memory(&array, call->context, bytes.data, bytes.size);
        bytes_free(&bytes);
    }
    if (status)
        fail_file(call->context, status, input_name(path));
    return array;
}

static bool take_shape(struct picture *picture, const cae_array *array, const char *path)
{
    int64_t shape[CAE_MOST_RANK];
    int32_t rank = 0;

    cae_array_shape(shape, &rank, &picture->type, array);
    if (rank != 2 && rank != 3)
        return fail("%s: expected a picture [height][width] or [height][width][channels], found "
                    "%d dimension%s", input_name(path), (int)rank, rank == 1 ? "" : "s");
    if (shape[0] > INT32_MAX || shape[1] > INT32_MAX || shape[2] > INT16_MAX)
        return fail("%s: expected a picture, found %" PRId64 " x %" PRId64 " x %" PRId64 " numbers",
                    input_name(path), shape[0], shape[1], shape[2]);
    picture->height = shape[0];
    picture->width = shape[1];
    picture->channels = (int)shape[2];
    return true;
}

static bool take_planes(struct picture *picture, const struct call *call, const cae_array *array,
                        const char *path)
{
    const size_t count = (size_t)picture->channels * (size_t)picture->height *
                         (size_t)picture->width;
    cae_status status;

    picture->planes = floats_new(count);
    if (!picture->planes)
        return false;
    status = cae_array_to_planes(picture->planes, count, array, (int32_t)call->settings.scale);
    return !status || fail_file(call->context, status, input_name(path));
}

bool picture_read(struct picture *picture, const struct call *call, const char *path)
{
    cae_array *array = array_read(call, path);
    bool good;

    *picture = (struct picture){0};
    good = array && take_shape(picture, array, path) && take_planes(picture, call, array, path);
    cae_array_destroy(array);
    if (!good)
        picture_free(picture);
    return good;
}

void picture_free(struct picture *picture)
{
    free(picture->planes);
    picture->planes = NULL;
}

/* --- Writing --------------------------------------------------------------------------------- */

bool format_of(int32_t *format, const struct call *call, const char *path, int32_t otherwise)
{
    static const struct {
        const char *end;
        int32_t format;
    } ends[] = {{".npy", CAE_FILE_NPY}, {".png", CAE_FILE_PNG}, {".jpg", CAE_FILE_JPEG},
                {".jpeg", CAE_FILE_JPEG}};
    const char *dot = strrchr(base_name(path), '.');

    if (is_standard(path)) {
        *format = call->settings.format < 0 ? otherwise : (int32_t)call->settings.format;
        return true;
    }
    for (int i = 0; i < COUNT(ends); i++)
        if (dot && !strcasecmp(dot, ends[i].end)) {
            *format = ends[i].format;
            return true;
        }
    return fail("%s: expected a name that ends in .png, .jpg or .npy, or -", path);
}

static bool write_standard_output(const struct call *call, const cae_array *array, int32_t format)
{
    size_t size = 0;
    void *bytes = NULL;
    cae_status status = cae_array_write_memory(NULL, 0, &size, array, format);
    bool good = false;

    if (!status && !(bytes = malloc(size)))
        return fail("out of memory");
    if (!status)
        status = cae_array_write_memory(bytes, size, &size, array, format);
    if (status)
        fail_file(call->context, status, output_name(STANDARD));
    else
        good = output_write(bytes, size);
    free(bytes);
    return good;
}

bool array_write(const struct call *call, const cae_array *array, const char *path, int32_t format)
{
    cae_status status;

    if (is_standard(path))
        return write_standard_output(call, array, format);
    status = cae_array_write(array, path);
    return !status || fail_file(call->context, status, path);
}

/* --bits; else as it was, floats as bytes where a format has none. */
static int32_t type_to_write(const struct call *call, int32_t type, int32_t format)
{
    if (call->settings.bits > 0)
        return call->settings.bits == 16 ? CAE_TYPE_U16 : CAE_TYPE_U8;
    return type == CAE_TYPE_F32 && format != CAE_FILE_NPY ? CAE_TYPE_U8 : type;
}

static bool format_holds(int channels, int32_t type, const char *path, int32_t format)
{
    if (format == CAE_FILE_JPEG && type != CAE_TYPE_U8)
        return fail("%s: expected 8 bits, which is what a JPEG holds, found 16; --bits 8 makes them so, "
                    "a .png keeps them", output_name(path));
    if (format == CAE_FILE_JPEG && channels != 1 && channels != 3)
        return fail("%s: expected 1 or 3 channels, which is what a JPEG holds, found %d; a .png holds "
                    "alpha", output_name(path), channels);
    return format != CAE_FILE_PNG || channels <= 4 ||
           fail("%s: expected 1 to 4 channels, which is what a PNG holds, found %d; a .npy holds any "
                "number", output_name(path), channels);
}

bool planes_write(const struct call *call, const float *planes, int channels, int64_t height,
                  int64_t width, int32_t type, const char *path, int32_t format)
{
    const int64_t shape[3] = {height, width, channels};
    cae_array *array = NULL;
    cae_status status;
    bool good = false;

    type = type_to_write(call, type, format);
    if (!format_holds(channels, type, path, format))
        return false;
    status = cae_array_create(&array, call->context, type, shape, 3);
    if (!status)
        status = cae_array_from_planes(array, planes, (size_t)(channels * height * width),
                                       (int32_t)call->settings.scale);
    if (status)
        fail_file(call->context, status, output_name(path));
    else
        good = array_write(call, array, path, format);
    cae_array_destroy(array);
    return good;
}
