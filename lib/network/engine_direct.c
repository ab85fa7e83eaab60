/* engine_direct.c - the operations of a window as correlations, for stride 1.
 *
 *   gather    grid[g][p]  = sum w[g][i][r] image[i][p + r d - padding]
 *   scatter   image[i][y] = sum w[g][i][r] grid[g][y + padding - r d], which with taps in reverse is
 *             sum w[g][i][r] grid'[g][y + (R - 1 - r) d] over a grid' that begins (R - 1) d - padding
 *             zeros earlier
 *
 * So both correlate, over planes in which every tap of every result exists. Where the source has no
 * room for that, it is copied into scratch with zeros around it, a few per cent of the arithmetic; where
 * it has, as below an unpadded convolution, taps point into it. */
#include "engine.h"

#include <string.h>

bool cae__direct_fits(const struct cae__layer *l)
{
    return l->stride_h == 1 && l->stride_w == 1;
}

/* --- What correlate reads ---------------------------------------------------------------------------- */

/* A source of channels x h x w, in which `top` rows and `left` columns of zeros come first and
 * `height` x `width` are needed in all. Negative: the source begins outside. */
static struct cae__view view_of(int channels, int h, int w, int64_t top, int64_t left,
                                int64_t height, int64_t width, int lanes)
{
    struct cae__view view = {.top = top, .left = left, .height = height, .width = width};
    view.in_place = top <= 0 && left <= 0 && height - top <= h && width - left <= w;
    if (view.in_place) {
        view.row = (ptrdiff_t)w * lanes;
        view.plane = h * view.row;
        view.start = (ptrdiff_t)(-top * view.row - left * lanes);
    } else {
        view.row = (ptrdiff_t)width * lanes;
        view.plane = (ptrdiff_t)height * view.row;
        view.length = (uint64_t)channels * (uint64_t)view.plane;
    }
    return view;
}

void cae__direct_view(struct cae__stage *stage)
{
    const struct cae__window *w = &stage->window;
    const int64_t reach_h = (int64_t)(w->kernel_h - 1) * w->dilation_h;
    const int64_t reach_w = (int64_t)(w->kernel_w - 1) * w->dilation_w;
    stage->gather.view = view_of(w->image_c, w->image_h, w->image_w, w->padding_h, w->padding_w,
                                 w->grid_h + reach_h, w->grid_w + reach_w, w->lanes);
    stage->scatter.view =
        view_of(w->grid_c, w->grid_h, w->grid_w, reach_h - w->padding_h, reach_w - w->padding_w,
                w->image_h + reach_h, w->image_w + reach_w, w->lanes);
}

static void zero(float *to, ptrdiff_t count)
{
    if (count > 0)
        memset(to, 0, (size_t)count * sizeof *to);
}

static int64_t clamp(int64_t x, int64_t low, int64_t high)
{
    return x < low ? low : x > high ? high : x;
}

/* The source with its zeros around it. */
static void copy_padded(float *to, const struct cae__view *v, const float *source, int channels,
                        int h, int w, int lanes)
{
    const int64_t first_row = clamp(v->top, 0, v->height);
    const int64_t end_row = clamp(v->top + h, first_row, v->height);
    const int64_t first = clamp(v->left, 0, v->width), end = clamp(v->left + w, first, v->width);
    const ptrdiff_t before = (ptrdiff_t)first * lanes, inside = (ptrdiff_t)(end - first) * lanes;
    const ptrdiff_t source_row = (ptrdiff_t)w * lanes;

    for (int c = 0; c < channels; c++, to += v->plane, source += h * source_row) {
        zero(to, first_row * v->row);
        for (int64_t y = first_row; y < end_row; y++) {
            float *row = to + y * v->row;
            zero(row, before);
            if (inside > 0)
                memcpy(row + before,
                       source + (y - v->top) * source_row + (ptrdiff_t)(first - v->left) * lanes,
                       (size_t)inside * sizeof *row);
            zero(row + before + inside, v->row - before - inside);
        }
        zero(to + end_row * v->row, (v->height - end_row) * v->row);
    }
}

static const float *fetch(const struct cae__view *v, const float *source, int channels, int h,
                          int w, int lanes, float *scratch)
{
    if (v->in_place)
        return source + v->start;
    copy_padded(scratch, v, source, channels, h, w, lanes);
    return scratch;
}

/* --- Tables: where taps are, and their weights in the order in which they are met ------------------------ */

size_t cae__direct_taps(const struct cae__stage *stage)
{
    const struct cae__window *w = &stage->window;
    const size_t taps = (size_t)w->kernel_h * (size_t)w->kernel_w;
    return ((size_t)w->image_c + (size_t)w->grid_c) * taps;
}

static void aim(struct cae__correlator *c, int channels, const struct cae__window *w, bool reversed)
{
    ptrdiff_t *offset = c->offsets;
    for (int channel = 0; channel < channels; channel++)
        for (int r = 0; r < w->kernel_h; r++)
            for (int s = 0; s < w->kernel_w; s++) {
                const ptrdiff_t y = (reversed ? w->kernel_h - 1 - r : r) * (ptrdiff_t)w->dilation_h;
                const ptrdiff_t x = (reversed ? w->kernel_w - 1 - s : s) * (ptrdiff_t)w->dilation_w;
                *offset++ = channel * c->view.plane + y * c->view.row + x * w->lanes;
            }
    c->taps = channels * w->kernel_h * w->kernel_w;
}

void cae__direct_aim(struct cae__stage *stage)
{
    const struct cae__window *w = &stage->window;
    if (!stage->gather.offsets)
        return;
    aim(&stage->gather, w->image_c, w, false);
    aim(&stage->scatter, w->grid_c, w, true);
}

/* The weight of tap (channel, rs) of an output lies at
 * weight[output output_stride + channel channel_stride + rs]. */
static void pack(struct cae__correlator *c, const struct cae__kernels *kernels, const float *weight,
                 int outputs, ptrdiff_t output_stride, int channels, ptrdiff_t channel_stride,
                 int kernel_taps)
{
    float *packed = c->weights;
    for (int first = 0, group; first < outputs; first += group) {
        group = kernels->group(outputs - first);
        for (int channel = 0; channel < channels; channel++)
            for (int rs = 0; rs < kernel_taps; rs++)
                for (int k = 0; k < group; k++)
                    *packed++ = weight[(first + k) * output_stride + channel * channel_stride + rs];
    }
}

void cae__direct_pack(struct cae__stage *stage)
{
    const struct cae__window *w = &stage->window;
    const int taps = w->kernel_h * w->kernel_w;
    const ptrdiff_t grid_stride = (ptrdiff_t)w->image_c * taps;

    if (stage->gather.weights)
        pack(&stage->gather, stage->kernels, stage->weight, w->grid_c, grid_stride, w->image_c,
             taps, taps);
    if (stage->scatter.weights)
        pack(&stage->scatter, stage->kernels, stage->weight, w->image_c, taps, w->grid_c,
             grid_stride, taps);
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

uint64_t cae__direct_scratch(const struct cae__stage *stage)
{
    return larger(stage->gather.view.length, stage->scatter.view.length);
}

/* --- The operations ------------------------------------------------------------------------------------------ */

static struct cae__correlation correlation(const struct cae__correlator *c, int outputs, int h, int w,
                                           int lanes)
{
    const ptrdiff_t run = (ptrdiff_t)w * lanes;
    return (struct cae__correlation){.outputs = outputs, .taps = c->taps, .offsets = c->offsets,
                                     .weights = c->weights, .rows = h, .run = run,
                                     .x_row = c->view.row, .y_row = run, .y_plane = h * run};
}

static void set_finish(struct cae__correlation *c, struct cae__finish finish)
{
    c->bias = finish.bias;
    c->gate = finish.gate;
    c->activation = finish.activation;
    c->slope = finish.slope;
}

void cae__direct_gather(const struct cae__stage *stage, float *grid, const float *image,
                        struct cae__finish finish, float *scratch)
{
    const struct cae__window *w = &stage->window;
    struct cae__correlation c =
        correlation(&stage->gather, w->grid_c, w->grid_h, w->grid_w, w->lanes);
    set_finish(&c, finish);
    stage->kernels->correlate(&c, grid, fetch(&stage->gather.view, image, w->image_c, w->image_h,
                                              w->image_w, w->lanes, scratch));
}

void cae__direct_scatter(const struct cae__stage *stage, float *image, const float *grid,
                         struct cae__finish finish, float *scratch)
{
    const struct cae__window *w = &stage->window;
    struct cae__correlation c =
        correlation(&stage->scatter, w->image_c, w->image_h, w->image_w, w->lanes);
    set_finish(&c, finish);
    stage->kernels->correlate(&c, image, fetch(&stage->scatter.view, grid, w->grid_c, w->grid_h,
                                               w->grid_w, w->lanes, scratch));
}

void cae__direct_weight_gradient(const struct cae__stage *stage, float *dw, const float *grid,
                                 const float *image, float *scratch)
{
    const struct cae__window *w = &stage->window;
    const struct cae__correlation c =
        correlation(&stage->gather, w->grid_c, w->grid_h, w->grid_w, w->lanes);
    stage->kernels->correlate_gradient(&c, dw, grid,
                                       fetch(&stage->gather.view, image, w->image_c, w->image_h,
                                             w->image_w, w->lanes, scratch));
}
