#!/usr/bin/env python3
"""stream.py [--dir DIR] [--gib G | --data DIR] [--seconds S] [--runs N] [--threads T] [--quick] STREAM

Training on more data than is to be held in memory, beside training from memory. STREAM is tests/scale/stream of
a release build; what it needs is made in a new directory below DIR and taken away again.

  warm    the files have been read once and the system has them in its page cache. Runs alternate: all pixels of
          the first files in memory, all files on disk. The medians are compared, and the peak of resident memory
  cold    the system was told to let go of the files (posix_fadvise DONTNEED) before each run: with what the
          library announces ahead, and with such announcements swallowed; shuffled over all images, and in windows

--quick is for the suite: little data, short runs, and only what must hold on any machine: the same sums in all
of them, and memory that does not grow with the data. Prints TAP."""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

RECORD = 3073
WINDOW = 65536
MEMORY = 64
SWALLOW = 'int posix_fadvise(int f, long o, long n, int a) { (void)f, (void)o, (void)n, (void)a; return 0; }\n' \
          'int posix_fadvise64(int f, long o, long n, int a) { return posix_fadvise(f, o, n, a); }\n'

number = bad = 0


def check(good, what):
    global number, bad
    number += 1
    bad += not good
    print('%sok %d - %s' % ('' if good else 'not ', number, what), flush=True)


def say(text):
    print('# ' + text, flush=True)


def files_of(directory):
    return [os.path.join(directory, name) for name in sorted(os.listdir(directory)) if name.endswith('.bin')]


def warm(directory):
    for path in files_of(directory):
        with open(path, 'rb', buffering=0) as file:
            while file.read(1 << 22):
                pass


def chill(directory):
    for path in files_of(directory):
        with open(path, 'rb') as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


class Bench:
    def __init__(self, options, all_files, part, preload):
        self.options, self.all_files, self.part, self.preload = options, all_files, part, preload
        self.memory = 1 if options.quick else MEMORY

    def run(self, directory, memory, window=0, swallow=False):
        environment = dict(os.environ, LD_PRELOAD=self.preload) if swallow else None
        done = subprocess.run([self.options.stream, 'train', directory, str(memory), str(window),
                               str(self.options.seconds), str(self.options.threads)], check=True, env=environment,
                              stdout=subprocess.PIPE)
        return json.loads(done.stdout)


def describe(what, run):
    say('%-36s %6d images/s, %5.1f us of processor each, longest step %5.1f ms, resident %6.1f MiB (anonymous %.1f, '
        'files %.1f), load %.2f' % (what, run['rate'], run['cpu_us'], 1000 * run['longest'], run['peak_kib'] / 1024, run['anonymous_kib'] / 1024,
           run['file_kib'] / 1024, os.getloadavg()[0]))


def compare_warm(bench):
    for _ in range(2): # the second time says whether the system kept them
        begin = time.monotonic()
        warm(bench.all_files)
    say('all files read again in %.1f s' % (time.monotonic() - begin))
    for arguments in ((bench.part, 0), (bench.all_files, bench.memory)): # not counted
        bench.run(*arguments)
    held, streamed, windowed = [], [], []
    for _ in range(bench.options.runs):
        for what, list_, arguments in (('in memory', held, (bench.part, 0)),
                                       ('on disk, warm', streamed, (bench.all_files, bench.memory)),
                                       ('on disk, warm, in windows', windowed, (bench.all_files, bench.memory, WINDOW))):
            list_.append(bench.run(*arguments))
            describe(what, list_[-1])
    rates = [statistics.median(run['rate'] for run in list_) for list_ in (held, streamed, windowed)]
    say('medians: in memory %d, on disk %d (%.1f %%), in windows %d (%.1f %%) images/s'
        % (rates[0], rates[1], 100 * rates[1] / rates[0], rates[2], 100 * rates[2] / rates[0]))
    say('medians of processor time: in memory %.1f, on disk %.1f, in windows %.1f us an image' % tuple(
        statistics.median(run['cpu_us'] for run in list_) for list_ in (held, streamed, windowed)))
    peak = max(run['peak_kib'] for run in streamed + windowed) / 1024
    most = 40 if bench.options.quick else 300 # less than the data in both
    check(peak < most, 'resident memory at most %.1f MiB, below %d' % (peak, most))
    if not bench.options.quick:
        check(rates[1] >= 0.9 * rates[0], 'warm, %.1f %% of the rate in memory, not below 90' %
              (100 * rates[1] / rates[0]))


def same_bits(bench):
    """The same files from memory and from disk."""
    sums = {bench.run(bench.part, memory, window)['sum_at_100'] for memory in (0, 1) for window in (0,)}
    near = {bench.run(bench.part, memory, 1000)['sum_at_100'] for memory in (0, 1)}
    check(len(sums) == 1 and len(near) == 1 and sums != near and '0x0p+0' not in sums | near,
          'the same parameters after 100 steps, from memory and from disk')


def compare_cold(bench):
    for what, arguments in (('cold', (bench.all_files, MEMORY)),
                            ('cold, nothing announced', (bench.all_files, MEMORY, 0, True)),
                            ('cold, in windows of %d' % WINDOW, (bench.all_files, MEMORY, WINDOW)),
                            ('cold, in windows, nothing announced', (bench.all_files, MEMORY, WINDOW, True))):
        if len(arguments) == 4 and not bench.preload:
            continue
        chill(bench.all_files)
        describe(what, bench.run(*arguments))


def swallower(directory):
    """A library to preload that swallows announcements; None where it cannot be made."""
    source, library = os.path.join(directory, 'swallow.c'), os.path.join(directory, 'swallow.so')
    with open(source, 'w') as file:
        file.write(SWALLOW)
    compiler = shutil.which('cc') or shutil.which('gcc') or shutil.which('clang')
    made = compiler and subprocess.run([compiler, '-shared', '-fPIC', '-o', library, source],
                                       stderr=subprocess.DEVNULL).returncode == 0
    return library if made else None


def measure(options, top):
    all_files, part = options.data or os.path.join(top, 'all'), os.path.join(top, 'part')
    os.mkdir(part)
    records = 100000 if not options.quick else 2000
    files = -(-int(options.gib * 2 ** 30) // (records * RECORD)) if not options.quick else 8
    if not options.data:
        os.mkdir(all_files)
        subprocess.run([options.stream, 'make', all_files, str(files), str(records)], check=True)
    for path in files_of(all_files):
        if os.path.basename(path) in ['data_batch_%d.bin' % i for i in range(1, 5)]:
            os.symlink(path, os.path.join(part, os.path.basename(path)))
    size = sum(map(os.path.getsize, files_of(all_files)))
    say('%d files, %.2f GiB, %d images; %d threads, runs of %g s' %
        (len(files_of(all_files)), size / 2 ** 30, files * records, options.threads, options.seconds))
    bench = Bench(options, all_files, part, None if options.quick else swallower(top))
    same_bits(bench)
    compare_warm(bench)
    if not options.quick:
        compare_cold(bench)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('stream')
    parser.add_argument('--dir', default=tempfile.gettempdir())
    parser.add_argument('--data', type=os.path.abspath, help='a directory that `STREAM make` made, to be kept')
    parser.add_argument('--gib', type=float, default=8.0)
    parser.add_argument('--seconds', type=float, default=12.0)
    parser.add_argument('--runs', type=int, default=5)
    parser.add_argument('--threads', type=int, default=0)
    parser.add_argument('--quick', action='store_true')
    options = parser.parse_args()
    if options.quick:
        options.seconds, options.runs, options.threads = 1.0, 1, 2
    with tempfile.TemporaryDirectory(dir=options.dir, prefix='stream-') as top:
        measure(options, top)
    print('1..%d' % number)
    return bad != 0


sys.exit(main())
