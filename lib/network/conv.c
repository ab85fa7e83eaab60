/* conv.c - 2-D convolution as im2col and matrix products.
 *
 *   x [C][H][W][B]   w [K][C][R][S]   b [K]   y [K][P][Q][B]
 *   col [C R S][tile], the pixels under one tile of y: scratch
 *   forward    Y = W col(X) + b, then the activation
 *   backward   dW += dY col(X)^T    db += row sums of dY    dX = col2im(W^T dY)
 *
 * col2im is the adjoint of im2col, so conv_transpose.c is this file with the two swapped.
 * geometry.c has proved that every extent fits the int that BLAS counts with. */
#include "network.h"

#include <string.h>

#include "../kernels/gemm.h"

void cae__conv_forward(const struct cae__stage *stage, const float *x, float *y, float *columns)
{
    const struct cae__window *w = &stage->window;
    const struct cae__layer *l = stage->layer;
    const int k = l->out_channels, crs = cae__column_rows(w);
    const int plane = w->grid_h * w->grid_w * w->lanes;
    const bool in_place = cae__columns_are_image(w);

    for (int64_t i = 0; i < stage->tiles; i++) {
        const struct cae__tile tile = cae__tile_at(w, stage->tile, i);
        const int length = cae__tile_length(w, tile);
        const ptrdiff_t start = cae__tile_start(w, tile);
        const float *col = in_place ? x + start : columns;
        if (!in_place)
            cae__im2col(columns, w, tile, x);
        cae__gemm(CAE__PLAIN, CAE__PLAIN, k, length, crs, stage->weight, crs, col,
                  in_place ? plane : length, 0.0f, y + start, plane);
        cae__bias_activation(y + start, k, length, plane, stage->bias, l->activation, l->slope);
    }
}

void cae__conv_backward(const struct cae__stage *stage, const float *x, const float *dy, float *dw,
                        float *db, float *dx, float *columns)
{
    const struct cae__window *w = &stage->window;
    const int k = stage->layer->out_channels, crs = cae__column_rows(w);
    const int plane = w->grid_h * w->grid_w * w->lanes;

    if (db)
        cae__add_row_sums(db, dy, k, plane);
    if (dx)
        memset(dx, 0, stage->in_length * sizeof *dx);
    for (int64_t i = 0; i < stage->tiles; i++) {
        const struct cae__tile tile = cae__tile_at(w, stage->tile, i);
        const int length = cae__tile_length(w, tile);
        const float *dy_tile = dy + cae__tile_start(w, tile);
        cae__im2col(columns, w, tile, x); /* made again: keeping all of them costs more */
        cae__gemm(CAE__PLAIN, CAE__TRANSPOSED, k, crs, length, dy_tile, plane, columns, length,
                  1.0f, dw, crs);
        if (dx) {
            cae__gemm(CAE__TRANSPOSED, CAE__PLAIN, crs, length, k, stage->weight, crs, dy_tile,
                      plane, 0.0f, columns, length);
            cae__col2im(dx, w, tile, columns);
        }
    }
}
