"""Structs that the library reads and fills, and the enumerations among what it is told."""

from __future__ import annotations

import operator
from enum import Enum, IntEnum
from typing import Any, SupportsIndex, TypeVar, Union

from ._library import ffi, lib
from .enums import Activation, Cpu, Engine, Layout, Loss, OptimizerKind, Scale, Schedule
from .errors import OptionsError, check

Pair = Union[int, tuple[int, int]]  #: one extent for both directions, or (vertical, horizontal)

Result = TypeVar("Result", bound=tuple[Any, ...])

#: fields of options structs that are enumerations
_ENUMS: dict[str, type[IntEnum]] = {
    "activation": Activation,
    "cpu": Cpu,
    "engine": Engine,
    "kind": OptimizerKind,
    "layout": Layout,
    "loss": Loss,
    "scale": Scale,
    "schedule": Schedule,
}


def initialized(name: str) -> Any:
    """A struct with the library's defaults and its size."""
    struct = ffi.new(f"{name} *")
    check(getattr(lib, f"{name}_init")(struct, ffi.sizeof(name)))
    return struct


def options(name: str, **fields: Any) -> Any:
    """An options struct: the library's defaults, then `fields`."""
    struct = initialized(name)
    for field, value in fields.items():
        kind = _ENUMS.get(field)
        setattr(struct, field, number(kind, value, field) if kind else value)
    return struct


def number(kind: type[IntEnum], value: int | str, name: str) -> int:
    """What C reads for the argument `name`: a member of `kind`, or its lower-case name, or an integer,
    which is passed on as it is: a newer library may have more of them."""
    names = [member.name.lower() for member in kind]
    if isinstance(value, str) and value in names:
        return kind[value.upper()]
    foreign = isinstance(value, (Enum, bool)) and not isinstance(value, kind)
    if isinstance(value, SupportsIndex) and not foreign:
        return operator.index(value)
    error = OptionsError if isinstance(value, str) else TypeError
    raise error(f"{name}: expected one of {', '.join(names)}, found {value!r}")


def values(kind: type[Result], struct: Any, **others: Any) -> Result:
    """The fields of a result struct as the named tuple `kind`, whose fields have the same names."""
    names = kind._fields  # type: ignore[attr-defined]
    return kind(**{n: getattr(struct, n) for n in names if n not in others}, **others)
