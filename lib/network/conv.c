/* conv.c - the two kinds of layer.
 *
 *   convolution   x [C][H][W][B] is the image, y [K][P][Q][B] the grid, w [K][C][R][S]
 *   forward       Y = gather(X) + b, then the activation
 *   backward      dW += weight gradient(dY, X)   db += sums of dY   dX = scatter(dY)
 *
 *   transposed    x [C][P][Q][B] is the grid, y [K][H][W][B] the image, w [C][K][R][S]: the adjoint
 *   forward       Y = scatter(X) + b, then the activation
 *   backward      dW += weight gradient(X, dY)   db += sums of dY   dX = gather(dY)
 *
 * Output padding makes the image larger than the taps reach; those pixels are the bias. */
#include "engine.h"

static void gather(const struct cae__stage *stage, bool direct, float *grid, const float *image,
                   struct cae__finish finish, float *scratch)
{
    (direct ? cae__direct_gather : cae__gemm_gather)(stage, grid, image, finish, scratch);
}

static void scatter(const struct cae__stage *stage, bool direct, float *image, const float *grid,
                    struct cae__finish finish, float *scratch)
{
    (direct ? cae__direct_scatter : cae__gemm_scatter)(stage, image, grid, finish, scratch);
}

void cae__layer_forward(const struct cae__stage *stage, float *y, const float *x, float *scratch)
{
    const struct cae__layer *l = stage->layer;
    const struct cae__finish finish = {
        .bias = stage->bias, .activation = l->activation, .slope = l->slope,
        .margin = stage->out_margin, .frame = stage->out_frame};
    (l->transposed ? scatter : gather)(stage, stage->direct.forward, y, x, finish, scratch);
}

void cae__layer_backward(const struct cae__stage *stage, float *dw, float *db, float *dx,
                         const float *x, const float *dy, const struct cae__layer *before,
                         float *scratch)
{
    const struct cae__layer *l = stage->layer;
    if (db) /* zeros in margins do no harm */
        stage->kernels->add_row_sums(db, dy, l->out_channels,
                                     (ptrdiff_t)(cae__dy_length(stage) / (size_t)l->out_channels));
    (stage->direct.weight_gradient ? cae__direct_weight_gradient : cae__gemm_weight_gradient)(
        stage, dw, l->transposed ? x : dy, l->transposed ? dy : x, scratch);
    if (!dx)
        return;
    struct cae__finish finish = {.margin = stage->dx_margin};
    if (before)
        finish = (struct cae__finish){
            .gate = x, .activation = before->activation, .slope = before->slope,
            .margin = stage->dx_margin, .gate_margin = stage->in_margin};
    (l->transposed ? gather : scatter)(stage, stage->direct.input_gradient, dx, dy, finish,
                                       scratch);
}
