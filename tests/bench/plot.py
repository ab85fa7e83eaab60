#!/usr/bin/env python3
"""The growth curves of docs/performance.md, from what `bench --json FILE growth` wrote.

  plot.py GROWTH.JSON OUT.PNG

Four panels: how the cost of an image depends on the batch, on the channels, on the side of the image and on
the number of threads. Needs matplotlib.
"""
import json
import re
import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt


def read(path):
    """Series by name: {"training batch": [(1, row), (2, row), ...], ...}."""
    series = {}
    with open(path, encoding="utf-8") as file:
        for row in map(json.loads, file):
            match = re.fullmatch(r"growth (.*) (\d+)", row["name"])
            if match:
                series.setdefault(match[1], []).append((int(match[2]), row))
    return series


def draw(axes, points, value, label, marker="o"):
    axes.plot([x for x, _ in points], [value(x, row) for x, row in points], marker=marker, label=label)


def finish(axes, title, x, y, log=True):
    axes.set_title(title)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.set_ylim(bottom=0)
    if log:
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter(matplotlib.ticker.ScalarFormatter())
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)


def main():
    source, target = sys.argv[1:]
    series = read(source)
    figure, ((batch, channels), (side, threads)) = plt.subplots(2, 2, figsize=(10.5, 7.5))

    for name in ("training", "inference"):
        draw(batch, series[f"{name} batch"], lambda x, row: 1e6 / row["images_per_second"], name)
    finish(batch, "batch: flat from 8 on", "images a call", "µs an image, 32x32")

    draw(channels, series["training channels"], lambda x, row: 100 * row["fraction_of_peak"], "direct")
    draw(channels, series["gemm channels"], lambda x, row: 100 * row["fraction_of_peak"], "gemm", "s")
    finish(channels, "channels: the work grows with their square", "channels", "% of peak, training")

    draw(side, series["inference side"], lambda x, row: 1e3 * row["microseconds"] / x**2, "one image")
    finish(side, "side of an image: linear in pixels", "pixels a side", "ns a pixel")

    first = series["training threads"][0][1]
    draw(threads, series["training threads"],
         lambda x, row: row["images_per_second"] / first["images_per_second"], "training")
    draw(threads, series["training threads"],
         lambda x, row: row["peak_gflops"] / first["peak_gflops"], "the machine's peak", "s")
    finish(threads, "threads, on two processors", "threads", "times one thread", log=False)
    threads.set_xticks([x for x, _ in series["training threads"]])

    figure.tight_layout()
    figure.savefig(target, dpi=80)


if __name__ == "__main__":
    main()
