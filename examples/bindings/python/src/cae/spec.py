"""The description of a network: a list of layers."""

from __future__ import annotations

from typing import Any

from ._handle import Handle
from ._library import lib
from ._structs import Pair, options
from .context import Context
from .enums import Activation


class Spec(Handle):
    """An empty description, to append layers to. Calls can be chained; one that fails changes nothing.

    Each layer maps [in_channels][H][W] to [out_channels][P][Q]. Extents are one number for both
    directions or (vertical, horizontal).
    """

    _type = "cae_spec"

    def __init__(self, context: Context) -> None:
        self._create(lib.cae_spec_create, context._c, errors=context._c, keep=context._keep)

    def add_conv(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel: Pair = 3,
        stride: Pair = 1,
        padding: Pair = 0,
        dilation: Pair = 1,
        bias: bool = True,
        activation: int | str = Activation.NONE,
        slope: float = 0.01,
    ) -> Spec:
        """Append a convolution: P = (H + 2 padding - dilation (kernel - 1) - 1) // stride + 1."""
        given = _conv_options(
            kernel=kernel,
            stride=stride,
            padding=padding,
            dilation=dilation,
            bias=bias,
            activation=activation,
            slope=slope,
        )
        self._check(lib.cae_spec_add_conv(self._c, in_channels, out_channels, given))
        return self

    def add_conv_transpose(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel: Pair = 3,
        stride: Pair = 1,
        padding: Pair = 0,
        dilation: Pair = 1,
        output_padding: Pair = 0,
        bias: bool = True,
        activation: int | str = Activation.NONE,
        slope: float = 0.01,
    ) -> Spec:
        """Append a transposed convolution, the adjoint of the convolution with the same options:
        P = (H - 1) stride - 2 padding + dilation (kernel - 1) + output_padding + 1."""
        given = _conv_options(
            kernel=kernel,
            stride=stride,
            padding=padding,
            dilation=dilation,
            output_padding=output_padding,
            bias=bias,
            activation=activation,
            slope=slope,
        )
        self._check(lib.cae_spec_add_conv_transpose(self._c, in_channels, out_channels, given))
        return self

    def end_encoder(self) -> Spec:
        """What has been added so far is the encoder; what follows is the decoder."""
        self._check(lib.cae_spec_end_encoder(self._c))
        return self

    def set_residual(self, residual: bool = True) -> Spec:
        """A whole model gives its input plus what its layers make of it, y = x + f(x); as many channels
        as it takes, with no activation in the last layer. Encoder and decoder run their layers only."""
        self._check(lib.cae_spec_set_residual(self._c, bool(residual)))
        return self

    def add_reference(self) -> Spec:
        """Append the four layers of the reference network (1,611 parameters)."""
        self._check(lib.cae_spec_add_reference(self._c))
        return self


def _conv_options(*, bias: bool, activation: int | str, slope: float, **extents: Pair) -> Any:
    given = options("cae_conv_options", bias=bias, activation=activation, slope=slope)
    for name, extent in extents.items():
        vertical, horizontal = extent if isinstance(extent, tuple) else (extent, extent)
        setattr(given, f"{name}_h", vertical)
        setattr(given, f"{name}_w", horizontal)
    return given
