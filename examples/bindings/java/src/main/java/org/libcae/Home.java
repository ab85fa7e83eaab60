package org.libcae;

import com.sun.jna.Pointer;
import java.lang.ref.Cleaner;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;

/**
 * What a context and all that was made from it share: where error texts are kept, and what the collector
 * has found. A context belongs to one thread at a time, so the cleaner's thread gives nothing back itself
 * while that thread may be at work: it queues, and the next call made with the context gives back. When
 * nothing refers to the home any more, nobody can be calling, and the cleaner's thread does the rest.
 */
final class Home {
    static final Cleaner CLEANER = Cleaner.create();

    private final Pointer context;
    private final Queue<Runnable> collected;

    /** @param log what C may call as long as anything made from the context lives, or null */
    Home(Pointer context, LibCae.LogFn log) {
        Queue<Runnable> queue = new ConcurrentLinkedQueue<>();
        this.context = context;
        this.collected = queue;
        CLEANER.register(this, () -> {
            giveBack(queue);
            java.lang.ref.Reference.reachabilityFence(log);
        });
    }

    /** Throw what a status below 0 says. */
    int check(int status) {
        String text = status < 0 ? Cae.library().cae_context_error(context) : null;
        giveBack(collected);
        if (status < 0)
            throw CaeException.of(status, text);
        return status;
    }

    void later(Runnable giveBack) {
        collected.add(giveBack);
    }

    private static void giveBack(Queue<Runnable> queue) {
        for (Runnable next = queue.poll(); next != null; next = queue.poll())
            next.run();
    }
}
