package org.libcae;

import com.sun.jna.Pointer;
import java.lang.ref.Reference;
import java.nio.Buffer;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.nio.file.Path;

/** Images of one shape, by index. */
public final class Dataset extends Handle {
    /** Which images of a data set with two parts. */
    public enum Split { TRAIN, TEST }

    /** What C reads as long as this dataset, its slices and trainers live: they all refer to it. */
    final Buffer borrowed;

    /** Bytes 0 to 255, as many images as there are. They are copied. */
    public Dataset(Context context, byte[] data, ImageShape shape) {
        this(context, ByteBuffer.wrap(data), shape, new DatasetOptions());
    }

    /** Bytes from position to limit. Direct buffers can be borrowed. */
    public Dataset(Context context, ByteBuffer data, ImageShape shape, DatasetOptions options) {
        this(context, Buffers.in(data), DatasetOptions.Type.U8, data.remaining(), 1, shape, options);
    }

    /** Values that are in the range of the scale. They are copied. */
    public Dataset(Context context, float[] data, ImageShape shape) {
        this(context, FloatBuffer.wrap(data), shape, new DatasetOptions());
    }

    /** Values from position to limit. Direct buffers can be borrowed. */
    public Dataset(Context context, FloatBuffer data, ImageShape shape, DatasetOptions options) {
        this(context, Buffers.in(data), DatasetOptions.Type.F32, data.remaining(), Float.BYTES, shape,
            options);
    }

    private Dataset(Context context, Buffer data, DatasetOptions.Type type, long length, int bytesEach,
                    ImageShape shape, DatasetOptions options) {
        this(context.home, create(context.home, out -> {
            if (options.struct.borrow != 0 && !data.isDirect())
                throw new IllegalArgumentException("only a direct buffer can be borrowed");
            options.struct.type = type.ordinal();
            long whole = length / Math.max(1, (long) shape.channels() * shape.height() * shape.width());
            long count = Math.max(whole, Math.min(length, 1)); // less than one image is C's to refuse
            return Cae.library().cae_dataset_create(out, context.address(), data,
                new SizeT(length * bytesEach), count, shape.channels(), shape.height(), shape.width(), options.struct);
        }), options.struct.borrow != 0 ? data : null);
    }

    private Dataset(Home home, Pointer address, Buffer borrowed) {
        super(home, address, Cae.library()::cae_dataset_destroy, borrowed);
        this.borrowed = borrowed;
    }

    /** A directory of CIFAR-10's binary files. */
    public static Dataset cifar10(Context context, Path directory, Split split, DatasetOptions options) {
        return new Dataset(context.home, create(context.home, out ->
            Cae.library().cae_dataset_open_cifar10(out, context.address(), directory.toString(),
                split.ordinal(), options.struct)), null);
    }

    /** The built-in images: occluding textured discs. */
    public static Dataset deadLeaves(Context context, long count, ImageShape shape, long seed,
                                     DatasetOptions options) {
        return new Dataset(context.home, create(context.home, out ->
            Cae.library().cae_dataset_create_dead_leaves(out, context.address(), count, shape.channels(),
                shape.height(), shape.width(), seed, options.struct)), null);
    }

    public static Dataset deadLeaves(Context context, long count, ImageShape shape, long seed) {
        return deadLeaves(context, count, shape, seed, new DatasetOptions());
    }

    /** `count` images from `first` on, without a copy. */
    public Dataset slice(long first, long count) {
        return new Dataset(home, create(home, out ->
            Cae.library().cae_dataset_slice(out, address(), first, count)), borrowed);
    }

    public long count() {
        try {
            return Cae.library().cae_dataset_count(address());
        } finally {
            Reference.reachabilityFence(this);
        }
    }

    public ImageShape shape() {
        int[] c = new int[1];
        int[] h = new int[1];
        int[] w = new int[1];
        home.check(Cae.library().cae_dataset_shape(c, h, w, address()));
        return new ImageShape(c[0], h[0], w[0]);
    }

    /** The largest possible value less the smallest: 2 or 1. */
    public double range() {
        try {
            return Cae.library().cae_dataset_range(address());
        } finally {
            Reference.reachabilityFence(this);
        }
    }

    /** One image, scaled. */
    public float[] get(long index) {
        float[] pixels = new float[shape().size()];
        get(index, FloatBuffer.wrap(pixels));
        return pixels;
    }

    public void get(long index, FloatBuffer out) {
        FloatBuffer pixels = Buffers.out(out);
        home.check(Cae.library().cae_dataset_get(pixels, new SizeT(pixels.remaining()), address(), index));
    }
}
