package org.libcae;

/** Sizes that are fine alone and do not fit together. */
public class ShapeException extends CaeException {
    private static final long serialVersionUID = 1L;

    ShapeException(String text) {
        super(-3, text);
    }
}
