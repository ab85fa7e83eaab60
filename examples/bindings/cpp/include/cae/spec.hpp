/** @file spec.hpp
 * Describing a network, layer by layer. */
#ifndef CAE_SPEC_HPP
#define CAE_SPEC_HPP

#include "context.hpp"

namespace cae {

/** What a layer does with its sums. */
enum class activation : std::int32_t {
    none = CAE_ACTIVATION_NONE,
    relu = CAE_ACTIVATION_RELU,
    leaky_relu = CAE_ACTIVATION_LEAKY_RELU,
    tanh = CAE_ACTIVATION_TANH,
    sigmoid = CAE_ACTIVATION_SIGMOID
};

/** The geometry of a layer, in pixels, and its activation: 3x3, stride 1, no padding, bias, no
 * activation. One number is for both directions, two are height and width. */
class conv_options : public detail::options<cae_conv_options, cae_conv_options_init> {
public:
    conv_options &kernel(std::int32_t both) { return kernel(both, both); }
    conv_options &kernel(std::int32_t h, std::int32_t w)
    {
        return c_.kernel_h = h, c_.kernel_w = w, *this;
    }

    conv_options &stride(std::int32_t both) { return stride(both, both); }
    conv_options &stride(std::int32_t h, std::int32_t w)
    {
        return c_.stride_h = h, c_.stride_w = w, *this;
    }

    /** Rows and columns of zeros on each side. */
    conv_options &padding(std::int32_t both) { return padding(both, both); }
    conv_options &padding(std::int32_t h, std::int32_t w)
    {
        return c_.padding_h = h, c_.padding_w = w, *this;
    }

    conv_options &dilation(std::int32_t both) { return dilation(both, both); }
    conv_options &dilation(std::int32_t h, std::int32_t w)
    {
        return c_.dilation_h = h, c_.dilation_w = w, *this;
    }

    /** Transposed convolution only; smaller than the stride or the dilation. */
    conv_options &output_padding(std::int32_t both) { return output_padding(both, both); }
    conv_options &output_padding(std::int32_t h, std::int32_t w)
    {
        return c_.output_padding_h = h, c_.output_padding_w = w, *this;
    }

    conv_options &bias(bool value) { return c_.bias = value, *this; }

    conv_options &activation(cae::activation value)
    {
        return c_.activation = static_cast<std::int32_t>(value), *this;
    }

    conv_options &relu() { return activation(cae::activation::relu); }
    conv_options &tanh() { return activation(cae::activation::tanh); }
    conv_options &sigmoid() { return activation(cae::activation::sigmoid); }
    conv_options &leaky_relu(double slope = 0.01)
    {
        c_.slope = slope;
        return activation(cae::activation::leaky_relu);
    }
};

/** A list of layers, to make models from. Calls may be chained; one that fails adds nothing. */
class spec : public detail::handle<cae_spec, cae_spec_destroy> {
public:
    explicit spec(context &context) : handle(context.native_handle())
    {
        check(cae_spec_create(&raw_, context_));
    }

    /** [in_channels][H][W] -> [out_channels][P][Q],
     * P = floor((H + 2 padding - dilation (kernel - 1) - 1) / stride) + 1. */
    spec &conv(std::int32_t in_channels, std::int32_t out_channels,
               const conv_options &options = {})
    {
        check(cae_spec_add_conv(native_handle(), in_channels, out_channels, &options.native()));
        return *this;
    }

    /** [in_channels][H][W] -> [out_channels][P][Q],
     * P = (H - 1) stride - 2 padding + dilation (kernel - 1) + output_padding + 1. */
    spec &conv_transpose(std::int32_t in_channels, std::int32_t out_channels,
                         const conv_options &options = {})
    {
        check(cae_spec_add_conv_transpose(native_handle(), in_channels, out_channels,
                                          &options.native()));
        return *this;
    }

    /** What has been added so far is the encoder, what follows the decoder. */
    spec &end_encoder()
    {
        check(cae_spec_end_encoder(native_handle()));
        return *this;
    }

    /** A whole model gives its input plus what its layers make of it, y = x + f(x): as many channels
     * as it takes, and no activation in the last layer. Encoder and decoder run their layers only. */
    spec &residual(bool value = true)
    {
        check(cae_spec_set_residual(native_handle(), value));
        return *this;
    }

    /** The four layers of the reference network, into an empty description. */
    spec &reference()
    {
        check(cae_spec_add_reference(native_handle()));
        return *this;
    }
};

} // namespace cae

#endif
