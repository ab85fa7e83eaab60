/** @file dataset.hpp
 * Random access to images of one shape, and the noise that is added to them. */
#ifndef CAE_DATASET_HPP
#define CAE_DATASET_HPP

#include "context.hpp"
#include "views.hpp"

namespace cae {

/** Orders of the caller's images. */
enum class layout : std::int32_t { nchw = CAE_LAYOUT_NCHW, nhwc = CAE_LAYOUT_NHWC };

/** The range the network sees, [-1, 1] or [0, 1]. Bytes are mapped to it, floats are in it. */
enum class scale : std::int32_t { signed_one = CAE_SCALE_SIGNED, unit = CAE_SCALE_UNIT };

enum class split : std::int32_t { train = CAE_SPLIT_TRAIN, test = CAE_SPLIT_TEST };

/** How to see images: NCHW, as [-1, 1]. */
class dataset_options : public detail::options<cae_dataset_options, cae_dataset_options_init> {
public:
    dataset_options &scale(cae::scale value)
    {
        return c_.scale = static_cast<std::int32_t>(value), *this;
    }

    /** Of the caller's memory: dataset::copy and dataset::borrow only. */
    dataset_options &layout(cae::layout value)
    {
        return c_.layout = static_cast<std::int32_t>(value), *this;
    }
};

/** Images by index. */
class dataset : public detail::handle<cae_dataset, cae_dataset_destroy> {
    template <class C> // a container that dies with the expression, not a span
    using dying =
        std::enable_if_t<!std::is_lvalue_reference_v<C> && !std::is_trivially_copyable_v<C>>;

public:
    /** A copy of `count` images of bytes or floats; data.size() is exactly all their pixels. */
    static dataset copy(context &context, span<const std::uint8_t> data, std::int64_t count,
                        image_shape shape, const dataset_options &options = {})
    {
        return {context, data.data(), data.size(), CAE_TYPE_U8, false, count, shape, options};
    }

    static dataset copy(context &context, span<const float> data, std::int64_t count,
                        image_shape shape, const dataset_options &options = {})
    {
        return {context, data.data(), data.size() * sizeof(float), CAE_TYPE_F32, false, count,
                shape, options};
    }

    /** The same without a copy: the caller keeps the data alive and unchanged until this dataset,
     * its slices and all trainers using them are gone. */
    static dataset borrow(context &context, span<const std::uint8_t> data, std::int64_t count,
                          image_shape shape, const dataset_options &options = {})
    {
        return {context, data.data(), data.size(), CAE_TYPE_U8, true, count, shape, options};
    }

    static dataset borrow(context &context, span<const float> data, std::int64_t count,
                          image_shape shape, const dataset_options &options = {})
    {
        return {context, data.data(), data.size() * sizeof(float), CAE_TYPE_F32, true, count,
                shape, options};
    }

    template <class C, class = dying<C>>
    static dataset borrow(context &, C &&, std::int64_t, image_shape,
                          const dataset_options & = {}) = delete;

    /** A directory in CIFAR-10's binary format, read into memory. */
    static dataset cifar10(context &context, zstring directory,
                           cae::split split = cae::split::train,
                           const dataset_options &options = {})
    {
        dataset made(context.native_handle());
        made.check(cae_dataset_open_cifar10(&made.raw_, made.context_, directory.c_str(),
                                            static_cast<std::int32_t>(split), &options.native()));
        return made;
    }

    /** The built-in images: 1 or 3 channels; the same bytes for a seed on every machine. */
    static dataset dead_leaves(context &context, std::int64_t count, image_shape shape,
                               std::uint64_t seed, const dataset_options &options = {})
    {
        dataset made(context.native_handle());
        made.check(cae_dataset_create_dead_leaves(&made.raw_, made.context_, count, shape.channels,
                                                  shape.height, shape.width, seed,
                                                  &options.native()));
        return made;
    }

    /** `count` of these images from `first` on, without a copy. */
    dataset slice(std::int64_t first, std::int64_t count) const
    {
        dataset made(context_);
        check(cae_dataset_slice(&made.raw_, native_handle(), first, count));
        return made;
    }

    /** Number of images. */
    std::int64_t count() const { return cae_dataset_count(native_handle()); }

    /** Of every image. */
    image_shape shape() const
    {
        image_shape shape;
        check(cae_dataset_shape(&shape.channels, &shape.height, &shape.width, native_handle()));
        return shape;
    }

    /** Difference between the largest and the smallest value of the range: 2 or 1. */
    double range() const { return cae_dataset_range(native_handle()); }

    /** Image `index`, scaled, as [channels][height][width]: shape().elements() floats. */
    void get(span<float> pixels, std::int64_t index) const
    {
        check(cae_dataset_get(pixels.data(), pixels.size(), native_handle(), index));
    }

private:
    explicit dataset(cae_context *context) noexcept : handle(context) {}

    dataset(context &context, const void *data, std::size_t bytes, cae_type type, bool borrow,
            std::int64_t count, image_shape shape, const dataset_options &options)
        : handle(context.native_handle())
    {
        cae_dataset_options full = options.native();
        full.type = type;
        full.borrow = borrow;
        check(cae_dataset_create(&raw_, context_, data, bytes, count, shape.channels, shape.height,
                                 shape.width, &full));
    }
};

/** The visit whose noise model::evaluate adds; a trainer's epoch e uses visit e. */
inline constexpr std::uint32_t evaluation_visit = CAE_VISIT_EVALUATION;

/** Add Gaussian noise of standard deviation `sigma` to one image. It is a function of (seed, visit,
 * image) alone. */
inline void add_noise(span<float> values, double sigma, std::uint64_t seed, std::uint32_t visit,
                      std::uint64_t image)
{
    detail::check(cae_add_noise(values.data(), values.size(), sigma, seed, visit, image));
}

} // namespace cae

#endif
