/* kernels.h - loops over pointers, extents and strides; they know nothing of layers.
 *
 * Images are [channels][height][width][lanes]: `lanes` images interleaved innermost, so that every
 * inner loop is one contiguous run, full vectors wide, whatever the channels and the geometry. */
#ifndef CAE_KERNELS_H
#define CAE_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How a kernel slides over an image: position (p, q) of the grid, tap (r, s) touches the pixel
 * (p stride_h + r dilation_h - padding_h, q stride_w + s dilation_w - padding_w), if there is one.
 * A convolution reads the image and writes the grid; a transposed convolution the reverse. */
struct cae__window {
    int image_c, image_h, image_w;
    int grid_h, grid_w;
    int kernel_h, kernel_w;
    int stride_h, stride_w;
    int padding_h, padding_w;
    int dilation_h, dilation_w;
    int lanes;
};

/* A part of the grid: `rows` whole rows, or a piece of one. Its positions are one contiguous run. */
struct cae__tile {
    int row, rows;
    int column, columns;
};

/* Cut the grid into tiles whose column matrix fits the cache; `tile` gets the size of a full one,
 * the return value is how many there are. cae__tile_at gives the index-th, in reading order. */
int64_t cae__tile_grid(struct cae__tile *tile, const struct cae__window *window);
struct cae__tile cae__tile_at(const struct cae__window *window, struct cae__tile full,
                              int64_t index);
static inline int cae__tile_length(const struct cae__window *w, struct cae__tile t)
{
    return t.rows * t.columns * w->lanes;
}
static inline ptrdiff_t cae__tile_start(const struct cae__window *w, struct cae__tile t)
{
    return ((ptrdiff_t)t.row * w->grid_w + t.column) * w->lanes;
}

/* Rows of the column matrix: one for each channel and tap. */
static inline int cae__column_rows(const struct cae__window *w)
{
    return w->image_c * w->kernel_h * w->kernel_w;
}

/* True when the column matrix is the image itself: one tap, no stride, no padding. */
bool cae__columns_are_image(const struct cae__window *window);

/* columns [image_c kernel_h kernel_w][tile length] = the pixels that each tap touches, 0 outside. */
void cae__im2col(float *columns, const struct cae__window *window, struct cae__tile tile,
                 const float *image);
/* The adjoint: add every column entry to the pixel it came from. */
void cae__col2im(float *image, const struct cae__window *window, struct cae__tile tile,
                 const float *columns);

/* y [rows][length], row k at y + k stride: y = activation(y + bias[k]); bias may be NULL. */
void cae__bias_activation(float *y, int rows, ptrdiff_t length, ptrdiff_t stride, const float *bias,
                          int32_t activation, float slope);
/* dy *= activation'(x), given y = activation(x). */
void cae__activation_backward(float *dy, const float *y, ptrdiff_t length, int32_t activation,
                              float slope);
/* sums[k] += sum of row k of y [rows][length]. */
void cae__add_row_sums(float *sums, const float *y, int rows, ptrdiff_t length);
/* y[k][...] = bias[k], or 0 for NULL. */
void cae__fill_rows(float *y, int rows, ptrdiff_t length, const float *bias);

/* Between [used][length] and [length][lanes]; lanes from `used` on are filled with zeros. */
void cae__interleave(float *lanes_out, const float *images, size_t length, int lanes, int used);
void cae__deinterleave(float *images, const float *lanes_in, size_t length, int lanes, int used);

#endif
