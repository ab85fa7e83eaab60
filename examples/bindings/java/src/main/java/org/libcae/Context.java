package org.libcae;

import com.sun.jna.Pointer;
import com.sun.jna.ptr.PointerByReference;
import java.lang.ref.Reference;

/** Threads, instruction set, log and error text. It and all made from it belong to one thread at a time. */
public final class Context extends Handle {
    public Context() {
        this(new ContextOptions());
    }

    public Context(ContextOptions options) {
        this(create(options), options.struct.log);
    }

    private Context(Pointer address, LibCae.LogFn log) {
        super(new Home(address, log), address, Cae.library()::cae_context_destroy, null);
    }

    private static Pointer create(ContextOptions options) {
        PointerByReference out = new PointerByReference();
        int status = Cae.library().cae_context_create(out, options.struct);
        if (status < 0)
            throw CaeException.of(status, "");
        return out.getValue();
    }

    public int threads() {
        try {
            return Cae.library().cae_context_threads(address());
        } finally {
            Reference.reachabilityFence(this);
        }
    }

    /** 0 is one per available processor. Results have the same bits for any number. */
    public void setThreads(int threads) {
        home.check(Cae.library().cae_context_set_threads(address(), threads));
    }

    /** The instruction set in use; AUTO for one that is newer than this binding. */
    public ContextOptions.Cpu cpu() {
        try {
            ContextOptions.Cpu[] known = ContextOptions.Cpu.values();
            int cpu = Cae.library().cae_context_cpu(address());
            return known[cpu < known.length ? cpu : 0];
        } finally {
            Reference.reachabilityFence(this);
        }
    }
}
