package org.libcae;

import java.util.function.BiConsumer;

/** How to make a context. */
public final class ContextOptions {
    /** How layers are computed. */
    public enum Engine { AUTO, GEMM, DIRECT }

    /** Instruction sets of the kernels. */
    public enum Cpu { AUTO, BASELINE, AVX2, AVX512 }

    /** Levels of a log line. */
    public enum Level { INFO, WARNING }

    final Structs.ContextOptions struct =
        Options.init(new Structs.ContextOptions(), Cae.library()::cae_context_options_init);

    /** 1; 0 is one per available processor. */
    public ContextOptions threads(int threads) {
        struct.threads = threads;
        return this;
    }

    /** AUTO */
    public ContextOptions engine(Engine engine) {
        struct.engine = engine.ordinal();
        return this;
    }

    /** AUTO: the best there is. */
    public ContextOptions cpu(Cpu cpu) {
        struct.cpu = cpu.ordinal();
        return this;
    }

    /** Silent. What `log` throws goes to the thread's handler of uncaught exceptions. */
    public ContextOptions log(BiConsumer<Level, String> log) {
        struct.log = (user, level, text) -> {
            try {
                log.accept(level == 0 ? Level.INFO : Level.WARNING, text);
            } catch (Throwable thrown) { // not through C
                Thread thread = Thread.currentThread();
                thread.getUncaughtExceptionHandler().uncaughtException(thread, thrown);
            }
        };
        return this;
    }
}
