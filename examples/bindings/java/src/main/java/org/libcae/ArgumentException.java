package org.libcae;

/** A size or a value that no call could accept. */
public class ArgumentException extends CaeException {
    private static final long serialVersionUID = 1L;

    ArgumentException(String text) {
        super(-1, text);
    }
}
