package org.libcae;

import com.sun.jna.Library;
import com.sun.jna.Native;
import com.sun.jna.NativeLibrary;
import java.lang.reflect.Method;
import java.nio.charset.StandardCharsets;
import java.util.Map;

/**
 * The shared library: the path in the environment variable CAE_LIBRARY, or else libcae.so.1 where the
 * system looks. It is loaded at the first use and refused if this binding was not written for it.
 */
public final class Cae {
    private static final int ABI = 1;
    private static final int OLDEST = 0x010100; // 1.1.0

    private static LibCae loaded;

    private Cae() {
    }

    /** The loaded library's version, "1.1.0". */
    public static String version() {
        return library().cae_version_string();
    }

    /** major &lt;&lt; 16 | minor &lt;&lt; 8 | patch */
    public static int versionNumber() {
        return library().cae_version_number();
    }

    /** Counts breaks of the binary interface, not releases. */
    public static int abiVersion() {
        return library().cae_abi_version();
    }

    /** How the library was built and what it found, in one line. */
    public static String buildInfo() {
        LibCae lib = library();
        byte[] text = new byte[lib.cae_build_info(null, new SizeT()).intValue() + 1];
        lib.cae_build_info(text, new SizeT(text.length));
        return new String(text, 0, text.length - 1, StandardCharsets.UTF_8);
    }

    static synchronized LibCae library() {
        if (loaded == null) {
            String path = System.getenv("CAE_LIBRARY");
            loaded = load(path == null || path.isEmpty() ? "libcae.so.1" : path);
        }
        return loaded;
    }

    private static LibCae load(String path) {
        NativeLibrary found = find(path);
        try {
            refuseOthers(path, found);
            for (Method method : LibCae.class.getMethods())
                found.getFunction(method.getName()); // JNA would look only when it is called
            return Native.load(path, LibCae.class, Map.of(Library.OPTION_STRING_ENCODING, "UTF-8"));
        } catch (UnsatisfiedLinkError error) {
            throw new LibraryException(path + " is not a libcae this binding can use: "
                + error.getMessage(), error);
        }
    }

    private static NativeLibrary find(String path) {
        try {
            return NativeLibrary.getInstance(path);
        } catch (UnsatisfiedLinkError error) {
            String text = error.getMessage(); // of several lines; the second is the loader's first reason
            throw new LibraryException("libcae was not found: " + text.lines().skip(1).findFirst().orElse(text)
                + ". Needed is libcae 1.1.0 or later, ABI " + ABI
                + "; install it, or set CAE_LIBRARY to the full path of the library", error);
        }
    }

    private static void refuseOthers(String path, NativeLibrary found) {
        int abi = found.getFunction("cae_abi_version").invokeInt(new Object[0]);
        int version = found.getFunction("cae_version_number").invokeInt(new Object[0]);
        String text = found.getFunction("cae_version_string").invokeString(new Object[0], false);
        if (abi != ABI)
            throw new LibraryException(path + ": libcae " + text + " has ABI version " + abi
                + ", needed is " + ABI, null);
        if (Integer.compareUnsigned(version, OLDEST) < 0)
            throw new LibraryException(path + ": found libcae " + text + ", needed is 1.1.0 or later", null);
    }
}
