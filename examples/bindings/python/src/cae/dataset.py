"""Datasets: random access to images of one shape."""

from __future__ import annotations

import os
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from ._arrays import Floats, floats_in, pointer, result
from ._handle import Handle
from ._library import c_text, ffi, lib
from ._structs import number, options
from .context import Context
from .enums import Layout, Scale, Split
from .errors import ArgumentError, ShapeError


class Dataset(Handle):
    """Images in an array of four dimensions, in the order that `layout` says.

    uint8 is mapped to the range of `scale`; other integers are refused. float32 is taken to be in that
    range already; other floats are converted to it. The images are copied, or, with `borrow`, read where
    they are for as long as the dataset, its slices or a trainer need them: the array is kept alive, and
    must be C-contiguous uint8 or float32.

    dataset[i] is an image as [channels][height][width], dataset[a:b] a dataset without a copy.
    """

    _type = "cae_dataset"

    def __init__(
        self,
        context: Context,
        images: NDArray[Any],
        *,
        layout: int | str = Layout.NCHW,
        scale: int | str = Scale.SIGNED,
        borrow: bool = False,
    ) -> None:
        array = _images(images)
        if borrow and array is not images:
            raise ArgumentError("borrow needs a C-contiguous array of uint8 or float32")
        layout = number(Layout, layout, "layout")
        count, *shape = array.shape
        channels, height, width = shape if layout != Layout.NHWC else shape[2:] + shape[:2]
        memory = pointer(array, "char[]")
        self._create(
            lib.cae_dataset_create,
            context._c,
            memory,
            array.nbytes,
            count,
            channels,
            height,
            width,
            options(
                "cae_dataset_options",
                scale=scale,
                type=lib.CAE_TYPE_U8 if array.dtype == np.uint8 else lib.CAE_TYPE_F32,
                layout=layout,
                borrow=borrow,
            ),
            errors=context._c,
            keep=context._keep + ((memory,) if borrow else ()),
        )

    @classmethod
    def cifar10(
        cls,
        context: Context,
        directory: str | bytes | os.PathLike[str],
        *,
        split: int | str = Split.TRAIN,
        scale: int | str = Scale.SIGNED,
    ) -> Dataset:
        """A directory with CIFAR-10's binary files, read into memory."""
        return cls._made(
            lib.cae_dataset_open_cifar10,
            context._c,
            c_text(directory),
            number(Split, split, "split"),
            options("cae_dataset_options", scale=scale),
            errors=context._c,
            keep=context._keep,
        )

    @classmethod
    def dead_leaves(
        cls,
        context: Context,
        count: int,
        channels: int = 3,
        height: int = 32,
        width: int = 32,
        *,
        seed: int,
        scale: int | str = Scale.SIGNED,
    ) -> Dataset:
        """The built-in images: the same bytes for a seed on every machine."""
        return cls._made(
            lib.cae_dataset_create_dead_leaves,
            context._c,
            count,
            channels,
            height,
            width,
            seed,
            options("cae_dataset_options", scale=scale),
            errors=context._c,
            keep=context._keep,
        )

    def get(self, index: int, *, out: Floats | None = None) -> Floats:
        """Image `index`, scaled, as [channels][height][width]."""
        image = result(self.shape, out)
        self._check(lib.cae_dataset_get(pointer(image), image.size, self._c, index))
        return image

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of every image."""
        shape = ffi.new("int32_t[3]")
        self._check(lib.cae_dataset_shape(shape, shape + 1, shape + 2, self._c))
        return shape[0], shape[1], shape[2]

    @property
    def range(self) -> float:
        """Difference between the largest and the smallest possible value: 2 or 1."""
        return lib.cae_dataset_range(self._c)

    def __len__(self) -> int:
        return lib.cae_dataset_count(self._c)

    @overload
    def __getitem__(self, index: int) -> Floats: ...

    @overload
    def __getitem__(self, index: slice) -> Dataset: ...

    def __getitem__(self, index: Any) -> Any:
        count = len(self)
        if isinstance(index, slice):
            first, end, step = index.indices(count)
            if step != 1:
                raise ArgumentError(f"the step of a slice is {step}, expected 1")
            return self._made(
                lib.cae_dataset_slice,
                self._c,
                first,
                end - first,
                errors=self._errors,
                keep=self._keep,
            )
        at = index + count if index < 0 else index
        if not 0 <= at < count:  # IndexError is what ends a loop over the images
            raise IndexError(f"image {index} of a dataset of {count}")
        return self.get(at)

    def _details(self) -> str:
        return " {} images of {}x{}x{}".format(len(self), *self.shape)


def _images(images: Any) -> NDArray[Any]:
    """`images` as the library reads them: the same array if possible."""
    array = np.asarray(images)
    if array.ndim != 4:
        raise ShapeError(f"images have {array.ndim} dimensions, expected 4: {array.shape}")
    if array.dtype == np.uint8:
        return np.require(array, requirements="C")
    if np.issubdtype(array.dtype, np.floating):
        return floats_in(array)
    raise ArgumentError(f"images are {array.dtype}, expected uint8 or a float type")
