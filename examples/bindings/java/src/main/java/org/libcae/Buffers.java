package org.libcae;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;

/**
 * Buffers for C: slices from position to limit, which stay as they are. JNA passes a direct buffer's own
 * memory; that of an array it copies in and back.
 */
final class Buffers {
    private Buffers() {
    }

    /** To be read. */
    static FloatBuffer in(FloatBuffer buffer) {
        if (buffer.order() != ByteOrder.nativeOrder())
            throw new IllegalArgumentException("the buffer has not the machine's byte order");
        if (!buffer.isDirect() && buffer.isReadOnly()) // JNA cannot reach its array
            return FloatBuffer.allocate(buffer.remaining()).put(buffer.duplicate()).flip();
        return buffer.slice();
    }

    /** To be written. */
    static FloatBuffer out(FloatBuffer buffer) {
        if (buffer.isReadOnly())
            throw new java.nio.ReadOnlyBufferException();
        return in(buffer);
    }

    static ByteBuffer in(ByteBuffer buffer) {
        if (!buffer.isDirect() && buffer.isReadOnly())
            return ByteBuffer.allocate(buffer.remaining()).put(buffer.duplicate()).flip();
        return buffer.slice();
    }

    /** A new direct one, in the machine's order. */
    static FloatBuffer direct(int count) {
        return ByteBuffer.allocateDirect(Math.multiplyExact(count, Float.BYTES))
            .order(ByteOrder.nativeOrder()).asFloatBuffer();
    }
}
