package org.libcae;

/** How to evaluate. */
public final class EvaluationOptions {
    final Structs.EvaluationOptions struct =
        Options.init(new Structs.EvaluationOptions(), Cae.library()::cae_evaluation_options_init);

    /** 123, an unsigned number. */
    public EvaluationOptions noiseSeed(long seed) {
        struct.noise_seed = seed;
        return this;
    }

    /** 0 */
    public EvaluationOptions noiseSigma(double sigma) {
        struct.noise_sigma = sigma;
        return this;
    }
}
