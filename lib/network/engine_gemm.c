/* engine_gemm.c - the operations of a window as matrix products, for every geometry.
 *
 *   col [I R S][tile], the pixels under one tile of the grid: scratch
 *   gather            grid  = w im2col(image)
 *   scatter           image = col2im(w^T grid)
 *   weight gradient   dw   += grid im2col(image)^T
 *
 * The grid is worked tile by tile, each small enough for its columns to stay in the cache. Where
 * the columns are the image itself nothing is copied; nor where stride 1 and many channels let a
 * product for each tap read its pixels where they are:
 *   gather, scatter   y[.][row piece] = sum over taps of w[tap] x[.][the same piece, shifted]
 * geometry.c has proved that every extent fits
 * the int that BLAS counts with. */
#include "engine.h"

#include <string.h>

#include "../kernels/gemm.h"

uint64_t cae__gemm_scratch(const struct cae__stage *stage)
{
    const uint64_t columns = (uint64_t)cae__column_rows(&stage->window) *
                             (uint64_t)cae__tile_length(&stage->window, stage->tile);
    const bool sliced = stage->gather.sliced || stage->scatter.sliced;
    const uint64_t matrix = (uint64_t)stage->window.grid_c * (uint64_t)stage->window.image_c;
    const uint64_t copy = sliced ? cae__direct_scratch(stage) + matrix : 0;
    return columns > copy ? columns : copy;
}

static void finish_rows(const struct cae__kernels *kernels, float *y, int rows, ptrdiff_t length,
                        ptrdiff_t stride, ptrdiff_t at, struct cae__finish f)
{
    if (!f.gate)
        kernels->bias_activation(y + at, rows, length, stride, f.bias, f.activation, f.slope);
    else
        for (int k = 0; k < rows; k++)
            kernels->activation_backward(y + at + k * stride, f.gate + at + k * stride, length,
                                         f.activation, f.slope);
}

/* --- Tap by tap ------------------------------------------------------------------------------- */

/* From 32 channels on a product is worth its call, and rows of 16 floats the piece. */
#define MANY_CHANNELS 32
#define LONG_ROW 16

bool cae__gemm_slices(const struct cae__stage *stage)
{
    const struct cae__window *w = &stage->window;
    const int shortest = w->grid_w < w->image_w ? w->grid_w : w->image_w;
    return cae__direct_fits(stage->layer) && w->image_c >= MANY_CHANNELS &&
           w->grid_c >= MANY_CHANNELS && shortest * w->lanes >= LONG_ROW;
}

/* Floats of a row at a time: as many as one product may have, in pieces of whole vectors. */
static int piece_of(int outputs, int channels, int run)
{
    const int64_t most = CAE__ONE_THREAD_LIMIT / ((int64_t)outputs * channels) / LONG_ROW;
    const int64_t pieces = most < 1 ? run : (run + most * LONG_ROW - 1) / (most * LONG_ROW);
    const int64_t piece = (run + pieces - 1) / pieces;
    return (int)((piece + LONG_ROW - 1) / LONG_ROW * LONG_ROW);
}

/* Results [outputs][h][w] of a correlation, see engine_direct.c, from so many source rows. */
static void slices(const struct cae__stage *stage, const struct cae__correlator *c, int outputs,
                   int h, int w, int source_h, float *y, const float *x, struct cae__finish finish)
{
    const struct cae__window *window = &stage->window;
    const int channels = c->channels, run = w * window->lanes, plane = h * run;
    const int piece = piece_of(outputs, channels, run);
    const ptrdiff_t matrix = (ptrdiff_t)outputs * channels;

    for (int i = 0; i < h; i++)
        for (int at = 0; at < run; at += piece) {
            const int length = run - at < piece ? run - at : piece;
            float *to = y + (ptrdiff_t)i * run + at, beta = 0.0f;
            for (int r = 0; r < window->kernel_h; r++) {
                const int64_t row = i - c->view.top + (int64_t)r * window->dilation_h;
                if (row < 0 || row >= source_h)
                    continue;
                for (int s = 0; s < window->kernel_w; s++) {
                    cae__gemm(CAE__PLAIN, CAE__PLAIN, outputs, length, channels,
                              c->weights + (r * window->kernel_w + s) * matrix, channels,
                              x + row * c->view.row + s * window->dilation_w * window->lanes + at,
                              (int)c->view.plane, beta, to, plane);
                    beta = 1.0f; /* the first overwrites, the others add */
                }
            }
            if (beta == 0.0f) /* no row of the source takes part */
                for (int k = 0; k < outputs; k++)
                    memset(to + (ptrdiff_t)k * plane, 0, (size_t)length * sizeof *to);
            finish_rows(stage->kernels, y, outputs, length, plane, (ptrdiff_t)i * run + at, finish);
        }
}

/* The weight gradient of one tap is a matrix [G][I], summed over row pieces in `sum` and then added
 * where the tap's weights are. */
static void gradient_slices(const struct cae__stage *stage, float *dw, const float *grid,
                            const float *image, float *sum)
{
    const struct cae__window *w = &stage->window;
    const struct cae__view *v = &stage->gather.view;
    const int run = w->grid_w * w->lanes, plane = w->grid_h * run;
    const int piece = piece_of(w->grid_c, w->image_c, run), taps = w->kernel_h * w->kernel_w;

    for (int t = 0; t < taps; t++) {
        const int64_t down = (int64_t)(t / w->kernel_w) * w->dilation_h - v->top;
        const float *tap = image + t % w->kernel_w * w->dilation_w * w->lanes;
        float beta = 0.0f;
        for (int i = 0; i < w->grid_h; i++) {
            if (i + down < 0 || i + down >= w->image_h)
                continue;
            for (int at = 0; at < run; at += piece) {
                cae__gemm(CAE__PLAIN, CAE__TRANSPOSED, w->grid_c, w->image_c,
                          run - at < piece ? run - at : piece, grid + (ptrdiff_t)i * run + at,
                          plane, tap + (i + down) * v->row + at, (int)v->plane, beta, sum,
                          w->image_c);
                beta = 1.0f;
            }
        }
        if (beta == 1.0f)
            for (int64_t k = 0; k < (int64_t)w->grid_c * w->image_c; k++)
                dw[k * taps + t] += sum[k];
    }
}

/* --- By columns ------------------------------------------------------------------------------- */

/* Rows of a tile's column matrix and the distance between them. */
struct columns {
    const float *at;
    int stride;
};

static struct columns columns_of(const struct cae__stage *stage, struct cae__tile tile,
                                 const float *image, float *scratch)
{
    const struct cae__window *w = &stage->window;
    if (cae__columns_are_image(w))
        return (struct columns){image + cae__tile_start(w, tile), w->grid_h * w->grid_w * w->lanes};
    stage->kernels->im2col(scratch, w, tile, image);
    return (struct columns){scratch, cae__tile_length(w, tile)};
}

void cae__gemm_gather(const struct cae__stage *stage, float *grid, const float *image,
                      struct cae__finish finish, float *scratch)
{
    const struct cae__window *w = &stage->window;
    const int irs = cae__column_rows(w), plane = w->grid_h * w->grid_w * w->lanes;

    if (stage->gather.sliced) {
        slices(stage, &stage->gather, w->grid_c, w->grid_h, w->grid_w, w->image_h, grid,
               cae__direct_fetch(stage, &stage->gather.view, image, w->image_c, w->image_h,
                                  scratch), finish);
        return;
    }
    for (int64_t i = 0; i < stage->tiles; i++) {
        const struct cae__tile tile = cae__tile_at(w, stage->tile, i);
        const int length = cae__tile_length(w, tile);
        const ptrdiff_t start = cae__tile_start(w, tile);
        const struct columns col = columns_of(stage, tile, image, scratch);
        cae__gemm(CAE__PLAIN, CAE__PLAIN, w->grid_c, length, irs, stage->weight, irs, col.at,
                  col.stride, 0.0f, grid + start, plane);
        finish_rows(stage->kernels, grid, w->grid_c, length, plane, start, finish);
    }
}

static void fill_rows(float *y, int rows, ptrdiff_t length, const float *bias)
{
    for (int k = 0; k < rows; k++, y += length) {
        const float value = bias ? bias[k] : 0.0f;
        for (ptrdiff_t i = 0; i < length; i++)
            y[i] = value;
    }
}

/* Pixels are complete only when all tiles have been added, so the finish is a pass of its own; the
 * bias is what they begin with. */
void cae__gemm_scatter(const struct cae__stage *stage, float *image, const float *grid,
                       struct cae__finish finish, float *scratch)
{
    const struct cae__window *w = &stage->window;
    const int irs = cae__column_rows(w), plane = w->grid_h * w->grid_w * w->lanes;
    const ptrdiff_t image_plane = (ptrdiff_t)w->image_h * w->image_w * w->lanes;
    const bool in_place = cae__columns_are_image(w);

    if (stage->scatter.sliced) {
        slices(stage, &stage->scatter, w->image_c, w->image_h, w->image_w, w->grid_h, image,
               cae__direct_fetch(stage, &stage->scatter.view, grid, w->grid_c, w->grid_h, scratch),
               finish);
        return;
    }
    fill_rows(image, w->image_c, image_plane, finish.bias);
    for (int64_t i = 0; i < stage->tiles; i++) {
        const struct cae__tile tile = cae__tile_at(w, stage->tile, i);
        const int length = cae__tile_length(w, tile);
        const ptrdiff_t start = cae__tile_start(w, tile);
        float *const col = in_place ? image + start : scratch;
        cae__gemm(CAE__TRANSPOSED, CAE__PLAIN, irs, length, w->grid_c, stage->weight, irs,
                  grid + start, plane, in_place ? 1.0f : 0.0f, col, in_place ? plane : length);
        if (!in_place)
            stage->kernels->col2im(image, w, tile, scratch);
    }
    finish.bias = NULL;
    finish_rows(stage->kernels, image, 1, w->image_c * image_plane, 0, 0, finish);
}

void cae__gemm_weight_gradient(const struct cae__stage *stage, float *dw, const float *grid,
                               const float *image, float *scratch)
{
    const struct cae__window *w = &stage->window;
    const int irs = cae__column_rows(w), plane = w->grid_h * w->grid_w * w->lanes;

    if (stage->gather.sliced) {
        const float *source =
            cae__direct_fetch(stage, &stage->gather.view, image, w->image_c, w->image_h, scratch);
        gradient_slices(stage, dw, grid, source, scratch + stage->gather.view.length);
        return;
    }
    for (int64_t i = 0; i < stage->tiles; i++) {
        const struct cae__tile tile = cae__tile_at(w, stage->tile, i);
        const struct columns col = columns_of(stage, tile, image, scratch);
        cae__gemm(CAE__PLAIN, CAE__TRANSPOSED, w->grid_c, irs, cae__tile_length(w, tile),
                  grid + cae__tile_start(w, tile), plane, col.at, col.stride, 1.0f, dw, irs);
    }
}
