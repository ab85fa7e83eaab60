/* loss.c - what training minimizes, with its gradient, d = y - target:
 *
 *   MSE    d^2                                       2 d
 *   L1     |d|                                       sign d, 0 at 0
 *   Huber  |d| < delta ? d^2 / 2                     d clamped to +-delta
 *                      : delta (|d| - delta / 2)
 *   Charbonnier  sqrt(d^2 + epsilon^2) - epsilon   d / sqrt(d^2 + epsilon^2)
 *
 * The caller's scale is 1 / number of elements in the batch: all losses are means. */
#include "kernels.h"
#include "vector.h"

#include <cae/cae.h>

/* Adds the loss of each lane to `sum`; its gradient becomes `slope`. */
INLINE void elements(int32_t kind, float delta, vector d, vector *sum, vector *slope)
{
    const vector zero = {0}, size = (vector)((vector_mask)d & 0x7fffffff);
    const vector limit = broadcast(kind == CAE_LOSS_L1 ? 1.0f : delta);
    /* +-limit by the sign of d; where d is 0 or NaN, d */
    const vector clamped = select(d > zero, limit, select(d < zero, -limit, d));
    if (kind == CAE_LOSS_L1) {
        *slope = clamped;
        *sum += size;
    } else if (kind == CAE_LOSS_HUBER) {
        const vector_mask inside = size < limit;
        *slope = select(inside, d, clamped);
        *sum += select(inside, 0.5f * d * d, delta * (size - 0.5f * delta));
    } else if (kind == CAE_LOSS_CHARBONNIER) {
        const vector root = square_root(d * d + delta * delta);
        *slope = d / root;
        *sum += d * d / (root + delta); /* which is root - delta, without what cancels there */
    } else {
        *slope = 2.0f * d;
        *sum += d * d;
    }
}

INLINE double total_of(const vector sums[PART_VECTORS])
{
    double total = 0.0;
    for (int p = 0; p < PART_VECTORS; p++)
        for (int j = 0; j < WIDTH; j++)
            total += (double)sums[p][j];
    return total;
}

/* At most PARTS values, of which those beyond `count` are as if they were exact. */
INLINE void few(int32_t kind, float delta, float *dy, const float *y, const float *target,
                size_t count, float scale, vector sums[PART_VECTORS])
{
    float a[PARTS] = {0}, b[PARTS] = {0};
    memcpy(a, y, count * sizeof *y);
    memcpy(b, target, count * sizeof *target);
    for (int p = 0; p < PART_VECTORS; p++) {
        vector slope;
        elements(kind, delta, load(a + p * WIDTH) - load(b + p * WIDTH), &sums[p], &slope);
        store(a + p * WIDTH, scale * slope);
    }
    memcpy(dy, a, count * sizeof *dy);
}

/* Inlined once for each constant kind, so that the loop has no branch on it. Short sums in float,
 * side by side; the double beyond carries the rest. */
INLINE double all_lanes(int32_t kind, float delta, float *dy, const float *y, const float *target,
                        size_t length, float scale)
{
    enum { DEPTH = 16 * PARTS };
    double total = 0.0;
    for (size_t i = 0; i < length;) {
        const size_t end = length - i < DEPTH ? length : i + DEPTH;
        vector sums[PART_VECTORS] = {{0}};
        for (; i + PARTS <= end; i += PARTS)
            UNROLL for (int p = 0; p < PART_VECTORS; p++) {
                const size_t at = i + (size_t)(p * WIDTH);
                vector slope;
                elements(kind, delta, load(y + at) - load(target + at), &sums[p], &slope);
                store(dy + at, scale * slope);
            }
        if (i < end)
            few(kind, delta, dy + i, y + i, target + i, end - i, scale, sums);
        i = end;
        total += total_of(sums);
    }
    return total;
}

static double some_lanes(int32_t kind, float delta, float *dy, const float *y, const float *target,
                         size_t pixels, int lanes, int used, float scale)
{
    double total = 0.0;
    for (size_t p = 0; p < pixels; p++, y += lanes, target += lanes, dy += lanes) {
        vector sums[PART_VECTORS] = {{0}};
        few(kind, delta, dy, y, target, (size_t)used, scale, sums);
        memset(dy + used, 0, (size_t)(lanes - used) * sizeof *dy);
        total += total_of(sums);
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
    case CAE_LOSS_CHARBONNIER:
        return all_lanes(CAE_LOSS_CHARBONNIER, delta, dy, y, target, length, scale);
    case CAE_LOSS_HUBER: return all_lanes(CAE_LOSS_HUBER, delta, dy, y, target, length, scale);
    default: return all_lanes(CAE_LOSS_MSE, delta, dy, y, target, length, scale);
    }
}
