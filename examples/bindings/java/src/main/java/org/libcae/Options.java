package org.libcae;

import java.util.function.ToIntBiFunction;

/** Structs that begin with their size, as their init calls leave them. */
final class Options {
    private Options() {
    }

    static <T extends Structs.Sized> T init(T struct, ToIntBiFunction<T, Integer> init) {
        int status = init.applyAsInt(struct, struct.size());
        if (status < 0)
            throw CaeException.of(status, "");
        return struct;
    }
}
