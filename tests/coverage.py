#!/usr/bin/env python3
"""coverage.py - which lines and branches of lib/ did the tests run? Started by coverage.sh.

  coverage.py BUILD EXCEPTIONS [--missing] [--least LINES BRANCHES]

Reads what gcov says of every object of BUILD, the library's own and not the tests'. A file that is
compiled once for each instruction set is one file here: a line counts as run when it was at any level,
and a branch likewise where two levels have the same branches; where they do not (their tiles differ),
the level that ran more of the line's branches speaks for it. Counts that threads
made negative by racing are still counts. Branches that unwinding would take are not counted.

EXCEPTIONS says why what stays uncovered does. Each of its lines is `file:function: reason`, or
`file:function:text: reason` for the source lines of the function that contain the text. What it excuses
is left out of the sums. An excuse that this run did not need is named: another machine may."""

import json
import os
import subprocess
import sys


class Line:
    def __init__(self):
        self.count, self.branches, self.functions = 0, [], set()


def objects(build):
    for folder, _, names in os.walk(os.path.join(build, 'lib')):
        for name in sorted(names):
            if name.endswith('.gcno'):
                yield os.path.join(folder, name)


def merge(known, found):
    if len(known) == len(found):
        return [a or b for a, b in zip(known, found)]
    return max(known, found, key=lambda taken: (sum(taken) / max(len(taken), 1), len(taken)))


def collect(build, top):
    """{file: {line number: Line}}"""
    files = {}
    for path in objects(build):
        text = subprocess.run(['gcov', '--json-format', '--stdout', '--branch-probabilities', path],
                              check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
        for document in text.splitlines():
            data = json.loads(document)
            for source in data['files']:
                name = os.path.relpath(os.path.join(data['current_working_directory'], source['file']),
                                       top)
                if not name.startswith('lib/'):
                    continue
                lines = files.setdefault(name, {})
                here = {}           # of this object: a line may be there once for each function
                for entry in source['lines']:
                    line = here.setdefault(entry['line_number'], Line())
                    line.count += entry['count'] != 0
                    line.branches += [b['count'] != 0 for b in entry['branches'] if not b['throw']]
                    line.functions.add(entry.get('function_name', ''))
                for number, found in here.items():
                    line = lines.setdefault(number, Line())
                    line.count += found.count
                    line.functions |= found.functions
                    line.branches = merge(line.branches, found.branches)
    return files


class Excuse:
    def __init__(self, text):
        parts = text.split(':')
        self.file, self.function, self.used = parts[0].strip(), parts[1].strip(), False
        self.text = ':'.join(parts[2:-1]).strip()
        self.why = parts[-1].strip()

    def covers(self, file, line, source):
        functions = {f.rsplit('_', 1)[0] if f.startswith('cae__') else f for f in line.functions}
        return (file == self.file and self.function in line.functions | functions and
                self.text in source)


def excuses(path):
    with open(path, encoding='utf-8') as file:
        return [Excuse(text) for text in file if text.strip() and not text.startswith('#')]


def share(part, whole):
    return 100.0 if whole == 0 else 100.0 * part / whole


def row(name, figures):
    lines, run, branches, taken, excused = figures
    print('%-32s %6d %6d %6.1f%% %9d %6d %6.1f%% %8s' % (
        name, lines, run, share(run, lines), branches, taken, share(taken, branches), excused or ''))


def main():
    build, listed = sys.argv[1:3]
    missing = '--missing' in sys.argv
    least = [float(x) for x in sys.argv[sys.argv.index('--least') + 1:][:2]] \
        if '--least' in sys.argv else [0.0, 0.0]
    top = os.path.realpath(os.path.join(os.path.dirname(__file__), '..'))
    files, known = collect(os.path.realpath(build), top), excuses(listed)
    totals, folders, open_ends = {}, {}, []

    for name in sorted(files):
        with open(os.path.join(top, name), encoding='utf-8') as file:
            source = file.read().split('\n')
        figures = [0] * 5
        for number, line in sorted(files[name].items()):
            text = source[number - 1]
            complete = line.count and all(line.branches)
            excuse = next((e for e in known if not complete and e.covers(name, line, text)), None)
            if excuse:
                excuse.used = True
                figures[4] += 1
                continue
            figures[0] += 1
            figures[1] += line.count > 0
            figures[2] += len(line.branches)
            figures[3] += sum(line.branches)
            if not complete:
                open_ends.append('%s:%d: %s %s' % (name, number,
                                 '%d/%d' % (sum(line.branches), len(line.branches))
                                 if line.count else 'never', text.strip()))
        totals[name] = figures
        folder = folders.setdefault(os.path.dirname(name), [0] * 5)
        for i, figure in enumerate(figures):
            folder[i] += figure

    print('%-32s %6s %6s %7s %9s %6s %7s %8s' % ('file', 'lines', 'run', '', 'branches', 'taken', '',
                                               'excused'))
    for name, figures in totals.items():
        row(name, figures)
    print()
    for name, figures in folders.items():
        row(name, figures)
    total = [sum(f[i] for f in totals.values()) for i in range(5)]
    row('all', total)

    if missing:
        print('\nNot run, or not both ways:')
        print('\n'.join(open_ends))
    if known:
        print('\nExcused:')
        for e in known:
            print('  %s %s%s: %s' % (e.file, e.function, e.text and ' "%s"' % e.text, e.why))
    idle = [e for e in known if not e.used]
    for e in idle:
        print('not needed here: %s:%s:%s' % (e.file, e.function, e.text))
    lines, branches = share(total[1], total[0]), share(total[3], total[2])
    good = lines >= least[0] and branches >= least[1]
    print('%s: %.1f %% of lines (at least %g), %.1f %% of branches (at least %g)'
          % ('enough' if good else 'NOT ENOUGH', lines, least[0], branches, least[1]))
    return 0 if good else 1


if __name__ == '__main__':
    sys.exit(main())
