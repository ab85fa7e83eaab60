package org.libcae;

import com.sun.jna.Pointer;
import com.sun.jna.ptr.PointerByReference;
import java.lang.ref.Cleaner;
import java.util.function.Consumer;
import java.util.function.ToIntFunction;

/**
 * The base of all that owns something in C. It is given back once: by close(), or after the collector has
 * found it. Handles may be closed in any order, and twice; one that is used afterwards throws
 * IllegalStateException.
 */
public abstract class Handle implements AutoCloseable {
    final Home home;
    private final Owned owned;
    private final Cleaner.Cleanable cleanable;
    private int busy;

    /** @param kept what C reads as long as this lives: borrowed memory, or null */
    Handle(Home home, Pointer address, Consumer<Pointer> destroy, Object kept) {
        this.home = home;
        owned = new Owned(home, address, destroy, kept);
        cleanable = Home.CLEANER.register(this, owned);
    }

    /** What a create function writes to its first argument. */
    static Pointer create(Home home, ToIntFunction<PointerByReference> call) {
        PointerByReference out = new PointerByReference();
        home.check(call.applyAsInt(out));
        return out.getValue();
    }

    /** Give the C object back. */
    @Override
    public void close() {
        if (busy > 0)
            throw new IllegalStateException("a trainer cannot be closed by its own callback");
        owned.giveBack();
        cleanable.clean();
    }

    /** The address to pass to C. The caller keeps the handle reachable until the call returns. */
    Pointer address() {
        Pointer address = owned.address;
        if (address == null)
            throw new IllegalStateException("this " + getClass().getSimpleName() + " is closed");
        return address;
    }

    /** close() is refused between enter and leave: C is inside a call on this handle. */
    void enter() {
        busy++;
    }

    void leave() {
        busy--;
    }

    /** What is left to do when a handle is gone; nothing here leads back to it. */
    private static final class Owned implements Runnable {
        private final Home home;
        private final Consumer<Pointer> destroy;
        private volatile Pointer address;
        private Object kept;

        Owned(Home home, Pointer address, Consumer<Pointer> destroy, Object kept) {
            this.home = home;
            this.address = address;
            this.destroy = destroy;
            this.kept = kept;
        }

        @Override
        public void run() {
            if (address != null)
                home.later(this::giveBack);
        }

        synchronized void giveBack() {
            Pointer last = address;
            address = null;
            if (last != null)
                destroy.accept(last);
            kept = null;
        }
    }
}
