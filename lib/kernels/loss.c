/* loss.c - what training minimizes, with its gradient, d = y - target:
 *
 *   MSE    d^2                                       2 d
 *   L1     |d|                                       sign d, 0 at 0
 *   Huber  |d| < delta ? d^2 / 2                     d clamped to +-delta
 *                      : delta (|d| - delta / 2)
 *
 * The caller's scale is 1 / number of elements in the batch: all losses are means. */
#include "kernels.h"
#include "vector.h"

#include <math.h>

#include <cae/cae.h>

/* One element: its gradient through `slope`, its loss as the value. */
INLINE float element(int32_t kind, float delta, float d, float *slope)
{
    const float size = fabsf(d);
    switch (kind) {
    case CAE_LOSS_L1:
        *slope = d > 0.0f ? 1.0f : d < 0.0f ? -1.0f : d; /* d, and not 0: NaN stays NaN */
        return size;
    case CAE_LOSS_HUBER:
        *slope = size < delta ? d : d > 0.0f ? delta : d < 0.0f ? -delta : d;
        return size < delta ? 0.5f * d * d : delta * (size - 0.5f * delta);
    default:
        *slope = 2.0f * d;
        return d * d;
    }
}

/* Inlined once for each constant kind, so that the loop has no branch on it. Sums of DEPTH values a lane
 * in float, side by side so that they are vectors; the double beyond carries the rest. */
INLINE double all_lanes(int32_t kind, float delta, float *restrict dy, const float *restrict y,
                        const float *restrict target, size_t length, float scale)
{
    enum { PARTS = 16, DEPTH = 16 };
    double total = 0.0;
    size_t i = 0;
    while (i + PARTS <= length) {
        float sums[PARTS] = {0};
        const size_t end = i + DEPTH * PARTS < length ? i + DEPTH * PARTS : length;
        for (; i + PARTS <= end; i += PARTS)
            for (size_t j = 0; j < PARTS; j++) {
                float slope;
                sums[j] += element(kind, delta, y[i + j] - target[i + j], &slope);
                dy[i + j] = scale * slope;
            }
        for (size_t j = 0; j < PARTS; j++)
            total += (double)sums[j];
    }
    for (; i < length; i++) {
        float slope;
        total += (double)element(kind, delta, y[i] - target[i], &slope);
        dy[i] = scale * slope;
    }
    return total;
}

static double some_lanes(int32_t kind, float delta, float *dy, const float *y, const float *target,
                         size_t pixels, int lanes, int used, float scale)
{
    double total = 0.0;
    for (size_t p = 0; p < pixels; p++, y += lanes, target += lanes, dy += lanes)
        for (int lane = 0; lane < lanes; lane++) {
            float slope = 0.0f;
            if (lane < used)
                total += (double)element(kind, delta, y[lane] - target[lane], &slope);
            dy[lane] = scale * slope;
        }
    return total;
}

double CAE__LEVEL(cae__loss_gradient)(const struct cae__loss *loss, float *dy, const float *y,
                                      const float *target, size_t pixels, int lanes, int used,
                                      float scale)
{
    const float delta = loss->delta;
    const size_t length = pixels * (size_t)lanes;
    if (used < lanes)
        return some_lanes(loss->kind, delta, dy, y, target, pixels, lanes, used, scale);
    switch (loss->kind) {
    case CAE_LOSS_L1: return all_lanes(CAE_LOSS_L1, delta, dy, y, target, length, scale);
    case CAE_LOSS_HUBER: return all_lanes(CAE_LOSS_HUBER, delta, dy, y, target, length, scale);
    default: return all_lanes(CAE_LOSS_MSE, delta, dy, y, target, length, scale);
    }
}
