package org.libcae;

/** A list of layers, to make models from. Its methods return it: a network reads from top to bottom. */
public final class Spec extends Handle {
    public Spec(Context context) {
        super(context.home,
            create(context.home, out -> Cae.library().cae_spec_create(out, context.address())),
            Cae.library()::cae_spec_destroy, null);
    }

    public Spec conv(int inChannels, int outChannels) {
        return conv(inChannels, outChannels, new ConvOptions());
    }

    /**
     * [inChannels][H][W] to [outChannels][P][Q],
     * P = floor((H + 2 padding - dilation (kernel - 1) - 1) / stride) + 1.
     */
    public Spec conv(int inChannels, int outChannels, ConvOptions options) {
        home.check(Cae.library().cae_spec_add_conv(address(), inChannels, outChannels, options.struct));
        return this;
    }

    public Spec convTranspose(int inChannels, int outChannels) {
        return convTranspose(inChannels, outChannels, new ConvOptions());
    }

    /** The adjoint: P = (H - 1) stride - 2 padding + dilation (kernel - 1) + outputPadding + 1. */
    public Spec convTranspose(int inChannels, int outChannels, ConvOptions options) {
        home.check(Cae.library().cae_spec_add_conv_transpose(address(), inChannels, outChannels,
            options.struct));
        return this;
    }

    /** What has been added so far is the encoder. */
    public Spec endEncoder() {
        home.check(Cae.library().cae_spec_end_encoder(address()));
        return this;
    }

    /** A whole model gives its input plus what its layers make of it, y = x + f(x). */
    public Spec residual(boolean residual) {
        home.check(Cae.library().cae_spec_set_residual(address(), residual ? 1 : 0));
        return this;
    }

    /** The four layers of the reference network. */
    public Spec reference() {
        home.check(Cae.library().cae_spec_add_reference(address()));
        return this;
    }
}
