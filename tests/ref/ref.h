/* ref.h - the definition that the library is held against: plain loops in double precision.
 *
 * One image at a time, arrays dense and row-major as at the public interface. No im2col, no
 * blocking, no code or header shared with lib/. Slow on purpose: what is written here should be
 * checkable against a textbook by reading it.
 *
 *   convolution      x [in_c][in_h][in_w]   w [out_c][in_c][kernel_h][kernel_w]   b [out_c]
 *   transposed       x [in_c][in_h][in_w]   w [in_c][out_c][kernel_h][kernel_w]   b [out_c]
 *   both             y [out_c][ref_out_h][ref_out_w]
 *
 * Gradients of parameters (dw, db) are added to what is there, so that a batch is a loop over its
 * images; gradients of images (dx) are overwritten. NULL means: not wanted, and for b: no bias. */
#ifndef CAE_TESTS_REF_H
#define CAE_TESTS_REF_H

#include <stddef.h>

enum ref_activation { REF_NONE, REF_RELU, REF_LEAKY_RELU, REF_TANH, REF_SIGMOID };
enum ref_loss { REF_MSE, REF_L1, REF_HUBER, REF_CHARBONNIER };
enum ref_ssim { REF_GAUSSIAN11, REF_UNIFORM7 };

/* A layer. ref_conv_default fills in everything but the first four. */
struct ref_conv {
    int in_c, in_h, in_w, out_c;
    int kernel_h, kernel_w;
    int stride_h, stride_w;
    int padding_h, padding_w;
    int dilation_h, dilation_w;
    int output_padding_h, output_padding_w; /* transposed only */
    int transposed;
    int activation;
    double slope; /* LeakyReLU */
};

/* Kernel 3x3, stride 1, dilation 1, no padding, no activation, slope 0.01. */
struct ref_conv ref_conv_default(int transposed, int in_c, int in_h, int in_w, int out_c);

/* Extents of the output; <= 0 when the kernel does not fit. */
int ref_out_h(const struct ref_conv *l);
int ref_out_w(const struct ref_conv *l);

/* Numbers of elements of one image in, one image out, and the weight. */
size_t ref_in_len(const struct ref_conv *l);
size_t ref_out_len(const struct ref_conv *l);
size_t ref_weight_len(const struct ref_conv *l);

/* --- Layers, without their activation --------------------------------------------------------- */

void ref_conv_forward(double *y, const struct ref_conv *l, const double *x, const double *w,
                      const double *b);
void ref_conv_backward(double *dx, double *dw, double *db, const struct ref_conv *l,
                       const double *x, const double *w, const double *dy);

void ref_conv_transpose_forward(double *y, const struct ref_conv *l, const double *x,
                                const double *w, const double *b);
void ref_conv_transpose_backward(double *dx, double *dw, double *db, const struct ref_conv *l,
                                 const double *x, const double *w, const double *dy);

/* --- Activations, element by element; z is what goes in --------------------------------------- */

double ref_activate(int activation, double slope, double z);
/* At the corner of ReLU and LeakyReLU the derivative is the one from the left, as in PyTorch. */
double ref_activate_derivative(int activation, double slope, double z);

/* --- Whole layers: either kind, with the activation ------------------------------------------- */

/* z, the value before the activation, may be NULL; y and z have the same shape. */
void ref_layer_forward(double *y, double *z, const struct ref_conv *l, const double *x,
                       const double *w, const double *b);
void ref_layer_backward(double *dx, double *dw, double *db, const struct ref_conv *l,
                        const double *x, const double *w, const double *z, const double *dy);

/* --- Networks: layers one after the other ----------------------------------------------------- */

enum { REF_LAYERS = 8 };

struct ref_chain {
    int count, residual;
    struct ref_conv layers[REF_LAYERS];          /* each reads what the one before gives */
    const double *w[REF_LAYERS], *b[REF_LAYERS];
};

/* y = f(x), f being the layers; of a residual network y = x + f(x). */
void ref_chain_forward(double *y, const struct ref_chain *c, const double *x);
/* Adds to dw[i] and db[i] the gradients of layer i's parameters, dy being that of the loss. */
void ref_chain_backward(double *const *dw, double *const *db, const struct ref_chain *c,
                        const double *x, const double *dy);

/* --- Losses: the mean over n elements, and its gradient with respect to y --------------------- */

/* `delta` is Huber's, or Charbonnier's epsilon. */
double ref_loss(double *dy, int loss, double delta, const double *y, const double *target,
                size_t n);

/* --- Metrics ---------------------------------------------------------------------------------- */

double ref_mse(const double *a, const double *b, size_t n);
double ref_psnr(const double *a, const double *b, size_t n, double data_range);
double ref_ssim(const double *a, const double *b, int channels, int height, int width,
                double data_range, int kind);

#endif
