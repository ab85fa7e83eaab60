package org.libcae;

/** The shared library is missing, or not one that this binding can use. */
public class LibraryException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    LibraryException(String text, Throwable cause) {
        super(text, cause);
    }
}
