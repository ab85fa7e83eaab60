/* direct.c - convolution without im2col: every tap is a pointer into the image.
 *
 *   correlate           y[k][i][j] = sum over t of w[k][t] x[offset[t] + (i - top) x_row + j]
 *   correlate_gradient  dw[k][t] += sum over i, j of g[k][i][j] x[offset[t] + (i - top) x_row + j]
 *
 * Both are the inner loop of a matrix product: a tile of sums stays in registers while operands
 * stream past, so each vector that is loaded serves as many multiplications as the tile is high.
 * The tile of `correlate` is outputs x vectors of a row, that of its gradient outputs x taps.
 *
 * Rows outside the image are left out, not multiplied by zero: taps are ordered by kernel row, so
 * those that exist are one stretch of them.
 *
 * Every y is summed over t in the order of the taps, whatever the width, the tile and the place in
 * the row: the bits of a pixel depend on the level alone. */
#include "kernels.h"
#include "vector.h"

#include <cae/cae.h>

/* --- Forward: outputs x vectors --------------------------------------------------------------- */

enum finish { AS_IT_IS, RELU, RELU_GRADIENT };

/* What the register tile does to its sums on the way out; other activations take a pass
 * of their own. */
static enum finish finish_of(const struct cae__correlation *c)
{
    if (c->activation != CAE_ACTIVATION_RELU)
        return AS_IT_IS;
    return c->gate ? RELU_GRADIENT : RELU;
}

/* One group of outputs in one row: what goes in, what comes out. */
struct row {
    float *y;
    const float *gate, *bias; /* NULL for none */
    ptrdiff_t plane, gate_plane; /* from one output to the next, in y and gate */
    enum finish finish;
    const float *x, *weights;
    const ptrdiff_t *offsets;
    int taps;
    ptrdiff_t start; /* x + start + offsets[t] is tap t of the first value */
};

/* The sums of `vectors` vectors from `at` on, each `step` after the one before. */
INLINE void tile(const int outputs, const int vectors, const struct row *row, ptrdiff_t at,
                 const ptrdiff_t step)
{
    const float *weights = row->weights, *const x = row->x;
    const ptrdiff_t start = row->start + at;
    float *const y = row->y + at;
    vector sums[8][8];

    UNROLL for (int k = 0; k < outputs; k++)
        UNROLL for (int v = 0; v < vectors; v++)
            sums[k][v] = broadcast(row->bias ? row->bias[k] : 0.0f);
    for (int t = 0; t < row->taps; t++, weights += outputs) {
        const float *const tap = x + (start + row->offsets[t]);
        if (vectors > outputs) { /* the shorter side of the tile is held, the longer passes */
            vector weight[8];
            UNROLL for (int k = 0; k < outputs; k++)
                weight[k] = broadcast(weights[k]);
            UNROLL for (int v = 0; v < vectors; v++) {
                const vector pixels = load_once(tap + v * step);
                UNROLL for (int k = 0; k < outputs; k++)
                    sums[k][v] += weight[k] * pixels;
            }
        } else {
            vector pixels[8];
            UNROLL for (int v = 0; v < vectors; v++)
                pixels[v] = load_once(tap + v * step);
            UNROLL for (int k = 0; k < outputs; k++) {
                const vector weight = broadcast(weights[k]);
                UNROLL for (int v = 0; v < vectors; v++)
                    sums[k][v] += weight * pixels[v];
            }
        }
    }
    if (row->finish == RELU) { /* NaN stays NaN */
        UNROLL for (int k = 0; k < outputs; k++)
            UNROLL for (int v = 0; v < vectors; v++)
                sums[k][v] = keep(sums[k][v], ~(sums[k][v] < 0.0f));
    } else if (row->finish == RELU_GRADIENT) {
        UNROLL for (int k = 0; k < outputs; k++)
            UNROLL for (int v = 0; v < vectors; v++)
                sums[k][v] = keep(sums[k][v],
                                  load(row->gate + at + k * row->gate_plane + v * step) > 0.0f);
    }
    UNROLL for (int k = 0; k < outputs; k++)
        UNROLL for (int v = 0; v < vectors; v++)
            store(y + k * row->plane + v * step, sums[k][v]);
}

/* `count` tiles side by side; returns where they end. */
typedef ptrdiff_t tile_function(const struct row *row, ptrdiff_t at, ptrdiff_t count);

#define TILE(outputs, vectors)                                                                     \
    static ptrdiff_t tile_##outputs##_##vectors(const struct row *row, ptrdiff_t at,               \
                                                ptrdiff_t count)                                   \
    {                                                                                              \
        for (; count > 0; count--, at += (vectors) * WIDTH)                                        \
            tile(outputs, vectors, row, at, WIDTH);                                                \
        return at;                                                                                 \
    }

/* A whole row of more than one vector and less than two: both at once, one lying over the other. */
#define PAIR(outputs)                                                                              \
    static void pair_##outputs(const struct row *row, ptrdiff_t run)                               \
    {                                                                                              \
        tile(outputs, 2, row, 0, run - WIDTH);                                                     \
    }

/* For each height the tiles there are, widest first, down to one vector. */
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
PAIR(1) PAIR(2) PAIR(3) PAIR(4) PAIR(8)
static void (*const pairs[CAE__MOST_OUTPUTS + 1])(const struct row *row, ptrdiff_t run) = {
    [1] = pair_1, [2] = pair_2, [3] = pair_3, [4] = pair_4, [8] = pair_8};
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
PAIR(1) PAIR(2) PAIR(3) PAIR(4)
static void (*const pairs[CAE__MOST_OUTPUTS + 1])(const struct row *row, ptrdiff_t run) = {
    [1] = pair_1, [2] = pair_2, [3] = pair_3, [4] = pair_4};
#endif

int CAE__LEVEL(cae__group)(int left)
{
    if (MANY_REGISTERS && left >= 8)
        return 8;
    return left >= 4 ? 4 : left;
}

/* The plain twin of the tiles: one sum at a time, in the same order. It does the rows that are
 * narrower than a vector. */
static void narrow_row(const struct row *row, int outputs, ptrdiff_t run)
{
    for (int k = 0; k < outputs; k++)
        for (ptrdiff_t j = 0; j < run; j++) {
            float sum = row->bias ? row->bias[k] : 0.0f;
            for (int t = 0; t < row->taps; t++)
                sum += row->weights[t * outputs + k] * row->x[row->start + row->offsets[t] + j];
            if ((row->finish == RELU && sum < 0.0f) ||
                (row->finish == RELU_GRADIENT && !(row->gate[k * row->gate_plane + j] > 0.0f)))
                sum = 0.0f;
            row->y[k * row->plane + j] = sum;
        }
}

/* Tiles to cover `vectors` vectors: the widest, then narrower ones. Where the list goes 3, 2, 1,
 * two twos are better than a three and a one, whose few sums wait for each other. */
static ptrdiff_t wide_tiles(const struct tile_choice *choice, ptrdiff_t vectors)
{
    if (choice->vectors == 3 && vectors % 3 == 1 && vectors > 1)
        return vectors / 3 - 1;
    return vectors / choice->vectors;
}

/* The last tile may begin early and lie over the one before: the same sums are stored twice. */
static void wide_row(const struct row *row, int outputs, ptrdiff_t run)
{
    const struct tile_choice *choice = tiles[outputs];
    if (run > WIDTH && run < 2 * WIDTH) {
        pairs[outputs](row, run);
        return;
    }
    ptrdiff_t at = 0;
    for (ptrdiff_t left = (run + WIDTH - 1) / WIDTH; left > 0; choice++) {
        const ptrdiff_t width = choice->vectors * WIDTH;
        ptrdiff_t count = wide_tiles(choice, left);
        if (count == 0 || width > run)
            continue;
        left -= count * choice->vectors;
        const bool early = left == 0 && at + count * width > run;
        at = choice->run(row, at, count - early);
        if (early)
            choice->run(row, run - width, 1);
    }
}

static void finish_rows(const struct cae__correlation *c, float *y, const float *gate)
{
    if (!gate)
        CAE__LEVEL(cae__bias_activation)(y, c->outputs, c->run, c->y_plane, NULL, c->activation,
                                         c->slope);
    else
        for (int k = 0; k < c->outputs; k++)
            CAE__LEVEL(cae__activation_backward)(y + k * c->y_plane, gate + k * c->gate_plane,
                                                 c->run, c->activation, c->slope);
}

/* Rows are short, so that calls of memcpy would cost as much as what they copy. */
INLINE void copy(float *to, const float *from, ptrdiff_t count)
{
    ptrdiff_t i = 0;
    for (; i + WIDTH <= count; i += WIDTH)
        store(to + i, load(from + i));
    for (; i < count; i++)
        to[i] = from[i];
}

INLINE void zero(float *to, ptrdiff_t count)
{
    ptrdiff_t i = 0;
    for (; i + WIDTH <= count; i += WIDTH)
        store(to + i, broadcast(0.0f));
    for (; i < count; i++)
        to[i] = 0.0f;
}

static int64_t clamp(int64_t x, int64_t low, int64_t high)
{
    return x < low ? low : x > high ? high : x;
}

/* How many multiples of a step lie below x, counted from 0. */
static int64_t steps_below(int64_t x, int64_t step)
{
    return x <= 0 ? 0 : (x + step - 1) / step;
}

void CAE__LEVEL(cae__correlate)(const struct cae__correlation *c, float *y, const float *x)
{
    const enum finish finish = finish_of(c);
    const bool more = c->activation != CAE_ACTIVATION_NONE && finish == AS_IT_IS;
    const int taps_of_row = c->channels * c->kernel_w, taps = taps_of_row * c->kernel_h;
    struct row row = {
        .x = x, .plane = c->y_plane, .gate_plane = c->gate_plane, .finish = finish};

    for (int i = 0; i < c->rows; i++, y += c->y_row) {
        const float *gate = c->gate ? c->gate + i * c->gate_row : NULL;
        const int first = (int)clamp(steps_below(c->top - i, c->row_step), 0, c->kernel_h);
        const int end =
            (int)clamp(steps_below(c->x_rows + c->top - i, c->row_step), first, c->kernel_h);
        row.start = (ptrdiff_t)(i - c->top) * c->x_row;
        row.offsets = c->offsets + first * taps_of_row;
        row.taps = (end - first) * taps_of_row;
        for (int k = 0, outputs; k < c->outputs; k += outputs) {
            outputs = CAE__LEVEL(cae__group)(c->outputs - k);
            row.weights = c->weights + (ptrdiff_t)k * taps + first * taps_of_row * outputs;
            row.y = y + k * c->y_plane;
            row.gate = gate ? gate + k * c->gate_plane : NULL;
            row.bias = c->bias ? c->bias + k : NULL;
            (c->run < WIDTH ? narrow_row : wide_row)(&row, outputs, c->run);
        }
        if (more)
            finish_rows(c, y, gate);
        for (int k = 0; k < c->outputs; k++) {
            zero(y + k * c->y_plane - c->before, c->before);
            zero(y + k * c->y_plane + c->run, c->after);
        }
    }
}

void CAE__LEVEL(cae__pad_rows)(float *restrict to, const float *restrict from, int64_t rows,
                               ptrdiff_t before, ptrdiff_t inside, ptrdiff_t after,
                               ptrdiff_t from_row)
{
    for (; rows > 0; rows--, from += from_row) {
        zero(to, before);
        copy(to + before, from, inside);
        zero(to + before + inside, after);
        to += before + inside + after;
    }
}

/* --- Weight gradient: outputs x taps ---------------------------------------------------------- */

/* A tile of gradients: some outputs, some taps of one kernel row, the rows in which they exist. */
struct spot {
    float *dw;        /* first output, in this kernel row: channel c, column s at c step + s */
    ptrdiff_t stride; /* from one output to the next */
    ptrdiff_t step;
    int kernel_w;
    int tap;          /* the first one, c kernel_w + s */
    int live;         /* taps that count; the tile repeats the last one beyond */
    const float *g, *x;
    const ptrdiff_t *offsets; /* of the taps */
    int first, end;   /* rows of g */
    ptrdiff_t start;  /* x + start + offsets[t] is what tap t meets in the first row */
};

static ptrdiff_t place_of(const struct spot *s, int tap)
{
    const int at = s->tap + tap;
    return at / s->kernel_w * s->step + at % s->kernel_w;
}

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

INLINE void multiply(const int outputs, const int taps, vector sums[8][8], const float *const g[8],
                     ptrdiff_t g_at, const float *const x[8], ptrdiff_t x_at, vector_mask mask,
                     const int masked)
{
    if (taps < outputs) { /* the shorter side of the tile is held, the longer passes */
        vector pixels[8];
        UNROLL for (int t = 0; t < taps; t++)
            pixels[t] = load_once(x[t] + x_at);
        UNROLL for (int k = 0; k < outputs; k++) {
            vector gradient = load_once(g[k] + g_at);
            if (masked)
                gradient = keep(gradient, mask);
            UNROLL for (int t = 0; t < taps; t++)
                sums[k][t] += gradient * pixels[t];
        }
    } else {
        vector held[8];
        UNROLL for (int k = 0; k < outputs; k++) {
            held[k] = load_once(g[k] + g_at);
            if (masked)
                held[k] = keep(held[k], mask);
        }
        UNROLL for (int t = 0; t < taps; t++) {
            const vector pixels = load_once(x[t] + x_at);
            UNROLL for (int k = 0; k < outputs; k++)
                sums[k][t] += held[k] * pixels;
        }
    }
}

/* Add the lanes up and the sums to dw. */
INLINE void fold(const int outputs, const int taps, const struct spot *s, vector sums[8][8])
{
    vector flat[24];
    float folded[24 + WIDTH] = {0}; /* live <= taps, which compilers do not know */
    UNROLL for (int k = 0; k < outputs; k++)
        UNROLL for (int t = 0; t < taps; t++)
            flat[k * taps + t] = sums[k][t];
    sums_of_lanes(folded, flat, outputs * taps);
    for (int t = 0; t < s->live; t++) {
        float *dw = s->dw + place_of(s, t);
        UNROLL for (int k = 0; k < outputs; k++)
            /* NOLINTNEXTLINE(clang-analyzer-core.uninitialized.Assign): live <= taps */
            dw[k * s->stride] += folded[k * taps + t];
    }
}

/* One index for all rows of g and one for all of x keep the loops within the integer registers. */
INLINE void gradient_rows(const int outputs, const int taps, const struct cae__correlation *c,
                          const struct spot *s)
{
    vector sums[8][8];
    const float *g[8], *x[8];
    const ptrdiff_t whole = c->run / WIDTH * WIDTH, rest = c->run - whole;
    const vector_mask mask = last_lanes((int)rest);

    UNROLL for (int k = 0; k < outputs; k++)
        g[k] = s->g + k * c->y_plane;
    UNROLL for (int t = 0; t < taps; t++)
        x[t] = s->x + (s->start + s->offsets[t < s->live ? t : s->live - 1]);
    UNROLL for (int k = 0; k < outputs; k++)
        UNROLL for (int t = 0; t < taps; t++)
            sums[k][t] = broadcast(0.0f);

    ptrdiff_t g_at = s->first * c->y_row, x_at = 0;
    for (int i = s->first; i < s->end; i++) {
        for (const ptrdiff_t stop = g_at + whole; g_at < stop; g_at += WIDTH, x_at += WIDTH)
            multiply(outputs, taps, sums, g, g_at, x, x_at, mask, 0);
        if (rest > 0)
            multiply(outputs, taps, sums, g, g_at + rest - WIDTH, x, x_at + rest - WIDTH, mask, 1);
        g_at += c->y_row - whole;
        x_at += c->x_row - whole;
    }
    fold(outputs, taps, s, sums);
}

typedef void gradient_function(const struct cae__correlation *c, const struct spot *s);

#define GRADIENT(outputs, taps)                                                                    \
    static void gradient_##outputs##_##taps(const struct cae__correlation *c,                      \
                                            const struct spot *s)                                  \
    {                                                                                              \
        gradient_rows(outputs, taps, c, s);                                                        \
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

/* The plain twin, for rows narrower than a vector; one output. */
static void narrow_gradient(const struct cae__correlation *c, const struct spot *s)
{
    for (int t = 0; t < s->live; t++) {
        const float *x = s->x + (s->start + s->offsets[t]);
        float sum = 0.0f;
        for (int i = s->first; i < s->end; i++)
            for (ptrdiff_t j = 0; j < c->run; j++)
                sum += s->g[i * c->y_row + j] * x[(i - s->first) * c->x_row + j];
        s->dw[place_of(s, t)] += sum;
    }
}

/* Rows of g are worked in bands whose tile of outputs stays in the nearest cache while all taps
 * pass by. Short sums are good for rounding, too: sums of gradients cancel. */
#define BAND 1536 /* values of one output */

static int band_of(const struct cae__correlation *c)
{
    return c->run < BAND ? (int)(BAND / c->run) : 1;
}

/* All taps of kernel row r for the outputs from k on, in the rows of g that `spot` says. */
static void kernel_row(const struct cae__correlation *c, struct spot spot, int outputs)
{
    const int taps_of_row = c->channels * c->kernel_w;
    const ptrdiff_t *offsets = spot.offsets;
    for (int taps; spot.tap < taps_of_row; spot.tap += taps) {
        const int left = taps_of_row - spot.tap;
        const struct gradient_choice *choice = gradients[outputs];
        choice += left <= choice[1].taps;
        taps = choice->taps;
        spot.live = left < taps ? left : taps;
        spot.offsets = offsets + spot.tap;
        (c->run < WIDTH ? narrow_gradient : choice->run)(c, &spot);
    }
}

void CAE__LEVEL(cae__correlate_gradient)(const struct cae__correlation *c, float *dw,
                                         const float *g, const float *x)
{
    const int band = band_of(c), taps = c->kernel_h * c->kernel_w;
    struct spot spot = {.stride = (ptrdiff_t)c->channels * taps, .step = taps,
                        .kernel_w = c->kernel_w, .x = x};
    for (int row = 0; row < c->rows; row += band)
        for (int k = 0, outputs; k < c->outputs; k += outputs) {
            const int left = c->outputs - k;
            outputs = c->run < WIDTH ? 1 : left < 4 ? left : 4;
            spot.g = g + k * c->y_plane;
            for (int r = 0; r < c->kernel_h; r++) {
                const int64_t first_row = c->top - r * c->row_step;
                spot.first = (int)clamp(first_row, row, c->rows);
                spot.end = (int)clamp(first_row + c->x_rows, 0,
                                      c->rows - row < band ? c->rows : row + band);
                spot.start = (ptrdiff_t)(spot.first - c->top) * c->x_row;
                spot.dw = dw + k * spot.stride + r * c->kernel_w;
                spot.offsets = c->offsets + (ptrdiff_t)r * c->channels * c->kernel_w;
                if (spot.first < spot.end)
                    kernel_row(c, spot, outputs);
            }
        }
}
