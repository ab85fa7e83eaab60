#!/usr/bin/env python3
"""kill.py [--runs N] [--seed S] KIND DENOISE - trainings under mpirun, killed at random moments.

Each run begins afresh and is killed with SIGKILL: one rank, mpirun, or everything at once; and resumed with another
number of ranks, and perhaps killed again, until it is through. After each kill all processes end within
a bound; the checkpoint is a state of the undisturbed training, and none before the last one; in the end
the files are those of one process that nobody disturbed. KIND is openmpi or mpich. Prints TAP and counts."""
import argparse
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import launch
from launch import Job, digest, environment

EPOCHS, BOUND = 16, 30
OPTIONS = ['--limit', '640', '--seed', '3', '--quiet', '--threads', '1', '--timeout', '10']


class Kills:
    def __init__(self, kind, denoise, scratch, rng):
        self.kind, self.denoise, self.scratch, self.rng = kind, denoise, scratch, rng
        self.kills, self.late, self.slowest, self.resumed, self.by_epoch = {}, 0, 0, 0, {}
        self.states = {}
        self.reference = os.path.join(scratch, 'reference')
        checkpoint = os.path.join(self.reference, 'checkpoint.safetensors')
        for epochs in range(1, EPOCHS + 1):
            subprocess.run([denoise, *OPTIONS, '--epochs', str(epochs), '--out', self.reference] +
                           (['--resume', checkpoint] if epochs > 1 else []), check=True, env=environment())
            self.states[digest(checkpoint)] = epochs
        began = time.monotonic()
        job = self.start(2, os.path.join(scratch, 'timed'))
        while not os.path.exists(os.path.join(scratch, 'timed', 'checkpoint.safetensors')):
            time.sleep(0.01)
        self.beginning = time.monotonic() - began
        job.wait(60)
        self.seconds = time.monotonic() - began

    def start(self, ranks, place):
        checkpoint = os.path.join(place, 'checkpoint.safetensors')
        resume = ['--resume', checkpoint] if os.path.exists(checkpoint) else []
        return Job(self.kind, (ranks, [self.denoise, *OPTIONS, '--epochs', str(EPOCHS), '--out', place, *resume]))

    def epoch_of(self, place):
        path = os.path.join(place, 'checkpoint.safetensors')
        if not os.path.exists(path):
            return 0
        state = digest(path)
        assert state in self.states, 'a checkpoint that is no state of the training'
        return self.states[state]

    def kill(self, job):
        """True when there was something to kill."""
        what = self.rng.choice(['a rank', 'a rank', 'a rank', 'mpirun', 'all at once'])
        ranks = job.ranks()
        if job.process.poll() is not None or not ranks:
            return False
        victims = {'a rank': [self.rng.choice(list(ranks.values()))], 'mpirun': [job.process.pid],
                   'all at once': [job.process.pid, *job.everybody()]}[what]
        for pid in victims:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.kills[what] = self.kills.get(what, 0) + 1
        return True

    def disturbed(self, place):
        """One start and one kill; the epoch of the checkpoint."""
        job = self.start(self.rng.choice([1, 2, 3, 4]), place)
        before = self.epoch_of(place)
        if self.rng.random() < 0.8: # most while it trains, some while it starts
            end = time.monotonic() + BOUND
            while self.epoch_of(place) == before and time.monotonic() < end and job.process.poll() is None:
                time.sleep(0.005)
            end = time.monotonic() + self.rng.uniform(0, 0.6 * (self.seconds - self.beginning)) * (1 - before / EPOCHS)
        else:
            end = time.monotonic() + self.rng.uniform(0.1, self.seconds)
        while time.monotonic() < end and job.process.poll() is None:
            time.sleep(0.005)
        killed = self.kill(job)
        began = time.monotonic()
        code, text = job.wait(BOUND)
        if not killed:
            self.late += 1
            assert code == 0, text
        assert code is not None, 'not all had ended %d s after a kill\n%s' % (BOUND, text)
        left = job.end(BOUND)
        assert not left, 'processes that did not end: %s' % left
        self.slowest = max(self.slowest, time.monotonic() - began)
        return killed

    def run(self, number):
        place = os.path.join(self.scratch, 'run')
        shutil.rmtree(place, ignore_errors=True)
        epoch = 0
        for attempt in range(3):
            if attempt and self.rng.random() < 0.6:
                break
            self.disturbed(place)
            now = self.epoch_of(place)
            assert now >= epoch, 'back from epoch %d to %d' % (epoch, now)
            self.by_epoch[now] = self.by_epoch.get(now, 0) + 1
            epoch = now
        ranks = self.rng.choice([1, 2, 3, 4])
        code, text = self.start(ranks, place).wait(60)
        assert code == 0, 'resumed with %d ranks: exit code %s\n%s' % (ranks, code, text)
        self.resumed += 1
        for name in ('model.safetensors', 'checkpoint.safetensors', 'samples.png'):
            assert digest(os.path.join(place, name)) == digest(os.path.join(self.reference, name)), \
                name + ': other bytes than an undisturbed training'
        with open(os.path.join(place, 'log.csv')) as file:
            steps = [int(line.split(',')[0]) for line in file.read().splitlines()[1:]]
        assert steps == list(range(1, EPOCHS * 10 + 1)), 'log.csv has gaps'
        left = [name for name in os.listdir(place) if re.search(r'^\.cae-|\.tmp$|\.new$', name)]
        assert not left, 'left behind: %s' % left


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--runs', type=int, default=20)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('kind', choices=['openmpi', 'mpich'])
    parser.add_argument('denoise')
    given = parser.parse_args()
    if not launch.find_launcher(given.kind):
        print('1..0 # skip no mpirun of ' + given.kind)
        return 0
    scratch = tempfile.mkdtemp()
    kills = Kills(given.kind, os.path.abspath(given.denoise), scratch, random.Random(given.seed))
    failed = 0
    print('1..%d' % given.runs)
    for number in range(1, given.runs + 1):
        try:
            kills.run(number)
            print('ok %d' % number, flush=True)
        except (AssertionError, OSError, subprocess.SubprocessError) as error:
            failed += 1
            print('not ok %d' % number)
            print(''.join('# %s\n' % line for line in str(error).splitlines()), end='', flush=True)
    print('# %d kills (%s), %d runs ended before; slowest end %.1f s after a kill; checkpoints by epoch %s; '
          '%d of %d trainings resumed to the same bytes' % (
              sum(kills.kills.values()), ', '.join('%s %d' % item for item in sorted(kills.kills.items())),
              kills.late, kills.slowest, dict(sorted(kills.by_epoch.items())), given.runs - failed, given.runs))
    shutil.rmtree(scratch, ignore_errors=True)
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
