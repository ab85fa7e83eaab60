package org.libcae;

/** No parameter of that name. */
public class NameException extends CaeException {
    private static final long serialVersionUID = 1L;

    NameException(String text) {
        super(-9, text);
    }
}
