package org.libcae;

import java.util.Arrays;
import java.util.Objects;

/** Just enough of a test harness: named checks, TAP on standard output. */
final class Tap {
    interface Body {
        void run() throws Exception;
    }

    private int count;
    private int failures;

    void test(String name, Body body) {
        count++;
        try {
            body.run();
            System.out.println("ok " + count + " - " + name);
        } catch (Throwable failure) {
            failures++;
            System.out.println("not ok " + count + " - " + name);
            for (Throwable t = failure; t != null; t = t.getCause()) {
                System.out.println("# " + String.valueOf(t).replace("\n", "\n# "));
                for (StackTraceElement frame : t.getStackTrace())
                    System.out.println("#   " + frame);
            }
        }
        System.out.flush();
    }

    int finish() {
        System.out.println("1.." + count);
        return failures == 0 ? 0 : 1;
    }

    static void that(boolean condition, String text) {
        if (!condition)
            throw new AssertionError(text);
    }

    /** Equal to the last bit: boxed doubles compare so. */
    static void same(Object expected, Object found) {
        if (!Objects.deepEquals(expected, found))
            throw new AssertionError("expected " + show(expected) + ", found " + show(found));
    }

    private static String show(Object value) {
        String text = Arrays.deepToString(new Object[] {value});
        return text.substring(1, Math.min(text.length() - 1, 200));
    }

    /** The exception of exactly this class that `body` throws, with `text` in its message. */
    static <T extends Throwable> T fails(Class<T> type, String text, Body body) {
        try {
            body.run();
        } catch (Throwable thrown) {
            same(type, thrown.getClass());
            that(String.valueOf(thrown.getMessage()).contains(text), "message: " + thrown.getMessage());
            return type.cast(thrown);
        }
        throw new AssertionError("nothing thrown, expected " + type.getSimpleName());
    }
}
