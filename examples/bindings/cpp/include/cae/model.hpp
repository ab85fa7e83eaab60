/** @file model.hpp
 * A network with its parameters: made or read, run, measured, written. */
#ifndef CAE_MODEL_HPP
#define CAE_MODEL_HPP

#include "dataset.hpp"
#include "spec.hpp"
#include <array>

namespace cae {

/** Parts of a model. */
enum class part : std::int32_t {
    encoder = CAE_PART_ENCODER, /**< from an image to its latent */
    decoder = CAE_PART_DECODER, /**< from a latent to an image */
    whole = CAE_PART_WHOLE      /**< both */
};

/** Weights have rank 4, biases 1; extents beyond the rank are 1. */
struct tensor_shape {
    std::array<std::int64_t, 4> extents{};
    std::int32_t rank = 0;

    constexpr std::size_t elements() const noexcept
    {
        return static_cast<std::size_t>(extents[0] * extents[1] * extents[2] * extents[3]);
    }
};

/** Channels that a part of a model reads and writes. */
struct channel_counts {
    std::int32_t in = 0;
    std::int32_t out = 0;
};

/** How to evaluate: without noise. */
class evaluation_options
    : public detail::options<cae_evaluation_options, cae_evaluation_options_init> {
public:
    evaluation_options &noise_sigma(double value) { return c_.noise_sigma = value, *this; }
    evaluation_options &noise_seed(std::uint64_t value) { return c_.noise_seed = value, *this; }
};

/** How well a model does: mse, psnr, ssim ..., and noisy_... of its input. */
using evaluation = cae_evaluation;

/** A network with its parameters. Const members leave it as it is. Those that take a context may be
 * called by many threads at once, each lending one of its own, for threads, scratch memory and the
 * error text; without one the model's own context does all that, and belongs to one thread. */
class model : public detail::handle<cae_model, cae_model_destroy> {
public:
    /** PyTorch's default initialization; the same seed gives the same bits on every machine. */
    model(context &context, const spec &spec, std::uint64_t seed) : handle(context.native_handle())
    {
        check(cae_model_create(&raw_, context_, spec.native_handle(), seed));
    }

    /** The reference network: 1,611 parameters, images to 8 channels and back. */
    static model reference(context &context, std::uint64_t seed)
    {
        model made(context);
        made.check(cae_model_create_reference(&made.raw_, made.context_, seed));
        return made;
    }

    /** Read what save() or trainer::save() wrote. */
    static model load(context &context, zstring path)
    {
        model made(context);
        made.check(cae_model_load(&made.raw_, made.context_, path.c_str()));
        return made;
    }

    /** Read a model file that is in memory already. */
    static model load_memory(context &context, span<const std::byte> file)
    {
        model made(context);
        made.check(cae_model_load_memory(&made.raw_, made.context_, file.data(), file.size()));
        return made;
    }

    /** Fill this model from a file that need not say an architecture, such as a PyTorch state dict.
     * All or nothing. */
    void load_weights(zstring path)
    {
        check(cae_model_load_weights(native_handle(), path.c_str()));
    }

    /** Number of scalar parameters. */
    std::int64_t parameter_count() const { return cae_model_parameter_count(native_handle()); }

    std::int32_t layer_count() const { return cae_model_layer_count(native_handle()); }

    /** Does the whole model add its input to what its layers make of it? */
    bool residual() const { return cae_model_residual(native_handle()) == 1; }

    std::int32_t tensor_count() const { return cae_model_tensor_count(native_handle()); }

    /** "0.weight", "0.bias", ... Lives with the model; name_error when there is none. */
    zstring tensor_name(std::int32_t index) const
    {
        const char *name = cae_model_tensor_name(native_handle(), index);
        if (!name)
            detail::fail(CAE_ERR_NAME, "there is no tensor of that index");
        return name;
    }

    /** Convolution weights are [out][in][kernel_h][kernel_w], transposed ones [in][out][...]. */
    tensor_shape shape_of(zstring name) const
    {
        tensor_shape shape;
        check(cae_model_tensor_shape(shape.extents.data(), &shape.rank, native_handle(),
                                     name.c_str()));
        return shape;
    }

    /** Copy a tensor out: shape_of(name).elements() floats. */
    void get_tensor(span<float> values, zstring name) const
    {
        check(cae_model_get_tensor(values.data(), values.size(), native_handle(), name.c_str()));
    }

    /** Copy a tensor in. A value that is not finite is refused and changes nothing. */
    void set_tensor(zstring name, span<const float> values)
    {
        check(cae_model_set_tensor(native_handle(), name.c_str(), values.data(), values.size()));
    }

    /** What a part turns an input of `height` x `width` into. */
    image_shape output_shape(cae::part part, std::int32_t height, std::int32_t width) const
    {
        image_shape shape;
        check(cae_model_output_shape(&shape.channels, &shape.height, &shape.width, native_handle(),
                                     nullptr, static_cast<std::int32_t>(part), height, width));
        return shape;
    }

    channel_counts channels(cae::part part) const
    {
        channel_counts channels;
        check(cae_model_channels(&channels.in, &channels.out, native_handle(), nullptr,
                                 static_cast<std::int32_t>(part)));
        return channels;
    }

    /** Run the whole model: x [count][C][height][width] -> y as output_shape() says, for each of
     * `count`. The sizes of x and y must be exactly those products, and they must not overlap. */
    void forward(span<float> y, span<const float> x, std::int64_t count, std::int32_t height,
                 std::int32_t width) const
    {
        run(cae_model_forward, nullptr, y, x, count, height, width);
    }

    void forward(context &lent, span<float> y, span<const float> x, std::int64_t count,
                 std::int32_t height, std::int32_t width) const
    {
        run(cae_model_forward, lent.native_handle(), y, x, count, height, width);
    }

    /** Run the encoder: images of `height` x `width` to latents. */
    void encode(span<float> latent, span<const float> x, std::int64_t count, std::int32_t height,
                std::int32_t width) const
    {
        run(cae_model_encode, nullptr, latent, x, count, height, width);
    }

    void encode(context &lent, span<float> latent, span<const float> x, std::int64_t count,
                std::int32_t height, std::int32_t width) const
    {
        run(cae_model_encode, lent.native_handle(), latent, x, count, height, width);
    }

    /** Run the decoder: latents of `height` x `width` to images. */
    void decode(span<float> y, span<const float> latent, std::int64_t count, std::int32_t height,
                std::int32_t width) const
    {
        run(cae_model_decode, nullptr, y, latent, count, height, width);
    }

    void decode(context &lent, span<float> y, span<const float> latent, std::int64_t count,
                std::int32_t height, std::int32_t width) const
    {
        run(cae_model_decode, lent.native_handle(), y, latent, count, height, width);
    }

    /** Run the model over a dataset and compare its outputs with the clean images. */
    cae::evaluation evaluate(const dataset &data, const evaluation_options &options = {}) const
    {
        return evaluate(nullptr, data, options);
    }

    cae::evaluation evaluate(context &lent, const dataset &data,
                             const evaluation_options &options = {}) const
    {
        return evaluate(lent.native_handle(), data, options);
    }

    /** Write a safetensors file, whole or not at all. */
    void save(zstring path) const { check(cae_model_save(native_handle(), path.c_str())); }

    /** Size of that file in bytes. */
    std::size_t saved_size() const
    {
        std::size_t size = 0;
        check(cae_model_save_memory(nullptr, 0, &size, native_handle()));
        return size;
    }

    /** That file into memory of at least saved_size() bytes; returns the size. */
    std::size_t save_memory(span<std::byte> buffer) const
    {
        std::size_t size = 0;
        check(cae_model_save_memory(not_null(buffer), buffer.size(), &size, native_handle()));
        return size;
    }

    /** Write a part as ONNX, opset 13. */
    void export_onnx(zstring path, cae::part part = cae::part::whole) const
    {
        check(cae_model_export_onnx(native_handle(), static_cast<std::int32_t>(part),
                                    path.c_str()));
    }

    /** Size of that file in bytes. */
    std::size_t onnx_size(cae::part part = cae::part::whole) const
    {
        std::size_t size = 0;
        check(cae_model_export_onnx_memory(nullptr, 0, &size, native_handle(),
                                           static_cast<std::int32_t>(part)));
        return size;
    }

    /** That file into memory of at least onnx_size(part) bytes; returns the size. */
    std::size_t export_onnx_memory(span<std::byte> buffer, cae::part part = cae::part::whole) const
    {
        std::size_t size = 0;
        check(cae_model_export_onnx_memory(not_null(buffer), buffer.size(), &size, native_handle(),
                                           static_cast<std::int32_t>(part)));
        return size;
    }

private:
    friend class trainer; // whose average is one

    explicit model(context &context) : handle(context.native_handle()) {}
    explicit model(cae_context *context) : handle(context) {}

    template <class Pass>
    void run(Pass *pass, cae_context *lent, span<float> y, span<const float> x, std::int64_t count,
             std::int32_t height, std::int32_t width) const
    {
        detail::check(pass(y.data(), y.size(), native_handle(), lent, x.data(), x.size(), count,
                           height, width),
                      lent ? lent : context_);
    }

    cae::evaluation evaluate(cae_context *lent, const dataset &data,
                             const evaluation_options &options) const
    {
        cae::evaluation result;
        detail::check(cae_evaluation_init(&result, sizeof result));
        detail::check(cae_model_evaluate(&result, native_handle(), lent, data.native_handle(),
                                         &options.native()),
                      lent ? lent : context_);
        return result;
    }

    /** An empty buffer is too short; NULL would ask for the size instead. */
    static std::byte *not_null(span<std::byte> buffer) noexcept
    {
        static std::byte nowhere{};
        return buffer.data() ? buffer.data() : &nowhere;
    }
};

} // namespace cae

#endif
