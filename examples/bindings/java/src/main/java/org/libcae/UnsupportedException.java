package org.libcae;

/** Valid, but not in this build or on this machine. */
public class UnsupportedException extends CaeException {
    private static final long serialVersionUID = 1L;

    UnsupportedException(String text) {
        super(-8, text);
    }
}
