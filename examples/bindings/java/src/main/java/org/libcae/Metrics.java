package org.libcae;

import java.nio.FloatBuffer;

/** Metrics and noise on plain arrays. */
public final class Metrics {
    /** Windows of SSIM. */
    public enum Window { GAUSSIAN11, UNIFORM7 }

    /** The visit whose noise evaluation adds. */
    public static final int VISIT_EVALUATION = 0xffffffff;

    private Metrics() {
    }

    /** Mean squared difference. */
    public static double mse(float[] a, float[] b) {
        requireLength(b, a.length);
        double[] out = new double[1];
        check(Cae.library().cae_mse(out, null, FloatBuffer.wrap(a), FloatBuffer.wrap(b),
            new SizeT(a.length)));
        return out[0];
    }

    /** 10 log10(range^2 / mse), in dB. */
    public static double psnr(float[] a, float[] b, double range) {
        requireLength(b, a.length);
        double[] out = new double[1];
        check(Cae.library().cae_psnr(out, null, FloatBuffer.wrap(a), FloatBuffer.wrap(b), new SizeT(a.length),
            range));
        return out[0];
    }

    /** Structural similarity of two images. */
    public static double ssim(Context context, float[] a, float[] b, ImageShape shape, double range,
                              Window window) {
        requireLength(a, shape.size());
        requireLength(b, shape.size());
        double[] out = new double[1];
        context.home.check(Cae.library().cae_ssim(out, context.address(), FloatBuffer.wrap(a),
            FloatBuffer.wrap(b), shape.channels(), shape.height(), shape.width(), range, window.ordinal()));
        return out[0];
    }

    /** Add Gaussian noise to one image in place: a function of (seed, visit, image) alone, all unsigned. */
    public static void addNoise(float[] values, double sigma, long seed, int visit, long image) {
        check(Cae.library().cae_add_noise(FloatBuffer.wrap(values), new SizeT(values.length), sigma, seed,
            visit, image));
    }

    private static void check(int status) {
        if (status < 0)
            throw CaeException.of(status, "");
    }

    /** C takes one length for all arrays and believes it. */
    private static void requireLength(float[] array, int length) {
        if (array.length != length)
            throw new ShapeException("expected " + length + " values, found " + array.length);
    }
}
