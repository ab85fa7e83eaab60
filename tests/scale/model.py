"""model.py - what a step costs on many ranks: measured here, put into a simple model, and looked ahead with.

    /usr/bin/python3 tests/scale/model.py measure FILE.json [--build DIR]   some minutes; wants an idle machine
    /usr/bin/python3 tests/scale/model.py tables FILE.json                  docs/scaling.md's tables, in Markdown
    /usr/bin/python3 tests/scale/model.py draw FILE.json PICTURE.png        its picture; wants matplotlib

The model of a step on N nodes of c processors each, with a batch of B images:

    T(N) = images B / (N c)  +  once  +  sum(N, 4 (P + 6) bytes)

`images` is an image's computing and `once` what every rank does alike (the update, the adding up of
slots): both are fitted to the processor time of 1, 2, 4 and 8 ranks. A sum of n bytes takes the better of

    log2(N) (a + n / b)                          recursive doubling: few bytes
    2 log2(N) a + 2 (N - 1) / N n / b            reduce-scatter and all-gather: many

(Thakur, Rabenseifner & Gropp, "Optimization of collective communication operations in MPICH", 2005), with a
latency a and a bandwidth b. Here they are fitted to sums between two ranks; more ranks than processors wait
for each other's turn, and so that is said apart."""

import argparse
import json
import math
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
NETWORKS = ['reference', 'quality', 'million', 'tenmillion']
STEPS = {'reference': 200, 'quality': 12, 'million': 12, 'tenmillion': 5}
SIZES = [2, 1617, 13000, 65000, 262144, 1048576, 4194304, 9738000]
RANKS = [1, 2, 4, 8]
BATCH = 64
TRANSPORTS = {'shared memory': [], 'TCP': ['--mca', 'btl', 'tcp,self', '--mca', 'btl_tcp_if_include', 'lo']}

# What others' machines are taken to have: (latency in seconds, bytes a second) of one message between nodes.
FABRICS = {'10 Gb/s Ethernet, TCP': (25e-6, 1.1e9), '100 Gb/s InfiniBand': (2e-6, 11e9)}
NODE = 32                       # processors of a node
NODES = [1, 10, 100, 1000]
FIXED = 8 * NODE * 256          # images of a batch that is shared out


# --- Measuring ------------------------------------------------------------------------------------------

def run(program, ranks, arguments, transport=()):
    command = ['mpirun.openmpi' if has('mpirun.openmpi') else 'mpirun', '--oversubscribe', '-np', str(ranks),
               *transport, program, *map(str, arguments)]
    environment = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT='1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM='1')
    done = subprocess.run(command, stdout=subprocess.PIPE, env=environment, check=True, text=True)
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{')]


def has(program):
    return any(os.access(os.path.join(folder, program), os.X_OK)
               for folder in os.environ['PATH'].split(os.pathsep))


def measure(arguments):
    program = os.path.join(arguments.build, 'tests', 'scale', 'ranks')
    found = {'load_before': os.getloadavg(), 'processors': os.cpu_count(), 'steps': [], 'sums': []}
    for ranks in RANKS:
        for network in NETWORKS:
            for reduction in ('native', 'deterministic'):
                for row in run(program, ranks, [network, reduction, BATCH, STEPS[network]]):
                    found['steps'].append(row)
                    print(row, flush=True)
        for name, transport in TRANSPORTS.items():
            for row in run(program, ranks, ['sums', *SIZES], transport) if ranks > 1 else []:
                found['sums'].append(dict(row, transport=name))
                print(found['sums'][-1], flush=True)
    found['load_after'] = os.getloadavg()
    with open(arguments.file, 'w', encoding='utf-8') as file:
        json.dump(found, file, indent=1)
        file.write('\n')


# --- The model ------------------------------------------------------------------------------------------

def sum_time(ranks, count_bytes, latency, bandwidth):
    if ranks == 1:
        return 0.0
    rounds = math.ceil(math.log2(ranks))
    return min(rounds * (latency + count_bytes / bandwidth),
               2 * rounds * latency + 2 * (ranks - 1) / ranks * count_bytes / bandwidth)


def fit_sums(rows, transport):
    """Latency and bandwidth of two ranks: the smallest relative error over all sizes."""
    pairs = [(4 * r['floats'], r['allreduce_s']) for r in rows if r['ranks'] == 2 and r['transport'] == transport]
    best = None
    for i in range(161):
        latency = 1e-7 * 10 ** (i / 40)
        for k in range(121):
            bandwidth = 1e8 * 10 ** (k / 40)
            error = sum(math.log(sum_time(2, n, latency, bandwidth) / t) ** 2 for n, t in pairs)
            if best is None or error < best[0]:
                best = (error, latency, bandwidth)
    return best[1], best[2]


def fit_computing(rows, network):
    """Seconds of one image and seconds of every rank, from native steps: compute = images B / N + once."""
    points = [(BATCH / r['ranks'], r['compute_s']) for r in rows
              if r['network'] == network and r['reduction'] == 'native']
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / sum((x - mean_x) ** 2 for x, _ in points)
    return slope, max(mean_y - slope * mean_x, 0.0)


def parameters_of(rows, network):
    return next(r['parameters'] for r in rows if r['network'] == network)


def floats_of(row):
    """In the sum of a step, see lib/training/group.c."""
    slots = min(BATCH // 8, 16)
    return row['parameters'] + 6 if row['reduction'] == 'native' else slots * (row['parameters'] + 4) + 3


def step_here(row, images, once, latency, bandwidth, processors):
    """More ranks than processors: they take turns at computing, and so do their messages."""
    turns = max(1.0, row['ranks'] / processors)
    return turns * (images * BATCH / row['ranks'] + once +
                    sum_time(row['ranks'], 4 * floats_of(row), latency, bandwidth))


def step_there(nodes, batch, network, fits, fabric, volume=1.0, overlap=False):
    """Seconds of a step of `batch` images on so many nodes, and of it those of computing. Blocks of eight images
    are what a processor takes; some wait while others have one more."""
    images, once, parameters = fits[network]
    blocks = math.ceil(batch / 8 / nodes)
    compute = images * 8 * math.ceil(blocks / NODE) + once
    latency, bandwidth = FABRICS[fabric]
    added = sum_time(nodes, volume * 4 * (parameters + 6), latency, bandwidth)
    # two thirds of a step are backward, during which the gradients of later layers may travel
    return compute + (max(0.0, added - compute * 2 / 3) if overlap else added), compute


def read(path):
    with open(path, encoding='utf-8') as file:
        found = json.load(file)
    fits = {n: (*fit_computing(found['steps'], n), parameters_of(found['steps'], n)) for n in NETWORKS}
    links = {t: fit_sums(found['sums'], t) for t in TRANSPORTS}
    return found, fits, links


# --- Tables -----------------------------------------------------------------------------------------------

def seconds(value):
    return '%.3g s' % value if value >= 1 else '%.3g ms' % (1e3 * value) if value >= 1e-3 else '%.3g µs' % (1e6 * value)


def print_steps(found, fits, links):
    print('| parameters | reduction | ranks | computing | sum, with waiting | step | model | model / step |')
    print('|---|---|---|---|---|---|---|---|')
    for row in sorted(found['steps'], key=lambda r: (r['parameters'], r['reduction'] != 'native', r['ranks'])):
        images, once, _ = fits[row['network']]
        model = step_here(row, images, once, *links['shared memory'], found['processors'])
        print('| %s | %s | %d | %s | %s | %s | %s | %.2f |' % (
            format(row['parameters'], ','), row['reduction'], row['ranks'], seconds(row['compute_s']),
            seconds(row['sum_s']), seconds(row['step_s']), seconds(model), model / row['step_s']))


def print_sums(found, links):
    print('| transport | floats | 2 ranks | model | 4 ranks | 8 ranks |')
    print('|---|---|---|---|---|---|')
    for transport, link in links.items():
        for size in SIZES:
            at = {r['ranks']: r['allreduce_s'] for r in found['sums']
                  if r['floats'] == size and r['transport'] == transport}
            print('| %s | %s | %s | %s | %s | %s |' % (
                transport, format(size, ','), seconds(at[2]), seconds(sum_time(2, 4 * size, *link)),
                seconds(at[4]), seconds(at[8])))


def half_way(local_batch, network, fits, fabric, **how):
    """The number of nodes at which half of a step is waiting for others; beyond 2^20 it is none."""
    for power in range(21):
        step, compute = step_there(2 ** power, local_batch * 2 ** power, network, fits, fabric, **how)
        if compute < step / 2:
            return format(2 ** power, ',')
    return 'none'


def print_growing(fits):
    """As many images on each node as occupy it: the batch grows with the nodes."""
    local = 8 * NODE
    print('| parameters | links | 10 nodes | 100 | 1,000 | half at | with overlap | gradients of 1 byte |')
    print('|---|---|---|---|---|---|---|---|')
    for network in NETWORKS:
        for fabric in FABRICS:
            shares = []
            for nodes in NODES[1:]:
                step, compute = step_there(nodes, local * nodes, network, fits, fabric)
                shares.append('%.0f %%' % (100 * compute / step))
            print('| %s | %s | %s | %s | %s | %s |' % (
                format(fits[network][2], ','), fabric, ' | '.join(shares),
                half_way(local, network, fits, fabric), half_way(local, network, fits, fabric, overlap=True),
                half_way(local, network, fits, fabric, volume=0.25)))


def print_fixed(fits):
    """One batch, shared out: how many times as fast as one node."""
    print('| parameters | links | 10 nodes | 100 | 256 | with overlap | gradients of 1 byte |')
    print('|---|---|---|---|---|---|---|')
    for network in NETWORKS:
        for fabric in FABRICS:
            alone = step_there(1, FIXED, network, fits, fabric)[0]
            gains = ['%.3g' % (alone / step_there(n, FIXED, network, fits, fabric)[0]) for n in (10, 100, 256)]
            gains.append('%.3g' % (alone / step_there(256, FIXED, network, fits, fabric, overlap=True)[0]))
            gains.append('%.3g' % (alone / step_there(256, FIXED, network, fits, fabric, volume=0.25)[0]))
            print('| %s | %s | %s |' % (format(fits[network][2], ','), fabric, ' | '.join(gains)))


def tables(arguments):
    found, fits, links = read(arguments.file)
    print('load %.1f before, %.1f after; %d processors\n' % (
        found['load_before'][0], found['load_after'][0], found['processors']))
    for transport, (latency, bandwidth) in links.items():
        print('%s: latency %s, %.2g GB/s' % (transport, seconds(latency), bandwidth / 1e9))
    print()
    for network, (images, once, count) in fits.items():
        print('%s: %s parameters, %s an image, %s on every rank' % (
            network, format(count, ','), seconds(images), seconds(once)))
    print()
    print_steps(found, fits, links)
    print()
    print_sums(found, links)
    print()
    print_growing(fits)
    print()
    print_fixed(fits)


# --- The picture --------------------------------------------------------------------------------------------

COLOURS = {'reference': '#1b6ca8', 'quality': '#2a9d5c', 'million': '#d98a00', 'tenmillion': '#b3362b'}


def draw_steps(axes, found, fits, links):
    for network in NETWORKS:
        rows = sorted((r for r in found['steps'] if r['network'] == network and r['reduction'] == 'native'),
                      key=lambda r: r['ranks'])
        images, once, count = fits[network]
        ranks = [r['ranks'] for r in rows]
        axes.plot(ranks, [1e3 * r['step_s'] for r in rows], 'o', color=COLOURS[network],
                  label='%s parameters' % format(count, ','))
        axes.plot(ranks, [1e3 * step_here(r, images, once, *links['shared memory'], found['processors'])
                          for r in rows], '-', color=COLOURS[network], linewidth=1)
    axes.set(xscale='log', yscale='log', xticks=RANKS, xticklabels=RANKS, xlabel='ranks, on %d processors' %
             found['processors'], ylabel='ms a step, batch %d' % BATCH,
             title='A step: measured (dots), model (lines)')
    axes.minorticks_off()
    axes.legend(fontsize=7, frameon=False)


def draw_sums(axes, found, links):
    styles = {'shared memory': '-', 'TCP': '--'}
    marks = {2: 'o', 4: '^', 8: 's'}
    for transport, link in links.items():
        for ranks in RANKS[1:]:
            rows = sorted((r for r in found['sums'] if r['ranks'] == ranks and r['transport'] == transport),
                          key=lambda r: r['floats'])
            colour = '#1b6ca8' if transport == 'TCP' else '#b3362b'
            axes.plot([4 * r['floats'] for r in rows], [1e6 * r['allreduce_s'] for r in rows], marks[ranks],
                      color=colour, markersize=4, label='%s, %d ranks' % (transport, ranks))
        sizes = [4 * s for s in SIZES]
        axes.plot(sizes, [1e6 * sum_time(2, n, *link) for n in sizes], styles[transport],
                  color=colour, linewidth=1)
    axes.set(xscale='log', yscale='log', xlabel='bytes of one rank', ylabel='µs a sum',
             title='A sum: measured, model for 2 ranks (lines)')
    axes.legend(fontsize=7, frameon=False)


def draw_ahead(axes, fits):
    for network in NETWORKS:
        for fabric, style in zip(FABRICS, ('--', '-')):
            nodes = [2 ** k for k in range(11)]
            shares = []
            for n in nodes:
                step, compute = step_there(n, 8 * NODE * n, network, fits, fabric)
                shares.append(100 * compute / step)
            axes.plot(nodes, shares, style, color=COLOURS[network], linewidth=1.2,
                      label='%s, %s' % (format(fits[network][2], ','), fabric.split(',')[0]))
    axes.set(xscale='log', ylim=(0, 102), xlabel='nodes of %d processors, %d images each' % (NODE, 8 * NODE),
             ylabel='% of a step that computes', title='Ahead: by the model, not measured')
    axes.legend(fontsize=6, frameon=False)


def draw(arguments):
    import matplotlib
    matplotlib.use('Agg')
    import matplotlib.pyplot as pyplot

    found, fits, links = read(arguments.file)
    figure, (left, middle, right) = pyplot.subplots(1, 3, figsize=(13.5, 4.2))
    draw_steps(left, found, fits, links)
    draw_sums(middle, found, links)
    draw_ahead(right, fits)
    for axes in (left, middle, right):
        axes.grid(True, color='#e4e4e4', linewidth=0.6)
        axes.set_axisbelow(True)
        axes.title.set_fontsize(10)
    figure.tight_layout()
    figure.savefig(arguments.picture, dpi=100)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser('measure')
    command.add_argument('file')
    command.add_argument('--build', default=os.path.join(HERE, '..', '..', 'build', 'dev'))
    command.set_defaults(call=measure)
    command = commands.add_parser('tables')
    command.add_argument('file')
    command.set_defaults(call=tables)
    command = commands.add_parser('draw')
    command.add_argument('file')
    command.add_argument('picture')
    command.set_defaults(call=draw)
    arguments = parser.parse_args()
    return arguments.call(arguments)


if __name__ == '__main__':
    sys.exit(main())
