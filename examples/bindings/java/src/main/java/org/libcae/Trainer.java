package org.libcae;

import java.lang.ref.Reference;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.List;

/** A model, its optimizer and a dataset, at work. Nothing runs unless step or epoch is called. */
public final class Trainer extends Handle {
    private static final int STOPPED = 1;

    /** Hears of every step of an epoch. */
    @FunctionalInterface
    public interface Listener {
        /** Return false to end the epoch early. What is thrown ends it too and arrives at its caller. */
        boolean onStep(Progress progress);
    }

    private final Model model;

    public Trainer(Model model, Optimizer optimizer, Dataset dataset) {
        this(model, optimizer, dataset, new TrainerOptions());
    }

    public Trainer(Model model, Optimizer optimizer, Dataset dataset, TrainerOptions options) {
        super(model.home, create(model.home, out -> Cae.library().cae_trainer_create(out, model.address(),
            optimizer.address(), dataset.address(), options.struct)),
            Cae.library()::cae_trainer_destroy, dataset.borrowed);
        this.model = model;
        Reference.reachabilityFence(List.of(model, optimizer, dataset));
    }

    /** One optimizer step on the next batch. */
    public Progress step() {
        Structs.Progress out = newProgress();
        home.check(Cae.library().cae_trainer_step(out, address()));
        return Progress.of(out, false);
    }

    /** Steps to the end of the epoch. */
    public Progress epoch() {
        return epoch(null);
    }

    /** The same, with a listener that may end it early; the trainer goes on from there. */
    public Progress epoch(Listener listener) {
        Structs.Progress out = newProgress();
        Throwable[] thrown = new Throwable[1];
        LibCae.ProgressFn callback = listener == null ? null : (user, progress) -> {
            try {
                return listener.onStep(Progress.of(new Structs.Progress(progress), false)) ? 0 : 1;
            } catch (Throwable any) { // never through C
                thrown[0] = any;
                return 1;
            }
        };
        int status;
        enter();
        try {
            status = Cae.library().cae_trainer_epoch(out, address(), callback, null);
        } finally {
            leave();
            Reference.reachabilityFence(callback);
        }
        if (thrown[0] != null)
            throw Trainer.<RuntimeException>asIs(thrown[0]);
        return Progress.of(out, home.check(status) == STOPPED);
    }

    /** Where training stands. */
    public Progress progress() {
        Structs.Progress out = newProgress();
        home.check(Cae.library().cae_trainer_progress(out, address()));
        return Progress.of(out, false);
    }

    public long stepsPerEpoch() {
        try {
            return Cae.library().cae_trainer_steps_per_epoch(address());
        } finally {
            Reference.reachabilityFence(this);
        }
    }

    /** The last step's gradient of a tensor, after clipping. */
    public float[] gradient(String name) {
        float[] values = new float[model.elements(name)];
        gradient(name, FloatBuffer.wrap(values));
        return values;
    }

    public void gradient(String name, FloatBuffer out) {
        FloatBuffer values = Buffers.out(out);
        home.check(Cae.library().cae_trainer_get_gradient(values, new SizeT(values.remaining()),
            address(), name));
    }

    /** A model of its own with the moving average of the parameters; without averaging, as they are. */
    public Model average() {
        try {
            return new Model(home, create(home, out -> Cae.library().cae_trainer_average(out, address())));
        } finally {
            Reference.reachabilityFence(this);
        }
    }

    /** Write a checkpoint: a model file that also resumes. */
    public void save(Path path) {
        home.check(Cae.library().cae_trainer_save(address(), path.toString()));
    }

    /** Continue from a checkpoint, to the same bits as if training had never stopped. */
    public void resume(Path path) {
        home.check(Cae.library().cae_trainer_resume(address(), path.toString()));
    }

    private static Structs.Progress newProgress() {
        return Options.init(new Structs.Progress(), Cae.library()::cae_progress_init);
    }

    /** Throw an exception of any kind as it is: listeners can throw only what the compiler lets them. */
    @SuppressWarnings("unchecked")
    private static <T extends Throwable> T asIs(Throwable thrown) throws T {
        throw (T) thrown;
    }
}
