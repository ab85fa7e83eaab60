/* ref.c - layers, losses and metrics by their definitions. See ref.h. */
#include "ref.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Where element [c][h][w] of an array of height x width planes is. */
static size_t at3(int c, int h, int w, int height, int width)
{
    return ((size_t)c * (size_t)height + (size_t)h) * (size_t)width + (size_t)w;
}

/* Element [a][b][i][j] of the weight, b running over `extent` channels. */
static size_t at4(const struct ref_conv *l, int a, int b, int extent, int i, int j)
{
    return at3(a * extent + b, i, j, l->kernel_h, l->kernel_w);
}

/* --- Sizes ------------------------------------------------------------------------------------ */

struct ref_conv ref_conv_default(int transposed, int in_c, int in_h, int in_w, int out_c)
{
    return (struct ref_conv){
        .in_c = in_c, .in_h = in_h, .in_w = in_w, .out_c = out_c,
        .kernel_h = 3, .kernel_w = 3, .stride_h = 1, .stride_w = 1,
        .dilation_h = 1, .dilation_w = 1,
        .transposed = transposed, .activation = REF_NONE, .slope = 0.01,
    };
}

/* A convolution fits as often as the window can step before it leaves the padded image; its
 * transpose spans from the first tap of the first step to the last tap of the last. */
static int out_extent(int transposed, int in, int kernel, int stride, int padding, int dilation,
                      int output_padding)
{
    const int window = dilation * (kernel - 1) + 1;

    if (transposed)
        return (in - 1) * stride + window - 2 * padding + output_padding;
    if (in + 2 * padding < window)
        return 0;
    return (in + 2 * padding - window) / stride + 1;
}

int ref_out_h(const struct ref_conv *l)
{
    return out_extent(l->transposed, l->in_h, l->kernel_h, l->stride_h, l->padding_h,
                      l->dilation_h, l->output_padding_h);
}

int ref_out_w(const struct ref_conv *l)
{
    return out_extent(l->transposed, l->in_w, l->kernel_w, l->stride_w, l->padding_w,
                      l->dilation_w, l->output_padding_w);
}

size_t ref_in_len(const struct ref_conv *l)
{
    return (size_t)l->in_c * (size_t)l->in_h * (size_t)l->in_w;
}

size_t ref_out_len(const struct ref_conv *l)
{
    return (size_t)l->out_c * (size_t)ref_out_h(l) * (size_t)ref_out_w(l);
}

size_t ref_weight_len(const struct ref_conv *l)
{
    return (size_t)l->in_c * (size_t)l->out_c * (size_t)l->kernel_h * (size_t)l->kernel_w;
}

/* --- Convolution ---------------------------------------------------------------------------------
 *
 *   y[k][p][q] = b[k] + sum over c, i, j of
 *                w[k][c][i][j] x[c][p stride_h - padding_h + i dilation_h]
 *                                  [q stride_w - padding_w + j dilation_w],  0 outside x */

void ref_conv_forward(double *y, const struct ref_conv *l, const double *x, const double *w,
                      const double *b)
{
    const int out_h = ref_out_h(l), out_w = ref_out_w(l);

    for (int k = 0; k < l->out_c; k++)
        for (int p = 0; p < out_h; p++)
            for (int q = 0; q < out_w; q++) {
                double sum = b ? b[k] : 0;

                for (int c = 0; c < l->in_c; c++)
                    for (int i = 0; i < l->kernel_h; i++)
                        for (int j = 0; j < l->kernel_w; j++) {
                            const int row = p * l->stride_h - l->padding_h + i * l->dilation_h;
                            const int col = q * l->stride_w - l->padding_w + j * l->dilation_w;

                            if (row >= 0 && row < l->in_h && col >= 0 && col < l->in_w)
                                sum += w[at4(l, k, c, l->in_c, i, j)] *
                                       x[at3(c, row, col, l->in_h, l->in_w)];
                        }
                y[at3(k, p, q, out_h, out_w)] = sum;
            }
}

/* y is a sum of products w x: each product passes dy on to its two factors. */
void ref_conv_backward(double *dx, double *dw, double *db, const struct ref_conv *l,
                       const double *x, const double *w, const double *dy)
{
    const int out_h = ref_out_h(l), out_w = ref_out_w(l);

    if (dx)
        memset(dx, 0, ref_in_len(l) * sizeof *dx);
    for (int k = 0; k < l->out_c; k++)
        for (int p = 0; p < out_h; p++)
            for (int q = 0; q < out_w; q++) {
                /* NOLINTNEXTLINE(clang-analyzer-core.uninitialized.Assign): dy has out_c planes */
                const double d = dy[at3(k, p, q, out_h, out_w)];

                if (db)
                    db[k] += d;
                for (int c = 0; c < l->in_c; c++)
                    for (int i = 0; i < l->kernel_h; i++)
                        for (int j = 0; j < l->kernel_w; j++) {
                            const int row = p * l->stride_h - l->padding_h + i * l->dilation_h;
                            const int col = q * l->stride_w - l->padding_w + j * l->dilation_w;

                            if (row < 0 || row >= l->in_h || col < 0 || col >= l->in_w)
                                continue;
                            if (dw)
                                dw[at4(l, k, c, l->in_c, i, j)] +=
                                    d * x[at3(c, row, col, l->in_h, l->in_w)];
                            if (dx)
                                dx[at3(c, row, col, l->in_h, l->in_w)] +=
                                    d * w[at4(l, k, c, l->in_c, i, j)];
                        }
            }
}

/* --- Transposed convolution ----------------------------------------------------------------------
 *
 * Every element of x places a copy of the kernel, times its value, into y:
 *
 *   y[k][h stride_h - padding_h + i dilation_h][v stride_w - padding_w + j dilation_w]
 *       += x[c][h][v] w[c][k][i][j]
 *
 * What falls outside y is cropped; padding thus takes away from y, output padding adds rows and
 * columns at its end. Written out on its own, not as the convolution's backward pass, so that
 * <conv(x), y> = <x, conv_transpose(y)> says something about both. */

void ref_conv_transpose_forward(double *y, const struct ref_conv *l, const double *x,
                                const double *w, const double *b)
{
    const int out_h = ref_out_h(l), out_w = ref_out_w(l);

    for (int k = 0; k < l->out_c; k++)
        for (int p = 0; p < out_h; p++)
            for (int q = 0; q < out_w; q++)
                y[at3(k, p, q, out_h, out_w)] = b ? b[k] : 0;

    for (int c = 0; c < l->in_c; c++)
        for (int h = 0; h < l->in_h; h++)
            for (int v = 0; v < l->in_w; v++)
                for (int k = 0; k < l->out_c; k++)
                    for (int i = 0; i < l->kernel_h; i++)
                        for (int j = 0; j < l->kernel_w; j++) {
                            const int p = h * l->stride_h - l->padding_h + i * l->dilation_h;
                            const int q = v * l->stride_w - l->padding_w + j * l->dilation_w;

                            if (p >= 0 && p < out_h && q >= 0 && q < out_w)
                                y[at3(k, p, q, out_h, out_w)] +=
                                    x[at3(c, h, v, l->in_h, l->in_w)] *
                                    w[at4(l, c, k, l->out_c, i, j)];
                        }
}

void ref_conv_transpose_backward(double *dx, double *dw, double *db, const struct ref_conv *l,
                                 const double *x, const double *w, const double *dy)
{
    const int out_h = ref_out_h(l), out_w = ref_out_w(l);

    if (db)
        for (int k = 0; k < l->out_c; k++)
            for (int p = 0; p < out_h; p++)
                for (int q = 0; q < out_w; q++)
                    /* NOLINTNEXTLINE(clang-analyzer-core.uninitialized.Assign): dy has out_c planes */
                    db[k] += dy[at3(k, p, q, out_h, out_w)];

    for (int c = 0; c < l->in_c; c++)
        for (int h = 0; h < l->in_h; h++)
            for (int v = 0; v < l->in_w; v++) {
                double sum = 0;

                for (int k = 0; k < l->out_c; k++)
                    for (int i = 0; i < l->kernel_h; i++)
                        for (int j = 0; j < l->kernel_w; j++) {
                            const int p = h * l->stride_h - l->padding_h + i * l->dilation_h;
                            const int q = v * l->stride_w - l->padding_w + j * l->dilation_w;

                            if (p < 0 || p >= out_h || q < 0 || q >= out_w)
                                continue;
                            sum += dy[at3(k, p, q, out_h, out_w)] *
                                   w[at4(l, c, k, l->out_c, i, j)];
                            if (dw)
                                dw[at4(l, c, k, l->out_c, i, j)] +=
                                    dy[at3(k, p, q, out_h, out_w)] *
                                    x[at3(c, h, v, l->in_h, l->in_w)];
                        }
                if (dx)
                    dx[at3(c, h, v, l->in_h, l->in_w)] = sum;
            }
}

/* --- Activations ------------------------------------------------------------------------------ */

double ref_activate(int activation, double slope, double z)
{
    switch (activation) {
    case REF_RELU:
        return z > 0 ? z : 0;
    case REF_LEAKY_RELU:
        return z > 0 ? z : slope * z;
    case REF_TANH:
        return tanh(z);
    case REF_SIGMOID:
        return 1 / (1 + exp(-z));
    default:
        return z;
    }
}

double ref_activate_derivative(int activation, double slope, double z)
{
    switch (activation) {
    case REF_RELU:
        return z > 0 ? 1 : 0;
    case REF_LEAKY_RELU:
        return z > 0 ? 1 : slope;
    case REF_TANH:
        return 1 / (cosh(z) * cosh(z));
    case REF_SIGMOID:
        return 1 / ((1 + exp(-z)) * (1 + exp(z)));
    default:
        return 1;
    }
}

/* --- Whole layers ----------------------------------------------------------------------------- */

void ref_layer_forward(double *y, double *z, const struct ref_conv *l, const double *x,
                       const double *w, const double *b)
{
    const size_t n = ref_out_len(l);

    if (l->transposed)
        ref_conv_transpose_forward(y, l, x, w, b);
    else
        ref_conv_forward(y, l, x, w, b);
    if (z)
        memcpy(z, y, n * sizeof *z);
    for (size_t i = 0; i < n; i++)
        y[i] = ref_activate(l->activation, l->slope, y[i]);
}

void ref_layer_backward(double *dx, double *dw, double *db, const struct ref_conv *l,
                        const double *x, const double *w, const double *z, const double *dy)
{
    const size_t n = ref_out_len(l);
    double *dz = malloc((n ? n : 1) * sizeof *dz);

    if (!dz)
        abort();
    for (size_t i = 0; i < n; i++)
        dz[i] = dy[i] * ref_activate_derivative(l->activation, l->slope, z[i]);
    if (l->transposed)
        ref_conv_transpose_backward(dx, dw, db, l, x, w, dz);
    else
        ref_conv_backward(dx, dw, db, l, x, w, dz);
    free(dz);
}

/* --- Networks --------------------------------------------------------------------------------- */

/* What lies between the layers: at[0] is x, at[i + 1] the output of layer i, before[i] the same
 * before its activation. */
struct passage {
    double *at[REF_LAYERS + 1], *before[REF_LAYERS];
};

static double *new_array(size_t n)
{
    double *values = calloc(n ? n : 1, sizeof *values);

    if (!values)
        abort();
    return values;
}

static struct passage pass_through(const struct ref_chain *c, const double *x)
{
    struct passage p = {{0}, {0}};

    p.at[0] = new_array(ref_in_len(&c->layers[0]));
    memcpy(p.at[0], x, ref_in_len(&c->layers[0]) * sizeof *x);
    for (int i = 0; i < c->count; i++) {
        p.at[i + 1] = new_array(ref_out_len(&c->layers[i]));
        p.before[i] = new_array(ref_out_len(&c->layers[i]));
        ref_layer_forward(p.at[i + 1], p.before[i], &c->layers[i], p.at[i], c->w[i], c->b[i]);
    }
    return p;
}

static void passage_free(struct passage *p)
{
    for (int i = 0; i <= REF_LAYERS; i++)
        free(p->at[i]);
    for (int i = 0; i < REF_LAYERS; i++)
        free(p->before[i]);
}

void ref_chain_forward(double *y, const struct ref_chain *c, const double *x)
{
    struct passage p = pass_through(c, x);

    for (size_t i = 0; i < ref_out_len(&c->layers[c->count - 1]); i++)
        y[i] = p.at[c->count][i] + (c->residual ? x[i] : 0);
    passage_free(&p);
}

/* x is a constant: what a residual connection adds has no parameter in it. */
void ref_chain_backward(double *const *dw, double *const *db, const struct ref_chain *c,
                        const double *x, const double *dy)
{
    const size_t n = ref_out_len(&c->layers[c->count - 1]);
    struct passage p = pass_through(c, x);
    double *gradient = new_array(n);

    memcpy(gradient, dy, n * sizeof *dy);
    for (int i = c->count; i-- > 0;) {
        double *below = new_array(ref_in_len(&c->layers[i]));

        ref_layer_backward(below, dw[i], db[i], &c->layers[i], p.at[i], c->w[i], p.before[i],
                           gradient);
        free(gradient);
        gradient = below;
    }
    free(gradient);
    passage_free(&p);
}

/* --- Losses ----------------------------------------------------------------------------------- */

static double sign(double d)
{
    return (d > 0) - (d < 0);
}

static double loss_value(int loss, double delta, double d)
{
    switch (loss) {
    case REF_L1:
        return fabs(d);
    case REF_HUBER:
        return fabs(d) < delta ? d * d / 2 : delta * (fabs(d) - delta / 2);
    case REF_CHARBONNIER:
        return sqrt(d * d + delta * delta) - delta;
    default:
        return d * d;
    }
}

static double loss_derivative(int loss, double delta, double d)
{
    switch (loss) {
    case REF_L1:
        return sign(d);
    case REF_HUBER:
        return fabs(d) < delta ? d : delta * sign(d);
    case REF_CHARBONNIER:
        return d / sqrt(d * d + delta * delta);
    default:
        return 2 * d;
    }
}

double ref_loss(double *dy, int loss, double delta, const double *y, const double *target,
                size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++) {
        sum += loss_value(loss, delta, y[i] - target[i]);
        if (dy)
            dy[i] = loss_derivative(loss, delta, y[i] - target[i]) / (double)n;
    }
    return sum / (double)n;
}

/* --- Metrics ---------------------------------------------------------------------------------- */

double ref_mse(const double *a, const double *b, size_t n)
{
    return ref_loss(NULL, REF_MSE, 1, a, b, n);
}

double ref_psnr(const double *a, const double *b, size_t n, double data_range)
{
    return 10 * log10(data_range * data_range / ref_mse(a, b, n));
}

enum { WINDOW_MAX = 11 };

struct window {
    int side;
    double weight[WINDOW_MAX][WINDOW_MAX]; /* sums to 1 */
    double correction;                     /* from population to sample moments, or 1 */
};

static struct window window_of(int kind)
{
    struct window f = {.side = kind == REF_GAUSSIAN11 ? 11 : 7};
    const double sigma = 1.5, centre = (f.side - 1) / 2.0, area = (double)f.side * f.side;
    double sum = 0;

    for (int i = 0; i < f.side; i++)
        for (int j = 0; j < f.side; j++) {
            const double distance2 = (i - centre) * (i - centre) + (j - centre) * (j - centre);

            f.weight[i][j] = kind == REF_GAUSSIAN11 ? exp(-distance2 / (2 * sigma * sigma)) : 1;
            sum += f.weight[i][j];
        }
    for (int i = 0; i < f.side; i++)
        for (int j = 0; j < f.side; j++)
            f.weight[i][j] /= sum;
    f.correction = kind == REF_GAUSSIAN11 ? 1 : area / (area - 1);
    return f;
}

/* SSIM of the windows with their first corner at a and b. Means first, then moments about them. */
static double ssim_at(const struct window *f, const double *a, const double *b, int width,
                      double data_range)
{
    const double c1 = pow(0.01 * data_range, 2), c2 = pow(0.03 * data_range, 2);
    double mean_a = 0, mean_b = 0, var_a = 0, var_b = 0, covariance = 0;

    for (int i = 0; i < f->side; i++)
        for (int j = 0; j < f->side; j++) {
            mean_a += f->weight[i][j] * a[i * width + j];
            mean_b += f->weight[i][j] * b[i * width + j];
        }
    for (int i = 0; i < f->side; i++)
        for (int j = 0; j < f->side; j++) {
            const double from_a = a[i * width + j] - mean_a, from_b = b[i * width + j] - mean_b;

            var_a += f->correction * f->weight[i][j] * from_a * from_a;
            var_b += f->correction * f->weight[i][j] * from_b * from_b;
            covariance += f->correction * f->weight[i][j] * from_a * from_b;
        }
    return (2 * mean_a * mean_b + c1) * (2 * covariance + c2) /
           ((mean_a * mean_a + mean_b * mean_b + c1) * (var_a + var_b + c2));
}

double ref_ssim(const double *a, const double *b, int channels, int height, int width,
                double data_range, int kind)
{
    const struct window f = window_of(kind);
    const int rows = height - f.side + 1, cols = width - f.side + 1;
    double sum = 0;

    for (int c = 0; c < channels; c++)
        for (int p = 0; p < rows; p++)
            for (int q = 0; q < cols; q++) {
                const size_t corner = at3(c, p, q, height, width);

                sum += ssim_at(&f, a + corner, b + corner, width, data_range);
            }
    return sum / ((double)channels * rows * cols);
}
