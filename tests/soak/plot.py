#!/usr/bin/env python3
"""The curves of a soak run, from what `soak --log FILE.csv` wrote.

  plot.py SOAK.CSV OUT.PNG

Resident memory, descriptors, threads and calls a second over time. Needs matplotlib.
"""
import csv
import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt


def panel(axes, minutes, values, title):
    axes.plot(minutes, values, linewidth=0.8)
    axes.set_ylabel(title)
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)


def main():
    source, target = sys.argv[1:]
    with open(source, encoding="utf-8") as file:
        rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    minutes = [row["seconds"] / 60 for row in rows]
    rates = [(b["calls"] - a["calls"]) / (b["seconds"] - a["seconds"]) for a, b in zip(rows, rows[1:])]

    figure, (memory, descriptors, threads, calls) = plt.subplots(4, 1, figsize=(9, 8), sharex=True)
    panel(memory, minutes, [row["kilobytes"] / 1024 for row in rows], "resident, MiB")
    panel(descriptors, minutes, [row["descriptors"] for row in rows], "descriptors")
    panel(threads, minutes, [row["threads"] for row in rows], "threads")
    panel(calls, minutes[1:], rates, "calls a second")
    calls.set_xlabel("minutes")
    memory.set_title(f"{rows[-1]['calls']:,.0f} calls in {rows[-1]['rounds']:,.0f} worlds")
    figure.align_ylabels()
    figure.tight_layout()
    figure.savefig(target, dpi=80)


if __name__ == "__main__":
    main()
