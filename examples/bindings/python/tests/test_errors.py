"""Failures arrive as exceptions of Python's kinds, with the library's code and text."""

from __future__ import annotations

import pickle

import numpy as np

import cae
from common import IMAGES, SCRATCH, make_trainer, raised


def test_shape() -> None:
    """a layer that does not fit: ShapeError, a ValueError, with the library's text"""
    context = cae.Context()
    spec = cae.Spec(context).add_conv(3, 8)
    error = raised(ValueError, spec.add_conv, 4, 8)
    assert type(error) is cae.ShapeError and error.status == cae.Status.SHAPE
    assert "8" in str(error) and "4" in str(error) and str(error) == context.last_error
    spec.add_conv_transpose(8, 3)  # as it was


def test_missing_file() -> None:
    """a missing file: FileError, an OSError"""
    error = raised(OSError, cae.Model.load, cae.Context(), SCRATCH / "missing")
    assert type(error) is cae.FileError and error.status == -5
    assert "missing" in str(error) and "No such file" in str(error)


def test_garbage() -> None:
    """a file of garbage: FormatError, and the same from memory"""
    path = SCRATCH / "garbage"
    path.write_bytes(b"garbage, and more than eight bytes of it")
    error = raised(ValueError, cae.Model.load, cae.Context(), path)
    assert type(error) is cae.FormatError and error.status == -6 and "garbage" in str(error)
    raised(cae.FormatError, cae.Model.from_bytes, cae.Context(), path.read_bytes())


def test_options() -> None:
    """options out of range: OptionsError, with text if there is a context to keep it"""
    context = cae.Context()
    model = cae.Model.reference(context, seed=1)
    data = cae.Dataset(context, IMAGES)
    error = raised(cae.OptionsError, cae.Trainer, model, cae.Optimizer(model), data, batch=0)
    assert error.status == -4 and "batch" in str(error)
    raised(cae.OptionsError, cae.Spec(context).add_conv, 3, 8, activation=99)
    assert str(raised(ValueError, cae.Context, threads=-1)) == cae.status_string(-4)
    raised(OverflowError, cae.Context, threads=2**31)


def test_other_statuses() -> None:
    """argument, name, numeric and memory errors are the fitting builtins, too"""
    context = cae.Context()
    model, trainer, data = make_trainer(context)
    assert raised(KeyError, lambda: model.tensors["5.weight"]).status == -9
    raised(KeyError, trainer.gradient, "5.weight")
    assert "5.weight" not in model.tensors
    raised(ValueError, lambda: model.tensors["0.bias\0"])
    raised(ValueError, model.save, "with\0zero")
    broken = np.full(8, np.nan, np.float32)
    assert raised(ArithmeticError, model.tensors.__setitem__, "0.bias", broken).status == -7
    raised(cae.ShapeError, model.tensors.__setitem__, "0.bias", np.zeros(7))
    assert raised(cae.ArgumentError, data.get, 320).status == -1
    raised(IndexError, lambda: data[320])
    raised(cae.ArgumentError, lambda: data[5:5])
    raised(cae.ShapeError, model.forward, np.zeros((1, 4, 32, 32)))
    raised(cae.ShapeError, model.forward, np.zeros((1, 3, 4, 4)))
    raised(cae.ShapeError, cae.mse, np.zeros(3), np.zeros(4))
    raised(cae.ArgumentError, cae.add_noise, np.zeros(3, np.float32), -1, seed=1, visit=0, image=0)
    raised(cae.FileError, cae.Dataset.cifar10, context, SCRATCH / "missing")
    huge = raised(Exception, cae.Dataset.dead_leaves, context, 2**40, 3, 1024, 1024, seed=1)
    assert isinstance(huge, (MemoryError, cae.ShapeError))


def test_error_context() -> None:
    """the text is that of the context a call was lent"""
    own, lent = cae.Context(), cae.Context()
    model = cae.Model.reference(own, seed=1)
    error = raised(
        cae.ShapeError,
        model.evaluate,
        cae.Dataset(lent, np.zeros((1, 1, 8, 8), "u1")),
        context=lent,
    )
    assert own.last_error == "" and str(error) == lent.last_error != ""


def test_pickle() -> None:
    """exceptions survive pickling"""
    for error in (cae.ShapeError("text"), cae.CaeError("text", -99), cae.FileError("text")):
        copy = pickle.loads(pickle.dumps(error))
        assert type(copy) is type(error) and str(copy) == "text" and copy.status == error.status
