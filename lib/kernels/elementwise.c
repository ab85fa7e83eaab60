/* elementwise.c - bias, activations and their gradients; bytes to floats; lanes in and out. */
#include "kernels.h"
#include "vector.h"

#include <math.h>
#include <string.h>

#include <cae/cae.h>

static void activate(float *restrict y, ptrdiff_t length, float b, int32_t activation, float slope)
{
    switch (activation) {
    case CAE_ACTIVATION_RELU:
        for (ptrdiff_t i = 0; i < length; i++) {
            const float x = y[i] + b;
            y[i] = x < 0.0f ? 0.0f : x; /* NaN stays NaN */
        }
        break;
    case CAE_ACTIVATION_LEAKY_RELU:
        for (ptrdiff_t i = 0; i < length; i++) {
            const float x = y[i] + b;
            y[i] = x < 0.0f ? slope * x : x;
        }
        break;
    case CAE_ACTIVATION_TANH:
        for (ptrdiff_t i = 0; i < length; i++)
            y[i] = tanhf(y[i] + b);
        break;
    case CAE_ACTIVATION_SIGMOID:
        for (ptrdiff_t i = 0; i < length; i++)
            y[i] = 1.0f / (1.0f + expf(-(y[i] + b)));
        break;
    default:
        for (ptrdiff_t i = 0; i < length; i++)
            y[i] += b;
    }
}

void CAE__LEVEL(cae__bias_activation)(float *y, int rows, ptrdiff_t length, ptrdiff_t stride,
                                      const float *bias, int32_t activation, float slope)
{
    if (!bias && activation == CAE_ACTIVATION_NONE)
        return;
    for (int k = 0; k < rows; k++)
        activate(y + k * stride, length, bias ? bias[k] : 0.0f, activation, slope);
}

/* Written in terms of y, which is kept, and not of x, which the activation overwrote: ReLU and
 * LeakyReLU (slope >= 0) keep the sign, tanh' = 1 - y^2, sigmoid' = y (1 - y). */
void CAE__LEVEL(cae__activation_backward)(float *restrict dy, const float *restrict y,
                                          ptrdiff_t length, int32_t activation, float slope)
{
    switch (activation) {
    case CAE_ACTIVATION_RELU:
        for (ptrdiff_t i = 0; i < length; i++)
            dy[i] = y[i] > 0.0f ? dy[i] : 0.0f;
        break;
    case CAE_ACTIVATION_LEAKY_RELU:
        for (ptrdiff_t i = 0; i < length; i++)
            dy[i] = y[i] > 0.0f ? dy[i] : slope * dy[i];
        break;
    case CAE_ACTIVATION_TANH:
        for (ptrdiff_t i = 0; i < length; i++)
            dy[i] *= 1.0f - y[i] * y[i];
        break;
    case CAE_ACTIVATION_SIGMOID:
        for (ptrdiff_t i = 0; i < length; i++)
            dy[i] *= y[i] * (1.0f - y[i]);
        break;
    default:
        break;
    }
}

/* Sums of gradients cancel, so rounding counts: short sums in float, as many side by side as
 * additions can be under way, then double. The same ones at every level. */
INLINE double sum_of(const float *y, ptrdiff_t length)
{
    enum { SUMS = 4 * PARTS, VECTORS = SUMS / WIDTH, DEPTH = 32 * SUMS };
    double sum = 0.0;
    ptrdiff_t i = 0;
    while (length - i >= SUMS) {
        vector partial[VECTORS] = {{0}};
        const ptrdiff_t end = length - i < DEPTH ? length : i + DEPTH;
        for (; i + SUMS <= end; i += SUMS)
            UNROLL for (int p = 0; p < VECTORS; p++)
                partial[p] += load(y + i + p * WIDTH);
        UNROLL for (int p = PART_VECTORS; p < VECTORS; p++)
            partial[p % PART_VECTORS] += partial[p];
        for (int p = 0; p < PART_VECTORS; p++)
            for (int j = 0; j < WIDTH; j++)
                sum += (double)partial[p][j];
    }
    for (; i < length; i++)
        sum += (double)y[i];
    return sum;
}

void CAE__LEVEL(cae__add_row_sums)(float *sums, const float *y, int rows, ptrdiff_t length)
{
    for (int k = 0; k < rows; k++)
        sums[k] += (float)sum_of(y + k * length, length);
}

/* byte / 127.5 or byte / 255, correctly rounded, without a division: the inverse is cut in two, and
 * a byte times the first part, a power of two, is exact. */
void CAE__LEVEL(cae__scale_bytes)(float *restrict out, const unsigned char *restrict bytes,
                                  size_t length, bool is_signed)
{
    const float head = is_signed ? 0x1p-7f : 0x1p-8f;
    const float tail = is_signed ? 0x1.010102p-15f : 0x1.010102p-16f;
    const float offset = is_signed ? 1.0f : 0.0f;
    for (size_t i = 0; i < length; i++) {
        const float byte = (float)bytes[i];
        out[i] = byte * head + byte * tail - offset;
    }
}

typedef float eight __attribute__((vector_size(32)));
typedef int32_t eight_mask __attribute__((vector_size(32)));

/* An 8x8 transpose in three rounds of exchanges: pairs, fours, halves. */
INLINE void transpose(eight rows[8])
{
    eight a[8], b[8];
    UNROLL for (int i = 0; i < 8; i += 2) {
        a[i] = SHUFFLE(eight_mask, rows[i], rows[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
        a[i + 1] = SHUFFLE(eight_mask, rows[i], rows[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
    }
    UNROLL for (int i = 0; i < 8; i += 4)
        UNROLL for (int j = 0; j < 2; j++) {
            b[i + 2 * j] = SHUFFLE(eight_mask, a[i + j], a[i + j + 2], 0, 1, 8, 9, 4, 5, 12, 13);
            b[i + 2 * j + 1] =
                SHUFFLE(eight_mask, a[i + j], a[i + j + 2], 2, 3, 10, 11, 6, 7, 14, 15);
        }
    UNROLL for (int i = 0; i < 4; i++) {
        rows[i] = SHUFFLE(eight_mask, b[i], b[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
        rows[i + 4] = SHUFFLE(eight_mask, b[i], b[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
    }
}

/* Eight rows of `length` against [length][8], both ways; returns how many columns were done. */
static size_t interleave_eights(float *restrict out, const float *restrict images, size_t length,
                                size_t stride)
{
    size_t i = 0;
    for (; i + 8 <= length; i += 8) {
        eight rows[8];
        UNROLL for (size_t k = 0; k < 8; k++)
            memcpy(&rows[k], images + k * stride + i, sizeof rows[k]);
        transpose(rows);
        UNROLL for (size_t k = 0; k < 8; k++)
            memcpy(out + 8 * (i + k), &rows[k], sizeof rows[k]);
    }
    return i;
}

static size_t deinterleave_eights(float *restrict images, const float *restrict in, size_t length,
                                  size_t stride)
{
    size_t i = 0;
    for (; i + 8 <= length; i += 8) {
        eight rows[8];
        UNROLL for (size_t k = 0; k < 8; k++)
            memcpy(&rows[k], in + 8 * (i + k), sizeof rows[k]);
        transpose(rows);
        UNROLL for (size_t k = 0; k < 8; k++)
            memcpy(images + k * stride + i, &rows[k], sizeof rows[k]);
    }
    return i;
}

void CAE__LEVEL(cae__interleave)(float *restrict out, const float *restrict images, size_t length,
                                 size_t stride, int lanes, int used)
{
    if (lanes == 1) {
        memcpy(out, images, length * sizeof *out);
        return;
    }
    const size_t width = (size_t)lanes;
    const size_t done =
        lanes == 8 && used == 8 ? interleave_eights(out, images, length, stride) : 0;
    for (size_t lane = 0; lane < width; lane++)
        for (size_t i = done; i < length; i++)
            out[width * i + lane] = lane < (size_t)used ? images[lane * stride + i] : 0.0f;
}

void CAE__LEVEL(cae__deinterleave)(float *restrict images, const float *restrict in, size_t length,
                                   size_t stride, int lanes, int used)
{
    if (lanes == 1) {
        memcpy(images, in, length * sizeof *images);
        return;
    }
    const size_t done =
        lanes == 8 && used == 8 ? deinterleave_eights(images, in, length, stride) : 0;
    for (size_t lane = 0; lane < (size_t)used; lane++)
        for (size_t i = done; i < length; i++)
            images[lane * stride + i] = in[(size_t)lanes * i + lane];
}
