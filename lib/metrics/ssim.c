/* ssim.c - structural similarity (Wang, Bovik, Sheikh & Simoncelli 2004).
 *
 *   SSIM = (2 ma mb + C1)(2 cab + C2) / ((ma^2 + mb^2 + C1)(va + vb + C2))
 *   C1 = (0.01 L)^2, C2 = (0.03 L)^2; m, v, c: mean, variance, covariance under the window
 *
 * averaged over all positions where the window fits, then over channels. Two conventions: the
 * paper's 11x11 Gaussian with sigma 1.5 and population moments, and scikit-image's default, a
 * uniform 7x7 window with sample moments. Both windows are separable: rows are filtered as they
 * come into a ring as high as the window, columns when it is full. */
#include "metrics.h"

#include <math.h>

#define LARGEST 11
#define K1 0.01
#define K2 0.03
enum { MEAN_A, MEAN_B, SQUARE_A, SQUARE_B, PRODUCT, MOMENTS };

struct window {
    int size;
    double taps[LARGEST];
    double correction; /* of the (co)variances: n / (n - 1) for sample moments */
};

static double constant(double k, double data_range)
{
    return k * data_range * (k * data_range);
}

static struct window window_of(int32_t kind)
{
    struct window w = {.size = 7, .correction = 49.0 / 48.0};
    if (kind == CAE_SSIM_UNIFORM7) {
        for (int i = 0; i < w.size; i++)
            w.taps[i] = 1.0 / 7.0;
        return w;
    }
    w.size = 11;
    w.correction = 1.0;
    const int middle = w.size / 2;
    double sum = 0.0;
    for (int i = 0; i < w.size; i++) {
        const double x = (i - middle) / 1.5;
        w.taps[i] = exp(-0.5 * x * x);
        sum += w.taps[i];
    }
    for (int i = 0; i < w.size; i++)
        w.taps[i] /= sum;
    return w;
}

struct cae__ssim cae__ssim_of(int channels, int height, int width, double data_range)
{
    struct cae__ssim s = {.channels = channels, .height = height, .width = width};
    fenv_t host;
    cae__arithmetic_begin(&host);
    const struct window w = window_of(CAE_SSIM_GAUSSIAN11);
    for (int i = 0; i < CAE__SSIM_TAPS; i++)
        s.taps[i] = (float)w.taps[i];
    s.c1 = (float)constant(K1, data_range);
    s.c2 = (float)constant(K2, data_range);
    cae__arithmetic_end(&host);
    return s;
}

/* ring [LARGEST][MOMENTS][width] */
uint64_t cae__ssim_scratch(int width)
{
    return sizeof(double) * LARGEST * MOMENTS * (uint64_t)width;
}

static void filter_row(double *moments, size_t width, const float *a, const float *b, int positions,
                       const struct window *w)
{
    for (int x = 0; x < positions; x++) {
        double m[MOMENTS] = {0};
        for (int i = 0; i < w->size; i++) {
            const double p = a[x + i], q = b[x + i], t = w->taps[i];
            m[MEAN_A] += t * p;
            m[MEAN_B] += t * q;
            m[SQUARE_A] += t * p * p;
            m[SQUARE_B] += t * q * q;
            m[PRODUCT] += t * p * q;
        }
        for (int k = 0; k < MOMENTS; k++)
            moments[(size_t)k * width + (size_t)x] = m[k];
    }
}

static double ssim_of(const double m[MOMENTS], double c1, double c2, double correction)
{
    const double va = correction * (m[SQUARE_A] - m[MEAN_A] * m[MEAN_A]);
    const double vb = correction * (m[SQUARE_B] - m[MEAN_B] * m[MEAN_B]);
    const double cab = correction * (m[PRODUCT] - m[MEAN_A] * m[MEAN_B]);
    return (2.0 * m[MEAN_A] * m[MEAN_B] + c1) * (2.0 * cab + c2) /
           ((m[MEAN_A] * m[MEAN_A] + m[MEAN_B] * m[MEAN_B] + c1) * (va + vb + c2));
}

/* Sum over one row of positions; the ring holds the window's rows, the first at `oldest`. */
static double sum_row(const double *ring, size_t width, int oldest, int positions,
                      const struct window *w, double c1, double c2)
{
    double sum = 0.0;
    for (int x = 0; x < positions; x++) {
        double m[MOMENTS] = {0};
        for (int i = 0; i < w->size; i++) {
            const double *row = ring + (size_t)((oldest + i) % w->size) * MOMENTS * width + x;
            for (int k = 0; k < MOMENTS; k++)
                m[k] += w->taps[i] * row[(size_t)k * width];
        }
        sum += ssim_of(m, c1, c2, w->correction);
    }
    return sum;
}

static double ssim_channel(const float *a, const float *b, int height, int width,
                           const struct window *w, double c1, double c2, double *ring)
{
    const size_t pitch = (size_t)width;
    const int positions = width - w->size + 1;
    double sum = 0.0;
    for (int y = 0; y < height; y++) {
        filter_row(ring + (size_t)(y % w->size) * MOMENTS * pitch, pitch, a + (size_t)y * pitch,
                   b + (size_t)y * pitch, positions, w);
        if (y >= w->size - 1)
            sum += sum_row(ring, pitch, (y + 1) % w->size, positions, w, c1, c2);
    }
    return sum / ((double)positions * (height - w->size + 1));
}

double cae__ssim(const float *a, const float *b, int channels, int height, int width,
                 double data_range, int32_t kind, double *scratch)
{
    const struct window w = window_of(kind);
    if (height < w.size || width < w.size)
        return (double)NAN;
    const double c1 = constant(K1, data_range), c2 = constant(K2, data_range);
    const size_t plane = (size_t)height * (size_t)width;
    double sum = 0.0;
    for (int c = 0; c < channels; c++)
        sum += ssim_channel(a + (size_t)c * plane, b + (size_t)c * plane, height, width, &w, c1, c2,
                            scratch);
    return sum / channels;
}

cae_status cae_ssim(double *out, cae_context *context, const float *a, const float *b,
                    int32_t channels, int32_t height, int32_t width, double data_range,
                    int32_t kind)
{
    if (!context)
        return CAE_ERR_ARGUMENT;
    if (!out || !a || !b || channels < 1 || height < 1 || width < 1)
        return cae__fail(context, CAE_ERR_ARGUMENT,
                         "cae_ssim needs a result and two images of at least 1x1x1");
    if (!cae__is_positive(data_range))
        return cae__fail(context, CAE_ERR_ARGUMENT,
                         "data_range is %g, expected a finite value > 0", data_range);
    if (kind != CAE_SSIM_GAUSSIAN11 && kind != CAE_SSIM_UNIFORM7)
        return cae__fail(context, CAE_ERR_ARGUMENT,
                         "kind is %d, expected CAE_SSIM_GAUSSIAN11 or CAE_SSIM_UNIFORM7",
                         (int)kind);
    size_t values;
    if (!cae__multiply(&values, (size_t)height, (size_t)width) ||
        !cae__multiply(&values, values, (size_t)channels) ||
        !cae__multiply(&values, values, sizeof *a))
        return cae__fail(context, CAE_ERR_SHAPE, "%dx%dx%d is more than memory can address",
                         (int)channels, (int)height, (int)width);
    const int size = kind == CAE_SSIM_UNIFORM7 ? 7 : 11;
    if (height < size || width < size)
        return cae__fail(context, CAE_ERR_SHAPE,
                         "the image is %dx%d, the window needs at least %dx%d", (int)height,
                         (int)width, size, size);
    const cae_status status = cae__scratch_reserve(context, 1, cae__ssim_scratch(width));
    if (status != CAE_OK)
        return status;
    fenv_t host;
    cae__arithmetic_begin(&host);
    *out = cae__ssim(a, b, channels, height, width, data_range, kind, cae__scratch(context, 0));
    cae__arithmetic_end(&host);
    return CAE_OK;
}
