"""Training: an optimizer changes a model's parameters, a trainer feeds it."""

from __future__ import annotations

from typing import Any, Callable, NamedTuple, Optional

import numpy as np

from ._arrays import Floats, pointer
from ._handle import Handle
from ._library import c_text, ffi, lib
from ._structs import initialized, options, values
from .dataset import Dataset
from .enums import Loss, OptimizerKind, Schedule, Status
from .model import Model, Path


class Progress(NamedTuple):
    """Where training stands."""

    epoch_done: bool  #: the step just taken was the last of its epoch
    step: int  #: optimizer steps taken in all
    epoch: int  #: epochs completed
    images: int  #: images visited in this epoch, or in the one just completed
    loss: float  #: of the step just taken; what Trainer.epoch() returns has the mean per image
    epoch_loss: float  #: mean per image since the epoch began
    learning_rate: float  #: used in the step just taken
    gradient_norm: float  #: L2, before clipping
    stopped: bool = False  #: Trainer.epoch() ended because its callback asked to


ProgressCallback = Callable[[Progress], Optional[bool]]


class Optimizer(Handle):
    """An update rule and its moments, for one model. One optimizer at a time may train a model."""

    _type = "cae_optimizer"

    def __init__(
        self,
        model: Model,
        *,
        kind: int | str = OptimizerKind.ADAM,
        learning_rate: float = 1e-3,
        momentum: float = 0.0,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        given = options(
            "cae_optimizer_options",
            kind=kind,
            learning_rate=learning_rate,
            momentum=momentum,
            beta1=beta1,
            beta2=beta2,
            epsilon=epsilon,
            weight_decay=weight_decay,
            nesterov=nesterov,
        )
        self._create(
            lib.cae_optimizer_create, model._c, given, errors=model._errors, keep=model._keep
        )

    @property
    def learning_rate(self) -> float:
        """The base rate that a schedule multiplies. Set it to change it from the next step on."""
        return lib.cae_optimizer_learning_rate(self._c)

    @learning_rate.setter
    def learning_rate(self, learning_rate: float) -> None:
        self._check(lib.cae_optimizer_set_learning_rate(self._c, learning_rate))

    def _details(self) -> str:
        return f" learning_rate={self.learning_rate:g}"


class Trainer(Handle):
    """A model, its optimizer and a dataset, at work. Nothing runs unless you call it.

    `seed` keys the shuffle and the noise. `noise_sigma` is added to the input, never to the target.
    With `noise_sigma_max`, each visit of an image draws its own between the two. `augment` is a sum of
    Augment, drawn for each visit, too. `average_decay` above 0 makes average() a moving average of the
    parameters. `epsilon` is the Charbonnier loss's, 0 means 1e-3. `ssim_weight` times 1 - SSIM is added
    to the loss.
    `clip_norm` 0 is off. The rate warms up over `warmup_steps`, then follows `schedule`: STEP multiplies it
    with `decay_factor` every `decay_steps`, COSINE brings it to `final_fraction` at step `decay_steps`.
    """

    _type = "cae_trainer"

    def __init__(
        self,
        model: Model,
        optimizer: Optimizer,
        dataset: Dataset,
        *,
        batch: int = 64,
        seed: int = 1,
        loss: int | str = Loss.MSE,
        shuffle: bool = True,
        huber_delta: float = 1.0,
        noise_sigma: float = 0.0,
        clip_norm: float = 0.0,
        schedule: int | str = Schedule.CONSTANT,
        warmup_steps: int = 0,
        decay_steps: int = 0,
        decay_factor: float = 0.1,
        final_fraction: float = 0.0,
        noise_sigma_max: float = 0.0,
        average_decay: float = 0.0,
        epsilon: float = 0.0,
        ssim_weight: float = 0.0,
        augment: int = 0,
    ) -> None:
        given = options(
            "cae_trainer_options",
            batch=batch,
            seed=seed,
            loss=loss,
            shuffle=shuffle,
            huber_delta=huber_delta,
            noise_sigma=noise_sigma,
            clip_norm=clip_norm,
            schedule=schedule,
            warmup_steps=warmup_steps,
            decay_steps=decay_steps,
            decay_factor=decay_factor,
            final_fraction=final_fraction,
            noise_sigma_max=noise_sigma_max,
            average_decay=average_decay,
            epsilon=epsilon,
            ssim_weight=ssim_weight,
            augment=augment,
        )
        self._shapes = {name: model.tensors.shape(name) for name in model.tensors}
        self._calling = False
        self._create(
            lib.cae_trainer_create,
            model._c,
            optimizer._c,
            dataset._c,
            given,
            errors=model._errors,
            keep=model._keep + dataset._keep,
        )

    def step(self) -> Progress:
        """Take one optimizer step on the next batch."""
        out = initialized("cae_progress")
        self._check(lib.cae_trainer_step(out, self._c))
        return _progress(out)

    def epoch(self, callback: ProgressCallback | None = None) -> Progress:
        """Take steps to the end of the current epoch.

        `callback` hears the progress after every step. When it returns True the call ends there, with
        `stopped` set; what it raises is raised here, and the trainer can go on. Without a callback,
        too, Ctrl-C ends the epoch after the current step.
        """
        raised: list[BaseException] = []

        # Always passed: Python can only see a signal when it is called.
        def after_step(_user: Any, progress: Any) -> bool:
            return bool(callback and callback(_progress(progress)))

        def keep(_kind: Any, error: BaseException, _traceback: Any) -> None:
            raised.append(error)

        c_callback = ffi.callback("cae_progress_fn", after_step, error=1, onerror=keep)
        out, handle = initialized("cae_progress"), self._c
        try:
            self._calling = True
            status = lib.cae_trainer_epoch(out, handle, c_callback, ffi.NULL)
        finally:
            self._calling = False
        if raised:
            raise raised[0]
        return _progress(out, stopped=self._check(status) == Status.STOPPED)

    @property
    def progress(self) -> Progress:
        """Where training stands, without taking a step."""
        out = initialized("cae_progress")
        self._check(lib.cae_trainer_progress(out, self._c))
        return _progress(out)

    @property
    def steps_per_epoch(self) -> int:
        """Number of steps in an epoch."""
        return lib.cae_trainer_steps_per_epoch(self._c)

    def gradient(self, name: str) -> Floats:
        """The gradient of the last step for a named parameter tensor, after clipping."""
        values = np.empty(self._shapes.get(name, 0), np.float32)
        self._check(
            lib.cae_trainer_get_gradient(pointer(values), values.size, self._c, c_text(name))
        )
        return values

    def average(self) -> Model:
        """A model of its own with the moving average of the parameters; without averaging, with the
        parameters as they are."""
        return Model._made(
            lib.cae_trainer_average, self._c, errors=self._errors, keep=self._keep
        )

    def save(self, path: Path) -> None:
        """Write a checkpoint: a model file with the optimizer's moments and the counters in it."""
        self._check(lib.cae_trainer_save(self._c, c_text(path)))

    def resume(self, path: Path) -> None:
        """Go on from a checkpoint of a trainer that was made alike, to the same bits as if training
        had never stopped."""
        self._check(lib.cae_trainer_resume(self._c, c_text(path)))

    def close(self) -> None:
        if self._calling:
            raise RuntimeError("a callback cannot close its trainer; return True to stop")
        super().close()


def _progress(struct: Any, stopped: bool = False) -> Progress:
    return values(Progress, struct, epoch_done=bool(struct.epoch_done), stopped=stopped)
