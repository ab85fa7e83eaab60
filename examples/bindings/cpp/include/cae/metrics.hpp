/** @file metrics.hpp
 * Metrics on plain arrays, in double precision. No clipping, no rounding. */
#ifndef CAE_METRICS_HPP
#define CAE_METRICS_HPP

#include "context.hpp"
#include "views.hpp"

namespace cae {

/** Windows of SSIM. */
enum class ssim_kind : std::int32_t {
    gaussian11 = CAE_SSIM_GAUSSIAN11, /**< Wang et al. 2004 */
    uniform7 = CAE_SSIM_UNIFORM7      /**< scikit-image's default */
};

namespace detail {

inline void same_size(std::size_t a, std::size_t b)
{
    if (a != b)
        fail(CAE_ERR_SHAPE, "the arrays to compare have different numbers of values");
}

} // namespace detail

/** Mean squared difference. */
inline double mse(span<const float> a, span<const float> b)
{
    detail::same_size(a.size(), b.size());
    double out = 0;
    detail::check(cae_mse(&out, nullptr, a.data(), b.data(), a.size()));
    return out;
}

/** 10 log10(data_range^2 / MSE) in dB; +infinity for equal arrays. `data_range` is the difference
 * between the largest and the smallest possible value. */
inline double psnr(span<const float> a, span<const float> b, double data_range)
{
    detail::same_size(a.size(), b.size());
    double out = 0;
    detail::check(cae_psnr(&out, nullptr, a.data(), b.data(), a.size(), data_range));
    return out;
}

/** Structural similarity of two images; `context` lends scratch memory. */
inline double ssim(context &context, span<const float> a, span<const float> b, image_shape shape,
                   double data_range, ssim_kind kind = ssim_kind::gaussian11)
{
    detail::same_size(a.size(), b.size());
    detail::same_size(a.size(), shape.elements());
    double out = 0;
    detail::check(cae_ssim(&out, context.native_handle(), a.data(), b.data(), shape.channels,
                           shape.height, shape.width, data_range, static_cast<std::int32_t>(kind)),
                  context.native_handle());
    return out;
}

} // namespace cae

#endif
