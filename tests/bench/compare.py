#!/usr/bin/env python3
"""libcae and PyTorch on the same work, taking turns, so that a machine that drifts drifts for both.

  compare.py LIBCAE.SO [WORK ...] [--threads 1] [--engine auto] [--rounds 5] [--seconds 2] [--json FILE]

WORK is any of: training, noise (training with noise of 0.1), inference1, inference64, photo
(one of 1000x750); all of them by default. The network is the reference; images are the built-in ones, read
from memory by both. A --threads above 1 lets PyTorch have its best of 1 and that many threads.
Prints images/s of every round and the median of the rounds' ratios. Needs torch, whatever version is
installed; the library is loaded as any program would, through its C ABI.
"""
import argparse
import ctypes
import json
import statistics
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

IMAGES, SHAPE, BATCH = 4096, (3, 32, 32), 64
ENGINES = {"auto": 0, "gemm": 1, "direct": 2}


class ContextOptions(ctypes.Structure):
    _fields_ = [("size", ctypes.c_uint32), ("threads", ctypes.c_int32),
                ("engine", ctypes.c_int32), ("cpu", ctypes.c_int32),
                ("pointers", ctypes.c_void_p * 5)]


class TrainerOptions(ctypes.Structure):
    _fields_ = [("size", ctypes.c_uint32), ("batch", ctypes.c_int32), ("seed", ctypes.c_uint64),
                ("loss", ctypes.c_int32), ("shuffle", ctypes.c_int32),
                ("huber_delta", ctypes.c_double), ("noise_sigma", ctypes.c_double),
                ("clip_norm", ctypes.c_double), ("schedule", ctypes.c_int32),
                ("reserved", ctypes.c_uint32), ("warmup_steps", ctypes.c_int64),
                ("decay_steps", ctypes.c_int64), ("decay_factor", ctypes.c_double),
                ("final_fraction", ctypes.c_double)]


class Library:
    """The calls that are needed, each raising on a status that is not 0."""

    def __init__(self, path, threads, engine):
        self.lib = ctypes.CDLL(path)
        self.lib.cae_context_error.restype = ctypes.c_char_p
        self.lib.cae_context_error.argtypes = [ctypes.c_void_p]
        self.context = ctypes.c_void_p()
        options = ContextOptions(size=ctypes.sizeof(ContextOptions), threads=threads, engine=engine)
        self.call("cae_context_create", ctypes.byref(self.context), ctypes.byref(options))
        self.data = self.create("cae_dataset_create_dead_leaves", self.context,
                                ctypes.c_int64(IMAGES), *SHAPE, ctypes.c_uint64(1), None)

    def call(self, name, *arguments):
        status = getattr(self.lib, name)(*arguments)
        if status != 0:
            raise RuntimeError(f"{name}: {self.lib.cae_context_error(self.context).decode()}")

    def create(self, name, *arguments):
        handle = ctypes.c_void_p()
        self.call(name, ctypes.byref(handle), *arguments)
        return handle

    def model(self):
        return self.create("cae_model_create_reference", self.context, ctypes.c_uint64(1))

    def images(self):
        """The data set as a tensor."""
        images = torch.empty(IMAGES, *SHAPE)
        for i in range(IMAGES):
            self.call("cae_dataset_get", ctypes.c_void_p(images[i].data_ptr()),
                      ctypes.c_size_t(images[i].numel()), self.data, ctypes.c_int64(i))
        return images

    def training(self, sigma):
        """One optimizer step."""
        model = self.model()
        optimizer = self.create("cae_optimizer_create", model, None)
        options = TrainerOptions()
        self.call("cae_trainer_options_init", ctypes.byref(options), ctypes.sizeof(options))
        options.batch, options.noise_sigma = BATCH, sigma
        trainer = self.create("cae_trainer_create", model, optimizer, self.data,
                              ctypes.byref(options))
        return lambda: self.call("cae_trainer_step", None, trainer)

    def inference(self, count, height, width):
        """One call on images of that size."""
        model, x = self.model(), torch.rand(count, 3, height, width)
        y = torch.empty_like(x)
        arguments = (ctypes.c_void_p(y.data_ptr()), ctypes.c_size_t(y.numel()), model, None,
                     ctypes.c_void_p(x.data_ptr()), ctypes.c_size_t(x.numel()),
                     ctypes.c_int64(count), height, width)
        keep = (x, y)
        return lambda: (keep, self.call("cae_model_forward", *arguments))


def network():
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU(),
                         nn.ConvTranspose2d(8, 8, 3), nn.ReLU(), nn.ConvTranspose2d(8, 3, 3))


def torch_training(images, sigma):
    net = network()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)

    def step():
        clean = images[torch.randint(IMAGES, (BATCH,))]
        x = clean + sigma * torch.randn_like(clean) if sigma else clean
        optimizer.zero_grad(set_to_none=True)
        F.mse_loss(net(x), clean).backward()
        optimizer.step()

    return step


def torch_inference(count, height, width):
    net, x = network().eval(), torch.rand(count, 3, height, width)

    def call():
        with torch.no_grad():
            net(x)

    return call


def rate(work, images, seconds):
    """Images/s over about so many seconds."""
    work()
    calls, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        for _ in range(max(1, 64 // images)):
            work()
            calls += 1
    return calls * images / (time.perf_counter() - start)


def torch_rate(work, images, seconds, threads):
    """With its best number of threads: more are not always faster."""
    best = 0.0
    for count in sorted({1, threads}):
        torch.set_num_threads(count)
        best = max(best, rate(work, images, seconds))
    return best


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("library")
    parser.add_argument("work", nargs="*")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--engine", choices=ENGINES, default="auto")
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json")
    a = parser.parse_intermixed_args()

    library = Library(a.library, a.threads, ENGINES[a.engine])
    images = library.images()
    works = {
        "training": (BATCH, lambda: library.training(0.0), lambda: torch_training(images, 0.0)),
        "noise": (BATCH, lambda: library.training(0.1), lambda: torch_training(images, 0.1)),
        "inference1": (1, lambda: library.inference(1, 32, 32), lambda: torch_inference(1, 32, 32)),
        "inference64": (64, lambda: library.inference(64, 32, 32),
                        lambda: torch_inference(64, 32, 32)),
        "photo": (1, lambda: library.inference(1, 750, 1000), lambda: torch_inference(1, 750, 1000)),
    }
    if set(a.work) - set(works):
        parser.error(f"work is any of {', '.join(works)}")

    results = []
    for name in a.work or works:
        count, ours, theirs = works[name]
        ours, theirs = ours(), theirs()
        print(f"{name}, {a.threads} thread{'s' if a.threads > 1 else ''}, engine {a.engine}, "
              f"torch {torch.__version__}", flush=True)
        rounds = []
        for number in range(1, a.rounds + 1):
            rounds.append((rate(ours, count, a.seconds),
                           torch_rate(theirs, count, a.seconds, a.threads)))
            mine, other = rounds[-1]
            print(f"  round {number}: libcae {mine:10.1f}  torch {other:10.1f} images/s  "
                  f"ratio {mine / other:.2f}", flush=True)
        ratios = [r[0] / r[1] for r in rounds]
        results.append({"work": name, "threads": a.threads, "engine": a.engine,
                        "torch": torch.__version__,
                        "libcae_images_per_second": statistics.median(r[0] for r in rounds),
                        "torch_images_per_second": statistics.median(r[1] for r in rounds),
                        "ratio": statistics.median(ratios), "ratios": ratios})
        print(f"  median ratio {statistics.median(ratios):.2f} "
              f"({min(ratios):.2f} to {max(ratios):.2f})")
    if a.json:
        with open(a.json, "w", encoding="utf-8") as file:
            json.dump(results, file, indent=1)


if __name__ == "__main__":
    main()
