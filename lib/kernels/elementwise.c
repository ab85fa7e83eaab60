/* elementwise.c - bias, activations and their gradients, and lanes in and out. */
#include "kernels.h"

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

void cae__bias_activation(float *y, int rows, ptrdiff_t length, ptrdiff_t stride, const float *bias,
                          int32_t activation, float slope)
{
    if (!bias && activation == CAE_ACTIVATION_NONE)
        return;
    for (int k = 0; k < rows; k++)
        activate(y + k * stride, length, bias ? bias[k] : 0.0f, activation, slope);
}

/* Written in terms of y, which is kept, and not of x, which the activation overwrote: ReLU and
 * LeakyReLU (slope >= 0) keep the sign, tanh' = 1 - y^2, sigmoid' = y (1 - y). */
void cae__activation_backward(float *restrict dy, const float *restrict y, ptrdiff_t length,
                              int32_t activation, float slope)
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

/* Sums of gradients cancel, so rounding counts: short sums in float, vectors wide, then double. */
static double sum_of(const float *y, ptrdiff_t length)
{
    enum { WIDTH = 16, DEPTH = 32 };
    double sum = 0.0;
    ptrdiff_t i = 0;
    while (i + WIDTH <= length) {
        float partial[WIDTH] = {0};
        const ptrdiff_t end = i + WIDTH * DEPTH < length ? i + WIDTH * DEPTH : length;
        for (; i + WIDTH <= end; i += WIDTH)
            for (int j = 0; j < WIDTH; j++)
                partial[j] += y[i + j];
        for (int j = 0; j < WIDTH; j++)
            sum += (double)partial[j];
    }
    for (; i < length; i++)
        sum += (double)y[i];
    return sum;
}

void cae__add_row_sums(float *sums, const float *y, int rows, ptrdiff_t length)
{
    for (int k = 0; k < rows; k++)
        sums[k] += (float)sum_of(y + k * length, length);
}

void cae__fill_rows(float *y, int rows, ptrdiff_t length, const float *bias)
{
    for (int k = 0; k < rows; k++, y += length) {
        const float value = bias ? bias[k] : 0.0f;
        for (ptrdiff_t i = 0; i < length; i++)
            y[i] = value;
    }
}

void cae__interleave(float *restrict out, const float *restrict images, size_t length, int lanes,
                     int used)
{
    if (lanes == 1) {
        memcpy(out, images, length * sizeof *out);
        return;
    }
    if (lanes == 8 && used == 8) { /* the same with its counts known to the compiler */
        for (size_t i = 0; i < length; i++)
            for (size_t lane = 0; lane < 8; lane++)
                out[8 * i + lane] = images[lane * length + i];
        return;
    }
    const size_t width = (size_t)lanes;
    for (size_t lane = 0; lane < width; lane++)
        for (size_t i = 0; i < length; i++)
            out[width * i + lane] = lane < (size_t)used ? images[lane * length + i] : 0.0f;
}

void cae__deinterleave(float *restrict images, const float *restrict in, size_t length, int lanes,
                       int used)
{
    if (lanes == 1) {
        memcpy(images, in, length * sizeof *images);
        return;
    }
    for (size_t lane = 0; lane < (size_t)used; lane++)
        for (size_t i = 0; i < length; i++)
            images[lane * length + i] = in[(size_t)lanes * i + lane];
}
