package org.libcae;

/** The geometry of a layer, in pixels, and its activation. Two arguments are vertical, horizontal. */
public final class ConvOptions {
    /** What a layer does with its sums. */
    public enum Activation { NONE, RELU, LEAKY_RELU, TANH, SIGMOID }

    final Structs.ConvOptions struct =
        Options.init(new Structs.ConvOptions(), Cae.library()::cae_conv_options_init);

    public ConvOptions kernel(int both) {
        return kernel(both, both);
    }

    /** 3 */
    public ConvOptions kernel(int height, int width) {
        struct.kernel_h = height;
        struct.kernel_w = width;
        return this;
    }

    public ConvOptions stride(int both) {
        return stride(both, both);
    }

    /** 1 */
    public ConvOptions stride(int vertical, int horizontal) {
        struct.stride_h = vertical;
        struct.stride_w = horizontal;
        return this;
    }

    public ConvOptions padding(int both) {
        return padding(both, both);
    }

    /** 0: zeros on each side. */
    public ConvOptions padding(int rows, int columns) {
        struct.padding_h = rows;
        struct.padding_w = columns;
        return this;
    }

    public ConvOptions dilation(int both) {
        return dilation(both, both);
    }

    /** 1 */
    public ConvOptions dilation(int vertical, int horizontal) {
        struct.dilation_h = vertical;
        struct.dilation_w = horizontal;
        return this;
    }

    public ConvOptions outputPadding(int both) {
        return outputPadding(both, both);
    }

    /** 0; transposed convolution only. */
    public ConvOptions outputPadding(int rows, int columns) {
        struct.output_padding_h = rows;
        struct.output_padding_w = columns;
        return this;
    }

    /** true */
    public ConvOptions bias(boolean bias) {
        struct.bias = bias ? 1 : 0;
        return this;
    }

    /** NONE */
    public ConvOptions activation(Activation activation) {
        struct.activation = activation.ordinal();
        return this;
    }

    /** 0.01, of LEAKY_RELU. */
    public ConvOptions slope(double slope) {
        struct.slope = slope;
        return this;
    }
}
