#!/usr/bin/env python3
"""kill.py [--kills N] [--sweep all|some|none] [--seed S] [--build DIR | SAVER DENOISE CAE]

Programs that train and save, killed with SIGKILL: at moments uniform over their run, at moments when
a save is under way, and (with strace) in front of every system call of a save, one after the other.
After each kill: the checkpoint is the one before or the one after, whole; a run resumed from it ends with the
bytes of a run that nobody disturbed (model, checkpoint, and the trainer's log and figures); at most one
temporary file of the library is left, and one of the trainer, and none after the resumed run. Prints TAP and counts.

What is killed: saver.c, which saves after every step, images that it streams and the moving average too, or
arrays and models with notes; the trainer `denoise`, fresh, in a directory that an older run left, and on
images that stay in files; and the tool `cae`, which trains, calibrates a model in place and writes
pictures: of these the old file or the new one must be there. DIR (default: build/test, else build/dev) is where meson built them.
"""
import argparse
import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ENV = dict(os.environ, OPENBLAS_NUM_THREADS='1', LC_ALL='C')  # one thread: strace counts calls by thread
ENV['ASAN_OPTIONS'] = os.environ.get('ASAN_OPTIONS', '') + ':detect_leaks=0'  # not under strace
# Everything that a save does, and the reads that a resume begins with.
CALLS = ('openat,open,read,write,pwrite64,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,close,'
         'flock,fchmod,fchown,fcntl,lseek,ftruncate,mkdir,mkdirat')


class Broken(Exception):
    pass


def require(good, text):
    if not good:
        raise Broken(text)


def digest(path):
    with open(path, 'rb') as file:
        return hashlib.sha256(file.read()).hexdigest()


def leftovers(directory):
    return [name for name in os.listdir(directory)
            if name.startswith('.cae-') or name.endswith('.tmp') or name.endswith('.new')]


def run(command, **more):
    done = subprocess.run(command, env=ENV, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=120, **more)
    require(done.returncode == 0, '%s: exit code %d\n%s' %
            (' '.join(command), done.returncode, done.stdout.decode(errors='replace')))


class Saver:
    """saver.c: a checkpoint after every step, each state known beforehand."""
    name = 'a program that saves after every step'
    mode = 'train'
    ends_at_once = False
    steps = 24

    def __init__(self, program, scratch):
        self.program, self.scratch = program, scratch
        keep = os.path.join(scratch, 'keep-' + self.mode)
        os.mkdir(keep)
        began = time.monotonic()
        run(self.command(keep, os.path.join(keep, 'state')))
        self.seconds = time.monotonic() - began
        self.states = self.kept(os.path.join(keep, 'state-%d'))

    def kept(self, name):
        states = [digest(name % step) for step in range(1, self.steps + 1)]
        require(len(set(states)) == self.steps, 'states that do not differ show nothing')
        return states

    def command(self, directory, *keep):
        return [self.program, self.mode, os.path.join(directory, 'checkpoint'), str(self.steps), *keep]

    def prepare(self, directory):
        os.mkdir(directory)

    def check(self, directory):
        """The step of the checkpoint that is there; 0: none."""
        path = os.path.join(directory, 'checkpoint')
        if not os.path.exists(path):
            return 0
        state = digest(path)
        require(state in self.states, 'a checkpoint that is no state of the run')
        return 1 + self.states.index(state)

    def finish(self, directory):
        run(self.command(directory))
        require(self.check(directory) == self.steps, 'the resumed run ends with other bytes')


class Streamer(Saver):
    """The same with the moving average; its images stay in a file, which each start writes anew."""
    name = 'the same on images that stay in their file, with the moving average'
    mode = 'stream'

    def __init__(self, program, scratch):
        super().__init__(program, scratch)
        self.images = digest(os.path.join(scratch, 'keep-stream', 'checkpoint.npy'))

    def check(self, directory):
        path = os.path.join(directory, 'checkpoint.npy')
        require(not os.path.exists(path) or digest(path) == self.images, 'the images are torn')
        return super().check(directory)


class Writer(Saver):
    """saver.c: a .npy, a .png and a model with a note, one after the other, each time others."""
    name = 'a program that writes arrays and models with notes'
    mode = 'files'

    def kept(self, name):
        self.arrays = {end: super(Writer, self).kept(name + end) for end in ('.npy', '.png')
                       if os.path.exists(name % 1 + end)}  # not every build has PNG
        return super().kept(name)

    def check(self, directory):
        done = super().check(directory)
        for end, states in self.arrays.items():
            path = os.path.join(directory, 'checkpoint' + end)
            require(os.path.exists(path) or done == 0, end + ' is gone')
            if os.path.exists(path):
                state = digest(path)
                require(state in states, end + ' is torn')
                require(states.index(state) + 1 in (done, done + 1), end + ' is from another time')
        return done


def cifar10(directory, batches):
    """So many images in each data_batch_N.bin, and a few to test with."""
    if os.path.isdir(directory):
        return directory
    os.mkdir(directory)
    images = [bytes((image * 37 + i * i // 7) % 256 for i in range(3072)) for image in range(256)]
    first = 0
    for name, records in [('data_batch_%d.bin' % (at + 1), records) for at, records in enumerate(batches)] + \
            [('test_batch.bin', 6)]:
        with open(os.path.join(directory, name), 'wb') as file:
            for record in range(records):
                file.write(bytes([record % 10]) + images[(first + record) % 256])
        first += records if name != 'test_batch.bin' else 0
    return directory


class Trainer:
    """denoise on a few images: checkpoint and log after every epoch, then model, figures, pictures."""
    name = 'denoise'
    ends_at_once = False
    epochs = 3
    step_columns = 4  # of log.csv; the fifth is the speed
    batch, batches = '8', (40,)  # images of a step, and of each file
    options = ()

    def __init__(self, program, scratch, over_older, like=None):
        self.program, self.over_older = program, over_older
        if over_older:
            self.name += ' in the directory of an older run'
        self.data = cifar10(os.path.join(scratch, 'data-' + self.batch), self.batches)
        self.own, self.older = {}, {}
        if like:
            self.own, self.reference, self.seconds = like.own, like.reference, like.seconds
        else:
            self.reference = self.make(scratch, 'reference-' + self.batch, self.own, 1)
            self.seconds = self.took
        if over_older:  # which stopped at the very step of the new run's first checkpoint
            self.older_directory = self.make(scratch, 'older', self.older, 2, 1)
            self.older_reference = self.make(scratch, 'older-reference', {}, 2)

    def make(self, scratch, name, states, seed, most=None):
        """A whole run, and the checkpoint of each of its epochs."""
        directory = os.path.join(scratch, name)
        for epochs in range(1, (most or self.epochs) + 1):
            began = time.monotonic()
            run(self.command(directory, seed, epochs))
            self.took = time.monotonic() - began
            states[digest(os.path.join(directory, 'checkpoint.safetensors'))] = epochs
        return directory

    def command(self, directory, seed=1, epochs=None):
        return [self.program, '--data', self.data, '--batch', self.batch, '--threads', '1', '--quiet',
                '--seed', str(seed), '--epochs', str(epochs or self.epochs), '--out', directory, *self.options]

    def prepare(self, directory):
        if self.over_older:
            shutil.copytree(self.older_directory, directory)

    def rows(self, directory, tolerate_tail=False):
        path = os.path.join(directory, 'log.csv')
        if not os.path.exists(path):
            return []
        with open(path) as file:
            lines = file.read().split('\n')
        require(tolerate_tail or lines[-1] == '', 'log.csv ends with half a line')
        rows = [line.split(',')[:self.step_columns] for line in lines[1:-1]]
        steps = [int(row[0]) for row in rows]
        require(steps == list(range(1, len(steps) + 1)), 'log.csv has gaps or repeats: %s' % steps)
        return rows

    def whole_results(self, directory):
        for name in ('loss.png', 'samples.png'):
            path = os.path.join(directory, name)
            if os.path.exists(path):
                with open(path, 'rb') as file:
                    png = file.read()
                require(png[:8] == b'\x89PNG\r\n\x1a\n' and png[-8:-4] == b'IEND', name + ' is torn')
        path = os.path.join(directory, 'metrics.json')
        if os.path.exists(path):
            with open(path) as file:
                json.load(file)
        path = os.path.join(directory, 'report.html')
        if os.path.exists(path):
            with open(path) as file:
                require(file.read().endswith('</html>\n'), 'report.html is torn')

    def check(self, directory):
        if not os.path.isdir(directory):
            return 0
        self.whole_results(directory)
        path = os.path.join(directory, 'checkpoint.safetensors')
        if not os.path.exists(path):
            require(not self.over_older, 'the older checkpoint is gone')
            return 0
        state = digest(path)
        if state in self.older:
            return 0
        require(state in self.own, 'a checkpoint that is no state of the run')
        return self.own[state]

    def figures(self, directory):
        """Those that do not depend on the time of day or on where the run was resumed."""
        with open(os.path.join(directory, 'metrics.json')) as file:
            found = json.load(file)
        return {key: found[key] for key in found
                if not re.search('seconds|per_second|resumed|images_trained|final_train|ranks', key)}

    def finish(self, directory):
        done = self.check(directory)
        command = self.command(directory)
        reference = self.reference
        path = os.path.join(directory, 'checkpoint.safetensors')
        if done:
            command += ['--resume', path]
        elif os.path.exists(path):  # the older run's is still there, and can still go on
            copy = directory + '-older'
            shutil.copytree(directory, copy)
            run(self.command(copy, 2) + ['--resume', os.path.join(copy, 'checkpoint.safetensors')])
            self.same(copy, self.older_reference)
            shutil.rmtree(copy)
        run(command)
        self.same(directory, reference)

    def same(self, directory, reference):
        for name in ('checkpoint.safetensors', 'model.safetensors', 'samples.png'):
            require(digest(os.path.join(directory, name)) == digest(os.path.join(reference, name)),
                    '%s: other bytes than an undisturbed run' % name)
        require(self.rows(directory) == self.rows(reference), 'log.csv: other rows than an undisturbed run')
        require(self.figures(directory) == self.figures(reference), 'metrics.json: other figures')


class StreamingTrainer(Trainer):
    """More than a MiB of images, of which it may hold one; shuffled in a window; averaged."""
    name = 'denoise on images that stay in files'
    batch, batches, epochs = '69', (145, 200), 2
    options = ('--memory', '1', '--shuffle-window', '100', '--preset', 'compress')

    def make(self, scratch, name, states, seed, most=None):
        """By looking on: the recipe's schedule makes one epoch of three another than one of one."""
        directory = os.path.join(scratch, name)
        path = os.path.join(directory, 'checkpoint.safetensors')
        seen = []
        while len(seen) < self.epochs:  # once more, if it was too fast
            shutil.rmtree(directory, ignore_errors=True)
            began = time.monotonic()
            process = subprocess.Popen(self.command(directory, seed), env=ENV, stdin=subprocess.DEVNULL)
            seen, inode = [], None
            while process.poll() is None:
                try:
                    if os.stat(path).st_ino != inode:
                        inode = os.stat(path).st_ino
                        state = digest(path)
                        seen += [state] if state not in seen else []
                except FileNotFoundError:
                    pass
                time.sleep(0.001)
            self.took = time.monotonic() - began
            require(process.returncode == 0, 'an undisturbed run failed')
        require(len(seen) == self.epochs, 'more checkpoints than epochs')
        states.update((state, 1 + at) for at, state in enumerate(seen))
        return directory


def weights(path):
    """Of a model's file, whatever its header says; None when it is none."""
    with open(path, 'rb') as file:
        data = file.read()
    end = 8 + int.from_bytes(data[:8], 'little')
    try:
        json.loads(data[8:end])
    except ValueError:
        return None
    return data[end:]


class Tool:
    """cae writes one file, at the end, over an older one: it is the one or the other. Names are relative,
    as a model's note has the command. `train` saves before it evaluates, and again with what came of that."""

    def __init__(self, program, scratch, verb, out, words, like=None, ends_at_once=False):
        self.ends_at_once = ends_at_once  # as its input is its output: once more makes something else of it
        self.name, self.program, self.verb, self.out = 'cae ' + verb, program, verb, out
        self.data = cifar10(os.path.join(scratch, 'data-8'), (40,))
        self.words = [word.replace('DATA', self.data) for word in words]
        self.before = os.path.join(scratch, 'before-' + verb)  # what is there when it starts
        if like:
            shutil.copytree(like, self.before)
        else:
            os.mkdir(self.before)
        if not os.path.exists(os.path.join(self.before, out)):
            with open(os.path.join(self.before, out), 'w') as file:
                file.write('precious')
        self.files = {name: digest(os.path.join(self.before, name)) for name in os.listdir(self.before)}
        self.after = os.path.join(scratch, 'after-' + verb)
        shutil.copytree(self.before, self.after)
        began = time.monotonic()
        run(self.command(self.after))
        self.seconds = time.monotonic() - began
        self.new = digest(os.path.join(self.after, out))
        require(self.new != self.files[out], 'files that do not differ show nothing')

    def command(self, directory):
        return ['env', '-C', directory, self.program, self.verb, *self.words]

    def prepare(self, directory):
        shutil.copytree(self.before, directory)

    def check(self, directory):
        found = {name: digest(os.path.join(directory, name)) for name in os.listdir(directory)
                 if not name.startswith('.cae-')}
        new = found.get(self.out) == self.new
        if self.verb == 'train' and not new and found != self.files:  # without figures as yet
            require(weights(os.path.join(directory, self.out)) == weights(os.path.join(self.after, self.out)),
                    'neither the old model nor the new one: %s' % found)
            return 1
        require(found == (dict(self.files, **{self.out: self.new}) if new else self.files),
                'neither the old files nor the new one: %s' % found)
        return int(new)

    def finish(self, directory):
        if not (self.ends_at_once and self.check(directory)):
            run(self.command(directory))
        require(digest(os.path.join(directory, self.out)) == self.new, 'run once more, it writes other bytes')


def tools(program, scratch):
    common = ['--threads', '1', '--out', 'model']
    train = Tool(program, scratch, 'train', 'model', common + [
        '--data', 'DATA', '--preset', 'reference', '--epochs', '2', '--batch', '8', '--quiet'])
    calibrate = Tool(program, scratch, 'calibrate', 'model', common + [
        '--model', 'model', '--data', 'DATA', '--force', '--quiet'], train.after)
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (90, 80, 3), }"
    with open(os.path.join(calibrate.after, 'picture.npy'), 'wb') as file:
        file.write(b'\x93NUMPY\x01\x00' + bytes([118, 0]) + header.ljust(117) + b'\n')
        file.write(bytes(i * i // 50 % 256 for i in range(90 * 80 * 3)))
    denoise = Tool(program, scratch, 'denoise', 'picture.npy', [
        'picture.npy', 'picture.npy', '--force', '--model', 'model', '--threads', '1'], calibrate.after, True)
    encode = Tool(program, scratch, 'encode', 'latent.npy', [
        'picture.npy', 'latent.npy', '--model', 'model', '--threads', '1'], calibrate.after)
    return train, calibrate, denoise, encode


class Count:
    def __init__(self):
        self.kills = self.in_save = self.lost = self.equal = self.ended = 0
        self.by_progress = {}

    def note(self, progress):
        self.by_progress[progress] = self.by_progress.get(progress, 0) + 1


def after_kill(target, directory, count, before=0):
    """What must hold whenever the target was killed."""
    left = leftovers(directory) if os.path.isdir(directory) else []
    by_library = [name for name in left if name.startswith('.cae-')]
    require(len(by_library) <= 1 and len(left) - len(by_library) <= 1,
            'more than one temporary file, of the library or the trainer: %s' % left)
    count.in_save += bool(left)
    try:
        progress = target.check(directory)
        require(progress >= before, 'back from %d to %d' % (before, progress))
    except Broken:
        count.lost += 1
        raise
    count.note(progress)
    return progress


def resumed_equal(target, directory, count):
    target.finish(directory)
    left = leftovers(directory)
    require(not left, 'left after the resumed run: %s' % left)
    count.equal += 1


def kill_at(process, moment, directory, aimed):
    """SIGKILL after `moment` seconds; aimed: at the first temporary file seen after it."""
    end = time.monotonic() + moment
    while time.monotonic() < end and process.poll() is None:
        time.sleep(min(0.002, max(0, end - time.monotonic())))
    while aimed and process.poll() is None:
        try:
            if leftovers(directory):
                break
        except FileNotFoundError:
            pass
    process.kill()
    return process.wait() == -signal.SIGKILL


def random_kills(target, scratch, kills, rng):
    """Kill, look, kill the resumed run, and so on; now and then let a copy run to the end."""
    count = Count()
    directory, progress = None, 0
    while count.kills < kills:
        if directory is None:
            directory, progress = os.path.join(scratch, 'killed'), 0
            target.prepare(directory)
        aimed = count.kills % 2 == 1
        command = target.command(directory)
        checkpoint = os.path.join(directory, 'checkpoint.safetensors')
        if isinstance(target, Trainer) and progress:
            command += ['--resume', checkpoint]
        process = subprocess.Popen(command, env=ENV, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        if kill_at(process, rng.uniform(0, target.seconds), directory, aimed):
            count.kills += 1
            progress = after_kill(target, directory, count, progress)
            if os.path.isdir(directory):
                copy = os.path.join(scratch, 'resumed')
                shutil.copytree(directory, copy)
                resumed_equal(target, copy, count)
                shutil.rmtree(copy)
            else:  # killed before it made anything
                resumed_equal(target, directory, count)
                progress = None
        else:
            count.ended += 1
            progress = None
        if progress is None or target.ends_at_once and progress or rng.random() < 0.2:
            shutil.rmtree(directory, ignore_errors=True)
            directory = None
    if directory:
        shutil.rmtree(directory, ignore_errors=True)
    return count


class Crowd:
    """Processes of four threads each, all saving in one directory, where some are killed all the time. What
    the dead leave is cleaned up by the living, who must not harm one another."""
    size, saves = 3, 150

    def __init__(self, program):
        self.program = program

    def start(self, directory, who):
        return subprocess.Popen([self.program, 'threads', os.path.join(directory, 'model-%d' % who),
                                 str(self.saves)], env=ENV, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def end(self, process):
        """Whether it was killed, which is the only way to end early."""
        said = process.communicate()[0].decode()
        require(process.returncode in (0, -signal.SIGKILL),
                'harmed by others: exit %d, %s' % (process.returncode, said))
        return process.returncode != 0

    def meet(self, scratch, kills, rng):
        count = Count()
        directory = os.path.join(scratch, 'crowd')
        os.mkdir(directory)
        crowd = [self.start(directory, who) for who in range(self.size)]
        most = 0
        while count.kills < kills:
            time.sleep(rng.uniform(0.02, 0.12))
            who = rng.randrange(self.size)
            if rng.random() < 0.6 and crowd[who].poll() is None:
                crowd[who].kill()
            for who, process in enumerate(crowd):
                if process.poll() is None:
                    continue
                count.kills += self.end(process)
                crowd[who] = self.start(directory, who)
            most = max(most, len(leftovers(directory)))
        for process in crowd:  # the last one killed may have been about to die when it was looked at
            count.kills += self.end(process)
        left = len(leftovers(directory))
        run([self.program, 'save', os.path.join(directory, 'model-0-0'), '1'])
        whole = {digest(os.path.join(directory, name)) for name in os.listdir(directory)
                 if name.startswith('model')}
        require(len(whole) == 1, '%d different files' % len(whole))
        require(not leftovers(directory), 'left: %s' % leftovers(directory))
        count.crowd = '%d kills; at most %d temporary files at once, %d in the end, 0 after one more save' % (
            count.kills, most, left)
        shutil.rmtree(directory)
        return count


def strace_works():
    if not shutil.which('strace'):
        return 'no strace here'
    done = subprocess.run(['strace', '-e', 'trace=none', 'true'], stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL)
    return None if done.returncode == 0 else 'strace may not trace here'


def calls_of(target, scratch):
    """The system calls by which an undisturbed run touches its directory, as pairs of name and number:
    strace counts the calls of each name by themselves."""
    directory = os.path.join(scratch, 'traced')
    log = os.path.join(scratch, 'calls')
    target.prepare(directory)
    run(['strace', '-y', '-o', log, '-e', 'trace=' + CALLS] + target.command(directory))
    shutil.rmtree(directory)
    seen, calls = {}, []
    with open(log, errors='replace') as file:
        for line in file:
            name = re.match(r'(\w+)\(', line)
            if name:
                seen[name[1]] = seen.get(name[1], 0) + 1
                if directory in line:
                    calls.append((name[1], seen[name[1]]))
    return calls


def sweep(target, scratch, choose):
    """SIGKILL in front of every system call, or of those that are chosen."""
    count = Count()
    killed_at = {}
    for call, number in choose(calls_of(target, scratch)):
        directory = os.path.join(scratch, 'swept')
        target.prepare(directory)
        done = subprocess.run(['strace', '-o', '/dev/null', '-e', 'trace=' + CALLS, '-e',
                               'inject=%s:signal=SIGKILL:when=%d' % (call, number)] +
                              target.command(directory), env=ENV, stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        require(done.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL),
                '%s %d: not killed, exit code %d' % (call, number, done.returncode))
        count.kills += 1
        killed_at[call] = killed_at.get(call, 0) + 1
        try:
            after_kill(target, directory, count)
            resumed_equal(target, directory, count)
        except Broken as broken:
            raise Broken('killed before %s %d: %s' % (call, number, broken))
        shutil.rmtree(directory)
    count.calls = ', '.join('%s %d' % item for item in sorted(killed_at.items()))
    return count


def build_of(options):
    if len(options.programs) == 3:
        return [os.path.abspath(program) for program in options.programs]
    top = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..')
    builds = [options.build] if options.build else [os.path.join(top, 'build', name)
                                                    for name in ('test', 'dev')]
    for build in builds:
        programs = [os.path.abspath(os.path.join(build, path))
                    for path in ('tests/crash/saver', 'examples/denoise', 'examples/cae')]
        if all(map(os.path.exists, programs)):
            return programs
    sys.exit('kill.py: no programs in %s: build first, sh tests/run.sh' % ' or '.join(builds))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('--kills', type=int, default=24)
    parser.add_argument('--sweep', choices=('all', 'some', 'none'), default='some')
    parser.add_argument('--seed', type=int, default=int(time.time()))
    parser.add_argument('--build')
    parser.add_argument('programs', nargs='*')
    options = parser.parse_args()
    saver_program, denoise, tool = build_of(options)
    rng = random.Random(options.seed)
    scratch = tempfile.mkdtemp(prefix='cae-kill-')
    bad = number = 0
    total = Count()

    def check(what, act):
        nonlocal bad, number
        number += 1
        try:
            count = act()
        except Broken as broken:
            bad += 1
            print('not ok %d - %s' % (number, what))
            print('# seed %d, files in %s' % (options.seed, scratch))
            for line in str(broken).split('\n'):
                print('# ' + line)
            for name in ('killed', 'resumed', 'swept', 'traced', 'crowd'):
                shutil.rmtree(os.path.join(scratch, name), ignore_errors=True)
            return
        print('ok %d - %s' % (number, what))
        sys.stdout.flush()
        if hasattr(count, 'crowd'):
            print('# ' + count.crowd)
            return
        print('# %d kills, %d with a temporary file under way, %d checkpoints lost, %d resumed runs equal'
              % (count.kills, count.in_save, count.lost, count.equal))
        print('# kills by progress: %s' % ', '.join('%d: %d' % item
                                                    for item in sorted(count.by_progress.items())))
        if hasattr(count, 'calls'):
            print('# in front of: %s' % count.calls)
        sys.stdout.flush()
        for name in ('kills', 'in_save', 'lost', 'equal'):
            setattr(total, name, getattr(total, name) + getattr(count, name))

    print('# seed %d' % options.seed)
    try:
        fresh = Trainer(denoise, scratch, False)
        targets = [Saver(saver_program, scratch), Streamer(saver_program, scratch), Writer(saver_program, scratch),
                   fresh, Trainer(denoise, scratch, True, fresh), StreamingTrainer(denoise, scratch, False),
                   *tools(tool, scratch)]
        shares = (8 / 24, 2 / 24, 2 / 24, 3 / 24, 3 / 24, 2 / 24, *4 * [1 / 24])
        for target, share in zip(targets, shares):
            kills = max(1, round(options.kills * share))
            check('%s, killed at random moments' % target.name,
                  lambda: random_kills(target, scratch, kills, rng))
        check('many that save in one directory, some killed',
              lambda: Crowd(saver_program).meet(scratch, max(4, options.kills // 4), rng))
        reason = strace_works()
        if options.sweep != 'none':
            Saver.steps = 3
            os.mkdir(os.path.join(scratch, 'short'))
            targets[:3] = [kind(saver_program, os.path.join(scratch, 'short')) for kind in (Saver, Streamer, Writer)]
        for target in targets if options.sweep != 'none' else ():
            what = '%s, killed in front of each system call' % target.name

            def choose(calls):
                return calls if options.sweep == 'all' else rng.sample(calls, min(len(calls), max(2, options.kills // 12)))
            if reason:
                number += 1
                print('ok %d - %s # SKIP %s' % (number, what, reason))
            else:
                check(what, lambda: sweep(target, scratch, choose))
    except Broken as broken:
        print('Bail out! %s' % str(broken).split('\n')[0])
        return 1
    print('1..%d' % number)
    print('# in all, without the many: %d kills, %d with a temporary file under way, %d checkpoints lost, %d resumed runs '
          'equal' % (total.kills, total.in_save, total.lost, total.equal))
    if not bad:
        shutil.rmtree(scratch)
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
