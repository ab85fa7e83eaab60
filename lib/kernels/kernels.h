/* kernels.h - loops over pointers, extents and strides; they know nothing of layers.
 *
 * Images are [channels][height][width][lanes]: `lanes` images interleaved innermost, so that every
 * inner loop is one contiguous run, full vectors wide, whatever the channels and the geometry. */
#ifndef CAE_KERNELS_H
#define CAE_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* --- Windows ---------------------------------------------------------------------------------- */

/* How a kernel slides over an image: position (p, q) of the grid, tap (r, s) touches the pixel
 * (p stride_h + r dilation_h - padding_h, q stride_w + s dilation_w - padding_w), if there is one.
 * A convolution reads the image and writes the grid; a transposed convolution the reverse. Padding
 * is where the image begins: it may be negative when image and grid are parts of larger ones. */
struct cae__window {
    int image_c, image_h, image_w;
    int grid_c, grid_h, grid_w;
    int kernel_h, kernel_w;
    int stride_h, stride_w;
    int padding_h, padding_w;
    int dilation_h, dilation_w;
    int lanes;
};

/* Rows of the column matrix: one for each channel and tap. */
static inline int cae__column_rows(const struct cae__window *w)
{
    return w->image_c * w->kernel_h * w->kernel_w;
}

/* A part of the grid: `rows` whole rows, or a piece of one. Its positions are one
 * contiguous run. */
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

/* True when the column matrix is the image itself: one tap, no stride, no padding. */
bool cae__columns_are_image(const struct cae__window *window);

/* --- Correlation: stride 1, every tap a pointer ----------------------------------------------- */

#define CAE__MOST_OUTPUTS 8

/* y [outputs][rows][run] from x [channels][x_rows][...]. Taps are ordered by kernel row,
 * channel, kernel column: t = (r channels + c) kernel_w + s. Tap t of y[k][i][j] lies at
 * offsets[t] + (i - top) x_row + j if it is in a row that exists, 0 <= i - top + r row_step
 * < x_rows, and counts as 0 if not. Columns all exist. */
struct cae__correlation {
    int outputs, channels, kernel_h, kernel_w;
    const ptrdiff_t *offsets; /* [kernel_h][channels][kernel_w] */
    const float *weights;     /* by groups of outputs, cae__group: [group][taps][outputs in it] */
    const float *bias;        /* [outputs] or NULL */
    const float *gate;        /* NULL, or [outputs][rows][run] as well, see below */
    int32_t activation;
    float slope;
    int rows;
    int64_t top, row_step, x_rows;
    ptrdiff_t run, x_row, y_row, y_plane, gate_row, gate_plane;
    ptrdiff_t before, after;  /* zeros that correlate writes around every row of y */
};

/* --- The table of kernels ------------------------------------------------------------------------
 *
 * Everything below is compiled for several instruction sets and chosen at run time. All
 * levels give the same bits but where multiplication and addition fuse or sums have another
 * order: the products. */

struct cae__loss {
    int32_t kind;
    float delta;   /* Huber's, or Charbonnier's epsilon */
};

/* SSIM as a loss, see ssim_loss.c. Images have at least CAE__SSIM_TAPS rows and columns. */
#define CAE__SSIM_TAPS 11
#define CAE__SSIM_LANES 8 /* at most */
struct cae__ssim {
    float taps[CAE__SSIM_TAPS];
    float c1, c2;
    int channels, height, width;
};

/* Floats of scratch: five maps of the windows, three planes, rows filtered, one row. */
static inline uint64_t cae__ssim_floats(int height, int width, int lanes)
{
    const uint64_t h = (uint64_t)height, row = (uint64_t)width * (uint64_t)lanes;
    const uint64_t inner_row = row - (CAE__SSIM_TAPS - 1) * (uint64_t)lanes;
    return 5 * (h - (CAE__SSIM_TAPS - 1)) * inner_row + 3 * h * row + h * inner_row + row;
}

struct cae__kernels {
    const char *name;

    /* Outputs in the next group of weights when `left` are left. */
    int (*group)(int left);
    /* Without a gate y = activation(sums + bias). With one y = sums * activation'(its input), given
     * gate = activation(its input): the gradient of what lies before. */
    void (*correlate)(const struct cae__correlation *c, float *y, const float *x);
    /* dw [outputs][channels][kernel_h][kernel_w] += sums over rows and runs of g, shaped as y,
     * times x. Reads the extents, strides and offsets of `c`. */
    void (*correlate_gradient)(const struct cae__correlation *c, float *dw, const float *g,
                               const float *x);

    /* Rows with zeros at their ends: to [rows][before + inside + after], from at its
     * own distance. */
    void (*pad_rows)(float *to, const float *from, int64_t rows, ptrdiff_t before, ptrdiff_t inside,
                     ptrdiff_t after, ptrdiff_t from_row);

    /* columns [image_c kernel_h kernel_w][tile length] = the pixels that each tap
     * touches, 0 outside. */
    void (*im2col)(float *columns, const struct cae__window *window, struct cae__tile tile,
                   const float *image);
    /* The adjoint: add every column entry to the pixel it came from. */
    void (*col2im)(float *image, const struct cae__window *window, struct cae__tile tile,
                   const float *columns);

    /* y [rows][length], row k at y + k stride: y = activation(y + bias[k]); bias may be NULL. */
    void (*bias_activation)(float *y, int rows, ptrdiff_t length, ptrdiff_t stride,
                            const float *bias, int32_t activation, float slope);
    /* dy *= activation'(x), given y = activation(x). */
    void (*activation_backward)(float *dy, const float *y, ptrdiff_t length, int32_t activation,
                                float slope);
    /* sums[k] += sum of row k of y [rows][length]. */
    void (*add_row_sums)(float *sums, const float *y, int rows, ptrdiff_t length);

    /* out[i] = (bytes[i] * 2 - 255) / 255, or bytes[i] / 255: correctly rounded, 0
     * and 255 exact. */
    void (*scale_bytes)(float *out, const unsigned char *bytes, size_t length, bool is_signed);
    /* Between [used] rows of `length`, row k at images + k stride, and [length][lanes]; lanes from
     * `used` on are filled with zeros. */
    void (*interleave)(float *lanes_out, const float *images, size_t length, size_t stride,
                       int lanes, int used);
    void (*deinterleave)(float *images, const float *lanes_in, size_t length, size_t stride,
                         int lanes, int used);

    /* out, values [count][lanes], which may be the same: out = value i of lane l + sigmas[l]
     * normal(seed, visit, images[l], i), see noise.c; lanes is 1 or 8. */
    void (*add_noise)(float *out, const float *values, size_t count, int lanes, const float *sigmas,
                      uint64_t seed, uint32_t visit, const uint64_t *images);

    /* dy = dloss/dy scaled by `scale`; returns the sum of the loss over the first `used` lanes.
     * Unused lanes get gradient 0 and so contribute nothing further down. See loss.c. */
    double (*loss_gradient)(const struct cae__loss *loss, float *dy, const float *y,
                            const float *target, size_t pixels, int lanes, int used, float scale);

    /* dy -= scale dSSIM/dy, summed over windows and channels; returns the sum of 1 - SSIM over them
     * and the first `used` lanes. */
    double (*ssim_gradient)(const struct cae__ssim *s, float *dy, const float *y,
                            const float *target, int lanes, int used, float scale, float *scratch);
};

/* The kernels for one level of `enum cae_cpu`; NULL when this machine or this build has none. */
const struct cae__kernels *cae__kernels_at(int32_t cpu);
/* The level that CAE_CPU_AUTO stands for. */
int32_t cae__best_cpu(void);

/* Names of what is compiled once for each level: cae__correlate becomes cae__correlate_avx2. */
#define CAE__JOIN_(name, level) name##_##level
#define CAE__JOIN(name, level) CAE__JOIN_(name, level)
#define CAE__LEVEL(name) CAE__JOIN(name, CAE__THIS_LEVEL)

#define CAE__DECLARE(level)                                                                        \
    int cae__group_##level(int);                                                                   \
    void cae__correlate_##level(const struct cae__correlation *, float *, const float *);          \
    void cae__correlate_gradient_##level(const struct cae__correlation *, float *, const float *,  \
                                         const float *);                                           \
    void cae__pad_rows_##level(float *, const float *, int64_t, ptrdiff_t, ptrdiff_t, ptrdiff_t,   \
                               ptrdiff_t);                                                         \
    void cae__im2col_##level(float *, const struct cae__window *, struct cae__tile,                \
                              const float *);                                                      \
    void cae__col2im_##level(float *, const struct cae__window *, struct cae__tile,                \
                              const float *);                                                      \
    void cae__bias_activation_##level(float *, int, ptrdiff_t, ptrdiff_t, const float *, int32_t,  \
                                      float);                                                      \
    void cae__activation_backward_##level(float *, const float *, ptrdiff_t, int32_t, float);      \
    void cae__add_row_sums_##level(float *, const float *, int, ptrdiff_t);                        \
    void cae__scale_bytes_##level(float *, const unsigned char *, size_t, bool);                   \
    void cae__interleave_##level(float *, const float *, size_t, size_t, int, int);                \
    void cae__deinterleave_##level(float *, const float *, size_t, size_t, int, int);              \
    void cae__add_noise_##level(float *, const float *, size_t, int, const float *, uint64_t,      \
                                uint32_t, const uint64_t *);                                       \
    double cae__loss_gradient_##level(const struct cae__loss *, float *, const float *,            \
                                      const float *, size_t, int, int, float);                    \
    double cae__ssim_gradient_##level(const struct cae__ssim *, float *, const float *,            \
                                      const float *, int, int, float, float *);

CAE__DECLARE(baseline)
CAE__DECLARE(avx2)
CAE__DECLARE(avx512)

#endif
