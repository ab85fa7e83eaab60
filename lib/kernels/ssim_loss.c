/* ssim_loss.c - the gradient of SSIM (Wang et al. 2004) with respect to one of its images.
 *
 * With G the sum over an 11x11 Gaussian window, a window's moments are mx = G x, mt = G t,
 * exx = G x^2, ett = G t^2, ext = G x t, and
 *
 *   S = A1 A2 / (B1 B2),   A1 = 2 mx mt + c1,      A2 = 2 (ext - mx mt) + c2,
 *                          B1 = mx^2 + mt^2 + c1,  B2 = exx - mx^2 + ett - mt^2 + c2
 *
 *   dS/dx = G' P + 2 x G' Q + t G' R,   G' the adjoint of G, and in each window
 *   P = dS/dmx = 2 mt (A2 - A1) / (B1 B2) - 2 mx S (1 / B1 - 1 / B2)
 *   Q = dS/dexx = -S / B2
 *   R = dS/dext = 2 A1 / (B1 B2)
 *
 * G is separable: rows, then columns. Planes are [rows][columns][lanes], so every loop is along one
 * contiguous run. */
#include "kernels.h"
#include "vector.h"

enum { TAPS = CAE__SSIM_TAPS, EDGE = TAPS - 1 };

enum { MX, MT, EXX, ETT, EXT, MOMENTS };

/* Of one channel, in floats. */
struct extents {
    size_t rows, row, inner_rows, inner_row;
};

static struct extents extents_of(const struct cae__ssim *s, int lanes)
{
    const size_t rows = (size_t)s->height, columns = (size_t)s->width;
    return (struct extents){rows, columns * (size_t)lanes, rows - EDGE,
                            (columns - EDGE) * (size_t)lanes};
}

/* out [count] = sum of taps[k] in[k step + i] */
INLINE void gather(float *restrict out, const float *restrict in, const float *taps, size_t step,
                   size_t count)
{
    for (size_t i = 0; i < count; i++) {
        float sum = 0.0f;
        UNROLL for (int k = 0; k < TAPS; k++)
            sum += taps[k] * in[(size_t)k * step + i];
        out[i] = sum;
    }
}

/* The adjoint: out[k step + i] += taps[k] in[i]. */
INLINE void scatter(float *restrict out, const float *restrict in, const float *taps, size_t step,
                    size_t count)
{
    for (int k = 0; k < TAPS; k++)
        for (size_t i = 0; i < count; i++)
            out[(size_t)k * step + i] += taps[k] * in[i];
}

/* One moment of a channel: map [inner_rows][inner_row] from a b, or a alone. */
static void moment(float *map, const struct cae__ssim *s, const struct extents *e, int lanes,
                   const float *a, const float *b, float *line, float *band)
{
    for (size_t r = 0; r < e->rows; r++, a += e->row) {
        const float *from = a;
        if (b) {
            for (size_t i = 0; i < e->row; i++)
                line[i] = a[i] * b[i];
            from = line;
            b += e->row;
        }
        gather(band + r * e->inner_row, from, s->taps, (size_t)lanes, e->inner_row);
    }
    gather(map, band, s->taps, e->inner_row, e->inner_rows * e->inner_row);
}

/* The moments become S, P, Q and R, in the places of the first four. */
static void derive(float *const maps[MOMENTS], const struct cae__ssim *s, size_t count)
{
    float *restrict m0 = maps[MX], *restrict m1 = maps[MT], *restrict m2 = maps[EXX];
    float *restrict m3 = maps[ETT], *restrict m4 = maps[EXT];
    for (size_t i = 0; i < count; i++) {
        const float mx = m0[i], mt = m1[i];
        const float a1 = 2.0f * mx * mt + s->c1, a2 = 2.0f * (m4[i] - mx * mt) + s->c2;
        const float b1 = mx * mx + mt * mt + s->c1;
        const float b2 = (m2[i] - mx * mx) + (m3[i] - mt * mt) + s->c2;
        const float over = 1.0f / (b1 * b2), value = a1 * a2 * over;
        m0[i] = value;
        m1[i] = 2.0f * mt * (a2 - a1) * over - 2.0f * mx * value * (1.0f / b1 - 1.0f / b2);
        m2[i] = -value / b2;
        m3[i] = 2.0f * a1 * over;
    }
}

/* plane [rows][row] = G' map */
static void adjoint(float *plane, const struct cae__ssim *s, const struct extents *e, int lanes,
                    const float *map, float *band)
{
    memset(band, 0, e->rows * e->inner_row * sizeof *band);
    memset(plane, 0, e->rows * e->row * sizeof *plane);
    scatter(band, map, s->taps, e->inner_row, e->inner_rows * e->inner_row);
    for (size_t r = 0; r < e->rows; r++)
        scatter(plane + r * e->row, band + r * e->inner_row, s->taps, (size_t)lanes, e->inner_row);
}

/* Sum of 1 - S over the first `used` lanes: short sums in float, one a lane. */
static double total(const float *values, size_t windows, int lanes, int used)
{
    double sum = 0.0;
    for (size_t first = 0; first < windows;) {
        const size_t end = windows - first < 64 ? windows : first + 64;
        float sums[CAE__SSIM_LANES] = {0};
        for (; first < end; first++)
            for (int lane = 0; lane < lanes; lane++)
                sums[lane] += 1.0f - values[first * (size_t)lanes + (size_t)lane];
        for (int lane = 0; lane < used; lane++)
            sum += (double)sums[lane];
    }
    return sum;
}

/* dy -= scale (p + 2 y q + t r), in the used lanes. */
static void apply(float *restrict dy, const float *restrict y, const float *restrict target,
                  const float *restrict p, const float *restrict q, const float *restrict r,
                  size_t length, int lanes, int used, float scale)
{
    if (used == lanes) {
        for (size_t i = 0; i < length; i++)
            dy[i] -= scale * (p[i] + 2.0f * y[i] * q[i] + target[i] * r[i]);
        return;
    }
    for (size_t i = 0; i < length; i++)
        if (i % (size_t)lanes < (size_t)used)
            dy[i] -= scale * (p[i] + 2.0f * y[i] * q[i] + target[i] * r[i]);
}

double CAE__LEVEL(cae__ssim_gradient)(const struct cae__ssim *s, float *dy, const float *y,
                                      const float *target, int lanes, int used, float scale,
                                      float *scratch)
{
    const struct extents e = extents_of(s, lanes);
    const size_t plane = e.rows * e.row, inner = e.inner_rows * e.inner_row;
    float *maps[MOMENTS], *planes[3], *line, *band;
    double sum = 0.0;

    for (int i = 0; i < MOMENTS; i++, scratch += inner)
        maps[i] = scratch;
    for (int i = 0; i < 3; i++, scratch += plane)
        planes[i] = scratch;
    band = scratch;
    line = band + e.rows * e.inner_row;

    for (int c = 0; c < s->channels; c++, y += plane, target += plane, dy += plane) {
        moment(maps[MX], s, &e, lanes, y, NULL, line, band);
        moment(maps[MT], s, &e, lanes, target, NULL, line, band);
        moment(maps[EXX], s, &e, lanes, y, y, line, band);
        moment(maps[ETT], s, &e, lanes, target, target, line, band);
        moment(maps[EXT], s, &e, lanes, y, target, line, band);
        derive(maps, s, inner);
        sum += total(maps[0], inner / (size_t)lanes, lanes, used);
        for (int i = 0; i < 3; i++)
            adjoint(planes[i], s, &e, lanes, maps[i + 1], band);
        apply(dy, y, target, planes[0], planes[1], planes[2], plane, lanes, used, scale);
    }
    return sum;
}
