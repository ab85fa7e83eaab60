package org.libcae;

/** An update rule. */
public final class OptimizerOptions {
    /** Update rules as in torch.optim. */
    public enum Kind { SGD, ADAM, ADAMW }

    final Structs.OptimizerOptions struct =
        Options.init(new Structs.OptimizerOptions(), Cae.library()::cae_optimizer_options_init);

    /** ADAM */
    public OptimizerOptions kind(Kind kind) {
        struct.kind = kind.ordinal();
        return this;
    }

    /** 1e-3 */
    public OptimizerOptions learningRate(double rate) {
        struct.learning_rate = rate;
        return this;
    }

    /** 0; SGD. */
    public OptimizerOptions momentum(double momentum) {
        struct.momentum = momentum;
        return this;
    }

    /** 0.9 and 0.999; Adam and AdamW. */
    public OptimizerOptions betas(double beta1, double beta2) {
        struct.beta1 = beta1;
        struct.beta2 = beta2;
        return this;
    }

    /** 1e-8 */
    public OptimizerOptions epsilon(double epsilon) {
        struct.epsilon = epsilon;
        return this;
    }

    /** 0 */
    public OptimizerOptions weightDecay(double decay) {
        struct.weight_decay = decay;
        return this;
    }

    /** false; SGD with momentum. */
    public OptimizerOptions nesterov(boolean nesterov) {
        struct.nesterov = nesterov ? 1 : 0;
        return this;
    }
}
