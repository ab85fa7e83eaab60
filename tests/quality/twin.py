"""Part twin: the published network and recipe in PyTorch, from its own random numbers, measured on
the same test images with the same noise."""

import time

import numpy

from filters import SIGMA
from record import progress

SAMPLES, BATCH, RATE = 500000, 64, 1e-3


def network():
    import torch.nn as nn
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU(),
                         nn.ConvTranspose2d(8, 8, 3), nn.ReLU(), nn.ConvTranspose2d(8, 3, 3))


def epoch(net, optimizer, images):
    import torch
    order = torch.randperm(len(images))
    for first in range(0, len(images), BATCH):
        clean = images[order[first:first + BATCH]]
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(net(clean + SIGMA * torch.randn_like(clean)), clean).backward()
        optimizer.step()


def best_threads(work, images):
    """1, or as many as the library uses if those are quicker: on a machine that has other work
    PyTorch's threads wait for each other."""
    import torch
    net, took = network(), []
    optimizer = torch.optim.Adam(net.parameters(), lr=RATE)
    for threads in (1, work.library.threads):
        torch.set_num_threads(threads)
        start = time.perf_counter()
        for step in range(24):
            epoch(net, optimizer, images[:BATCH])
            if step == 3:  # warmed up
                start = time.perf_counter()
            if took and time.perf_counter() - start > took[0]:
                return 1
        took.append(time.perf_counter() - start)
    return work.library.threads


def measure(work, images, seed, epochs):
    import torch
    torch.set_num_threads(best_threads(work, images))
    torch.manual_seed(seed)
    net, tell = network(), progress()
    optimizer = torch.optim.Adam(net.parameters(), lr=RATE)
    seconds = 0
    for done in range(epochs):
        start = time.perf_counter()
        epoch(net, optimizer, images)
        seconds += time.perf_counter() - start
        tell((done + 1) / epochs, seconds)
    with torch.no_grad():
        outputs = [net(torch.from_numpy(x[None]))[0].numpy() for x in work.noisy_test()]
    return {"samples": epochs * len(images), "seconds": seconds, "threads": torch.get_num_threads(),
            "parameters": sum(p.numel() for p in net.parameters()), "torch": torch.__version__,
            **work.quality([numpy.ascontiguousarray(y) for y in outputs])}


def run(work):
    import torch
    images = torch.from_numpy(work.library.images(work.train))
    epochs = -(-(work.options.samples or SAMPLES) // len(images))
    for seed in work.options.seeds:
        work.record.do("twin/%d" % seed, {"epochs": epochs, "images": len(images),
                                          "torch": torch.__version__},
                       lambda s=seed: measure(work, images, s, epochs))
