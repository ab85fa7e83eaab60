"""Arrays: what is read and written in place, what is converted, what is refused."""

from __future__ import annotations

import gc
import weakref

import numpy as np

import cae
from common import IMAGES, SCRATCH, raised

FLOATS = (IMAGES[:4] / np.float32(127.5) - 1).astype(np.float32)


def test_borrow() -> None:
    """a borrowed float32 dataset sees the caller's memory, a copied one does not"""
    context, images = cae.Context(), FLOATS.copy()
    borrowed, copied = cae.Dataset(context, images, borrow=True), cae.Dataset(context, images)
    images[1, 2, 3, 4] = 0.625
    assert borrowed[1][2, 3, 4] == 0.625 and copied[1][2, 3, 4] == FLOATS[1, 2, 3, 4]
    for other in (FLOATS.astype(np.float64), np.asfortranarray(FLOATS), FLOATS[:, :, ::2]):
        raised(cae.ArgumentError, cae.Dataset, context, other, borrow=True)


def test_borrowed_array_is_kept() -> None:
    """a borrowed array lives as long as the dataset, its slices or a trainer need it"""
    context = cae.Context()
    model = cae.Model.reference(context, seed=1)
    images = FLOATS.copy()
    alive = weakref.ref(images)
    data = cae.Dataset(context, images, borrow=True)
    part = data[1:3]
    trainer = cae.Trainer(model, cae.Optimizer(model), part, batch=2)
    del images, data
    gc.collect()
    assert alive() is not None and np.array_equal(part[0], FLOATS[1])
    part.close()
    assert alive() is not None
    trainer.step()
    trainer.close()
    gc.collect()
    assert alive() is None


def test_datasets() -> None:
    """bytes and floats, both layouts, both scales, slices, iteration"""
    context, some = cae.Context(), IMAGES[:4]
    data = cae.Dataset(context, some)
    assert len(data) == 4 and data.shape == (3, 32, 32) and data.range == 2.0
    assert np.allclose(np.stack(list(data)), FLOATS, atol=1e-6)
    last = np.ascontiguousarray(some.transpose(0, 2, 3, 1))
    pixels = cae.Dataset(context, last, layout=cae.Layout.NHWC, borrow=True)
    assert pixels.shape == (3, 32, 32) and np.array_equal(pixels[3], data[3])
    unit = cae.Dataset(context, some, scale=cae.Scale.UNIT)
    assert unit.range == 1.0 and abs(unit[0][0, 0, 0] - some[0, 0, 0, 0] / 255) < 1e-6
    assert np.array_equal(cae.Dataset(context, FLOATS.astype(np.float64))[2], FLOATS[2])
    assert np.array_equal(data[-1], data[3])
    assert np.array_equal(data[1:][0], data[1]) and len(data[1:-1]) == 2
    raised(cae.ArgumentError, cae.Dataset, context, some.astype(np.int32))
    raised(cae.ShapeError, cae.Dataset, context, some[0])

    leaves = cae.Dataset.dead_leaves(context, 320, seed=7)
    assert np.array_equal(np.rint((leaves[3] + 1) * np.float32(127.5)).astype("u1"), IMAGES[3])

    record = b"\3" + IMAGES[0].tobytes()
    (SCRATCH / "test_batch.bin").write_bytes(record * 2)
    cifar = cae.Dataset.cifar10(context, SCRATCH, split=cae.Split.TEST)
    assert len(cifar) == 2 and np.array_equal(cifar[1], data[0])


def test_outputs() -> None:
    """`out` is written in place; one that would need a copy is refused"""
    context = cae.Context()
    model = cae.Model.reference(context, seed=1)
    y, z = np.zeros_like(FLOATS), np.zeros((4, 8, 28, 28), np.float32)
    assert model.forward(FLOATS, out=y) is y and np.array_equal(y, model.forward(FLOATS))
    model.encode(FLOATS, out=z)
    assert np.array_equal(model.decode(z), y)
    image = np.empty((3, 32, 32), np.float32)
    assert cae.Dataset(context, IMAGES).get(9, out=image) is image
    raised(cae.ShapeError, model.forward, FLOATS, out=z)
    raised(cae.ArgumentError, model.forward, FLOATS, out=y.astype(np.float64))
    raised(cae.ArgumentError, model.forward, FLOATS, out=np.asfortranarray(y))
    y.setflags(write=False)
    raised(cae.ArgumentError, model.forward, FLOATS, out=y)


def test_inputs() -> None:
    """any array is accepted as input: other types, strides, byte orders, none at all"""
    model = cae.Model.reference(cae.Context(), seed=1)
    y = model.forward(FLOATS)
    shifted = np.frombuffer(b"." + FLOATS.tobytes(), np.uint8)[1:].view(np.float32)
    for x in (
        FLOATS.astype(np.float64),
        np.asfortranarray(FLOATS),
        FLOATS.astype(">f4"),
        shifted.reshape(FLOATS.shape),
        FLOATS.tolist(),
    ):
        assert np.array_equal(model.forward(x), y)
    assert model.forward(np.empty((0, 3, 20, 24))).shape == (0, 3, 20, 24)
    raised(cae.ShapeError, model.forward, np.zeros((32, 32)))
