"""Models: a network with its parameters."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Union

import numpy as np
from numpy.typing import ArrayLike

from ._arrays import Floats, floats_in, pointer, result
from ._handle import Handle
from ._library import c_text, ffi, lib, text
from ._structs import initialized, number, options, values
from .context import Context
from .dataset import Dataset
from .enums import Part
from .errors import ShapeError, check
from .spec import Spec

Path = Union[str, bytes, "os.PathLike[str]", "os.PathLike[bytes]"]


class Evaluation(NamedTuple):
    """How well a model does. PSNR in dB and SSIM are means over images; `noisy_` compares the input,
    the others the output, with the clean image."""

    images: int
    mse: float
    psnr: float
    psnr_global: float
    ssim: float
    ssim_uniform7: float
    noisy_mse: float
    noisy_psnr: float
    noisy_ssim: float
    noisy_ssim_uniform7: float


class Model(Handle):
    """A network made from a description, with PyTorch's default initialization: the same seed gives
    the same bits on every machine.

    One model may be run by several Python threads at once while nobody changes it, each passing a
    `context` of its own.
    """

    _type = "cae_model"

    def __init__(self, context: Context, spec: Spec, *, seed: int) -> None:
        self._create(
            lib.cae_model_create,
            context._c,
            spec._c,
            seed,
            errors=context._c,
            keep=context._keep,
        )

    @classmethod
    def _from(cls, create: Any, context: Context, *arguments: Any) -> Model:
        return cls._made(create, context._c, *arguments, errors=context._c, keep=context._keep)

    @classmethod
    def reference(cls, context: Context, *, seed: int) -> Model:
        """The reference network (1,611 parameters)."""
        return cls._from(lib.cae_model_create_reference, context, seed)

    @classmethod
    def load(cls, context: Context, path: Path) -> Model:
        """Read a file that save() or Trainer.save() wrote."""
        return cls._from(lib.cae_model_load, context, c_text(path))

    @classmethod
    def from_bytes(cls, context: Context, data: Any) -> Model:
        """The same from memory: bytes or anything else with a buffer."""
        buffer = ffi.from_buffer(data)
        return cls._from(lib.cae_model_load_memory, context, buffer, len(buffer))

    def save(self, path: Path) -> None:
        """Write a model file, safetensors with PyTorch's names: it appears whole or not at all."""
        self._check(lib.cae_model_save(self._c, c_text(path)))

    def to_bytes(self) -> bytes:
        """What save() would write."""
        return self._bytes(lib.cae_model_save_memory, self._c)

    def load_weights(self, path: Path) -> None:
        """Fill the parameters from a file that need not say an architecture. All or nothing."""
        self._check(lib.cae_model_load_weights(self._c, c_text(path)))

    def export_onnx(self, path: Path, part: int | str = Part.WHOLE) -> None:
        """Write a part of the model as ONNX, opset 13."""
        self._check(lib.cae_model_export_onnx(self._c, _part(part), c_text(path)))

    def to_onnx(self, part: int | str = Part.WHOLE) -> bytes:
        """What export_onnx() would write."""
        return self._bytes(lib.cae_model_export_onnx_memory, self._c, _part(part))

    def _bytes(self, write: Any, *arguments: Any) -> bytes:
        size = ffi.new("size_t *")
        self._check(write(ffi.NULL, 0, size, *arguments))
        buffer = ffi.new("char[]", size[0])
        self._check(write(buffer, size[0], size, *arguments))
        return bytes(ffi.buffer(buffer, size[0]))

    @property
    def parameter_count(self) -> int:
        """Number of scalar parameters."""
        return lib.cae_model_parameter_count(self._c)

    @property
    def layer_count(self) -> int:
        """Number of layers."""
        return lib.cae_model_layer_count(self._c)

    @property
    def residual(self) -> bool:
        """Whether the whole model adds its input to what its layers make of it."""
        return lib.cae_model_residual(self._c) == 1

    @property
    def tensors(self) -> Tensors:
        """The parameters by name, such as "4.weight"."""
        return Tensors(self)

    def channels(self, part: int | str = Part.WHOLE) -> tuple[int, int]:
        """Channels that a part reads and writes."""
        counts = ffi.new("int32_t[2]")
        self._check(lib.cae_model_channels(counts, counts + 1, self._c, ffi.NULL, _part(part)))
        return counts[0], counts[1]

    def output_shape(
        self, height: int, width: int, part: int | str = Part.WHOLE
    ) -> tuple[int, int, int]:
        """What a part turns an input of that size into: (channels, height, width)."""
        shape = ffi.new("int32_t[3]")
        self._check(
            lib.cae_model_output_shape(
                shape, shape + 1, shape + 2, self._c, ffi.NULL, _part(part), height, width
            )
        )
        return shape[0], shape[1], shape[2]

    def forward(
        self,
        x: ArrayLike,
        *,
        out: Floats | None = None,
        context: Context | None = None,
    ) -> Floats:
        """Run the whole model on images [count][channels][height][width], or on one of them.

        A C-contiguous float32 array is read in place, and `out`, one of the result's shape, written in
        place. `context` lends threads and scratch memory; None means the model's own.
        """
        return self._run(lib.cae_model_forward, Part.WHOLE, x, out, context)

    def encode(
        self,
        x: ArrayLike,
        *,
        out: Floats | None = None,
        context: Context | None = None,
    ) -> Floats:
        """Run the encoder, as forward() does: images to latents."""
        return self._run(lib.cae_model_encode, Part.ENCODER, x, out, context)

    def decode(
        self,
        latent: ArrayLike,
        *,
        out: Floats | None = None,
        context: Context | None = None,
    ) -> Floats:
        """Run the decoder, as forward() does: latents to images."""
        return self._run(lib.cae_model_decode, Part.DECODER, latent, out, context)

    def _run(
        self, run: Any, part: int, x: ArrayLike, out: Floats | None, context: Context | None
    ) -> Floats:
        given = floats_in(x)
        if given.ndim not in (3, 4):
            raise ShapeError(
                f"the input has {given.ndim} dimensions, expected 4, or 3 for one image"
            )
        images = given.reshape(-1 if given.size else 0, *given.shape[-3:])
        count, channels, height, width = images.shape
        expected = self.channels(part)[0]
        if channels != expected:
            raise ShapeError(f"the input has {channels} channels, expected {expected}")
        y = result(given.shape[:-3] + self.output_shape(height, width, part), out)
        lender = context._c if context else ffi.NULL
        status = run(
            pointer(y), y.size, self._c, lender, pointer(given), given.size, count, height, width
        )
        check(status, lender or self._errors)
        return y

    def evaluate(
        self,
        dataset: Dataset,
        *,
        noise_sigma: float = 0.0,
        noise_seed: int = 123,
        context: Context | None = None,
    ) -> Evaluation:
        """Run the model over a dataset and compare. `context` as in forward()."""
        given = options("cae_evaluation_options", noise_sigma=noise_sigma, noise_seed=noise_seed)
        out = initialized("cae_evaluation")
        lender = context._c if context else ffi.NULL
        status = lib.cae_model_evaluate(out, self._c, lender, dataset._c, given)
        check(status, lender or self._errors)
        return values(Evaluation, out)

    def _details(self) -> str:
        return f" {self.layer_count} layers, {self.parameter_count} parameters"


def _part(part: int | str) -> int:
    return number(Part, part, "part")


class Tensors(Mapping[str, Floats]):
    """The parameters of a model by name. Reading copies one out, assigning copies one in.

    Convolution weights are [out][in][kernel_h][kernel_w], transposed ones [in][out][kernel_h][kernel_w].
    """

    def __init__(self, model: Model) -> None:
        self._model = model

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a tensor: 4 extents for weights, 1 for biases."""
        model, shape, rank = self._model, ffi.new("int64_t[4]"), ffi.new("int32_t *")
        model._check(lib.cae_model_tensor_shape(shape, rank, model._c, c_text(name)))
        return tuple(shape[0 : rank[0]])

    def __getitem__(self, name: str) -> Floats:
        model, tensor = self._model, np.empty(self.shape(name), np.float32)
        model._check(lib.cae_model_get_tensor(pointer(tensor), tensor.size, model._c, c_text(name)))
        return tensor

    def __setitem__(self, name: str, tensor: ArrayLike) -> None:
        model, given, shape = self._model, floats_in(tensor), self.shape(name)
        if given.shape != shape:
            raise ShapeError(f"{name} has the shape {shape}, the array {given.shape}")
        model._check(lib.cae_model_set_tensor(model._c, c_text(name), pointer(given), given.size))

    def __iter__(self) -> Iterator[str]:
        model = self._model._c
        for index in range(len(self)):
            yield text(lib.cae_model_tensor_name(model, index))

    def __len__(self) -> int:
        return lib.cae_model_tensor_count(self._model._c)
