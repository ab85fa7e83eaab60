/* geometry.c - the only code that computes an output size, and the proof that indices fit. */
#include "network.h"

#include <inttypes.h>

/* Output extent along one axis; < 1 when the kernel does not fit. */
static int64_t conv_extent(int64_t in, int kernel, int stride, int padding, int dilation)
{
    const int64_t room = in + 2 * (int64_t)padding - (int64_t)dilation * (kernel - 1) - 1;
    return room < 0 ? 0 : room / stride + 1;
}

static int64_t conv_transpose_extent(int64_t in, int kernel, int stride, int padding, int dilation,
                                     int output_padding)
{
    return (in - 1) * stride - 2 * (int64_t)padding + (int64_t)dilation * (kernel - 1) +
           output_padding + 1;
}

/* Of a side, so that with its padding, a kernel's reach (1023 * 65535) or what rounds it up to
 * whole tiles it still is an int. */
#define MOST_SIDE (1 << 30)

/* False when channels * h * w * lanes passes what BLAS counts with. */
static bool length_fits(size_t *length, int channels, int64_t h, int64_t w, int lanes)
{
    if (h > MOST_SIDE || w > MOST_SIDE || h * w > INT32_MAX)
        return false;
    const int64_t plane = h * w * lanes; /* < 2^31 * lanes */
    if (plane > INT32_MAX || plane * channels > INT32_MAX)
        return false;
    *length = (size_t)(plane * channels);
    return true;
}

cae_status cae__stage_init(const cae_context *context, struct cae__stage *stage,
                           const struct cae__layer *l, int index, int in_h, int in_w, int lanes)
{
    int64_t out_h, out_w;
    if (l->transposed) {
        out_h = conv_transpose_extent(in_h, l->kernel_h, l->stride_h, l->padding_h, l->dilation_h,
                                      l->output_padding_h);
        out_w = conv_transpose_extent(in_w, l->kernel_w, l->stride_w, l->padding_w, l->dilation_w,
                                      l->output_padding_w);
    } else {
        out_h = conv_extent(in_h, l->kernel_h, l->stride_h, l->padding_h, l->dilation_h);
        out_w = conv_extent(in_w, l->kernel_w, l->stride_w, l->padding_w, l->dilation_w);
    }
    if (out_h < 1 || out_w < 1)
        return cae__fail(context, CAE_ERR_SHAPE,
                         "%s: a %dx%d kernel (dilation %dx%d, padding %dx%d) leaves nothing of a "
                         "%dx%d input", cae__layer_label(l, index).text, l->kernel_h, l->kernel_w,
                         l->dilation_h, l->dilation_w, l->padding_h, l->padding_w, in_h, in_w);

    *stage = (struct cae__stage){.layer = l, .whole_in_h = in_h, .whole_in_w = in_w,
                                  .in_h = in_h, .in_w = in_w};
    if (!length_fits(&stage->in_length, l->in_channels, in_h, in_w, lanes) ||
        !length_fits(&stage->out_length, l->out_channels, out_h, out_w, lanes))
        return cae__fail(context, CAE_ERR_SHAPE,
                         "%s: %dx%d -> %" PRId64 "x%" PRId64 " passes 2^31 - 1 values or 2^30 a "
                         "side", cae__layer_label(l, index).text, in_h, in_w, out_h, out_w);
    stage->out_h = (int)out_h;
    stage->out_w = (int)out_w;
    stage->window = (struct cae__window){
        .image_c = l->transposed ? l->out_channels : l->in_channels,
        .image_h = l->transposed ? stage->out_h : in_h,
        .image_w = l->transposed ? stage->out_w : in_w,
        .grid_c = l->transposed ? l->in_channels : l->out_channels,
        .grid_h = l->transposed ? in_h : stage->out_h,
        .grid_w = l->transposed ? in_w : stage->out_w,
        .kernel_h = l->kernel_h, .kernel_w = l->kernel_w,
        .stride_h = l->stride_h, .stride_w = l->stride_w,
        .padding_h = l->padding_h, .padding_w = l->padding_w,
        .dilation_h = l->dilation_h, .dilation_w = l->dilation_w,
        .lanes = lanes,
    };
    stage->tiles = cae__tile_grid(&stage->tile, &stage->window);
    return CAE_OK;
}

/* --- Parts of an image ------------------------------------------------------------------------ */

static int64_t floor_divide(int64_t a, int64_t b)
{
    return a >= 0 ? a / b : -((b - 1 - a) / b);
}

static int clamp(int64_t x, int low, int high)
{
    return x < low ? low : x > high ? high : (int)x;
}

/* Convolution: output p reads p stride - padding + (0 .. reach). Transposed: input p writes those,
 * so output y comes from the p with (y + padding - reach) / stride <= p <= (y + padding) / stride.
 * Where nothing is needed one input is kept, so that no extent is 0. */
struct cae__span cae__span_needed(const struct cae__layer *l, bool vertical, struct cae__span out,
                                  int extent)
{
    const int64_t stride = vertical ? l->stride_h : l->stride_w;
    const int64_t padding = vertical ? l->padding_h : l->padding_w;
    const int64_t reach = vertical ? (int64_t)(l->kernel_h - 1) * l->dilation_h
                                   : (int64_t)(l->kernel_w - 1) * l->dilation_w;
    const int64_t last = out.end - 1;
    int64_t first, end;
    if (l->transposed) {
        first = -floor_divide(reach - padding - out.first, stride);
        end = floor_divide(last + padding, stride) + 1;
    } else {
        first = out.first * stride - padding;
        end = last * stride - padding + reach + 1;
    }
    struct cae__span in;
    in.first = clamp(first, 0, extent - 1);
    in.end = clamp(end, in.first + 1, extent);
    return in;
}

/* Where a window on parts begins: both parts know their place in the whole. */
static int cropped_padding(bool transposed, int padding, int stride, int in, int out)
{
    return transposed ? padding + out - in * stride : padding + in - out * stride;
}

void cae__stage_crop(struct cae__stage *stage, struct cae__span in_h, struct cae__span in_w,
                     struct cae__span out_h, struct cae__span out_w)
{
    const struct cae__layer *l = stage->layer;
    struct cae__window *w = &stage->window;
    stage->in_h = in_h.end - in_h.first;
    stage->in_w = in_w.end - in_w.first;
    stage->in_margin = stage->out_margin = (struct cae__margin){0}; /* copies do, at the edges */
    stage->out_h = out_h.end - out_h.first;
    stage->out_w = out_w.end - out_w.first;
    const size_t lanes = (size_t)w->lanes;
    stage->in_length = (size_t)l->in_channels * (size_t)stage->in_h * (size_t)stage->in_w * lanes;
    stage->out_length =
        (size_t)l->out_channels * (size_t)stage->out_h * (size_t)stage->out_w * lanes;
    w->image_h = l->transposed ? stage->out_h : stage->in_h;
    w->image_w = l->transposed ? stage->out_w : stage->in_w;
    w->grid_h = l->transposed ? stage->in_h : stage->out_h;
    w->grid_w = l->transposed ? stage->in_w : stage->out_w;
    w->padding_h =
        cropped_padding(l->transposed, l->padding_h, l->stride_h, in_h.first, out_h.first);
    w->padding_w =
        cropped_padding(l->transposed, l->padding_w, l->stride_w, in_w.first, out_w.first);
    stage->tiles = cae__tile_grid(&stage->tile, w);
}
