"""Exceptions: one for each status, each also the builtin that a Python programmer would catch."""

from __future__ import annotations

from typing import Any

from ._library import ffi, lib, text
from .enums import Status


class CaeError(Exception):
    """A call of the library failed. `status` is its code, the message what it expected and found."""

    status: int = 0

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        if status is not None:
            self.status = status

    def __str__(self) -> str:  # KeyError would show the message's repr
        return str(self.args[0]) if self.args else ""


class ArgumentError(CaeError, ValueError):
    """A size or a value that no call could accept."""

    status = Status.ARGUMENT


class ClosedError(ArgumentError):
    """A handle was used after close()."""


class OutOfMemoryError(CaeError, MemoryError):
    """There is no memory for it."""

    status = Status.MEMORY


class ShapeError(CaeError, ValueError):
    """Sizes that are fine alone and do not fit together."""

    status = Status.SHAPE


class OptionsError(CaeError, ValueError):
    """An option out of range."""

    status = Status.OPTIONS


class FileError(CaeError, OSError):
    """The operating system refused: missing, unreadable, full."""

    status = Status.IO


class FormatError(CaeError, ValueError):
    """A file that was read and is not what it should be."""

    status = Status.FORMAT


class NumericError(CaeError, ArithmeticError):
    """A loss, gradient, parameter or output that is not finite."""

    status = Status.NUMERIC


class UnsupportedError(CaeError, NotImplementedError):
    """Valid, but not in this build or on this machine."""

    status = Status.UNSUPPORTED


class UnknownNameError(CaeError, KeyError):
    """No parameter of that name."""

    status = Status.NAME


_BY_STATUS: dict[int, type[CaeError]] = {
    int(kind.status): kind
    for kind in (
        ArgumentError,
        OutOfMemoryError,
        ShapeError,
        OptionsError,
        FileError,
        FormatError,
        NumericError,
        UnsupportedError,
        UnknownNameError,
    )
}


def status_string(status: int) -> str:
    """A short English text for a status: "out of memory"."""
    return text(lib.cae_status_string(status))


def check(status: int, context: Any = ffi.NULL) -> int:
    """Return a status that is not a failure; raise the exception of one that is.

    `context` is the C context that keeps the error text. It is NULL for calls without one: they leave
    nothing but the status.
    """
    if status >= 0:
        return status
    message = text(lib.cae_context_error(context)) or status_string(status)
    kind = _BY_STATUS.get(status)
    raise kind(message) if kind else CaeError(message, status)
