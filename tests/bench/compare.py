#!/usr/bin/env python3
"""libcae and PyTorch on the same work, taking turns, so that a machine that drifts drifts for both.

  compare.py LIBCAE.SO [--threads 1] [--batch 64] [--sigma 0] [--seconds 3] [--rounds 5]

Trains the reference network on the built-in images: both read from memory, both take Adam steps on
shuffled batches. Prints images/s of every round, the medians and the median of the ratios. Needs
torch (whatever version is installed); the library is loaded as any program would, through its C ABI.
"""
import argparse
import ctypes
import statistics
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

IMAGES, SHAPE = 4096, (3, 32, 32)
FLOP_PER_IMAGE = 7363008  # one training step, no gradient with respect to the input


class ContextOptions(ctypes.Structure):
    _fields_ = [("size", ctypes.c_uint32), ("threads", ctypes.c_int32),
                ("engine", ctypes.c_int32), ("reserved", ctypes.c_uint32),
                ("pointers", ctypes.c_void_p * 5)]


class TrainerOptions(ctypes.Structure):
    _fields_ = [("size", ctypes.c_uint32), ("batch", ctypes.c_int32), ("seed", ctypes.c_uint64),
                ("loss", ctypes.c_int32), ("shuffle", ctypes.c_int32),
                ("huber_delta", ctypes.c_double), ("noise_sigma", ctypes.c_double)]


class Library:
    """The calls that are needed, each raising on a status that is not 0."""

    def __init__(self, path, threads):
        self.lib = ctypes.CDLL(path)
        self.lib.cae_context_error.restype = ctypes.c_char_p
        self.lib.cae_context_error.argtypes = [ctypes.c_void_p]
        self.context = ctypes.c_void_p()
        options = ContextOptions(size=ctypes.sizeof(ContextOptions), threads=threads)
        self.call("cae_context_create", ctypes.byref(self.context), ctypes.byref(options))

    def call(self, name, *arguments):
        status = getattr(self.lib, name)(*arguments)
        if status != 0:
            raise RuntimeError(f"{name}: {self.lib.cae_context_error(self.context).decode()}")

    def create(self, name, *arguments):
        handle = ctypes.c_void_p()
        self.call(name, ctypes.byref(handle), *arguments)
        return handle


def library_training(library, batch, sigma):
    """A function that trains for some seconds and returns images/s."""
    data = library.create("cae_dataset_create_dead_leaves", library.context,
                          ctypes.c_int64(IMAGES), *SHAPE, ctypes.c_uint64(1), None)
    model = library.create("cae_model_create_reference", library.context, ctypes.c_uint64(1))
    optimizer = library.create("cae_optimizer_create", model, None)
    options = TrainerOptions()
    library.call("cae_trainer_options_init", ctypes.byref(options), ctypes.sizeof(options))
    options.batch, options.noise_sigma = batch, sigma
    trainer = library.create("cae_trainer_create", model, optimizer, data, ctypes.byref(options))

    def run(seconds):
        done, start = 0, time.perf_counter()
        while time.perf_counter() - start < seconds:
            for _ in range(10):
                library.call("cae_trainer_step", None, trainer)
            done += 10 * batch
        return done / (time.perf_counter() - start)

    return run, data


def torch_training(library, data, batch, sigma):
    """The same in PyTorch, on the same images."""
    images = torch.empty(IMAGES, *SHAPE)
    for i in range(IMAGES):
        library.call("cae_dataset_get", ctypes.c_void_p(images[i].data_ptr()),
                     ctypes.c_size_t(images[i].numel()), data, ctypes.c_int64(i))
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU(),
                        nn.ConvTranspose2d(8, 8, 3), nn.ReLU(), nn.ConvTranspose2d(8, 3, 3))
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)

    def run(seconds):
        done, start = 0, time.perf_counter()
        while time.perf_counter() - start < seconds:
            for _ in range(10):
                clean = images[torch.randint(IMAGES, (batch,))]
                x = clean + sigma * torch.randn_like(clean) if sigma else clean
                optimizer.zero_grad(set_to_none=True)
                F.mse_loss(net(x), clean).backward()
                optimizer.step()
            done += 10 * batch
        return done / (time.perf_counter() - start)

    return run


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("library")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--sigma", type=float, default=0.0)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=5)
    a = parser.parse_args()

    torch.set_num_threads(a.threads)
    library = Library(a.library, a.threads)
    ours, data = library_training(library, a.batch, a.sigma)
    theirs = torch_training(library, data, a.batch, a.sigma)
    ours(0.5), theirs(0.5)

    print(f"training, batch {a.batch}, sigma {a.sigma}, threads {a.threads}, "
          f"torch {torch.__version__}")
    rates = []
    for number in range(1, a.rounds + 1):
        rates.append((ours(a.seconds), theirs(a.seconds)))
        print(f"round {number}: libcae {rates[-1][0]:8.0f}  torch {rates[-1][1]:8.0f} images/s  "
              f"ratio {rates[-1][0] / rates[-1][1]:.2f}", flush=True)
    mine = statistics.median(r[0] for r in rates)
    other = statistics.median(r[1] for r in rates)
    ratio = statistics.median(r[0] / r[1] for r in rates)
    print(f"median:  libcae {mine:8.0f}  torch {other:8.0f} images/s  ratio {ratio:.2f}   "
          f"(libcae: {mine * FLOP_PER_IMAGE / 1e9:.1f} GFLOP/s)")


if __name__ == "__main__":
    main()
