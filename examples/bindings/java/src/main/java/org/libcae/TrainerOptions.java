package org.libcae;

/** How to train. */
public final class TrainerOptions {
    /** What a step makes smaller. */
    public enum Loss { MSE, L1, HUBER, CHARBONNIER }

    /** How the rate changes after the warm-up. */
    public enum Schedule { CONSTANT, STEP, COSINE }

    /** What may happen to an image on its way into a batch, drawn by halves for each visit. */
    public enum Augment { MIRROR, FLIP, TRANSPOSE }

    final Structs.TrainerOptions struct =
        Options.init(new Structs.TrainerOptions(), Cae.library()::cae_trainer_options_init);

    /** 64 images a step. */
    public TrainerOptions batch(int batch) {
        struct.batch = batch;
        return this;
    }

    /** 1, an unsigned number: keys the shuffle and the noise. */
    public TrainerOptions seed(long seed) {
        struct.seed = seed;
        return this;
    }

    /** MSE */
    public TrainerOptions loss(Loss loss) {
        struct.loss = loss.ordinal();
        return this;
    }

    /** true */
    public TrainerOptions shuffle(boolean shuffle) {
        struct.shuffle = shuffle ? 1 : 0;
        return this;
    }

    /** 1 */
    public TrainerOptions huberDelta(double delta) {
        struct.huber_delta = delta;
        return this;
    }

    /** 0: Gaussian noise added to the input, never to the target. */
    public TrainerOptions noiseSigma(double sigma) {
        struct.noise_sigma = sigma;
        return this;
    }

    /** 0: off. */
    public TrainerOptions clipNorm(double norm) {
        struct.clip_norm = norm;
        return this;
    }

    /** CONSTANT */
    public TrainerOptions schedule(Schedule schedule) {
        struct.schedule = schedule.ordinal();
        return this;
    }

    /** 0 */
    public TrainerOptions warmupSteps(long steps) {
        struct.warmup_steps = steps;
        return this;
    }

    /** 0; STEP: steps between decays; COSINE: all steps, warm-up too. */
    public TrainerOptions decaySteps(long steps) {
        struct.decay_steps = steps;
        return this;
    }

    /** 0.1 */
    public TrainerOptions decayFactor(double factor) {
        struct.decay_factor = factor;
        return this;
    }

    /** 0 */
    public TrainerOptions finalFraction(double fraction) {
        struct.final_fraction = fraction;
        return this;
    }

    /** 0; above: each visit of an image draws its sigma between noiseSigma and this. */
    public TrainerOptions noiseSigmaMax(double sigma) {
        struct.noise_sigma_max = sigma;
        return this;
    }

    /** 0: off; below 1: Trainer.average() gives a moving average of the parameters. */
    public TrainerOptions averageDecay(double decay) {
        struct.average_decay = decay;
        return this;
    }

    /** 0, which is 1e-3; of CHARBONNIER. */
    public TrainerOptions epsilon(double epsilon) {
        struct.epsilon = epsilon;
        return this;
    }

    /** 0; above: this times 1 - SSIM is added to the loss. */
    public TrainerOptions ssimWeight(double weight) {
        struct.ssim_weight = weight;
        return this;
    }

    /** None; TRANSPOSE is for square images. */
    public TrainerOptions augment(Augment... ways) {
        struct.augment = 0;
        for (Augment way : ways)
            struct.augment |= 1 << way.ordinal();
        return this;
    }
}
