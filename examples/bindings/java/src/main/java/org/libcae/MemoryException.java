package org.libcae;

/** There is no memory left. */
public class MemoryException extends CaeException {
    private static final long serialVersionUID = 1L;

    MemoryException(String text) {
        super(-2, text);
    }
}
