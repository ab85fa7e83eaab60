package org.libcae;

/** The shape of one image, or of one latent: [channels][height][width]. */
public record ImageShape(int channels, int height, int width) {
    /** The number of its values. */
    public int size() {
        return Math.multiplyExact(Math.multiplyExact(channels, height), width);
    }
}
