"""Handles: closed by hand, by `with`, by the garbage collector, in any order."""

from __future__ import annotations

import copy
import gc
import os
import pickle
import sys
import threading

import numpy as np

import cae
from common import IMAGES, make_trainer, raised
from tap import Skip


def test_close() -> None:
    """closing twice is harmless, using a closed handle is a ClosedError, for every handle"""
    context = cae.Context()
    spec = cae.Spec(context).add_reference()
    model = cae.Model(context, spec, seed=1)
    data = cae.Dataset(context, IMAGES)
    optimizer = cae.Optimizer(model)
    trainer = cae.Trainer(model, optimizer, data)
    tensors = model.tensors
    uses = {
        trainer: trainer.step,
        optimizer: lambda: optimizer.learning_rate,
        data: lambda: data[0],
        model: lambda: tensors["0.bias"],
        spec: spec.end_encoder,
        context: lambda: cae.Spec(context),
    }
    for handle, use in uses.items():
        assert not handle.closed and "closed" not in repr(handle)
        handle.close()
        handle.close()
        assert handle.closed and "closed" in repr(handle)
        assert isinstance(raised(ValueError, use), cae.ClosedError)
        raised(cae.ClosedError, handle.__enter__)


def test_order() -> None:
    """what was made from a closed handle goes on working, errors included"""
    with cae.Context() as context:
        model, trainer, data = make_trainer(context)
        with model, data:
            trainer.step()
    assert context.closed and model.closed and data.closed
    assert trainer.epoch().epoch_done and trainer.gradient("0.bias").shape == (8,)
    assert "x.weight" in str(raised(KeyError, trainer.gradient, "x.weight"))


def test_collect() -> None:
    """handles in a cycle of garbage are released: the context's thread is gone"""
    if not os.path.isdir("/proc/self/task"):
        raise Skip("no /proc")

    def threads() -> int:
        return len(os.listdir("/proc/self/task"))

    gc.collect()
    before = threads()
    gc.disable()
    try:
        model, trainer, data = make_trainer(cae.Context(threads=2))
        trainer.step()
        trainer.self = trainer  # only the collector can tell that nobody else refers to it
        model.trainer = trainer
        trainer.data = data
        assert threads() == before + 1
        del model, trainer, data
        assert threads() == before + 1
        gc.collect()
        assert threads() == before
    finally:
        gc.enable()


def test_memory() -> None:
    """dropping references releases memory at once"""
    if not sys.platform.startswith("linux"):
        raise Skip("no /proc")

    def resident() -> int:
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    images = np.zeros((4096, 1, 32, 32), np.uint8)
    context = cae.Context()
    cae.Dataset(context, images)
    before = resident()
    for _ in range(40):
        cae.Dataset(context, images)
    assert resident() - before < 10 * images.nbytes


def test_copy() -> None:
    """handles are neither copied nor pickled"""
    context = cae.Context()
    for duplicate in (copy.copy, copy.deepcopy, pickle.dumps):
        raised(TypeError, duplicate, context)


def test_contexts_in_threads() -> None:
    """one model in two Python threads, each with a context of its own"""
    model = cae.Model.reference(cae.Context(), seed=1)
    x = IMAGES[:64].astype(np.float32)
    expected, found = model.forward(x), [None, None]

    def work(index: int) -> None:
        with cae.Context() as own:
            for _ in range(5):
                found[index] = model.forward(x, context=own)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(y, expected) for y in found)
