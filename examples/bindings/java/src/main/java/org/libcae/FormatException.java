package org.libcae;

/** A file that was read and is not what it should be. */
public class FormatException extends CaeException {
    private static final long serialVersionUID = 1L;

    FormatException(String text) {
        super(-6, text);
    }
}
