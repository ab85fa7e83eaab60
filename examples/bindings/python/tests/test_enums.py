"""Enumerations are accepted as members, by name and as integers, wherever there is one."""

from __future__ import annotations

import contextlib
import inspect
from enum import IntEnum
from functools import partial
from typing import Any, Callable

import numpy as np

import cae
from cae._handle import Handle
from common import IMAGES, SCRATCH, raised


def enumerations(call: Callable[..., Any]) -> dict[str, type[IntEnum]]:
    """The parameters of a function that are enumerations."""
    parameters = inspect.signature(call).parameters.values()
    return {p.name: type(p.default) for p in parameters if isinstance(p.default, IntEnum)}


def public() -> set[str]:
    """The public functions that have such parameters."""
    calls = [getattr(cae, name) for name in cae.__all__]
    calls = [
        c for c in calls if inspect.isfunction(c) or inspect.isclass(c) and issubclass(c, Handle)
    ]
    for kind in filter(inspect.isclass, list(calls)):
        methods = inspect.getmembers(kind, inspect.isroutine)
        calls += [method for name, method in methods if not name.startswith("_")]
    return {call.__qualname__ for call in calls if enumerations(call)}


def test_names() -> None:
    """every enumeration is accepted by name, and an error says what was expected and found"""
    context, image = cae.Context(), np.zeros((3, 32, 32), np.float32)
    model, spec, data = cae.Model.reference(context, seed=1), cae.Spec(context), IMAGES[:2]
    dataset, optimizer = cae.Dataset(context, data), cae.Optimizer(model)
    calls = [
        partial(cae.Context),
        partial(cae.Spec.add_conv, spec, 3, 8),
        partial(cae.Spec.add_conv_transpose, spec, 8, 3),
        partial(cae.Dataset, context, data),
        partial(cae.Dataset.cifar10, context, SCRATCH / "missing"),
        partial(cae.Dataset.dead_leaves, context, 1, seed=1),
        partial(cae.ssim, image, image, 2.0),
        partial(cae.Model.export_onnx, model, SCRATCH / "part.onnx"),
        partial(cae.Model.to_onnx, model),
        partial(cae.Model.channels, model),
        partial(cae.Model.output_shape, model, 28, 28),
        partial(cae.Optimizer, model),
        partial(cae.Trainer, model, optimizer, dataset, decay_steps=9),
    ]
    assert {call.func.__qualname__ for call in calls} == public()
    for call in calls:
        for name, kind in enumerations(call).items():
            with contextlib.suppress(cae.FileError):  # CIFAR-10 is missing, whatever its split
                call(**{name: list(kind)[1].name.lower()})
            names = ", ".join(member.name.lower() for member in kind)
            for error, wrong in ((ValueError, "reluu"), (TypeError, 1.5), (TypeError, None)):
                said = str(raised(error, partial(call, **{name: wrong})))
                assert said == f"{name}: expected one of {names}, found {wrong!r}", said


def test_values() -> None:
    """a name, a member and its integer are the same; one of another enumeration is refused"""
    context = cae.Context()
    model = cae.Model.reference(context, seed=1)
    for part in cae.Part:
        for same in (part.name.lower(), int(part), np.int64(part)):
            assert model.to_onnx(same) == model.to_onnx(part)
    pixels = np.ascontiguousarray(IMAGES[:2].transpose(0, 2, 3, 1))
    data = cae.Dataset(context, pixels, layout="nhwc", scale="unit")
    assert data.shape == (3, 32, 32) and data.range == 1
    assert (data[0] == cae.Dataset(context, IMAGES, scale=cae.Scale.UNIT)[0]).all()
    relu, tanh = (cae.Spec(context).add_conv(3, 3, activation=name) for name in ("relu", "tanh"))
    first, second = (cae.Model(context, spec, seed=1).forward(data[0]) for spec in (relu, tanh))
    assert first.min() == 0 > second.min()
    for wrong in (cae.Loss.L1, cae.Status.OK, True):
        raised(TypeError, relu.add_conv, 3, 3, activation=wrong)
    raised(cae.OptionsError, relu.add_conv, 3, 3, activation=99)  # by the library
