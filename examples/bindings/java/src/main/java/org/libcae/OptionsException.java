package org.libcae;

/** An option out of range. */
public class OptionsException extends CaeException {
    private static final long serialVersionUID = 1L;

    OptionsException(String text) {
        super(-4, text);
    }
}
