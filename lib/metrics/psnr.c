/* psnr.c - mean squared error, and its logarithm against the data range. */
#include "metrics.h"

#include <math.h>

double cae__mse(const float *a, const float *b, size_t count)
{
    double sum = 0.0;
    for (size_t i = 0; i < count; i++) {
        const double d = (double)a[i] - (double)b[i];
        sum += d * d;
    }
    return sum / (double)count;
}

double cae__psnr_of(double mse, double data_range)
{
    return mse == 0.0 ? (double)INFINITY : 10.0 * log10(data_range * data_range / mse);
}

cae_status cae_mse(double *out, cae_context *context, const float *a, const float *b, size_t count)
{
    if (!out || !a || !b || count == 0)
        return cae__fail(context, CAE_ERR_ARGUMENT,
                         "cae_mse needs a result, two arrays and at least one value");
    if (count > SIZE_MAX / sizeof *a)
        return cae__fail(context, CAE_ERR_SHAPE, "%zu values are more than memory can address",
                         count);
    fenv_t host;
    cae__arithmetic_begin(&host);
    *out = cae__mse(a, b, count);
    cae__arithmetic_end(&host);
    return CAE_OK;
}

cae_status cae_psnr(double *out, cae_context *context, const float *a, const float *b,
                    size_t count, double data_range)
{
    if (!cae__is_positive(data_range))
        return cae__fail(context, CAE_ERR_ARGUMENT,
                         "data_range is %g, expected a finite value > 0", data_range);
    double mse;
    const cae_status status = cae_mse(&mse, context, a, b, count);
    if (status != CAE_OK || !out)
        return status != CAE_OK ? status
                                : cae__fail(context, CAE_ERR_ARGUMENT, "the result is NULL");
    fenv_t host;
    cae__arithmetic_begin(&host);
    *out = cae__psnr_of(mse, data_range);
    cae__arithmetic_end(&host);
    return CAE_OK;
}
