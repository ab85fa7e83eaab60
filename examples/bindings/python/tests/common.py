"""What the tests share: the C program's results, and the training that led to them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

import cae

CONTRACT = Path(os.environ["CAE_CONTRACT"])
SCRATCH = Path(os.environ["CAE_SCRATCH"])
SOURCE = Path(__file__).resolve().parent.parent

EXPECTED = {
    name: float(value)
    for name, value in (line.split() for line in (CONTRACT / "expected.txt").open())
}
IMAGES = np.fromfile(CONTRACT / "images.u8", np.uint8).reshape(320, 3, 32, 32)


def reference_spec(context: cae.Context) -> cae.Spec:
    """The reference network layer by layer."""
    relu = cae.Activation.RELU
    return (
        cae.Spec(context)
        .add_conv(3, 8, activation=relu)
        .add_conv(8, 8, activation=relu)
        .end_encoder()
        .add_conv_transpose(8, 8, activation=relu)
        .add_conv_transpose(8, 3)
    )


def make_trainer(
    context: cae.Context, images: np.ndarray = IMAGES
) -> tuple[cae.Model, cae.Trainer, cae.Dataset]:
    model = cae.Model(context, reference_spec(context), seed=7)
    data = cae.Dataset(context, images)
    trainer = cae.Trainer(model, cae.Optimizer(model), data, batch=16, seed=7, noise_sigma=0.1)
    return model, trainer, data


def raised(kind: type[BaseException], call, *arguments, **keywords) -> BaseException:
    """What `call` raises, which must be a `kind`."""
    try:
        call(*arguments, **keywords)
    except kind as error:
        return error
    raise AssertionError(f"{call} did not raise {kind.__name__}")
