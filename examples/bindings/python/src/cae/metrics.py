"""Metrics and noise on plain arrays, in double precision. No clipping, no rounding."""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike

from ._arrays import Floats, floats_in, floats_out, pointer
from ._library import ffi, lib
from ._structs import number
from .context import Context
from .enums import SsimKind
from .errors import ShapeError, check

EVALUATION_VISIT = 0xFFFFFFFF  #: the visit whose noise Model.evaluate adds


def mse(a: ArrayLike, b: ArrayLike) -> float:
    """Mean squared difference of two arrays of one shape."""
    x, y = _same_shape(a, b)
    return _double(ffi.NULL, lib.cae_mse, pointer(x), pointer(y), x.size)


def psnr(a: ArrayLike, b: ArrayLike, data_range: float) -> float:
    """10 log10(data_range^2 / MSE) in dB; infinite for equal arrays."""
    x, y = _same_shape(a, b)
    return _double(ffi.NULL, lib.cae_psnr, pointer(x), pointer(y), x.size, data_range)


def ssim(
    a: ArrayLike,
    b: ArrayLike,
    data_range: float,
    *,
    kind: int | str = SsimKind.GAUSSIAN11,
    context: Context | None = None,
) -> float:
    """Structural similarity of two images [channels][height][width].

    `context` lends scratch memory; without one, a context is made for this call.
    """
    if context is None:
        with Context() as own:
            return ssim(a, b, data_range, kind=kind, context=own)
    x, y = _same_shape(a, b)
    if x.ndim != 3:
        raise ShapeError(f"an image has {x.ndim} dimensions, expected 3")
    window = number(SsimKind, kind, "kind")
    return _double(context._c, lib.cae_ssim, pointer(x), pointer(y), *x.shape, data_range, window)


def add_noise(values: Floats, sigma: float, *, seed: int, visit: int, image: int) -> None:
    """Add Gaussian noise to an image in place: a float32 array, whose noise is a function of
    (seed, visit, image) alone. A trainer's epoch e uses visit e."""
    memory = pointer(floats_out(values, "values"))
    check(lib.cae_add_noise(memory, values.size, sigma, seed, visit, image))


def _same_shape(a: ArrayLike, b: ArrayLike) -> tuple[Floats, Floats]:
    x, y = floats_in(a), floats_in(b)
    if x.shape != y.shape:
        raise ShapeError(f"arrays of the shapes {x.shape} and {y.shape}, expected one shape")
    return x, y


def _double(context: Any, metric: Any, *arguments: Any) -> float:
    out = ffi.new("double *")
    check(metric(out, context, *arguments), context)
    return out[0]
