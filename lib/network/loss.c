/* loss.c - what training minimizes, with its gradient, d = y - target:
 *
 *   MSE    d^2                                       2 d
 *   L1     |d|                                       sign d, 0 at 0
 *   Huber  |d| < delta ? d^2 / 2                     d clamped to +-delta
 *                      : delta (|d| - delta / 2)
 *
 * The caller's scale is 1 / number of elements in the batch: all losses are means. */
#include "network.h"

#include <math.h>

/* One element: its gradient through `slope`, its loss as the value. */
static inline float element(int32_t kind, float delta, float d, float *slope)
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

/* Inlined once for each constant kind, so that the loop has no branch on it. */
static inline double run(int32_t kind, float delta, float *restrict dy, const float *restrict y,
                         const float *restrict target, size_t pixels, int lanes, int used,
                         float scale)
{
    double total = 0.0;
    for (size_t p = 0; p < pixels; p++, y += lanes, target += lanes, dy += lanes) {
        float sum = 0.0f; /* of at most 8 values: the double beyond carries the rest */
        for (int lane = 0; lane < used; lane++) {
            float slope;
            sum += element(kind, delta, y[lane] - target[lane], &slope);
            dy[lane] = scale * slope;
        }
        for (int lane = used; lane < lanes; lane++)
            dy[lane] = 0.0f;
        total += sum;
    }
    return total;
}

double cae__loss_gradient(const struct cae__loss *loss, float *dy, const float *y,
                          const float *target, size_t pixels, int lanes, int used, float scale)
{
    const float delta = loss->delta;
    switch (loss->kind) {
    case CAE_LOSS_L1: return run(CAE_LOSS_L1, delta, dy, y, target, pixels, lanes, used, scale);
    case CAE_LOSS_HUBER:
        return run(CAE_LOSS_HUBER, delta, dy, y, target, pixels, lanes, used, scale);
    default: return run(CAE_LOSS_MSE, delta, dy, y, target, pixels, lanes, used, scale);
    }
}
