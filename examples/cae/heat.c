/* heat.c - errors as colours, colours as grey. */
#include "heat.h"

#include "setup.h"

#include "../trainer/message.h"

#include <math.h>

/* --- Errors as colours ----------------------------------------------------------------------- */

static unsigned char byte_of(double part)
{
    return (unsigned char)(255 * fmin(1, fmax(0, part)) + 0.5);
}

static double largest(const float *values, size_t count)
{
    double most = 0;

    for (size_t i = 0; i < count; i++)
        most = fmax(most, (double)values[i]);
    return most > 0 ? most : 1;
}

bool heat_write(const struct call *call, const float *values, int64_t height, int64_t width,
                double white, const char *path)
{
    const int64_t shape[3] = {height, width, 3};
    const size_t count = (size_t)(height * width);
    cae_array *array;
    unsigned char *pixel;
    cae_status status = cae_array_create(&array, call->context, CAE_TYPE_U8, shape, 3);
    bool good;

    if (status)
        return fail_file(call->context, status, path);
    if (!(white > 0))
        white = largest(values, count);
    pixel = cae_array_data(array);
    for (size_t i = 0; i < count; i++, pixel += 3) {
        const double heat = 3 * (double)values[i] / white;
        pixel[0] = byte_of(heat);
        pixel[1] = byte_of(heat - 1);
        pixel[2] = byte_of(heat - 2);
    }
    good = array_write(call, array, path, CAE_FILE_PNG);
    cae_array_destroy(array);
    return good;
}

/* --- Colours as grey ------------------------------------------------------------------------- */

static double weighted(double r, double g, double b)
{
    return (299 * r + 587 * g + 114 * b) / 1000;
}

/* The byte that a plane's value stands for. */
static double byte_in_plane(float value, int32_t scale)
{
    return floor(scale == CAE_SCALE_SIGNED ? ((double)value + 1) * 127.5 + 0.5
                                           : (double)value * 255 + 0.5);
}

static bool luma_of_bytes(float *grey, const struct call *call, const struct picture *p,
                          const char *path)
{
    const size_t size = (size_t)(p->height * p->width);
    const int64_t shape[2] = {p->height, p->width};
    const int32_t scale = (int32_t)call->settings.scale;
    const float *r = p->planes, *g = r + size, *b = g + size;
    cae_array *array;
    unsigned char *bytes;
    cae_status status = cae_array_create(&array, call->context, CAE_TYPE_U8, shape, 2);

    if (!status) {
        bytes = cae_array_data(array);
        for (size_t i = 0; i < size; i++)
            bytes[i] = (unsigned char)floor(weighted(byte_in_plane(r[i], scale),
                                                     byte_in_plane(g[i], scale),
                                                     byte_in_plane(b[i], scale)) + 0.5);
        status = cae_array_to_planes(grey, size, array, scale);
        cae_array_destroy(array);
    }
    return !status || fail_file(call->context, status, input_name(path));
}

bool luma(float *grey, const struct call *call, const struct picture *p, const char *path)
{
    const size_t size = (size_t)(p->height * p->width);
    const float *r = p->planes, *g = r + size, *b = g + size;

    if (p->type != CAE_TYPE_F32)
        return luma_of_bytes(grey, call, p, path);
    for (size_t i = 0; i < size; i++)
        grey[i] = (float)weighted((double)r[i], (double)g[i], (double)b[i]);
    return true;
}
