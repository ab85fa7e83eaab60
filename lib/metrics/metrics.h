/* metrics.h - how close two images are, in double precision. */
#ifndef CAE_METRICS_H
#define CAE_METRICS_H

#include "../base/base.h"
#include "../kernels/kernels.h"

double cae__mse(const float *a, const float *b, size_t count);
double cae__psnr_of(double mse, double data_range);

/* Bytes of scratch that cae__ssim needs for images of this width. */
uint64_t cae__ssim_scratch(int width);
/* NaN when the image is smaller than the window. */
double cae__ssim(const float *a, const float *b, int channels, int height, int width,
                 double data_range, int32_t kind, double *scratch);

/* The same SSIM, with the Gaussian window, for training. */
struct cae__ssim cae__ssim_of(int channels, int height, int width, double data_range);

#endif
