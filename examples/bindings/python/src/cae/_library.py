"""Find libcae, load it, and refuse one that this package does not fit.

No compiler is involved: cffi reads the C declarations (`_cdef.h`) and calls the shared library by its
symbols. With nobody comparing sonames, the version is compared here, before anything else is called.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import cffi

ABI_VERSION = 1
OLDEST_VERSION = (1, 1, 0)
DEFAULT_NAME = "libcae.1.dylib" if sys.platform == "darwin" else "libcae.so.1"

ffi: Any = cffi.FFI()
ffi.cdef(Path(__file__).with_name("_cdef.h").read_text(encoding="utf-8"))


def _load(name: str) -> Any:
    needed = "cae {}.{}.{} or later, ABI {}".format(*OLDEST_VERSION, ABI_VERSION)
    try:
        library = ffi.dlopen(name)
    except OSError as error:
        raise ImportError(
            f"libcae was not found: {error}. Needed is {needed}; install it, "
            "or set CAE_LIBRARY to the full path of the library"
        ) from error
    try:
        number, abi = library.cae_version_number(), library.cae_abi_version()
    except AttributeError as error:
        raise ImportError(f"{name} is not libcae ({error}); needed is {needed}") from error

    version = (number >> 16, number >> 8 & 0xFF, number & 0xFF)
    if abi != ABI_VERSION or version < OLDEST_VERSION:
        found = "cae {}.{}.{}, ABI {}".format(*version, abi)
        raise ImportError(f"{name} is {found}; needed is {needed}")
    try:
        for symbol in dir(library):  # cffi looks them up one by one when used; now is better
            getattr(library, symbol)
    except AttributeError as error:
        raise ImportError(f"{name} is not a complete libcae: {error}") from error
    return library


lib: Any = _load(os.environ.get("CAE_LIBRARY") or DEFAULT_NAME)


def text(chars: Any) -> str:
    """A C string as text."""
    return ffi.string(chars).decode("utf-8", "replace")


def c_text(value: str | bytes | os.PathLike[Any]) -> bytes:
    """A name or a path as C reads it: up to the first zero byte, which must be the end."""
    encoded = os.fsencode(value)
    if b"\0" in encoded:
        raise ValueError("embedded null byte")
    return encoded


def version() -> str:
    """The version of the loaded library, such as "1.1.0"."""
    return text(lib.cae_version_string())


def version_number() -> int:
    """Major << 16 | minor << 8 | patch of the loaded library."""
    return lib.cae_version_number()


def abi_version() -> int:
    """The number that counts the breaks of the library's binary interface."""
    return lib.cae_abi_version()


def build_info() -> str:
    """One line on how the library was built and what it found on this machine."""
    length = lib.cae_build_info(ffi.NULL, 0)
    line = ffi.new("char[]", length + 1)
    lib.cae_build_info(line, length + 1)
    return text(line)
