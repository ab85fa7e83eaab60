package org.libcae;

/** A loss, gradient, parameter or output that is not finite. */
public class NumericException extends CaeException {
    private static final long serialVersionUID = 1L;

    NumericException(String text) {
        super(-7, text);
    }
}
