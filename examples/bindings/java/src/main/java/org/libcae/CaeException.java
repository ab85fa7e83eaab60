package org.libcae;

/** What the library refused; the message is its text. Each status below 0 has its subclass. */
public class CaeException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final int status;

    CaeException(int status, String text) {
        super(text);
        this.status = status;
    }

    /** One of enum cae_status_code, below 0. */
    public int status() {
        return status;
    }

    /** The exception for a status; `text` is empty where there is no context to keep one. */
    static CaeException of(int status, String text) {
        if (text.isEmpty())
            text = Cae.library().cae_status_string(status);
        switch (status) {
            case -1: return new ArgumentException(text);
            case -2: return new MemoryException(text);
            case -3: return new ShapeException(text);
            case -4: return new OptionsException(text);
            case -5: return new CaeIoException(text);
            case -6: return new FormatException(text);
            case -7: return new NumericException(text);
            case -8: return new UnsupportedException(text);
            case -9: return new NameException(text);
            default: return new CaeException(status, text);
        }
    }
}
