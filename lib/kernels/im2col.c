/* im2col.c - a convolution's pixels laid out as the columns of a matrix, and the adjoint.
 *
 *   columns[c, r, s][p, q] = image[c][p stride_h + r dilation_h - padding_h]
 *                                    [q stride_w + s dilation_w - padding_w]
 *
 * For stride 1 a row of the grid meets one contiguous run of the image. */
#include "kernels.h"

#include <string.h>

static int floor_divide(int a, int b)
{
    return a >= 0 ? a / b : -((b - 1 - a) / b);
}

static int clamp(int x, int low, int high)
{
    return x < low ? low : x > high ? high : x;
}

/* The grid columns of a tile whose tap s falls inside the image: [first, end), pixel = the image
 * column that `first` touches. */
struct span {
    int first, end, pixel;
};

static struct span span_of_tap(const struct cae__window *w, struct cae__tile tile, int s)
{
    const int shift = s * w->dilation_w - w->padding_w, stop = tile.column + tile.columns;
    const int first = -floor_divide(shift, w->stride_w); /* smallest q with q stride + shift >= 0 */
    const int end = floor_divide(w->image_w - 1 - shift, w->stride_w) + 1;
    struct span span;
    span.first = clamp(first, tile.column, stop);
    span.end = clamp(end, span.first, stop);
    span.pixel = span.first * w->stride_w + shift;
    return span;
}

static void gather(float *to, const float *from, int count, int stride, int lanes)
{
    if (stride == 1) {
        memcpy(to, from, (size_t)count * (size_t)lanes * sizeof *to);
        return;
    }
    for (int i = 0; i < count; i++, to += lanes, from += stride * lanes)
        for (int lane = 0; lane < lanes; lane++)
            to[lane] = from[lane];
}

static void scatter_add(float *restrict to, const float *restrict from, int count, int stride,
                        int lanes)
{
    if (stride == 1) {
        const ptrdiff_t run = (ptrdiff_t)count * lanes;
        for (ptrdiff_t i = 0; i < run; i++)
            to[i] += from[i];
        return;
    }
    for (int i = 0; i < count; i++, to += stride * lanes, from += lanes)
        for (int lane = 0; lane < lanes; lane++)
            to[lane] += from[lane];
}

static void zero(float *to, int count, int lanes)
{
    if (count > 0)
        memset(to, 0, (size_t)count * (size_t)lanes * sizeof *to);
}

void CAE__LEVEL(cae__im2col)(float *columns, const struct cae__window *w, struct cae__tile tile,
                 const float *image)
{
    const ptrdiff_t image_row = (ptrdiff_t)w->image_w * w->lanes;

    for (int c = 0; c < w->image_c; c++, image += w->image_h * image_row)
        for (int r = 0; r < w->kernel_h; r++)
            for (int s = 0; s < w->kernel_w; s++) {
                const struct span span = span_of_tap(w, tile, s);
                for (int row = 0; row < tile.rows; row++, columns += tile.columns * w->lanes) {
                    const int y =
                        (tile.row + row) * w->stride_h + r * w->dilation_h - w->padding_h;
                    if (y < 0 || y >= w->image_h) {
                        zero(columns, tile.columns, w->lanes);
                        continue;
                    }
                    const int before = span.first - tile.column, inside = span.end - span.first;
                    zero(columns, before, w->lanes);
                    if (inside > 0)
                        gather(columns + (ptrdiff_t)before * w->lanes,
                               image + y * image_row + (ptrdiff_t)span.pixel * w->lanes, inside,
                               w->stride_w, w->lanes);
                    zero(columns + (ptrdiff_t)(before + inside) * w->lanes,
                         tile.columns - before - inside, w->lanes);
                }
            }
}

void CAE__LEVEL(cae__col2im)(float *image, const struct cae__window *w, struct cae__tile tile,
                 const float *columns)
{
    const ptrdiff_t image_row = (ptrdiff_t)w->image_w * w->lanes;

    for (int c = 0; c < w->image_c; c++, image += w->image_h * image_row)
        for (int r = 0; r < w->kernel_h; r++)
            for (int s = 0; s < w->kernel_w; s++) {
                const struct span span = span_of_tap(w, tile, s);
                for (int row = 0; row < tile.rows; row++, columns += tile.columns * w->lanes) {
                    const int y =
                        (tile.row + row) * w->stride_h + r * w->dilation_h - w->padding_h;
                    if (y >= 0 && y < w->image_h && span.end > span.first)
                        scatter_add(image + y * image_row + (ptrdiff_t)span.pixel * w->lanes,
                                    columns + (ptrdiff_t)(span.first - tile.column) * w->lanes,
                                    span.end - span.first, w->stride_w, w->lanes);
                }
            }
}
