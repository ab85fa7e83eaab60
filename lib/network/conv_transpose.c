/* conv_transpose.c - 2-D transposed convolution: the adjoint of conv.c.
 *
 *   x [C][P][Q][B]   w [C][K][R][S]   b [K]   y [K][H][W][B]
 *   col [K R S][tile], what one tile of x adds to y: scratch
 *   forward    Y = col2im(W^T X) + b, then the activation
 *   backward   dX = W col(dY)    dW += X col(dY)^T    db += row sums of dY
 *
 * The kernel's window lies on y: im2col and col2im see y as the image and x as the grid. Output
 * padding makes y larger than the taps reach; those pixels are the bias. */
#include "network.h"

#include "../kernels/gemm.h"

void cae__conv_transpose_forward(const struct cae__stage *stage, const float *x, float *y,
                                 float *columns)
{
    const struct cae__window *w = &stage->window;
    const struct cae__layer *l = stage->layer;
    const int c = l->in_channels, krs = cae__column_rows(w);
    const int plane = w->grid_h * w->grid_w * w->lanes;

    cae__fill_rows(y, l->out_channels, (ptrdiff_t)w->image_h * w->image_w * w->lanes, stage->bias);
    for (int64_t i = 0; i < stage->tiles; i++) {
        const struct cae__tile tile = cae__tile_at(w, stage->tile, i);
        const int length = cae__tile_length(w, tile);
        cae__gemm(CAE__TRANSPOSED, CAE__PLAIN, krs, length, c, stage->weight, krs,
                  x + cae__tile_start(w, tile), plane, 0.0f, columns, length);
        cae__col2im(y, w, tile, columns);
    }
    cae__bias_activation(y, 1, (ptrdiff_t)stage->out_length, 0, NULL, l->activation, l->slope);
}

void cae__conv_transpose_backward(const struct cae__stage *stage, const float *x, const float *dy,
                                  float *dw, float *db, float *dx, float *columns)
{
    const struct cae__window *w = &stage->window;
    const int c = stage->layer->in_channels, krs = cae__column_rows(w);
    const int plane = w->grid_h * w->grid_w * w->lanes;

    if (db)
        cae__add_row_sums(db, dy, stage->layer->out_channels,
                          (ptrdiff_t)w->image_h * w->image_w * w->lanes);
    for (int64_t i = 0; i < stage->tiles; i++) {
        const struct cae__tile tile = cae__tile_at(w, stage->tile, i);
        const int length = cae__tile_length(w, tile);
        const ptrdiff_t start = cae__tile_start(w, tile);
        cae__im2col(columns, w, tile, dy);
        cae__gemm(CAE__PLAIN, CAE__TRANSPOSED, c, krs, length, x + start, plane, columns, length,
                  1.0f, dw, krs);
        if (dx)
            cae__gemm(CAE__PLAIN, CAE__PLAIN, c, length, krs, stage->weight, krs, columns, length,
                      0.0f, dx + start, plane);
    }
}
