package org.libcae;

import com.sun.jna.Pointer;
import com.sun.jna.Structure;
import com.sun.jna.Structure.FieldOrder;

/**
 * The structs of cae.h, with its names. Public because JNA reads them by reflection; what programs use
 * are the classes that fill them, such as ConvOptions.
 */
public final class Structs {
    private Structs() {
    }

    /** All of them begin with their size. */
    @FieldOrder("size")
    public abstract static class Sized extends Structure {
        public int size;

        protected Sized() {
        }

        protected Sized(Pointer at) {
            super(at);
        }
    }

    /** cae_context_options */
    @FieldOrder({"threads", "engine", "cpu", "allocate", "release", "allocator_user", "log",
        "log_user"})
    public static class ContextOptions extends Sized {
        public int threads;
        public int engine;
        public int cpu;
        public Pointer allocate;
        public Pointer release;
        public Pointer allocator_user;
        public LibCae.LogFn log;
        public Pointer log_user;
    }

    /** cae_conv_options */
    @FieldOrder({"kernel_h", "kernel_w", "stride_h", "stride_w", "padding_h", "padding_w",
        "dilation_h", "dilation_w", "output_padding_h", "output_padding_w", "bias",
        "activation", "reserved", "slope"})
    public static class ConvOptions extends Sized {
        public int kernel_h;
        public int kernel_w;
        public int stride_h;
        public int stride_w;
        public int padding_h;
        public int padding_w;
        public int dilation_h;
        public int dilation_w;
        public int output_padding_h;
        public int output_padding_w;
        public int bias;
        public int activation;
        public int reserved;
        public double slope;
    }

    /** cae_dataset_options */
    @FieldOrder({"scale", "type", "layout", "borrow", "reserved"})
    public static class DatasetOptions extends Sized {
        public int scale;
        public int type;
        public int layout;
        public int borrow;
        public int reserved;
    }

    /** cae_optimizer_options */
    @FieldOrder({"kind", "learning_rate", "momentum", "beta1", "beta2", "epsilon",
        "weight_decay", "nesterov", "reserved"})
    public static class OptimizerOptions extends Sized {
        public int kind;
        public double learning_rate;
        public double momentum;
        public double beta1;
        public double beta2;
        public double epsilon;
        public double weight_decay;
        public int nesterov;
        public int reserved;
    }

    /** cae_trainer_options */
    @FieldOrder({"batch", "seed", "loss", "shuffle", "huber_delta", "noise_sigma", "clip_norm",
        "schedule", "reserved", "warmup_steps", "decay_steps", "decay_factor",
        "final_fraction", "noise_sigma_max", "average_decay", "epsilon", "ssim_weight",
        "augment", "reserved2"})
    public static class TrainerOptions extends Sized {
        public int batch;
        public long seed;
        public int loss;
        public int shuffle;
        public double huber_delta;
        public double noise_sigma;
        public double clip_norm;
        public int schedule;
        public int reserved;
        public long warmup_steps;
        public long decay_steps;
        public double decay_factor;
        public double final_fraction;
        public double noise_sigma_max;
        public double average_decay;
        public double epsilon;
        public double ssim_weight;
        public int augment;
        public int reserved2;
    }

    /** cae_progress */
    @FieldOrder({"epoch_done", "step", "epoch", "images", "loss", "epoch_loss", "learning_rate",
        "gradient_norm"})
    public static class Progress extends Sized {
        public int epoch_done;
        public long step;
        public long epoch;
        public long images;
        public double loss;
        public double epoch_loss;
        public double learning_rate;
        public double gradient_norm;

        public Progress() {
        }

        /** What a callback is given. */
        public Progress(Pointer at) {
            super(at);
            read();
        }
    }

    /** cae_evaluation_options */
    @FieldOrder({"reserved", "noise_seed", "noise_sigma"})
    public static class EvaluationOptions extends Sized {
        public int reserved;
        public long noise_seed;
        public double noise_sigma;
    }

    /** cae_evaluation */
    @FieldOrder({"reserved", "images", "mse", "psnr", "psnr_global", "ssim", "ssim_uniform7",
        "noisy_mse", "noisy_psnr", "noisy_ssim", "noisy_ssim_uniform7"})
    public static class Evaluation extends Sized {
        public int reserved;
        public long images;
        public double mse;
        public double psnr;
        public double psnr_global;
        public double ssim;
        public double ssim_uniform7;
        public double noisy_mse;
        public double noisy_psnr;
        public double noisy_ssim;
        public double noisy_ssim_uniform7;
    }
}
