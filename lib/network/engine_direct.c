/* engine_direct.c - the operations of a window as correlations, for stride 1.
 *
 *   gather    grid[g][p]  = sum w[g][i][r] image[i][p + r d - padding]
 *   scatter   image[i][y] = sum w[g][i][r] grid[g][y + padding - r d], which with taps in reverse
 *             is sum w[g][i][R - 1 - r] grid[g][y + r d - ((R - 1) d - padding)]
 *
 * So both correlate. Rows outside the source are left out by the kernel. Columns outside have to be
 * there, as zeros at the ends of rows: the layer that makes an array writes them (its margin), or,
 * where it cannot, the source is copied into scratch with them. Else taps point into the source. */
#include "engine.h"

bool cae__direct_fits(const struct cae__layer *l)
{
    return l->stride_h == 1 && l->stride_w == 1;
}

/* --- What correlate reads --------------------------------------------------------------------- */

/* A source of channels x h x w, with its margins or in its frame, in which `top` rows and `left`
 * columns of zeros come first and `width` columns are needed in all. Negative: rows and columns
 * to leave out. */
static struct cae__view view_of(int channels, int h, int w, struct cae__margin margin,
                                struct cae__frame frame, int64_t top, int64_t left, int64_t width,
                                int lanes)
{
    struct cae__view view = {.top = top, .left = left - margin.left, .width = width};
    const int64_t there = view.there = (int64_t)margin.left + w + margin.right;
    view.source_row = frame.row ? frame.row : (ptrdiff_t)(there * lanes);
    view.source_plane = frame.row ? frame.plane : (ptrdiff_t)(h * there * lanes);
    view.in_place = view.left <= 0 && width - view.left <= there;
    if (view.in_place) {
        view.row = view.source_row;
        view.plane = view.source_plane;
        view.start = (ptrdiff_t)(-view.left * lanes);
    } else {
        /* In 64 bits whatever a pointer has: zeros around a narrow source may pass 2^32, and a copy
         * of that length is refused by its length. */
        const int64_t plane = h * width * lanes;
        view.row = (ptrdiff_t)(width * lanes);
        view.plane = (ptrdiff_t)plane;
        view.length = (uint64_t)channels * (uint64_t)plane;
    }
    return view;
}

void cae__direct_view(struct cae__stage *stage)
{
    const struct cae__window *w = &stage->window;
    const int64_t reach_h = (int64_t)(w->kernel_h - 1) * w->dilation_h;
    const int64_t reach_w = (int64_t)(w->kernel_w - 1) * w->dilation_w;
    /* x is the image and dy the grid, or the other way round */
    const bool transposed = stage->layer->transposed;
    const struct cae__margin image = transposed ? stage->dy_margin : stage->in_margin;
    const struct cae__margin grid = transposed ? stage->in_margin : stage->dy_margin;
    const struct cae__frame none = {0};
    stage->gather.view =
        view_of(w->image_c, w->image_h, w->image_w, image, transposed ? none : stage->in_frame,
                w->padding_h, w->padding_w, w->grid_w + reach_w, w->lanes);
    stage->scatter.view =
        view_of(w->grid_c, w->grid_h, w->grid_w, grid, transposed ? stage->in_frame : none,
                reach_h - w->padding_h, reach_w - w->padding_w, w->image_w + reach_w, w->lanes);
}

/* The margin that would spare a copy of a source without one. */
static struct cae__margin margin_of(const struct cae__view *v, int w)
{
    const int64_t right = v->width - v->left - w;
    if (v->in_place)
        return (struct cae__margin){0};
    return (struct cae__margin){v->left > 0 ? (int)v->left : 0, right > 0 ? (int)right : 0};
}

/* Only where everything that reads the array is direct and so knows of margins. */
struct cae__margin cae__direct_in_margin(const struct cae__stage *stage, bool trainable)
{
    const struct cae__view *v =
        stage->layer->transposed ? &stage->scatter.view : &stage->gather.view;
    return stage->direct.forward && (!trainable || (stage->direct.input_gradient &&
                                                    stage->direct.weight_gradient))
               ? margin_of(v, stage->in_w)
               : (struct cae__margin){0};
}

struct cae__margin cae__direct_dy_margin(const struct cae__stage *stage)
{
    const struct cae__view *v =
        stage->layer->transposed ? &stage->gather.view : &stage->scatter.view;
    return stage->direct.input_gradient && stage->direct.weight_gradient
               ? margin_of(v, stage->out_w)
               : (struct cae__margin){0};
}

static int64_t clamp(int64_t x, int64_t low, int64_t high)
{
    return x < low ? low : x > high ? high : x;
}

const float *cae__direct_fetch(const struct cae__stage *stage, const struct cae__view *v,
                               const float *source, int channels, int h, float *scratch)
{
    const int lanes = stage->window.lanes;
    if (v->in_place)
        return source + v->start;
    const int64_t first = clamp(v->left, 0, v->width);
    const int64_t end = clamp(v->left + v->there, first, v->width);
    const ptrdiff_t before = (ptrdiff_t)first * lanes, inside = (ptrdiff_t)(end - first) * lanes;
    source += (first - v->left) * lanes;
    for (int c = 0; c < channels; c++)
        stage->kernels->pad_rows(scratch + c * v->plane, source + c * v->source_plane, h, before,
                                 inside, v->row - before - inside, v->source_row);
    return scratch;
}

/* --- Tables: where taps are, and their weights in the order in which they are met ------------- */

size_t cae__direct_taps(const struct cae__stage *stage)
{
    const struct cae__window *w = &stage->window;
    const size_t taps = (size_t)w->kernel_h * (size_t)w->kernel_w;
    return ((size_t)w->image_c + (size_t)w->grid_c) * taps;
}

static void aim(struct cae__correlator *c, int channels, const struct cae__window *w)
{
    ptrdiff_t *offset = c->offsets;
    c->channels = channels;
    for (int r = 0; r < w->kernel_h; r++)
        for (int channel = 0; channel < channels; channel++)
            for (int s = 0; s < w->kernel_w; s++)
                *offset++ = channel * c->view.plane + r * (ptrdiff_t)w->dilation_h * c->view.row +
                            s * (ptrdiff_t)w->dilation_w * w->lanes;
}

void cae__direct_aim(struct cae__stage *stage)
{
    const struct cae__window *w = &stage->window;
    if (!stage->gather.offsets)
        return;
    aim(&stage->gather, w->image_c, w);
    aim(&stage->scatter, w->grid_c, w);
}

/* The weight between channel `c` of the source, output k, taps (r, s), is
 * weight[k output_stride + c channel_stride + r S + s]; a scatter meets its taps in reverse. */
static void pack(struct cae__correlator *c, const struct cae__stage *stage, int outputs,
                 ptrdiff_t output_stride, ptrdiff_t channel_stride, bool reversed)
{
    const int s_count = stage->window.kernel_w, taps = stage->window.kernel_h * s_count;
    float *packed = c->weights;
    for (int first = 0, group; first < outputs; first += group) {
        group = stage->kernels->group(outputs - first);
        const float *weight = stage->weight + first * output_stride;
        for (int row = 0; row < taps; row += s_count)
            for (int channel = 0; channel < c->channels; channel++)
                for (int s = 0; s < s_count; s++) {
                    const int tap = reversed ? taps - 1 - (row + s) : row + s;
                    for (int k = 0; k < group; k++)
                        *packed++ = weight[k * output_stride + channel * channel_stride + tap];
                }
    }
}

/* The same for products: a matrix [outputs][channels] for every tap. */
static void pack_slices(struct cae__correlator *c, const struct cae__stage *stage, int outputs,
                        ptrdiff_t output_stride, ptrdiff_t channel_stride, bool reversed)
{
    const int taps = stage->window.kernel_h * stage->window.kernel_w;
    float *packed = c->weights;
    for (int t = 0; t < taps; t++)
        for (int k = 0; k < outputs; k++)
            for (int channel = 0; channel < c->channels; channel++)
                *packed++ = stage->weight[k * output_stride + channel * channel_stride +
                                          (reversed ? taps - 1 - t : t)];
}

void cae__direct_pack(struct cae__stage *stage)
{
    const struct cae__window *w = &stage->window;
    const int taps = w->kernel_h * w->kernel_w;
    const ptrdiff_t grid_stride = (ptrdiff_t)w->image_c * taps;

    if (stage->gather.weights)
        (stage->gather.sliced ? pack_slices : pack)(&stage->gather, stage, w->grid_c, grid_stride,
                                                    taps, false);
    if (stage->scatter.weights)
        (stage->scatter.sliced ? pack_slices : pack)(&stage->scatter, stage, w->image_c, taps,
                                                     grid_stride, true);
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

uint64_t cae__direct_scratch(const struct cae__stage *stage)
{
    return larger(stage->gather.view.length, stage->scatter.view.length);
}

/* --- The operations --------------------------------------------------------------------------- */

/* Results of h x w, between margins, from a source of so many rows. */
static struct cae__correlation correlation(const struct cae__correlator *c,
                                           const struct cae__window *window, int outputs, int h,
                                           int w, int source_h, struct cae__margin margin)
{
    const ptrdiff_t run = (ptrdiff_t)w * window->lanes;
    const ptrdiff_t before = (ptrdiff_t)margin.left * window->lanes;
    const ptrdiff_t after = (ptrdiff_t)margin.right * window->lanes;
    return (struct cae__correlation){
        .outputs = outputs, .channels = c->channels, .kernel_h = window->kernel_h,
        .kernel_w = window->kernel_w, .offsets = c->offsets, .weights = c->weights, .rows = h,
        .top = c->view.top, .row_step = window->dilation_h, .x_rows = source_h, .run = run,
        .x_row = c->view.row, .y_row = before + run + after, .y_plane = h * (before + run + after),
        .before = before, .after = after};
}

static void correlate(const struct cae__stage *stage, struct cae__correlation *c, float *y,
                      const float *x, struct cae__finish finish)
{
    const int lanes = stage->window.lanes;
    if (finish.frame.row) {
        c->y_row = finish.frame.row;
        c->y_plane = finish.frame.plane;
    }
    c->bias = finish.bias;
    c->activation = finish.activation;
    c->slope = finish.slope;
    if (finish.gate) {
        c->gate = finish.gate + (ptrdiff_t)finish.gate_margin.left * lanes;
        c->gate_row =
            c->run + ((ptrdiff_t)finish.gate_margin.left + finish.gate_margin.right) * lanes;
        c->gate_plane = c->rows * c->gate_row;
    }
    stage->kernels->correlate(c, y + c->before, x);
}

void cae__direct_gather(const struct cae__stage *stage, float *grid, const float *image,
                        struct cae__finish finish, float *scratch)
{
    const struct cae__window *w = &stage->window;
    struct cae__correlation c = correlation(&stage->gather, w, w->grid_c, w->grid_h, w->grid_w,
                                            w->image_h, finish.margin);
    correlate(stage, &c, grid, cae__direct_fetch(stage, &stage->gather.view, image, w->image_c,
                                                 w->image_h, scratch), finish);
}

void cae__direct_scatter(const struct cae__stage *stage, float *image, const float *grid,
                         struct cae__finish finish, float *scratch)
{
    const struct cae__window *w = &stage->window;
    struct cae__correlation c = correlation(&stage->scatter, w, w->image_c, w->image_h, w->image_w,
                                            w->grid_h, finish.margin);
    correlate(stage, &c, image, cae__direct_fetch(stage, &stage->scatter.view, grid, w->grid_c,
                                                  w->grid_h, scratch), finish);
}

void cae__direct_weight_gradient(const struct cae__stage *stage, float *dw, const float *grid,
                                 const float *image, float *scratch)
{
    const struct cae__window *w = &stage->window;
    const struct cae__correlation c =
        correlation(&stage->gather, w, w->grid_c, w->grid_h, w->grid_w, w->image_h,
                    stage->layer->transposed ? stage->in_margin : stage->dy_margin);
    stage->kernels->correlate_gradient(&c, dw, grid + c.before,
                                       cae__direct_fetch(stage, &stage->gather.view, image,
                                                         w->image_c, w->image_h, scratch));
}
