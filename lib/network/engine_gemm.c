/* engine_gemm.c - the operations of a window as matrix products, for every geometry.
 *
 *   col [I R S][tile], the pixels under one tile of the grid: scratch
 *   gather            grid  = w im2col(image)
 *   scatter           image = col2im(w^T grid)
 *   weight gradient   dw   += grid im2col(image)^T
 *
 * The grid is worked tile by tile, each small enough for its columns to stay in the cache. Where the
 * columns are the image itself nothing is copied. geometry.c has proved that every extent fits
 * the int that BLAS counts with. */
#include "engine.h"

#include "../kernels/gemm.h"

uint64_t cae__gemm_scratch(const struct cae__stage *stage)
{
    return (uint64_t)cae__column_rows(&stage->window) *
           (uint64_t)cae__tile_length(&stage->window, stage->tile);
}

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

void cae__gemm_gather(const struct cae__stage *stage, float *grid, const float *image,
                      struct cae__finish finish, float *scratch)
{
    const struct cae__window *w = &stage->window;
    const int irs = cae__column_rows(w), plane = w->grid_h * w->grid_w * w->lanes;

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

    for (int64_t i = 0; i < stage->tiles; i++) {
        const struct cae__tile tile = cae__tile_at(w, stage->tile, i);
        const struct columns col = columns_of(stage, tile, image, scratch);
        cae__gemm(CAE__PLAIN, CAE__TRANSPOSED, w->grid_c, irs, cae__tile_length(w, tile),
                  grid + cae__tile_start(w, tile), plane, col.at, col.stride, 1.0f, dw, irs);
    }
}
