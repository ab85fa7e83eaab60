#!/bin/sh
# check.sh - what programs that read programs have to say about the C code.
set -eu

usage()
{
    cat <<END
usage: sh tests/check.sh [tidy | cppcheck | analyzer | all]

Looks at every C file of lib/, examples/ and tests/ without running it. A file is a check, and fails
with its first finding. The last line counts them. Works in build/check, which it configures with gcc.
  tidy       clang-tidy, with the checks that .clang-tidy names
  cppcheck   cppcheck: warnings, performance, portability, style
  analyzer   gcc -fanalyzer: lib/ only, at -O2
  all        each of them, the default
A finding that is none is marked where it stands, with its reason.
END
}

case ${1-all} in
    tidy) needs=clang-tidy ;;
    cppcheck) needs=cppcheck ;;
    analyzer) needs=gcc ;;
    all) needs='clang-tidy cppcheck gcc' ;;
    -h | --help)
        usage
        exit ;;
    *)
        usage >&2
        exit 2 ;;
esac
[ $# -le 1 ] || { usage >&2; exit 2; }
what=${1-all}
[ "$what" != all ] || what='tidy cppcheck analyzer'

cd "$(dirname "$0")/.."
# shellcheck source=examples/setup.sh
. examples/setup.sh

# shellcheck disable=SC2086         # lists of words
install_missing cc pkg-config meson ninja openblas png jpeg jansson cairo check $needs
build=build/check
if [ ! -f $build/build.ninja ]; then
    CC=gcc quietly meson setup $build -Dbuildtype=debugoptimized
else # sources may have come or gone
    quietly meson setup --reconfigure $build
fi

# shellcheck disable=SC2086
exec python3 - $build $what <<'END'
import collections, concurrent.futures, json, os, re, shlex, shutil, subprocess, sys, time

build, tools = sys.argv[1], sys.argv[2:]
top = os.getcwd()
jobs = os.cpu_count() or 1

# Compiled by scripts and not by meson: with what, beside the C standard.
others = {'tests/abi/1.0.0/client.c': '-Itests/abi/1.0.0', 'tests/consume/program.c': '-Iinclude'}


def read_commands():
    """file -> how it is compiled; of a file that is compiled more than once, the first"""
    commands = {}
    for entry in json.load(open(build + '/compile_commands.json')):
        path = os.path.relpath(os.path.join(entry['directory'], entry['file']), top)
        words = shlex.split(entry['command'])
        for option, values in (('-o', 1), ('-MF', 1), ('-MQ', 1), ('-MD', 0), ('-c', 0)):
            if option in words:
                at = words.index(option)
                del words[at:at + 1 + values]
        words[-1] = os.path.join(top, path)
        commands.setdefault(path, (entry['directory'], words))
    for path, option in others.items():
        commands[path] = (top, ['gcc', '-std=c11', option, os.path.join(top, path)])
    return dict(sorted(commands.items()))


def write_commands(commands):
    """for tools that read them themselves"""
    folder = build + '/checked'
    os.makedirs(folder, exist_ok=True)
    with open(folder + '/compile_commands.json', 'w') as out:
        # as one text: of 'arguments' with quotes in them cppcheck 2.10 makes something else
        json.dump([{'file': words[-1], 'directory': directory, 'command': shlex.join(words[:1] + ['-c'] + words[1:])}
                   for directory, words in commands.values()], out)
    return folder


def run(words, directory=top):
    done = subprocess.run(words, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          universal_newlines=True)
    return done.returncode, done.stdout


def each(function, items):
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        return dict(zip(items, pool.map(function, items)))


def findings_in(text, good):
    return '' if good else text or 'it failed and did not say why'


# Programs have one thread where they call getenv, exit or strerror, and stop where arguments are no numbers.
# Tests compare bits, also those of floats and structs, and copy into arrays of their own.
programs = '-concurrency-mt-unsafe,-cert-err34-c'
of_tests = (',-bugprone-suspicious-memory-comparison,-cert-exp42-c,-cert-flp37-c'
            ',-clang-analyzer-security.insecureAPI.strcpy')


# One file at a time: with several clang-tidy 14 takes every va_list for uninitialized.
def tidy(commands, folder):
    name = shutil.which('clang-tidy') or 'clang-tidy-14'

    def look(path):
        less = '' if path.startswith('lib/') else programs
        less += of_tests if path.startswith('tests/') else ''
        status, text = run([name, '--quiet', '-p', folder, '--extra-arg=-Wno-unknown-warning-option',
                            '--checks=' + less, os.path.join(top, path)])
        return findings_in(re.sub(r'(?m)^\d+ warnings? .*\n', '', text), status == 0)

    return each(look, commands)


# unusedStructMember: looks at one file at a time, and members are used in others
# variableScope: where a declaration stands, at the top of its block or later, is the author's choice
# shadowVariable, in tests: a parameter may be called as a file's variable is (lib/ has -Wshadow)
def cppcheck(commands, folder):
    status, text = run(['cppcheck', '--project=' + folder + '/compile_commands.json', '--quiet', '-j',
                        str(jobs), '--std=c11', '--inline-suppr', '--error-exitcode=1',
                        '--enable=warning,performance,portability,style',
                        '--suppress=unusedStructMember', '--suppress=variableScope',
                        '--suppress=shadowVariable:*tests/*',
                        # a header of another project, of which it takes CHAR_BIT for unknown
                        '--suppress=preprocessorErrorDirective:*/libpng*/*',
                        '--template={file}:{line}: {severity}: {message} [{id}]'])
    found = collections.defaultdict(str)
    for line in text.splitlines(True):
        place = os.path.relpath(line.split(':')[0], top)
        found[place if os.path.exists(place) else 'cppcheck'] += line
    if status and not found:
        found['cppcheck'] = 'it failed and did not say why'
    return {**{path: '' for path in commands}, **found}


# gcc 12's analyzer does not know vector types: it takes a shift of eight numbers for one beyond a bool,
# and what a loop over their parts has written for uninitialized.
vectors = {'lib/kernels/elementwise.c': ['-Wno-analyzer-use-of-uninitialized-value'],
           'lib/random/noise.c': ['-Wno-analyzer-use-of-uninitialized-value',
                                  '-Wno-analyzer-shift-count-overflow']}


def analyzer(commands, folder):
    def look(path):
        directory, words = commands[path]
        status, text = run(words[:-1] + ['-O2', '-fanalyzer', '-Werror', '-fdiagnostics-color=never'] +
                           vectors.get(path, []) + ['-c', '-o', '/dev/null', words[-1]], directory)
        return findings_in(text, status == 0)

    return each(look, [path for path in commands if path.startswith('lib/')])


commands = read_commands()
folder = write_commands(commands)
passed = failed = 0
for tool in tools:
    start = time.time()
    found = {'tidy': tidy, 'cppcheck': cppcheck, 'analyzer': analyzer}[tool](commands, folder)
    bad = {path: text for path, text in found.items() if text}
    for path, text in bad.items():
        print(text.rstrip())
    print('%s: %d files, %d with findings, %.0f s' % (tool, len(found), len(bad), time.time() - start))
    passed, failed = passed + len(found) - len(bad), failed + len(bad)
print('%d passed, %d failed, 0 skipped' % (passed, failed))
sys.exit(failed > 0)
END
