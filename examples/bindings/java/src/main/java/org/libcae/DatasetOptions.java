package org.libcae;

/** How to see images. */
public final class DatasetOptions {
    /** The range the network sees: [-1, 1] or [0, 1]. Float data is taken to be in it already. */
    public enum Scale { SIGNED, UNIT }

    /** Orders of a caller's images: planes or pixels. */
    public enum Layout { NCHW, NHWC }

    /** Element types of a caller's images; the dataset's constructor says which. */
    enum Type { U8, F32 }

    final Structs.DatasetOptions struct =
        Options.init(new Structs.DatasetOptions(), Cae.library()::cae_dataset_options_init);

    /** SIGNED */
    public DatasetOptions scale(Scale scale) {
        struct.scale = scale.ordinal();
        return this;
    }

    /** NCHW; images in memory only. */
    public DatasetOptions layout(Layout layout) {
        struct.layout = layout.ordinal();
        return this;
    }

    /** false: copy. true: C reads the direct buffer's own memory, which must stay unchanged. */
    public DatasetOptions borrow(boolean borrow) {
        struct.borrow = borrow ? 1 : 0;
        return this;
    }
}
