#!/usr/bin/env python3
"""mutate.py - do the tests notice? Plants faults in a private copy of the library, one at a time, and
runs the tests until one fails.

  mutate.py                 plant every fault of faults.py; exit 1 when one survives
  mutate.py --list          name and describe them
  mutate.py --check         only see that each still applies to the sources (quick; part of the suite)
  mutate.py --only WORD     those whose name or file contains WORD, or one of WORD,WORD...
  mutate.py --random N      N faults more, made by simple rules at places chosen by --seed S
  mutate.py --jobs J        J copies side by side (default 1), numbered from --copy C on (default 0)

A fault is caught when a test fails, crashes, or falls silent; the tests that should catch
it run first. The last line counts. Random faults need eyes: some change nothing that can be seen, so
survivors among them are listed and are no failure. --full gives them the long tests in full. Copies and
builds are kept in build/mutation."""

import argparse
import hashlib
import json
import os
import queue
import random
import re
import resource
import select
import shutil
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from faults import FAULTS                                                       # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
WORK = os.path.join(ROOT, 'build', 'mutation')

# In the order of what they cost; those of the suites api and unit that are not listed come before the
# last three.
TESTS = ['handles', 'describe', 'onnx', 'pool', 'random', 'preset', 'ssim_loss', 'average', 'system', 'pieces', 'images', 'optimizer',
         'metrics', 'json', 'boundaries', 'residual', 'visit', 'spec_model', 'scorer', 'arrays', 'folder', 'group', 'group_partner',
         'group_trouble', 'checkpoint', 'trainer', 'trouble', 'dataset', 'stream',
         'context', 'files', 'noise', 'oom',
         'gemm', 'parity', 'engines', 'layers']
LONG = {'parity', 'engines'}                # which CAE_TEST_QUICK shortens
# The three that take most of all run only for what they are about.
ABOUT = {'layers': ('lib/kernels/', 'lib/network/'),
         'engines': ('lib/kernels/', 'lib/network/', 'lib/base/pool.c', 'lib/training/trainer.c'),
         'parity': ('lib/kernels/', 'lib/network/', 'lib/training/', 'lib/random/')}
SILENCE = 40                                # seconds; no check takes more than 3 on a machine of its own
ADDRESSES = 32 << 30                        # bytes that a program with a fault may ask for


def read(path):
    with open(path, encoding='utf-8', newline='') as file:
        return file.read()


def write(path, text):
    with open(path, 'w', encoding='utf-8', newline='') as file:
        file.write(text)


# --- Planting -----------------------------------------------------------------------------------

class Stale(Exception):
    pass


def planted(text, fault):
    """The file's text with the fault in it."""
    count = text.count(fault.find)
    nth = fault.nth
    if nth == 0 and count != 1:
        raise Stale('%s: the text is %d times in %s, expected once: %r'
                    % (fault.name, count, fault.file, fault.find))
    if count < nth:
        raise Stale('%s: the text is %d times in %s, expected %d: %r'
                    % (fault.name, count, fault.file, nth, fault.find))
    at = -1
    for _ in range(max(nth, 1)):
        at = text.index(fault.find, at + 1)
    return text[:at] + fault.replace + text[at + len(fault.find):]


def check(faults):
    names, problems = set(), []
    for fault in faults:
        if fault.name in names:
            problems.append('%s: two faults have this name' % fault.name)
        names.add(fault.name)
        try:
            if planted(read(os.path.join(ROOT, fault.file)), fault) == \
                    read(os.path.join(ROOT, fault.file)):
                problems.append('%s: changes nothing' % fault.name)
        except (Stale, OSError) as problem:
            problems.append(str(problem))
        for test in fault.tests:
            if test not in TESTS:
                problems.append('%s: %s is not in the list of tests' % (fault.name, test))
    return problems


# --- Random faults ------------------------------------------------------------------------------

class Fault:
    def __init__(self, name, file, mutant, what, tests):
        self.name, self.file, self.mutant, self.what, self.tests = name, file, mutant, what, tests


def blanked(text):
    """Comments, strings, characters and preprocessor lines as spaces, so that places stay the same."""
    pattern = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|'
                         r'^[ \t]*#(?:\\\n|[^\n])*', re.S | re.M)
    return pattern.sub(lambda m: re.sub(r'[^\n]', ' ', m.group()), text)


OPERATORS = [(r'(?<=\s)<(?=\s)', '<='), (r'(?<=\s)<=(?=\s)', '<'), (r'(?<=\s)>(?=\s)', '>='),
             (r'(?<=\s)>=(?=\s)', '>'), (r'(?<=\s)==(?=\s)', '!='), (r'(?<=\s)!=(?=\s)', '=='),
             (r'(?<=\s)\+(?=\s)', '-'), (r'(?<=\s)-(?=\s)', '+'), (r'(?<=\s)\*(?=\s)', '+'),
             (r'(?<=\s)/(?=\s)', '*'), (r'(?<=\s)%(?=\s)', '/'), (r'(?<=\s)&&(?=\s)', '||'),
             (r'(?<=\s)\|\|(?=\s)', '&&'), (r'(?<=\s)\+=(?=\s)', '-='), (r'(?<=\s)-=(?=\s)', '+='),
             (r'\+\+', '--'), (r'(?<=[\s(])!(?=[\w(])', ''), (r'\btrue\b', 'false'),
             (r'\bfalse\b', 'true'), (r'(?<![\w.])0(?![\w.])', '1'), (r'(?<![\w.])1(?![\w.])', '0'),
             (r'(?<![\w.])1(?![\w.])', '2'), (r'(?<![\w.])[2-9](?![\w.])', '1')]


def closing(text, at):
    """Where the parenthesis that opens at `at` closes."""
    depth = 0
    for i in range(at, len(text)):
        depth += {'(': 1, ')': -1}.get(text[i], 0)
        if depth == 0:
            return i
    return len(text)


def places(text):
    """(begin, end, replacement) of all simple faults of one file."""
    code = blanked(text)
    for pattern, replacement in OPERATORS:
        for match in re.finditer(pattern, code):
            yield match.start(), match.end(), replacement
    for match in re.finditer(r'\bif \(', code):
        begin = match.end() - 1
        end = closing(code, begin) + 1
        for constant in '01':
            yield begin, end, '(%s)' % constant
    for match in re.finditer(r'^[ \t]+((?:\(void\))?[\w>.-]+(?:\[\w+\])?(?:\(| [-+*/|&]?= )[^;{}]*;)',
                             code, re.M):
        if not re.match(r'(return|for|while|if|switch)\b', match.group(1)):
            yield match.start(1), match.end(1), ';'


def random_faults(count, seed, only):
    found = []
    for folder, _, names in sorted(os.walk(os.path.join(ROOT, 'lib'))):
        for name in sorted(names):
            path = os.path.relpath(os.path.join(folder, name), ROOT)
            if name.endswith('.c') and name != 'version.c' and only in path:
                found += [(path, place) for place in places(read(os.path.join(ROOT, path)))]
    random.Random(seed).shuffle(found)
    faults, seen = [], set()
    for path, (begin, end, replacement) in found:
        text = read(os.path.join(ROOT, path))
        line = text.count('\n', 0, begin) + 1
        mutant = text[:begin] + replacement + text[end:]
        if (path, line) in seen:                # one a line
            continue
        seen.add((path, line))
        row = mutant[mutant.rindex('\n', 0, begin) + 1:].split('\n', 1)[0].strip()
        shown = re.sub(r'\s+', ' ', text[begin:end])
        faults.append(Fault('%s:%d' % (path, line), path, mutant,
                            '%s -> %s | %s' % (shown, replacement or '(nothing)', row), []))
        if len(faults) == count:
            break
    return sorted(faults, key=lambda f: f.file)             # what is whole again is compiled again


# --- Private copies -----------------------------------------------------------------------------

def same(a, b):
    try:
        with open(a, 'rb') as x, open(b, 'rb') as y:
            return x.read() == y.read()
    except OSError:
        return False


def synchronize(tree):
    """Copy what is there and differs, so that a build from last time is brought up to date."""
    for top in ('include', 'lib', 'tests', '.version', 'meson.build', 'meson_options.txt', 'examples', 'docs',
                'README.md', 'subprojects'):
        source = os.path.join(ROOT, top)
        files = [source] if os.path.isfile(source) else [
            os.path.join(folder, name) for folder, _, names in os.walk(source) for name in names]
        for path in files:
            target = os.path.join(tree, os.path.relpath(path, ROOT))
            if not same(path, target):
                os.makedirs(os.path.dirname(target), exist_ok=True)
                shutil.copy(path, target)


def limit():
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES, ADDRESSES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


class Copy:
    """A tree, its build, and what runs there."""

    def __init__(self, number):
        self.tree = os.path.join(WORK, 'tree-%d' % number)
        self.build = os.path.join(WORK, 'build-%d' % number)
        self.mark = os.path.join(WORK, 'fault-%d' % number)     # the file that has a fault now
        synchronize(self.tree)
        if os.path.exists(self.mark):                           # the last run was killed
            os.utime(os.path.join(self.tree, read(self.mark)))
        if not os.path.exists(os.path.join(self.build, 'build.ninja')):
            # quick to build: no debugging information, and warnings are not the matter here
            subprocess.run(['meson', 'setup', self.build, self.tree, '-Ddebug=false', '-Doptimization=1',
                            '-Dwarning_level=0', '-Dtools=false'], check=True, stdout=subprocess.DEVNULL)
        # an older run's build may not know of tests that came since
        subprocess.run(['ninja', '-C', self.build, 'build.ninja'], check=True, stdout=subprocess.DEVNULL)
        self.programs = self.find_programs()
        error = self.compile()
        if error:
            sys.exit('mutate.py: the library does not build without a fault\n' + error)
        self.sound = self.fingerprint()
        for test in self.programs:
            failed = '' if test in ABOUT else self.run(test, True)
            if failed:
                sys.exit('mutate.py: without a fault there is a failure, too: ' + failed)

    def find_programs(self):
        """{test: its program}, in the order in which they run."""
        text = subprocess.run(['meson', 'introspect', '--tests', self.build], check=True,
                              stdout=subprocess.PIPE).stdout
        found = {}
        for test in json.loads(text):
            suite = test['suite'][0].split(':')[-1]
            if (suite in ('api', 'unit') and test['name'] != 'ref') or test['name'] == 'parity':
                found[test['name']] = test['cmd'][0]
        others = [name for name in found if name not in TESTS]
        return {name: found[name] for name in TESTS[:-3] + others + TESTS[-3:] if name in found}

    def compile(self):
        targets = [os.path.relpath(program, self.build) for program in self.programs.values()]
        done = subprocess.run(['ninja', '-C', self.build, '-j1'] + targets, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        return done.stdout if done.returncode else ''

    def fingerprint(self):
        with open(os.path.join(self.build, 'lib', 'libcae.so'), 'rb') as file:
            return hashlib.sha256(file.read()).digest()

    def run(self, test, quick):
        """What went wrong, '' for nothing. Checks report one by one, and the first failure is enough."""
        receive, send = os.pipe()
        environment = dict(os.environ, CK_TAP_LOG_FILE_NAME='/dev/fd/%d' % send, MALLOC_PERTURB_='202',
                           CK_TIMEOUT_MULTIPLIER='4')       # other work on the machine is no fault
        if quick and test in LONG:
            environment['CAE_TEST_QUICK'] = '1'
        process = subprocess.Popen([self.programs[test]], env=environment,
                                   pass_fds=[send], cwd=self.build, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                   start_new_session=True, preexec_fn=limit)
        os.close(send)
        report, failed = b'', ''
        while not failed:
            if not select.select([receive], [], [], SILENCE)[0]:
                failed = 'no end'
                break
            piece = os.read(receive, 65536)
            if not piece:
                break
            report += piece
            bad = re.search(rb'^not ok \d+ - [^:\n]*:[^:\n]*:([^:\n]*)[^\n]*\n', report, re.M)
            failed = bad.group(1).decode() if bad else ''
        os.close(receive)
        if failed:
            self.end(process)
        elif process.wait() != 0:
            failed = 'exit %d' % process.returncode
            self.end(process)
        process.wait()
        return failed and '%s: %s' % (test, failed)

    @staticmethod
    def end(process):
        """The program and the children that Check forked, each a group of its own, in the same session."""
        for name in os.listdir('/proc'):
            try:
                with open('/proc/%d/stat' % int(name), encoding='utf-8', errors='replace') as file:
                    session = int(file.read().rsplit(')', 1)[1].split()[3])
                if session == process.pid:
                    os.kill(int(name), signal.SIGKILL)
            except (ValueError, OSError):
                pass                        # no process, or gone by now

    def judge(self, fault, mutant, quick):
        path = os.path.join(self.tree, fault.file)
        sound = read(path)
        try:
            write(self.mark, fault.file)
            write(path, mutant)
            error = self.compile()
            if error:
                return 'NOT COMPILED', error
            if self.fingerprint() == self.sound:
                return 'SAME CODE', ''
            first = [t for t in fault.tests if t in self.programs]
            others = [t for t in self.programs
                      if t not in first and fault.file.startswith(ABOUT.get(t, ''))]
            for test in first + others:
                failed = self.run(test, quick)
                if failed:
                    return 'caught', failed
            return 'SURVIVED', ''
        finally:
            write(path, sound)


# --- All of them --------------------------------------------------------------------------------

def run_all(jobs, numbers, quick):
    """`jobs`: (fault, mutated text). Returns [(fault, verdict, detail)]."""
    work, results, lock = queue.Queue(), [], threading.Lock()
    for job in jobs:
        work.put(job)

    def worker(copy):
        while True:
            try:
                fault, mutant = work.get_nowait()
            except queue.Empty:
                return
            begin = time.time()
            verdict, detail = copy.judge(fault, mutant, quick)
            with lock:
                results.append((fault, verdict, detail))
                print('%-30s %-12s %-46s %5.1f s' % (fault.name, verdict,
                      detail.strip().split('\n')[-1][:46] if detail else '', time.time() - begin))
                if verdict != 'caught':
                    print('    ' + fault.what)
                sys.stdout.flush()

    workers = [threading.Thread(target=worker, args=[Copy(i)]) for i in numbers]
    for thread in workers:
        thread.start()
    for thread in workers:
        thread.join()
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--list', action='store_true')
    parser.add_argument('--check', action='store_true')
    parser.add_argument('--only', default='', metavar='WORD')
    parser.add_argument('--random', type=int, metavar='N')
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--jobs', type=int, default=1)
    parser.add_argument('--copy', type=int, default=0)
    parser.add_argument('--full', action='store_true')
    options = parser.parse_args()

    problems = check(FAULTS)
    if options.check or (problems and not options.random):
        for problem in problems:
            print(problem)
        print('%d faults, %d that no longer apply' % (len(FAULTS), len(problems)))
        return 1 if problems else 0

    if options.random:
        faults = random_faults(options.random, options.seed, options.only)
        jobs = [(fault, fault.mutant) for fault in faults]
    else:
        faults = [f for f in FAULTS
                  if any(word in f.name or word in f.file for word in options.only.split(','))]
        jobs = [(f, planted(read(os.path.join(ROOT, f.file)), f)) for f in faults]
    if options.list:
        for fault in faults:
            print('%-30s %-30s %s' % (fault.name, fault.file, fault.what))
        return 0

    results = run_all(jobs, range(options.copy, options.copy + options.jobs),
                      bool(options.random) and not options.full)
    count = {verdict: sum(v == verdict for _, v, _ in results)
             for verdict in ('caught', 'SURVIVED', 'SAME CODE', 'NOT COMPILED')}
    if options.random:
        print('%d not compiled, %d with the same machine code, %d survived'
              % (count['NOT COMPILED'], count['SAME CODE'], count['SURVIVED']))
        planted_count = count['caught'] + count['SURVIVED']
    else:
        planted_count = len(results)
    print('%d planted, %d caught' % (planted_count, count['caught']))
    return 0 if options.random or count['caught'] == len(faults) else 1


if __name__ == '__main__':
    sys.exit(main())
