package org.libcae;

import java.lang.ref.Reference;

/** An update rule and its moments, for one model. */
public final class Optimizer extends Handle {
    public Optimizer(Model model) {
        this(model, new OptimizerOptions());
    }

    public Optimizer(Model model, OptimizerOptions options) {
        super(model.home, create(model.home, out ->
            Cae.library().cae_optimizer_create(out, model.address(), options.struct)),
            Cae.library()::cae_optimizer_destroy, null);
        Reference.reachabilityFence(model);
    }

    /** The base rate that a schedule multiplies. */
    public double learningRate() {
        try {
            return Cae.library().cae_optimizer_learning_rate(address());
        } finally {
            Reference.reachabilityFence(this);
        }
    }

    /** From the next step on. */
    public void setLearningRate(double rate) {
        home.check(Cae.library().cae_optimizer_set_learning_rate(address(), rate));
    }
}
