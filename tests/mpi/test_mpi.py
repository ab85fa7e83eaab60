#!/usr/bin/env python3
"""test_mpi.py KIND API DENOISE RECONSTRUCT ALONE - libcae_mpi and the trainers under mpirun.

KIND is openmpi or mpich, ALONE the trainer of a build without MPI. Prints TAP; all is skipped without
that mpirun."""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import launch
from launch import Job, digest, environment, run, wait_until

FILES = ('model.safetensors', 'checkpoint.safetensors', 'samples.png')
SHORT = ['--limit', '640', '--epochs', '2', '--seed', '3', '--quiet']
LONG = ['--limit', '640', '--epochs', '8', '--seed', '3', '--quiet']


class Trainers:
    def __init__(self, kind, api, denoise, reconstruct, alone, scratch):
        self.kind, self.api, self.denoise, self.reconstruct = kind, api, denoise, reconstruct
        self.alone, self.scratch = alone, scratch
        self.references = {}

    def place(self, name):
        path = os.path.join(self.scratch, name)
        shutil.rmtree(path, ignore_errors=True)
        return path

    def reference(self, program, options):
        """What one process makes of it."""
        key = (program, *options)
        if key not in self.references:
            place = self.place('reference-%d' % len(self.references))
            subprocess.run([program, *options, '--out', place], check=True, env=environment())
            self.references[key] = place
        return self.references[key]

    def same(self, place, reference):
        for name in FILES:
            assert digest(os.path.join(place, name)) == digest(os.path.join(reference, name)), \
                '%s: other bytes than one process' % name
        assert figures(place) == figures(reference), 'metrics.json: other figures than one process'
        assert rows(place) == rows(reference), 'log.csv: other rows than one process'

    def refused(self, ranks, *lines, parts=()):
        """Ends soon, with an error on all ranks, and says each line once."""
        began = time.monotonic()
        code, text = run(self.kind, *(parts or [(ranks, [self.denoise, *SHORT, '--out', self.place('no')])]))
        assert code, 'exit code %s\n%s' % (code, text)
        assert time.monotonic() - began < 20, 'it took %.0f s' % (time.monotonic() - began)
        for line in lines:
            assert len(re.findall(line, text)) == 1, 'expected "%s" once in:\n%s' % (line, text)

    def mixed(self, first, second, *lines):
        """Rank 0 with these options, rank 1 with those."""
        out = ['--out', self.place('no')]
        self.refused(2, *lines, parts=[(1, [self.denoise, *SHORT, *first, *out]),
                                       (1, [self.denoise, *SHORT, *second, *out])])


def figures(place):
    with open(os.path.join(place, 'metrics.json')) as file:
        found = json.load(file)
    return {key: found[key] for key in found
            if not re.search('seconds|per_second|resumed|images_trained|final_train|threads|ranks', key)}


def rows(place):
    with open(os.path.join(place, 'log.csv')) as file:
        return [line.split(',')[:4] for line in file.read().splitlines()]


# --- Checks -----------------------------------------------------------------------------------------

def same_bytes_for_1_2_and_4_ranks(t):
    reference = t.reference(t.denoise, SHORT)
    for ranks in (1, 2, 4):
        place = t.place('ranks')
        code, text = run(t.kind, (ranks, [t.denoise, *SHORT, '--out', place]))
        assert code == 0, '%d ranks: exit code %s\n%s' % (ranks, code, text)
        t.same(place, reference)
        with open(os.path.join(place, 'metrics.json')) as file:
            assert json.load(file)['ranks'] == ranks


def reconstruct_has_the_same_bytes(t):
    options = SHORT + ['--preset', 'tuned', '--threads', '2', '--batch', '24']
    place = t.place('ranks')
    code, text = run(t.kind, (3, [t.reconstruct, *options, '--out', place]))
    assert code == 0, text
    t.same(place, t.reference(t.reconstruct, options))


def native_trains_and_has_its_own_bytes(t):
    place = t.place('native')
    code, text = run(t.kind, (2, [t.denoise, *SHORT, '--reduction', 'native', '--out', place]))
    assert code == 0, text
    with open(os.path.join(place, 'metrics.json')) as mine, \
            open(os.path.join(t.reference(t.denoise, SHORT), 'metrics.json')) as other:
        a, b = json.load(mine)['psnr_db'], json.load(other)['psnr_db']
    assert abs(a - b) < 0.01, 'PSNR %g, one process %g' % (a, b)


def rank_0_alone_prints(t):
    options = [option for option in SHORT if option != '--quiet']
    code, text = run(t.kind, (3, [t.denoise, *options, '--out', t.place('ranks')]))
    assert code == 0, text
    for line in ('epoch 1/2 .*3 ranks', 'epoch 2/2', 'test images', 'Results are in'):
        assert len(re.findall(line, text)) == 1, 'expected "%s" once in:\n%s' % (line, text)
    code, text = run(t.kind, (2, [t.denoise, '--help']))
    assert code == 0 and text.count('SYNOPSIS') == 1, text


def evaluation_is_done_once(t):
    model = os.path.join(t.reference(t.denoise, SHORT), 'model.safetensors')
    code, text = run(t.kind, (2, [t.denoise, '--eval', model, '--out', t.place('eval')]))
    assert code == 0 and text.count('Results are in') == 1, text
    code, text = run(t.kind, (2, [t.denoise, '--eval', '/nowhere', '--out', t.place('eval')]))
    assert code and text.count('/nowhere') == 1, text


def ranks_that_differ_are_refused(t):
    t.mixed([], ['--seed', '4'], 'rank 1 has other parameters')
    t.mixed([], ['--batch', '32'], 'rank 1', 'batch')
    t.mixed([], ['--engine', 'gemm'], 'rank 1', 'engine')
    t.mixed([], ['--limit', '639'], 'rank 1')
    t.mixed([], ['--reduction', 'native'], 'rank 1')


def other_images_are_refused(t):
    folders = []
    for change in (0, 1):
        folders.append(t.place('data-%d' % change))
        os.mkdir(folders[-1])
        for name, records in (('data_batch_1.bin', 70), ('test_batch.bin', 4)):
            with open(os.path.join(folders[-1], name), 'wb') as file:
                for record in range(records):
                    other = change and record == 33
                    file.write(bytes([record % 10]) +
                               bytes((record * 37 + i * i // 7 + other) % 256 for i in range(3072)))
    t.mixed(['--data', folders[0]], ['--data', folders[1]], 'rank 1')


def a_rank_that_fails_ends_all(t):
    t.mixed([], ['--data', '/nowhere'], 'denoise: rank 1: cannot open the training images', '/nowhere')
    t.mixed(['--data', '/nowhere'], [], 'denoise: cannot open the training images', '/nowhere')
    t.mixed([], ['--no-such'], 'denoise: rank 1: ', "Try 'denoise --help'")


def what_fails_on_all_is_said_once(t):
    t.refused(3, 'denoise: --no-such: no such option', "Try 'denoise --help'",
              parts=[(3, [t.denoise, '--no-such'])])
    t.refused(3, '/nowhere', parts=[(3, [t.denoise, '--data', '/nowhere'])])
    t.refused(4, 'denoise: cannot train as one of 4 processes',
              parts=[(4, [t.denoise, *SHORT, '--batch', '16', '--out', t.place('no')])])
    file = os.path.join(t.scratch, 'file')
    open(file, 'w').close()
    t.refused(2, 'cannot write to the directory', parts=[(2, [t.denoise, *SHORT, '--out', file])])
    t.refused(2, 'cannot resume', parts=[(2, [t.denoise, *SHORT, '--resume', file, '--out', t.place('no')])])


def another_launcher_is_refused(t):
    number = {'openmpi': {'PMI_RANK': '1', 'PMI_SIZE': '4'},
              'mpich': {'OMPI_COMM_WORLD_RANK': '1', 'OMPI_COMM_WORLD_SIZE': '4'}}[t.kind]
    for program, line in ((t.denoise, 'does not belong to this build'), (t.alone, 'this build has no MPI')):
        done = subprocess.run([program, *SHORT, '--out', t.place('no')], env=environment(**number),
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=60)
        assert done.returncode == 1 and 'one of 4 processes' in done.stdout and line in done.stdout, \
            'exit code %d\n%s' % (done.returncode, done.stdout)
        assert not os.path.exists(os.path.join(t.scratch, 'no'))


def under_way(t, ranks, *more):
    """A long training that has saved its first checkpoint."""
    place = t.place('under-way')
    job = Job(t.kind, (ranks, [t.denoise, *LONG, *more, '--out', place]))
    try:
        wait_until(lambda: os.path.exists(os.path.join(place, 'checkpoint.safetensors')), 30,
                   'a first checkpoint')
    except AssertionError:
        raise AssertionError(job.wait(0)[1])
    return job, place


def resumes(t, place, ranks):
    code, text = run(t.kind, (ranks, [t.denoise, *LONG, '--out', place, '--resume',
                                      os.path.join(place, 'checkpoint.safetensors')]))
    assert code == 0, text
    t.same(place, t.reference(t.denoise, LONG))


def a_killed_rank_ends_all_and_training_resumes(t):
    for victim, ranks, then in ((1, 2, 3), (0, 3, 1)):
        job, place = under_way(t, ranks)
        job.signal(victim, signal.SIGKILL)
        began = time.monotonic()
        code, text = job.wait(30)
        assert code, 'exit code %s after a kill\n%s' % (code, text)
        assert time.monotonic() - began < 20, 'it took %.0f s' % (time.monotonic() - began)
        resumes(t, place, then)


def a_rank_that_is_stopped_is_given_up(t):
    job, place = under_way(t, 2, '--timeout', '1.5')
    job.signal(1, signal.SIGSTOP)
    began = time.monotonic()
    code, text = job.wait(40)
    assert code, 'exit code %s\n%s' % (code, text)
    assert time.monotonic() - began < 30, 'it took %.0f s' % (time.monotonic() - began)
    assert 'nothing heard from another rank for 1.5 seconds' in text, text
    resumes(t, place, 2)


def a_slow_rank_is_waited_for(t):
    job, place = under_way(t, 2)
    job.signal(1, signal.SIGSTOP)
    time.sleep(1.5)
    job.signal(1, signal.SIGCONT)
    code, text = job.wait(60)
    assert code == 0, 'exit code %s\n%s' % (code, text)
    t.same(place, t.reference(t.denoise, LONG))


def an_interrupt_of_any_rank_saves_on_rank_0(t):
    for victim, number in ((1, signal.SIGTERM), (0, signal.SIGINT)):
        job, place = under_way(t, 2)
        job.signal(victim, number)
        code, text = job.wait(30)
        assert code, 'exit code %s\n%s' % (code, text)
        assert text.count('and saved; to continue') == 1, text
        resumes(t, place, 4)


def tap_of_the_interface(t):
    """The TAP of api.c, as our own."""
    count = 0
    for ranks, what in ((4, 'all'), (1, 'all'), (2, 'single'), (3, 'lost')):
        code, text = run(t.kind, (ranks, [t.api, what]), seconds=90)
        found = re.findall(r'^(not ok|ok) \d+ - (.*)$', text, re.M)
        plan = re.search(r'^1\.\.(\d+)', text, re.M)
        complete = code == 0 and plan and len(found) == int(plan[1])
        yield complete, '%d ranks, %s: all of it' % (ranks, what), text
        for verdict, name in found:
            yield verdict == 'ok', '%d ranks, %s: %s' % (ranks, what, name), text


CHECKS = [same_bytes_for_1_2_and_4_ranks, reconstruct_has_the_same_bytes, native_trains_and_has_its_own_bytes,
          rank_0_alone_prints, evaluation_is_done_once, ranks_that_differ_are_refused,
          other_images_are_refused, a_rank_that_fails_ends_all, what_fails_on_all_is_said_once,
          another_launcher_is_refused, a_killed_rank_ends_all_and_training_resumes,
          a_rank_that_is_stopped_is_given_up, a_slow_rank_is_waited_for,
          an_interrupt_of_any_rank_saves_on_rank_0]


def main():
    if len(sys.argv) < 6:
        sys.exit(__doc__)
    kind, *programs = sys.argv[1:6]
    if not launch.find_launcher(kind):
        print('1..0 # skip no mpirun of ' + kind)
        return 0
    wanted = sys.argv[6:]
    scratch = tempfile.mkdtemp()
    number = failed = 0

    def say(good, name, text=''):
        nonlocal number, failed
        number, failed = number + 1, failed + (not good)
        print('%s %d - %s' % ('ok' if good else 'not ok', number, name))
        if not good:
            print(''.join('# %s\n' % line for line in text.splitlines()), end='')
        sys.stdout.flush()

    if not wanted:
        for good, name, text in tap_of_the_interface(
                Trainers(kind, *programs, scratch)):
            say(good, name, text)
    trainers = Trainers(kind, *programs, scratch)
    for check in CHECKS:
        if wanted and check.__name__ not in wanted:
            continue
        try:
            check(trainers)
            say(True, check.__name__.replace('_', ' '))
        except (AssertionError, KeyError, OSError, subprocess.SubprocessError) as error:
            say(False, check.__name__.replace('_', ' '), repr(error).replace('\\n', '\n'))
    print('1..%d' % number)
    shutil.rmtree(scratch, ignore_errors=True)
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
