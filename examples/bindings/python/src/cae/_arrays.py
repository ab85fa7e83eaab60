"""numpy arrays as C sees them: float32, dense, row-major, aligned."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._library import ffi
from .errors import ArgumentError, ShapeError

Floats = NDArray[np.float32]


def floats_in(values: ArrayLike) -> Floats:
    """`values` itself if it is what C needs, a converted copy otherwise."""
    return np.require(values, np.float32, ["C", "A"])


def floats_out(array: Any, name: str = "out") -> Floats:
    """`array`, if C can write to it: a copy would be lost."""
    if (
        not isinstance(array, np.ndarray)
        or array.dtype != np.float32
        or not (array.flags.c_contiguous and array.flags.writeable and array.flags.aligned)
    ):
        raise ArgumentError(f"{name} must be a writable, C-contiguous array of float32")
    return array


def result(shape: tuple[int, ...], out: Any) -> Floats:
    """The array to write a result of that shape to: `out`, or a new one for None."""
    if out is None:
        return np.empty(shape, np.float32)
    if floats_out(out).shape != shape:
        raise ShapeError(f"out has the shape {out.shape}, expected {shape}")
    return out


def pointer(array: NDArray[Any], kind: str = "float[]") -> Any:
    """The array's memory as a C array, which keeps the numpy array alive."""
    return ffi.from_buffer(kind, array)
