"""What all handles have in common: one owner, closed once, by hand or by the garbage collector."""

from __future__ import annotations

import weakref
from typing import Any, Callable, ClassVar, TypeVar

from ._library import ffi, lib
from .errors import ClosedError, check

Self = TypeVar("Self", bound="Handle")


def _give_back(destroy: Callable[[Any], None], pointer: Any, _keep: tuple[Any, ...]) -> None:
    destroy(pointer)  # while the finalizer's arguments hold what the handle borrows


class Handle:
    """A C handle. Use it in a `with` statement, call close(), or let go of it.

    The library counts references: handles may be closed in any order, each keeps alive in C what it
    was made from. What C borrows from Python (arrays, callbacks) is in `_keep`, which is passed on to
    the handles made from this one and lives until the last of them has been given back.
    """

    _type: ClassVar[str]  #: the name of the C type; its destroy function is named after it

    _pointer: Any  #: the C handle
    _errors: Any  #: the C context that keeps the texts of its errors
    _keep: tuple[Any, ...]
    _finalizer: weakref.finalize[..., Any]

    def _create(
        self, create: Callable[..., int], *arguments: Any, errors: Any, keep: tuple[Any, ...] = ()
    ) -> None:
        """Call a C function that makes a handle, create(out, *arguments), and own what it made."""
        out = ffi.new(f"{self._type} **")
        check(create(out, *arguments), errors)
        self._pointer = out[0]
        self._errors = errors or self._pointer  # a context keeps its own
        self._keep = keep
        destroy = getattr(lib, f"{self._type}_destroy")
        self._finalizer = weakref.finalize(self, _give_back, destroy, self._pointer, keep)
        self._finalizer.atexit = False  # other threads may still be at work in the library then

    @classmethod
    def _made(cls: type[Self], *arguments: Any, **keywords: Any) -> Self:
        """An instance made by another C function than __init__ calls."""
        self = cls.__new__(cls)
        self._create(*arguments, **keywords)
        return self

    @property
    def _c(self) -> Any:
        """The C handle, to call the library with."""
        self._require_open()
        return self._pointer

    def _require_open(self) -> None:
        if self.closed:
            raise ClosedError(f"this {type(self).__name__} is closed")

    def _check(self, status: int) -> int:
        return check(status, self._errors)

    @property
    def closed(self) -> bool:
        """Whether close() has been called."""
        return not self._finalizer.alive

    def close(self) -> None:
        """Give the handle back. What was made from it goes on working. Closing twice does nothing."""
        self._finalizer()
        self._keep = ()

    def __enter__(self: Self) -> Self:
        self._require_open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<cae.{type(self).__name__}{' closed' if self.closed else self._details()}>"

    def _details(self) -> str:
        return ""

    def __reduce__(self) -> Any:  # copies would share a handle that is given back once
        raise TypeError(f"a {type(self).__name__} cannot be copied or pickled")
