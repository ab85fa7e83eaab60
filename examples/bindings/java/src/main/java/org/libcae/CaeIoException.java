package org.libcae;

/** The operating system refused: missing, unreadable, full. */
public class CaeIoException extends CaeException {
    private static final long serialVersionUID = 1L;

    CaeIoException(String text) {
        super(-5, text);
    }
}
