"""Structs that the library reads and fills."""

from __future__ import annotations

from typing import Any, TypeVar, Union

from ._library import ffi, lib
from .errors import check

Pair = Union[int, tuple[int, int]]  #: one extent for both directions, or (vertical, horizontal)

Result = TypeVar("Result", bound=tuple[Any, ...])


def initialized(name: str) -> Any:
    """A struct with the library's defaults and its size."""
    struct = ffi.new(f"{name} *")
    check(getattr(lib, f"{name}_init")(struct, ffi.sizeof(name)))
    return struct


def options(name: str, **fields: Any) -> Any:
    """An options struct: the library's defaults, then `fields`."""
    struct = initialized(name)
    for field, value in fields.items():
        setattr(struct, field, value)
    return struct


def values(kind: type[Result], struct: Any, **others: Any) -> Result:
    """The fields of a result struct as the named tuple `kind`, whose fields have the same names."""
    names = kind._fields  # type: ignore[attr-defined]
    return kind(**{n: getattr(struct, n) for n in names if n not in others}, **others)
