#!/usr/bin/env python3
"""Make the fixtures that parity.c holds the library against, with PyTorch.

Regenerate with one command, from anywhere; it needs torch and safetensors, and two minutes:

    python3 tests/parity/make_fixtures.py [NAME...]

Every network below is an auto-encoder that maps an image onto its own shape, so that it can be
trained. PyTorch runs it in float64 from float32 weights and images; what is compared tightly is
then our error, not the sum of two. A file holds

    x                       [N][C][H][W] F32 in [-1, 1]: smooth waves and a little noise
    0.weight, 0.bias, ...   initial parameters, names and layouts of nn.Sequential
    latent, y               output of the encoder and of the whole
    loss.<loss>             F64, one value, for mse, l1, huber, and for charbonnier in the newer ones
    grad.<loss>.<name>      gradient of that loss with respect to each parameter
    traj.<run>              F64, the loss of each of 100 full-batch optimizer steps, before its update
    final.<run>.<name>      parameters after the run, for FINAL_RUNS

and, as the one metadata value "description" (one value, because safetensors writes several in a
random order), lines of text in the order parity.c reads them:

    encoder 2
    conv 3 8 kernel 3 3 stride 1 1 padding 0 0 dilation 1 1 outpad 0 0 bias 1 act relu 0.01
    convt ...
    huber 0.5
    run adam kind adam lr 0.002 momentum 0 nesterov 0 decay 0 clip 0

and where there are such, lines "residual", "epsilon 0.05", and a run's "loss charbonnier" at its end.

Seeds are fixed. A seed is passed over when a pre-activation or a difference lies so close to a
corner of ReLU, L1 or Huber that float32 could fall on the other side of it: one pixel on the wrong
side moves a parameter by 2e-4. So it is when training is chaotic: PyTorch's own float32 must follow
its float64 fifty times closer than parity.c asks of the library. Trajectories of different runs
must differ by more than parity.c's tolerance, or they would prove nothing.
"""

import collections
import os
import sys

import torch
from safetensors.torch import save_file
from torch import nn

STEPS = 100
LOSSES = ("mse", "l1", "huber")
HUBER_DELTA = 0.5  # both branches occur
EPSILON = 0.05     # Charbonnier's
CORNER = 2e-6      # smallest distance from a corner that counts as safe for gradients
PATH_CORNER = 4e-7 # the same at every step of FINAL_RUNS: a hundred times as many occasions
APART = 5e-4       # smallest relative difference of two trajectories; parity.c allows 1e-4
CALM = 2e-6        # largest relative difference of float32 and float64: trajectories, finals

RUNS = {
    "sgd": dict(kind="sgd", lr=0.2),
    "momentum": dict(kind="sgd", lr=0.05, momentum=0.9),
    "momentum_wd": dict(kind="sgd", lr=0.05, momentum=0.9, decay=0.005),
    "nesterov": dict(kind="sgd", lr=0.05, momentum=0.9, nesterov=1),
    "adam": dict(kind="adam", lr=0.002),
    "adam_wd": dict(kind="adam", lr=0.002, decay=0.02),
    "adamw": dict(kind="adamw", lr=0.002, decay=0.1),
    "clip": dict(kind="adam", lr=0.002, clip=0.05),
    "clip_sgd": dict(kind="sgd", lr=0.5, momentum=0.5, clip=0.05),
    "charbonnier": dict(kind="adam", lr=0.0005, loss="charbonnier"),
    "charbonnier_momentum": dict(kind="sgd", lr=0.01, momentum=0.9, loss="charbonnier"),
}
FINAL_RUNS = ("nesterov", "adam")


def pair(value):
    return tuple(value) if isinstance(value, (tuple, list)) else (value, value)


def layer(kind, cin, cout, kernel, act="none", slope=0.01, stride=1, padding=0, dilation=1, outpad=0,
          bias=1):
    return dict(kind=kind, cin=cin, cout=cout, kernel=pair(kernel), stride=pair(stride),
                padding=pair(padding), dilation=pair(dilation), outpad=pair(outpad), bias=bias,
                act=act, slope=slope)


def conv(*args, **options):
    return layer("conv", *args, **options)


def convt(*args, **options):
    return layer("convt", *args, **options)


REFERENCE = [conv(3, 8, 3, "relu"), conv(8, 8, 3, "relu"), convt(8, 8, 3, "relu"), convt(8, 3, 3)]

# name: (batch, height, width, encoder layers, layers, runs, losses with gradients)
ALL = tuple(name for name, run in RUNS.items() if "loss" not in run)
NEWER = tuple(name for name, run in RUNS.items() if "loss" in run)
NETWORKS = {
    "reference": (4, 12, 12, 2, REFERENCE, ALL, LOSSES),
    # The real size: every blocking boundary of a 32-pixel row; too large to keep a trajectory of.
    "reference_32": (2, 32, 32, 2, REFERENCE, (), ("mse",)),
    "stride2_outpad": (5, 12, 16, 2, [
        conv(3, 6, 3, "relu", stride=2, padding=1), conv(6, 8, 3, "relu", stride=2, padding=1),
        convt(8, 6, 3, "relu", stride=2, padding=1, outpad=1),
        convt(6, 3, 3, stride=2, padding=1, outpad=1)], ALL, LOSSES),
    "dilation2": (3, 11, 9, 2, [
        conv(2, 5, 3, "relu", dilation=2), conv(5, 4, 3, "relu", dilation=2, padding=2),
        convt(4, 5, 3, "relu", dilation=2, padding=2), convt(5, 2, 3, dilation=2)], ALL, LOSSES),
    # Nothing is square, and no two of height's numbers equal width's.
    "rectangular": (11, 10, 13, 2, [
        conv(3, 5, (3, 5), "relu", stride=(2, 1), padding=(1, 3), dilation=(1, 2)),
        conv(5, 4, (5, 3), "relu", stride=(1, 2), padding=(2, 0)),
        convt(4, 5, (5, 3), "relu", stride=(1, 2), padding=(2, 0)),
        convt(5, 3, (3, 5), stride=(2, 1), padding=(1, 3), dilation=(1, 2), outpad=(1, 0))],
        ALL, LOSSES),
    # Padding of a whole kernel and more: border outputs see zeros only.
    "wide_padding": (6, 8, 7, 2, [
        conv(3, 4, 3, "relu", padding=2), conv(4, 5, 2, "relu", padding=3),
        convt(5, 4, 2, "relu", padding=3), convt(4, 3, 3, padding=2)], ALL, LOSSES),
    "pointwise": (7, 8, 6, 2, [
        conv(4, 6, 1, "relu"), conv(6, 2, 1, "relu", stride=2),
        convt(2, 6, 1, "relu", stride=2, outpad=1), convt(6, 4, 1)], ALL, LOSSES),
    "no_bias": (8, 7, 8, 2, [
        conv(3, 6, 3, "relu", padding=1, bias=0), conv(6, 5, 3, "relu", bias=0),
        convt(5, 6, 3, "relu", bias=0), convt(6, 3, 3, padding=1, bias=0)], ALL, LOSSES),
    # A kernel smaller than its stride: pixels nobody reads, outputs nobody writes.
    "holes": (9, 11, 12, 1, [
        conv(3, 5, 2, "relu", stride=3), convt(5, 3, 2, stride=3, outpad=(0, 1))], ALL, LOSSES),
    "activations": (1, 10, 10, 2, [
        conv(3, 6, 3, "leaky", 0.2), conv(6, 5, 3, "tanh"), convt(5, 6, 3, "sigmoid"),
        convt(6, 3, 3, "tanh")], ALL, LOSSES),
    "sigmoid_latent": (16, 6, 7, 2, [
        conv(2, 4, (2, 3), "tanh"), conv(4, 3, 2, "sigmoid", stride=(1, 2)),
        convt(3, 4, 2, "leaky", 0.05, stride=(1, 2), outpad=(0, 1)), convt(4, 2, (2, 3))],
        ALL, LOSSES),
    # Three layers: the encoder takes the odd one.
    "one_channel": (13, 8, 9, 2, [
        conv(1, 4, 5, "relu", padding=2), conv(4, 3, 3, "leaky", 0.01), convt(3, 1, 3)],
        ALL, LOSSES),
    # Output padding beyond the stride, which the dilation allows.
    "outpad_dilation": (10, 14, 11, 1, [
        conv(2, 4, 3, "relu", dilation=3, padding=1),
        convt(4, 2, 3, dilation=3, padding=2, outpad=2)], ALL, LOSSES),
    # Channel counts that divide by no vector, products large enough to be cut.
    "wide": (17, 10, 10, 2, [
        conv(3, 17, 3, "relu"), conv(17, 19, 3, "relu"), convt(19, 17, 3, "relu"),
        convt(17, 3, 3)], ("momentum", "adamw"), ("mse",)), # too many corners for FINAL_RUNS
    "residual": (4, 10, 10, 2, [
        conv(3, 8, 3, "relu", padding=1), conv(8, 7, 3, "relu", padding=1),
        convt(7, 8, 3, "relu", padding=1), convt(8, 3, 3, padding=1)], NEWER,
        LOSSES + ("charbonnier",)),
    "residual_strided": (11, 8, 12, 1, [
        conv(2, 6, (3, 5), "leaky", 0.1, stride=2, padding=(1, 2)),
        conv(6, 5, 1, "tanh"),
        convt(5, 2, (3, 5), stride=2, padding=(1, 2), outpad=1)], NEWER, LOSSES + ("charbonnier",)),
}
RESIDUAL = ("residual", "residual_strided")  # y = x + f(x)


def module(l):
    options = dict(kernel_size=l["kernel"], stride=l["stride"], padding=l["padding"],
                   dilation=l["dilation"], bias=bool(l["bias"]))
    if l["kind"] == "conv":
        return nn.Conv2d(l["cin"], l["cout"], **options)
    return nn.ConvTranspose2d(l["cin"], l["cout"], output_padding=l["outpad"], **options)


def activation(l):
    return {"none": None, "relu": nn.ReLU(), "leaky": nn.LeakyReLU(l["slope"]), "tanh": nn.Tanh(),
            "sigmoid": nn.Sigmoid()}[l["act"]]


class Residual(nn.Sequential):
    def forward(self, x):
        return x + super().forward(x)


def build(layers, residual=False):
    """The twin of what parity.c builds: each activation is a module of its own."""
    modules = []
    for l in layers:
        modules += [m for m in (module(l), activation(l)) if m is not None]
    return (Residual if residual else nn.Sequential)(*modules)


def encoder_length(layers, encoder):
    """How many modules the first `encoder` layers are."""
    return sum(2 if l["act"] != "none" else 1 for l in layers[:encoder])


def describe(layers, encoder, runs, residual, losses):
    lines = ["encoder %d" % encoder] + ["residual"] * residual
    for l in layers:
        lines.append(
            "%s %d %d kernel %d %d stride %d %d padding %d %d dilation %d %d outpad %d %d "
            "bias %d act %s %g" % (l["kind"], l["cin"], l["cout"], *l["kernel"], *l["stride"],
                                   *l["padding"], *l["dilation"], *l["outpad"], l["bias"],
                                   l["act"], l["slope"]))
    lines.append("huber %g" % HUBER_DELTA)
    lines += ["epsilon %g" % EPSILON] * ("charbonnier" in losses)
    for name in runs:
        r = collections.defaultdict(int, RUNS[name])
        lines.append("run %s kind %s lr %g momentum %g nesterov %d decay %g clip %g%s" % (
            name, r["kind"], r["lr"], r["momentum"], r["nesterov"], r["decay"], r["clip"],
            " loss " + r["loss"] if r["loss"] else ""))
    return "\n".join(lines) + "\n"


def charbonnier(y, target):
    return (((y - target) ** 2 + EPSILON ** 2).sqrt() - EPSILON).mean()


def loss_of(name):
    return {"mse": nn.MSELoss(), "l1": nn.L1Loss(), "charbonnier": charbonnier,
            "huber": nn.HuberLoss(delta=HUBER_DELTA)}[name]


def optimizer_of(run, parameters):
    r = collections.defaultdict(int, run)
    if r["kind"] == "sgd":
        return torch.optim.SGD(parameters, lr=r["lr"], momentum=r["momentum"],
                               nesterov=bool(r["nesterov"]), weight_decay=r["decay"])
    kind = torch.optim.Adam if r["kind"] == "adam" else torch.optim.AdamW
    return kind(parameters, lr=r["lr"], weight_decay=r["decay"])


def distance_to_corner(net, x):
    """The smallest |value| that ReLU or LeakyReLU sees; and what the network makes of x."""
    nearest, value = float("inf"), x
    with torch.no_grad():
        for m in net:
            if isinstance(m, (nn.ReLU, nn.LeakyReLU)):
                nearest = min(nearest, value.abs().min().item())
            value = m(value)
    return nearest, value + x if isinstance(net, Residual) else value


def keeps_clear(net, x):
    """Neither activations nor losses are near a corner."""
    nearest, y = distance_to_corner(net, x)
    difference = (y - x).abs()
    return min(nearest, difference.min().item(),
               (difference - HUBER_DELTA).abs().min().item()) > CORNER


def images(batch, channels, height, width):
    """Waves that a few steps can learn, with 5 % noise."""
    rows = torch.arange(height).double().reshape(1, 1, height, 1)
    columns = torch.arange(width).double().reshape(1, 1, 1, width)
    x = torch.zeros(batch, channels, height, width, dtype=torch.float64)
    for _ in range(3):
        frequency = torch.rand(2, batch, 1, 1, 1).double()
        phase = 6.28 * torch.rand(batch, channels, 1, 1).double()
        x += torch.sin(frequency[0] * rows + frequency[1] * columns + phase)
    x = 0.3 * x + 0.05 * (2 * torch.rand(x.shape).double() - 1)
    return x.clamp(-1, 1).float().double()


def candidates(index, batch, height, width, layers, residual):
    """Networks and images that keep clear of corners; exact in float32, held as float64."""
    for seed in range(1000 * index, 1000 * index + 1000):
        torch.manual_seed(seed)
        net = build(layers, residual).float().double()
        x = images(batch, layers[0]["cin"], height, width)
        if net(x).shape != x.shape:
            sys.exit("network %d maps %s onto %s" % (index, x.shape, net(x).shape))
        if keeps_clear(net, x):
            yield net, x
    sys.exit("network %d: no seed keeps clear of corners and chaos" % index)


def train(run, layers, residual, start, x):
    """Losses of STEPS steps, the parameters after them, and the nearest corner on the way."""
    net = build(layers, residual).to(x.dtype)
    net.load_state_dict(start)
    optimizer = optimizer_of(run, net.parameters())
    losses, nearest = [], float("inf")
    for _ in range(STEPS):
        nearest = min(nearest, distance_to_corner(net, x)[0])
        optimizer.zero_grad()
        loss = loss_of(run.get("loss", "mse"))(net(x), x)
        loss.backward()
        if "clip" in run:
            torch.nn.utils.clip_grad_norm_(net.parameters(), run["clip"])
        optimizer.step()
        losses.append(loss.item())
    return losses, net.state_dict(), nearest


def difference(a, b):
    return max(abs(u - v) / v for u, v in zip(a, b))


def calm(rough, final):
    return all((rough[k] - v).abs().max() <= CALM * v.abs().max() for k, v in final.items())


def train_all(runs, layers, residual, start, x):
    """Trajectories and final parameters by run; None when float32 could not follow."""
    trajectories, finals = {}, {}
    for name in sorted(runs, key=lambda r: r not in FINAL_RUNS):  # those that reject most first
        trajectories[name], finals[name], nearest = train(RUNS[name], layers, residual, start, x)
        if name in FINAL_RUNS and nearest < PATH_CORNER:
            return None
        rough, rough_final, _ = train(RUNS[name], layers, residual, start, x.float())
        if difference(rough, trajectories[name]) > CALM:
            return None
        if name in FINAL_RUNS and not calm(rough_final, finals[name]):
            return None
    return trajectories, finals


def check_apart(name, trajectories):
    runs = list(trajectories)
    for i, a in enumerate(runs):
        for b in runs[:i]:
            if difference(trajectories[a], trajectories[b]) < APART:
                sys.exit("%s: runs %s and %s cannot be told apart" % (name, a, b))


def make(index, name, directory):
    batch, height, width, encoder, layers, runs, losses = NETWORKS[name]
    residual = name in RESIDUAL
    for net, x in candidates(index, batch, height, width, layers, residual):
        start = {k: v.clone() for k, v in net.state_dict().items()}
        trained = train_all(runs, layers, residual, start, x)
        if trained:
            break
    trajectories, finals = trained
    check_apart(name, trajectories)

    tensors = {"x": x, **start}
    exact = {"traj." + run: torch.tensor(t, dtype=torch.float64) for run, t in trajectories.items()}
    with torch.no_grad():
        tensors["latent"] = nn.Sequential(*list(net)[:encoder_length(layers, encoder)])(x)
        tensors["y"] = net(x)
    for loss in losses:
        net.zero_grad()
        value = loss_of(loss)(net(x), x)
        value.backward()
        exact["loss." + loss] = value.detach().reshape(1)
        for key, parameter in net.named_parameters():
            tensors["grad.%s.%s" % (loss, key)] = parameter.grad.clone()
    for run in set(FINAL_RUNS) & set(runs):
        tensors.update({"final.%s.%s" % (run, k): v for k, v in finals[run].items()})

    path = os.path.join(directory, name + ".safetensors")
    tensors = {k: v.detach().float().contiguous() for k, v in tensors.items()}
    save_file({**tensors, **exact}, path, {"description": describe(layers, encoder, runs,
                                                                   residual, losses)})
    print("%-16s %7d bytes  %s" % (name, os.path.getsize(path), "  ".join(
        "%s %.4f->%.4f" % (run, t[0], t[-1]) for run, t in sorted(trajectories.items()))), flush=True)
    return os.path.getsize(path)


def main():
    torch.set_num_threads(1)
    directory = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fixtures")
    os.makedirs(directory, exist_ok=True)
    chosen = sys.argv[1:] or list(NETWORKS)
    total = sum(make(list(NETWORKS).index(name), name, directory) for name in chosen)
    print("%-16s %7d bytes" % ("together", total))


if __name__ == "__main__":
    main()
