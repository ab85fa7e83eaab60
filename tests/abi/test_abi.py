#!/usr/bin/env python3
"""test_abi.py HEADER MAP LIBRARY SCRATCH - what was promised is kept.

Each folder beside this file that is named for a version holds what that release promised: its header
cae.h, its interface libcae.abi as `abidw` wrote it, client.c, a program of its day, and files that it
wrote.

  - no function of then is gone or changed, no struct field has moved; what is new is listed;
  - declarations are what they were, word for word (two parameters of one type that change places are
    nothing to abidiff);
  - no constant of then has another value (abidiff does not see those: they travel as int32_t);
  - the program of then, built with the header of then, works with the library of today: it uses all
    of that interface, and looks at defaults, random streams, struct lengths, and those files;
  - a program that needs a later library is refused by the dynamic linker, in words;
  - these checks can fail: with a function removed, a field moved, a constant changed, they do.

--write FOLDER HEADER LIBRARY makes the baseline of a new version. Prints TAP; what lacks a tool is
skipped."""
import os
import re
import shutil
import subprocess
import sys

import test_symbols
from test_symbols import Skip, code_of, declarations, run, tool

HERE = os.path.dirname(os.path.abspath(__file__))


class Today:
    """What is to be checked."""
    def __init__(self, header, version_script, library, scratch):
        self.header, self.map = os.path.abspath(header), os.path.abspath(version_script)
        self.library, self.scratch = os.path.abspath(library), scratch
        self.include = test_symbols.include_of(header)


def baselines():
    """Folders of the versions whose ABI is kept."""
    return [os.path.join(HERE, name) for name in sorted(os.listdir(HERE))
            if re.fullmatch(r'\d+\.\d+\.\d+', name)]


# --- Functions and structs: libabigail --------------------------------------------------------------

def write_interface(path, library, include):
    """The public interface of a library, as abidw sees it."""
    with open(path, 'w') as file:
        file.write(run(tool('abidw'), '--headers-dir', include, '--drop-private-types',
                       '--exported-interfaces-only', '--no-show-locs', '--no-corpus-path',
                       '--no-comp-dir-path', '--no-elf-needed', '--type-id-style', 'hash', library))


def abidiff(baseline, library, include, scratch):
    """What abidiff reports. Of two descriptions: comparing with the library itself, abidiff 2.2
    filters out what happened in public structs, too."""
    then, now = os.path.join(baseline, 'libcae.abi'), os.path.join(scratch, 'libcae.abi')
    with open(then) as file:
        if "architecture='elf-amd-x86_64'" not in file.readline() or os.uname().machine != 'x86_64':
            raise Skip('the baseline is that of x86-64')
    write_interface(now, library, include)
    result = subprocess.run([tool('abidiff'), '--harmless', then, now], stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True)
    assert result.returncode & 3 == 0, result.stdout
    return result.stdout


# A struct that begins with its size may grow at the end: the library sees that an older program's is
# shorter. abidiff counts it as a change, and its suppressions of this kind hide others with it.
GROWN = re.compile(
    r"\n *(?:in unqualified )?underlying type 'struct cae_(?:\w+_options|progress|evaluation)'"
    r" changed:\n +type size changed from (\d+) to \d+ \(in bits\)"
    r"\n +\d+ data member insertions?:((?:\n +'[^']*', at offset \d+ \(in bits\))+)\n(?! +\d)")


def only_grown(match):
    offsets = re.findall(r'at offset (\d+)', match[2])
    return '\n' if all(int(offset) >= int(match[1]) for offset in offsets) else match[0]


def breaks(report):
    """The lines of a report that say what broke: those that announce no others."""
    lines = GROWN.sub(only_grown, report).splitlines()
    return [line.strip() for line in lines
            if line.strip() and not line.rstrip().endswith(':') and 'summary:' not in line
            and "[A] 'function" not in line and 'as reported earlier' not in line]


def has_debug_info(library):
    return '.debug_info' in run(tool('readelf'), '-SW', library)


def interface_is_kept(today):
    if not has_debug_info(today.library):
        raise Skip('the library has no debug information')
    for baseline in baselines():
        version = os.path.basename(baseline)
        with open(os.path.join(baseline, 'libcae.abi')) as file:
            described = len(re.findall('<function-decl ', file.read()))
        assert described >= len(declarations(os.path.join(baseline, 'cae.h'))), \
            '%s describes only %d functions' % (version, described)
        report = abidiff(baseline, today.library, today.include, today.scratch)
        assert not breaks(report), 'since %s:\n%s' % (version, report)
        for line in report.splitlines():
            if "[A] 'function" in line or "', at offset " in line:
                print('# since %s: %s' % (version, line.strip()))


def declarations_are_kept(today):
    now = declarations(today.header)
    for baseline in baselines():
        for name, declaration in declarations(os.path.join(baseline, 'cae.h')).items():
            assert now.get(name) == declaration, '%s in %s: %s, now %s' % (
                name, os.path.basename(baseline), declaration, now.get(name))


# --- Constants ------------------------------------------------------------------------------------------

def constants(header):
    """name -> value of every enumerator and numeric macro."""
    code = code_of(header)
    found = dict(re.findall(r'^#define (CAE_\w+)\s+(-?\w+)\s*$', code, re.M))
    for body in re.findall(r'enum\s+\w+\s*\{([^}]*)\}', code):
        found.update(re.findall(r'(CAE_\w+)\s*=\s*(-?\d+)', body))
    return {name: int(value, 0) for name, value in found.items()
            if not name.startswith('CAE_VERSION_')}


def constants_are_kept(today):
    now = constants(today.header)
    for baseline in baselines():
        then = constants(os.path.join(baseline, 'cae.h'))
        assert len(then) > 40, 'only %d constants found' % len(then)
        changed = ['%s was %d, is %s' % (name, value, now.get(name, 'gone'))
                   for name, value in then.items() if now.get(name) != value]
        assert not changed, 'since %s: %s' % (os.path.basename(baseline), '; '.join(changed))


# --- Programs of another day ------------------------------------------------------------------------------

def build_client(today, source, include, library, name):
    compiler = test_symbols.compilers('c')[0]
    program = os.path.join(today.scratch, name)
    run(compiler, '-std=c11', '-Wall', '-Wextra', '-Wpedantic', '-Werror', '-I', include, source,
        library, '-lm', '-o', program)
    return program


def run_with(library, folder, *command):
    environment = dict(os.environ, LD_LIBRARY_PATH=os.path.dirname(library))
    return subprocess.run(command, env=environment, cwd=folder, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)


def old_programs_run(today):
    test_symbols.no_sanitizer(today.library)
    for baseline in baselines():
        version = os.path.basename(baseline)
        program = build_client(today, os.path.join(baseline, 'client.c'), baseline, today.library,
                               'client-' + version)
        result = run_with(today.library, today.scratch, program, baseline)
        assert result.returncode == 0, 'client %s: exit code %d\n%s' % (version, result.returncode,
                                                                        result.stdout)


def old_programs_use_everything(today):
    for baseline in baselines():
        used = code_of(os.path.join(baseline, 'client.c')) # the macro INIT pastes six of the names
        used += ' '.join('cae_%s_options_init' % name for name in re.findall(r'INIT\((\w+)\)', used))
        unused = [name for name in declarations(os.path.join(baseline, 'cae.h'))
                  if not re.search(r'\b%s\b' % name, used)]
        assert not unused, '%s/client.c does not call: %s' % (os.path.basename(baseline),
                                                              ' '.join(unused))


def newer_programs_are_refused(today):
    """A function of some later version, in a node of its own: today's library does not have it."""
    test_symbols.no_sanitizer(today.library)
    later = '%s.99' % test_symbols.exports(today.map)[0]
    header, version_script = edited(
        today, 'later', (r'(uint32_t cae_abi_version)', r'uint32_t cae_later(void);\n\1'),
        version_script=lambda text: text + '%s { global: cae_later; } %s;\n' % (later, later[:-3]))
    library = stub_library(today, 'later', header, version_script)
    source = os.path.join(today.scratch, 'later.c')
    with open(source, 'w') as file:
        file.write('#include <cae/cae.h>\nint main(void) { return (int)cae_later(); }\n')
    program = build_client(today, source, test_symbols.include_of(header), library, 'later-client')
    assert run_with(library, today.scratch, program).returncode == 0
    result = run_with(today.library, today.scratch, program)
    assert result.returncode != 0 and later in result.stdout, result.stdout
    print('# the dynamic linker says: ' + result.stdout.strip().splitlines()[-1].split(': ', 1)[1])


# --- Planted faults: libraries of nothing but an interface --------------------------------------------------

def edited(today, name, *substitutions, version_script=lambda text: text):
    """Copies of header and map with something changed; every pattern must be found."""
    folder = os.path.join(today.scratch, name)
    os.makedirs(os.path.join(folder, 'cae'), exist_ok=True)
    header, script = os.path.join(folder, 'cae', 'cae.h'), os.path.join(folder, 'cae.map')
    with open(today.header) as file:
        text = file.read()
    for pattern, replacement in substitutions:
        text, count = re.subn(pattern, replacement, text, count=1, flags=re.S)
        assert count, 'nothing to change: ' + pattern
    with open(header, 'w') as file:
        file.write(text)
    with open(today.map) as file, open(script, 'w') as copy:
        copy.write(version_script(file.read()))
    return header, script


def stub_library(today, name, header, version_script):
    """A shared library with the interface of a header and functions that do nothing."""
    folder = os.path.join(today.scratch, name)
    source, library = os.path.join(folder, 'stub.c'), os.path.join(folder, 'libcae.so.%s' %
                                                                   test_symbols.abi_of(header))
    with open(source, 'w') as file:
        file.write('#include <cae/cae.h>\n')
        for function, (result, parameters) in declarations(header).items():
            file.write('%s %s(%s) { %s }\n' % (result, function, parameters,
                                               '' if result == 'void' else 'return 0;'))
    run(test_symbols.compilers('c')[0], '-g', '-w', '-fPIC', '-shared', '-I',
        test_symbols.include_of(header), source, '-Wl,--version-script=' + version_script,
        '-Wl,-soname,' + os.path.basename(library), '-o', library)
    return library


def difference_to(today, name, *substitutions, version_script=lambda text: text):
    header, script = edited(today, name, *substitutions, version_script=version_script)
    library = stub_library(today, name, header, script)
    report = abidiff(baselines()[-1], library, test_symbols.include_of(header),
                     os.path.dirname(library))
    return breaks(report), report


def fails(check, today, why):
    try:
        check(today)
    except AssertionError as error:
        assert why in str(error), error
    else:
        raise AssertionError('nobody noticed')


def no_change_is_none(today):
    found, report = difference_to(today, 'same')
    assert not found, report


def an_added_function_is_none(today):
    found, report = difference_to(
        today, 'added', (r'(uint32_t cae_abi_version)', r'uint32_t cae_added(void);\n\1'),
        version_script=lambda text: text.replace('cae_add_noise;', 'cae_add_noise; cae_added;'))
    assert not found and "[A] 'function uint32_t cae_added()'" in report, report


def an_appended_field_is_none(today):
    found, report = difference_to(
        today, 'appended', (r'(    double gradient_norm;[^\n]*\n)', r'\1    double added;\n'),
        (r'(    void \*log_user;[^\n]*\n)', r'\1    int64_t added;\n    double too;\n'))
    assert not found and "'int64_t added', at offset 448" in report, report


def an_inserted_field_is_found(today):
    found, report = difference_to(
        today, 'inserted', (r'(    double gradient_norm;)', r'    double inserted;\n\1'))
    assert any('gradient_norm' in line for line in found), report


def a_field_in_another_field_s_place_is_found(today):
    found, report = difference_to(
        today, 'taken', (r'    double gradient_norm;', r'    double inserted;'))
    assert any('inserted' in line for line in found), report


def a_removed_function_is_found(today):
    found, report = difference_to(
        today, 'removed', (r'cae_status cae_psnr\(.*?\);', ''),
        version_script=lambda text: text.replace('    cae_psnr;\n', ''))
    assert any('cae_psnr' in line for line in found), report


def a_moved_field_is_found(today):
    found, report = difference_to(
        today, 'moved', (r'(    int32_t threads;[^\n]*\n)(    int32_t engine;[^\n]*\n)', r'\2\1'))
    assert any('threads' in line for line in found), report


def a_changed_type_is_found(today):
    found, report = difference_to(today, 'type', (r'double learning_rate;', 'int64_t learning_rate;'))
    assert any('long int' in line for line in found), report


def a_changed_parameter_is_found(today):
    found, report = difference_to(today, 'parameter', (r'size_t \*written', 'uint32_t *written'))
    assert found, report


def exchanged_parameters_are_found(today):
    header, _ = edited(today, 'exchanged', (r'(int32_t channels), (int32_t height)', r'\2, \1'))
    fails(declarations_are_kept, Today(header, today.map, today.library, today.scratch),
          'cae_dataset_create')


def a_changed_constant_is_found(today):
    header, _ = edited(today, 'constant', (r'CAE_LAYOUT_NHWC = 1', 'CAE_LAYOUT_NHWC = 2'))
    fails(constants_are_kept, Today(header, today.map, today.library, today.scratch),
          'CAE_LAYOUT_NHWC was 1, is 2')


CHECKS = [interface_is_kept, declarations_are_kept, constants_are_kept, old_programs_run,
          old_programs_use_everything, newer_programs_are_refused, no_change_is_none,
          an_added_function_is_none, an_appended_field_is_none, an_inserted_field_is_found,
          a_field_in_another_field_s_place_is_found, a_removed_function_is_found,
          a_moved_field_is_found, a_changed_type_is_found, a_changed_parameter_is_found,
          exchanged_parameters_are_found, a_changed_constant_is_found]


def write_baseline(folder, header, library):
    """A new version's promise. The client is written by hand."""
    if os.path.exists(os.path.join(folder, 'libcae.abi')):
        sys.exit('%s has a baseline: baselines are never edited' % folder)
    if not has_debug_info(library):
        sys.exit('%s has no debug information: -Dbuildtype=debugoptimized' % library)
    os.makedirs(folder, exist_ok=True)
    shutil.copy(header, os.path.join(folder, 'cae.h'))
    write_interface(os.path.join(folder, 'libcae.abi'), library, test_symbols.include_of(header))


def main():
    if len(sys.argv) == 5 and sys.argv[1] == '--write':
        write_baseline(*sys.argv[2:])
    elif len(sys.argv) == 5:
        os.makedirs(sys.argv[4], exist_ok=True)
        test_symbols.report(CHECKS, Today(*sys.argv[1:]))
    else:
        sys.exit(__doc__)


if __name__ == '__main__':
    main()
