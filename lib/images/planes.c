/* planes.c - between images, which keep the channels of a pixel together, and what networks see:
 * planes of floats. */
#include "images.h"

#include <math.h>
#include <string.h>

#include "../kernels/kernels.h"

#define PIECE 512

/* value * factor + offset, in the one range or the other. */
struct range {
    float divisor, offset;
};

static struct range range_of(int32_t type, int32_t scale)
{
    const float most = type == CAE_TYPE_U8 ? 255.0f : 65535.0f;
    return scale == CAE_SCALE_SIGNED ? (struct range){0.5f * most, 1.0f} : (struct range){most, 0.0f};
}

static cae_status check(int64_t extents[3], const cae_array *image, const float *planes,
                        size_t count, int32_t scale)
{
    const cae_context *context = image->handle.context;
    if (!planes)
        return cae__fail(context, CAE_ERR_ARGUMENT, "planes is NULL");
    if (scale < CAE_SCALE_SIGNED || scale > CAE_SCALE_UNIT)
        return cae__fail(context, CAE_ERR_ARGUMENT, "scale is %d, expected a CAE_SCALE_ value",
                         (int)scale);
    const cae_status status = cae__image_extents(extents, context, &image->numbers);
    if (status == CAE_OK && count != image->numbers.count)
        return cae__fail(context, CAE_ERR_SHAPE, "the image has %zu values, planes %zu",
                         image->numbers.count, count);
    return status;
}

/* A channel of bytes, through the kernel that datasets use. */
static void bytes_to_plane(float *plane, const unsigned char *pixel, size_t pixels, size_t channels,
                           const cae_context *context, bool is_signed)
{
    unsigned char piece[PIECE];
    for (size_t i = 0; i < pixels; i++, pixel += channels) {
        const size_t at = i % PIECE;
        piece[at] = *pixel;
        if (at == PIECE - 1 || i == pixels - 1)
            context->kernels->scale_bytes(plane + i - at, piece, at + 1, is_signed);
    }
}

cae_status cae_array_to_planes(float *planes, size_t count, const cae_array *image, int32_t scale)
{
    if (!image)
        return CAE_ERR_ARGUMENT;
    const struct cae__numbers *n = &image->numbers;
    int64_t extents[3];
    const cae_status status = check(extents, image, planes, count, scale);
    if (status != CAE_OK)
        return status;

    const size_t channels = (size_t)extents[2], pixels = n->count / channels;
    const struct range range = range_of(n->type, scale);
    fenv_t host;
    cae__arithmetic_begin(&host);
    for (size_t c = 0; c < channels; c++, planes += pixels) {
        if (n->type == CAE_TYPE_U8) {
            bytes_to_plane(planes, (const unsigned char *)n->data + c, pixels, channels,
                           image->handle.context, scale == CAE_SCALE_SIGNED);
        } else if (n->type == CAE_TYPE_U16) {
            const uint16_t *values = n->data;
            for (size_t i = 0; i < pixels; i++)
                planes[i] = (float)values[i * channels + c] / range.divisor - range.offset;
        } else {
            const float *values = n->data;
            for (size_t i = 0; i < pixels; i++)
                planes[i] = values[i * channels + c];
        }
    }
    cae__arithmetic_end(&host);
    return CAE_OK;
}

/* NaN, which is not above 0, is 0. */
static float clipped(float value, struct range range)
{
    const float scaled = (value + range.offset) * range.divisor;
    const float most = range.offset > 0.0f ? 2.0f * range.divisor : range.divisor;
    return scaled > 0.0f ? scaled < most ? scaled : most : 0.0f;
}

cae_status cae_array_from_planes(cae_array *image, const float *planes, size_t count,
                                 int32_t scale)
{
    if (!image)
        return CAE_ERR_ARGUMENT;
    const struct cae__numbers *n = &image->numbers;
    int64_t extents[3];
    const cae_status status = check(extents, image, planes, count, scale);
    if (status != CAE_OK)
        return status;

    const size_t channels = (size_t)extents[2], pixels = n->count / channels;
    const struct range range = range_of(n->type, scale);
    fenv_t host;
    cae__arithmetic_begin(&host);
    for (size_t c = 0; c < channels; c++, planes += pixels) {
        if (n->type == CAE_TYPE_U8) {
            unsigned char *values = n->data;
            for (size_t i = 0; i < pixels; i++)
                values[i * channels + c] = (unsigned char)rintf(clipped(planes[i], range));
        } else if (n->type == CAE_TYPE_U16) {
            uint16_t *values = n->data;
            for (size_t i = 0; i < pixels; i++)
                values[i * channels + c] = (uint16_t)rintf(clipped(planes[i], range));
        } else {
            float *values = n->data;
            for (size_t i = 0; i < pixels; i++)
                values[i * channels + c] = planes[i];
        }
    }
    cae__arithmetic_end(&host);
    return CAE_OK;
}
