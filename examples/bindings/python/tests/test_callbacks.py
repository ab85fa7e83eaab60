"""Callbacks may stop training and may raise."""

from __future__ import annotations

import os
import signal

import cae
from common import make_trainer, raised


def test_stop() -> None:
    """a callback stops after 3 steps"""
    _, trainer, _ = make_trainer(cae.Context())
    seen = []

    def callback(progress: cae.Progress) -> bool:
        seen.append(progress.step)
        return progress.step == 3

    progress = trainer.epoch(callback)
    assert seen == [1, 2, 3] and progress.step == 3
    assert progress.stopped and not progress.epoch_done
    rest = trainer.epoch(lambda progress: None)
    assert rest.step == 20 and rest.epoch_done and not rest.stopped


def test_raise() -> None:
    """what a callback raises arrives, and the trainer goes on"""
    model, trainer, _ = make_trainer(cae.Context())
    thrown = LookupError("from the callback")

    def callback(progress: cae.Progress) -> None:
        if progress.step == 2:
            raise thrown

    assert raised(LookupError, trainer.epoch, callback) is thrown
    assert trainer.step().step == 3
    same, undisturbed, _ = make_trainer(cae.Context())
    for _ in range(3):
        undisturbed.step()
    assert same.to_bytes() == model.to_bytes()


def test_close_inside() -> None:
    """a callback that closes its own trainer gets an exception; it may close all else"""
    context = cae.Context()
    model, trainer, data = make_trainer(context)
    raised(RuntimeError, trainer.epoch, lambda progress: trainer.close())
    assert not trainer.closed

    def close_others(progress: cae.Progress) -> None:
        for handle in (data, model, context):
            handle.close()

    assert trainer.epoch(close_others).epoch_done


def test_interrupt() -> None:
    """Ctrl-C ends an epoch after a step, with and without a callback"""
    _, trainer, _ = make_trainer(cae.Context())
    raised(KeyboardInterrupt, trainer.epoch, lambda p: os.kill(os.getpid(), signal.SIGINT))
    assert trainer.progress.step <= 2  # Python sees the signal at its next call

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        raised(KeyboardInterrupt, lambda: [trainer.epoch() for _ in range(1000)])
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    trainer.step()
