/* direct.c - convolution without im2col: every tap is a pointer into the image.
 *
 *   correlate            y[k][i][j]  = sum over t of w[k][t] x[offset[t] + i x_row + j]
 *   correlate_gradient   dw[k][t]   += sum over i, j of g[k][i][j] x[offset[t] + i x_row + j]
 *
 * Both are the inner loop of a matrix product: a tile of sums stays in registers while operands stream
 * past, so each vector that is loaded serves as many multiplications as the tile is high. The
 * tile of `correlate` is outputs x vectors of a row, that of its gradient outputs x taps.
 *
 * Every y is summed over t in the order of the taps, whatever the width, the tile and the place in the
 * row: the bits of a pixel depend on the level alone. */
#include "kernels.h"
#include "vector.h"

#include <cae/cae.h>

/* --- Forward: outputs x vectors ------------------------------------------------------------------- */

enum finish { AS_IT_IS, RELU, RELU_GRADIENT };

/* What the register tile does to its sums on the way out; other activations take a pass of their own. */
static enum finish finish_of(const struct cae__correlation *c)
{
    if (c->activation != CAE_ACTIVATION_RELU)
        return AS_IT_IS;
    return c->gate ? RELU_GRADIENT : RELU;
}

/* One row's place in everything that has outputs. */
struct place {
    float *y;
    const float *gate, *bias; /* NULL for none */
    ptrdiff_t plane;
    enum finish finish;
};

INLINE void tile(const int outputs, const int vectors, struct place p, const float *x,
                 const float *weights, const ptrdiff_t *offsets, int taps)
{
    vector sums[8][8];

    UNROLL for (int k = 0; k < outputs; k++)
        UNROLL for (int v = 0; v < vectors; v++)
            sums[k][v] = broadcast(p.bias ? p.bias[k] : 0.0f);
    for (int t = 0; t < taps; t++, weights += outputs) {
        vector pixels[8];
        UNROLL for (int v = 0; v < vectors; v++)
            pixels[v] = load(x + offsets[t] + v * WIDTH);
        UNROLL for (int k = 0; k < outputs; k++) {
            const vector weight = broadcast(weights[k]);
            UNROLL for (int v = 0; v < vectors; v++)
                sums[k][v] += weight * pixels[v];
        }
    }
    if (p.finish == RELU) { /* NaN stays NaN */
        UNROLL for (int k = 0; k < outputs; k++)
            UNROLL for (int v = 0; v < vectors; v++)
                sums[k][v] = keep(sums[k][v], ~(sums[k][v] < 0.0f));
    } else if (p.finish == RELU_GRADIENT) {
        UNROLL for (int k = 0; k < outputs; k++)
            UNROLL for (int v = 0; v < vectors; v++)
                sums[k][v] = keep(sums[k][v], load(p.gate + k * p.plane + v * WIDTH) > 0.0f);
    }
    UNROLL for (int k = 0; k < outputs; k++)
        UNROLL for (int v = 0; v < vectors; v++)
            store(p.y + k * p.plane + v * WIDTH, sums[k][v]);
}

typedef void tile_function(struct place p, const float *x, const float *weights,
                           const ptrdiff_t *offsets, int taps);

#define TILE(outputs, vectors)                                                                     \
    static void tile_##outputs##_##vectors(struct place p, const float *x, const float *weights,   \
                                           const ptrdiff_t *offsets, int taps)                     \
    {                                                                                              \
        tile(outputs, vectors, p, x, weights, offsets, taps);                                      \
    }

/* For each height the tiles there are, widest first; 0 ends the list. */
struct tile_choice {
    int vectors;
    tile_function *run;
};

#define CHOICE(outputs, vectors) {vectors, tile_##outputs##_##vectors}

#if MANY_REGISTERS
TILE(1, 8) TILE(1, 4) TILE(1, 2) TILE(1, 1)
TILE(2, 8) TILE(2, 4) TILE(2, 2) TILE(2, 1)
TILE(3, 8) TILE(3, 4) TILE(3, 2) TILE(3, 1)
TILE(4, 6) TILE(4, 3) TILE(4, 2) TILE(4, 1)
TILE(8, 3) TILE(8, 2) TILE(8, 1)
static const struct tile_choice tiles[CAE__MOST_OUTPUTS + 1][5] = {
    [1] = {CHOICE(1, 8), CHOICE(1, 4), CHOICE(1, 2), CHOICE(1, 1)},
    [2] = {CHOICE(2, 8), CHOICE(2, 4), CHOICE(2, 2), CHOICE(2, 1)},
    [3] = {CHOICE(3, 8), CHOICE(3, 4), CHOICE(3, 2), CHOICE(3, 1)},
    [4] = {CHOICE(4, 6), CHOICE(4, 3), CHOICE(4, 2), CHOICE(4, 1)},
    [8] = {CHOICE(8, 3), CHOICE(8, 2), CHOICE(8, 1)},
};
#else
TILE(1, 8) TILE(1, 4) TILE(1, 2) TILE(1, 1)
TILE(2, 6) TILE(2, 3) TILE(2, 2) TILE(2, 1)
TILE(3, 4) TILE(3, 2) TILE(3, 1)
TILE(4, 3) TILE(4, 2) TILE(4, 1)
static const struct tile_choice tiles[CAE__MOST_OUTPUTS + 1][5] = {
    [1] = {CHOICE(1, 8), CHOICE(1, 4), CHOICE(1, 2), CHOICE(1, 1)},
    [2] = {CHOICE(2, 6), CHOICE(2, 3), CHOICE(2, 2), CHOICE(2, 1)},
    [3] = {CHOICE(3, 4), CHOICE(3, 2), CHOICE(3, 1)},
    [4] = {CHOICE(4, 3), CHOICE(4, 2), CHOICE(4, 1)},
};
#endif

int CAE__LEVEL(cae__group)(int left)
{
    if (MANY_REGISTERS && left >= 8)
        return 8;
    return left >= 4 ? 4 : left;
}

static struct place moved(struct place p, ptrdiff_t by)
{
    p.y += by;
    p.gate = p.gate ? p.gate + by : NULL;
    return p;
}

/* The plain twin of the tiles: one sum at a time, in the same order. It does the rows that are
 * narrower than a vector. */
static void narrow_row(int outputs, struct place p, const float *x, const float *weights,
                       const ptrdiff_t *offsets, int taps, ptrdiff_t run)
{
    for (int k = 0; k < outputs; k++, p = moved(p, p.plane))
        for (ptrdiff_t j = 0; j < run; j++) {
            float sum = p.bias ? p.bias[k] : 0.0f;
            for (int t = 0; t < taps; t++)
                sum += weights[t * outputs + k] * x[offsets[t] + j];
            if ((p.finish == RELU && sum < 0.0f) ||
                (p.finish == RELU_GRADIENT && !(p.gate[j] > 0.0f)))
                sum = 0.0f;
            p.y[j] = sum;
        }
}

/* The last vector of a row may lie over the one before: the same sums are stored twice. */
static void wide_row(int outputs, struct place p, const float *x, const float *weights,
                     const ptrdiff_t *offsets, int taps, ptrdiff_t run)
{
    const struct tile_choice *choice = tiles[outputs];
    ptrdiff_t at = 0;
    while (run - at >= WIDTH) {
        while ((run - at) / WIDTH < choice->vectors)
            choice++;
        choice->run(moved(p, at), x + at, weights, offsets, taps);
        at += choice->vectors * WIDTH;
    }
    if (at < run) {
        at = run - WIDTH;
        while (choice->vectors > 1)
            choice++;
        choice->run(moved(p, at), x + at, weights, offsets, taps);
    }
}

static void finish_rows(const struct cae__correlation *c, float *y, const float *gate)
{
    if (!gate)
        CAE__LEVEL(cae__bias_activation)(y, c->outputs, c->run, c->y_plane, NULL, c->activation,
                                         c->slope);
    else
        for (int k = 0; k < c->outputs; k++)
            CAE__LEVEL(cae__activation_backward)(y + k * c->y_plane, gate + k * c->y_plane, c->run,
                                                 c->activation, c->slope);
}

void CAE__LEVEL(cae__correlate)(const struct cae__correlation *c, float *y, const float *x)
{
    const enum finish finish = finish_of(c);
    const bool more = c->activation != CAE_ACTIVATION_NONE && finish == AS_IT_IS;

    for (int i = 0; i < c->rows; i++, y += c->y_row, x += c->x_row) {
        const float *gate = c->gate ? c->gate + i * c->y_row : NULL, *weights = c->weights;
        for (int k = 0, outputs; k < c->outputs; k += outputs, weights += outputs * c->taps) {
            outputs = CAE__LEVEL(cae__group)(c->outputs - k);
            const struct place p = {y + k * c->y_plane, gate ? gate + k * c->y_plane : NULL,
                                    c->bias ? c->bias + k : NULL, c->y_plane, finish};
            (c->run < WIDTH ? narrow_row : wide_row)(outputs, p, x, weights, c->offsets, c->taps,
                                                     c->run);
        }
        if (more)
            finish_rows(c, y, gate);
    }
}

/* --- Weight gradient: outputs x taps ---------------------------------------------------------------- */

/* Where a tile of gradients stands: its first output, its taps. */
struct spot {
    float *dw;       /* [outputs][stride] */
    ptrdiff_t stride;
    int live;        /* taps that count; the tile repeats the last one beyond */
    const float *g, *x;
    const ptrdiff_t *offsets;
};

/* -1 in the last `rest` lanes. */
INLINE vector_mask last_lanes(int rest)
{
    static const int32_t steps[2 * WIDTH] = {
        [WIDTH] = -1, -1, -1, -1,
#if WIDTH >= 8
        -1, -1, -1, -1,
#endif
#if WIDTH >= 16
        -1, -1, -1, -1, -1, -1, -1, -1,
#endif
    };
    vector_mask mask;
    memcpy(&mask, steps + rest, sizeof mask);
    return mask;
}

INLINE void multiply(const int outputs, const int taps, vector sums[8][8], const float *g,
                     ptrdiff_t g_plane, const float *const x[8], ptrdiff_t at, vector_mask mask,
                     const int masked)
{
    vector gradients[8];
    UNROLL for (int k = 0; k < outputs; k++) {
        gradients[k] = load(g + k * g_plane + at);
        if (masked)
            gradients[k] = keep(gradients[k], mask);
    }
    UNROLL for (int t = 0; t < taps; t++) {
        const vector pixels = load(x[t] + at);
        UNROLL for (int k = 0; k < outputs; k++)
            sums[k][t] += gradients[k] * pixels;
    }
}

INLINE void gradient_rows(const int outputs, const int taps, const struct cae__correlation *c,
                          const struct spot *s, int first, int end)
{
    vector sums[8][8];
    const float *x[8];
    const ptrdiff_t whole = c->run / WIDTH * WIDTH;
    const vector_mask mask = last_lanes((int)(c->run - whole));

    UNROLL for (int t = 0; t < taps; t++)
        x[t] = s->x + s->offsets[t < s->live ? t : s->live - 1] + first * c->x_row;
    UNROLL for (int k = 0; k < outputs; k++)
        UNROLL for (int t = 0; t < taps; t++)
            sums[k][t] = broadcast(0.0f);

    const float *g = s->g + first * c->y_row;
    for (int i = first; i < end; i++, g += c->y_row) {
        for (ptrdiff_t j = 0; j < whole; j += WIDTH)
            multiply(outputs, taps, sums, g, c->y_plane, x, j, mask, 0);
        if (whole < c->run)
            multiply(outputs, taps, sums, g, c->y_plane, x, c->run - WIDTH, mask, 1);
        UNROLL for (int t = 0; t < taps; t++)
            x[t] += c->x_row;
    }
    UNROLL for (int k = 0; k < outputs; k++)
        UNROLL for (int t = 0; t < taps; t++)
            if (t < s->live)
                s->dw[k * s->stride + t] += sum_of_lanes(sums[k][t]);
}

typedef void gradient_function(const struct cae__correlation *c, const struct spot *s, int first,
                               int end);

#define GRADIENT(outputs, taps)                                                                    \
    static void gradient_##outputs##_##taps(const struct cae__correlation *c,                      \
                                            const struct spot *s, int first, int end)              \
    {                                                                                              \
        gradient_rows(outputs, taps, c, s, first, end);                                            \
    }

/* For each height one or two widths, the wider first. Heights are at most 4: higher tiles need more
 * streams than caches deliver. */
struct gradient_choice {
    int taps;
    gradient_function *run;
};

#define GRADIENT_CHOICE(outputs, taps) {taps, gradient_##outputs##_##taps}

#if MANY_REGISTERS
GRADIENT(1, 8) GRADIENT(1, 3) GRADIENT(2, 8) GRADIENT(2, 3) GRADIENT(3, 8) GRADIENT(3, 3)
GRADIENT(4, 6) GRADIENT(4, 3)
static const struct gradient_choice gradients[5][2] = {
    [1] = {GRADIENT_CHOICE(1, 8), GRADIENT_CHOICE(1, 3)},
    [2] = {GRADIENT_CHOICE(2, 8), GRADIENT_CHOICE(2, 3)},
    [3] = {GRADIENT_CHOICE(3, 8), GRADIENT_CHOICE(3, 3)},
    [4] = {GRADIENT_CHOICE(4, 6), GRADIENT_CHOICE(4, 3)},
};
#else
GRADIENT(1, 6) GRADIENT(1, 3) GRADIENT(2, 6) GRADIENT(2, 3) GRADIENT(3, 3) GRADIENT(4, 3)
static const struct gradient_choice gradients[5][2] = {
    [1] = {GRADIENT_CHOICE(1, 6), GRADIENT_CHOICE(1, 3)},
    [2] = {GRADIENT_CHOICE(2, 6), GRADIENT_CHOICE(2, 3)},
    [3] = {GRADIENT_CHOICE(3, 3), GRADIENT_CHOICE(3, 3)},
    [4] = {GRADIENT_CHOICE(4, 3), GRADIENT_CHOICE(4, 3)},
};
#endif

/* The plain twin, for rows narrower than a vector. */
static void narrow_gradient(const struct cae__correlation *c, const struct spot *s, int first,
                            int end)
{
    for (int t = 0; t < s->live; t++) {
        float sum = 0.0f;
        for (int i = first; i < end; i++)
            for (ptrdiff_t j = 0; j < c->run; j++)
                sum += s->g[i * c->y_row + j] * s->x[s->offsets[t] + i * c->x_row + j];
        s->dw[t] += sum;
    }
}

/* Sums of gradients cancel, so rounding counts: no lane adds up more than about this many products
 * before it is folded into dw. */
#define DEPTH 1024

static int band_of(const struct cae__correlation *c)
{
    const ptrdiff_t vectors = c->run / WIDTH + 1;
    return vectors < DEPTH ? (int)(DEPTH / vectors) : 1;
}

void CAE__LEVEL(cae__correlate_gradient)(const struct cae__correlation *c, float *dw,
                                         const float *g, const float *x)
{
    const int band = band_of(c);
    for (int first = 0; first < c->rows; first += band) {
        const int end = c->rows - first < band ? c->rows : first + band;
        for (int k = 0, outputs; k < c->outputs; k += outputs) {
            const int left = c->outputs - k;
            outputs = c->run < WIDTH ? 1 : left < 4 ? left : 4;
            for (int t = 0, taps; t < c->taps; t += taps) {
                const struct gradient_choice *choice = gradients[outputs];
                choice += c->taps - t <= choice[1].taps;
                const int live = c->taps - t < choice->taps ? c->taps - t : choice->taps;
                const struct spot s = {dw + (ptrdiff_t)k * c->taps + t, c->taps, live,
                                       g + k * c->y_plane, x, c->offsets + t};
                (c->run < WIDTH ? narrow_gradient : choice->run)(c, &s, first, end);
                taps = choice->taps;
            }
        }
    }
}
