#!/usr/bin/env python3
"""test_symbols.py HEADER MAP LIBRARY ARCHIVE - one interface, told the same everywhere.

  - the header's functions, the map's list and the library's dynamic symbols are the same names;
  - every symbol carries the version that the map gives it;
  - nothing global in the static archive could clash with a host's name: cae_ is public, cae__ ours;
  - the header compiles alone, as C and as C++, without a warning, and needs only two of the
    standard library's headers; a program in either language links with what it declares;
  - a naive parser can read it: no varargs, no structs by value, no enums or longs in signatures;
    cffi does.

ARCHIVE may be '-' for none. Prints TAP; what lacks a tool is skipped."""
import os
import re
import shutil
import subprocess
import sys
import tempfile

LANGUAGES = [('c', 'c99'), ('c', 'c11'), ('c', 'c17'), ('c++', 'c++11'), ('c++', 'c++20')]
COMPILERS = {'c': ['cc', 'gcc', 'clang', 'tcc'], 'c++': ['c++', 'g++', 'clang++']}
WARNINGS = ['-Wall', '-Wextra', '-Wpedantic', '-Werror']
# What sanitizers and coverage bring along is not ours to name.
FOREIGN = re.compile(r'DW\.ref\.|__(odr_asan|asan|ubsan|tsan|sanitizer|gcov|llvm|prof|cov|start_|stop_)')


class Skip(Exception):
    """The check cannot run here."""


def run(*command):
    """Standard output of a command; fails with what it printed."""
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert result.returncode == 0, '%s:\n%s%s' % (' '.join(command), result.stdout, result.stderr)
    return result.stdout


def tool(name):
    path = shutil.which(os.environ.get(name.upper(), name))
    if not path:
        raise Skip('no ' + name)
    return path


def no_sanitizer(library):
    if any('asan' in name for name in run(tool('nm'), '-D', '-u', library).split()):
        raise Skip('the library needs a sanitizer')


# --- Three lists of names -----------------------------------------------------------------------

def code_of(path):
    """A C file without its comments."""
    with open(path) as file:
        return re.sub(r'/\*.*?\*/|//[^\n]*', ' ', file.read(), flags=re.S)


def declarations(header):
    """name -> (return type, parameters) of the functions that a header declares."""
    code = re.sub(r'^\s*#.*$', '', code_of(header), flags=re.M)
    code = re.sub(r'typedef[^;{]*;', '', code)
    pattern = r'([A-Za-z_][\w\s\*]*?)\b(cae_\w+)\s*\(([^()]*)\)\s*;'
    return {name: (result.strip(), ' '.join(parameters.split()))
            for result, name, parameters in re.findall(pattern, code)}


def exports(version_script):
    """(first version, name -> version) of a map: a node for each release that added something, each
    after the one before it; the first hides everything else."""
    text, first, before, listed = code_of(version_script), None, '', {}
    while text.strip():
        match = re.match(r'\s*([\w.]+)\s*\{\s*global:([^:]*?)(local:\s*\*\s*;)?\s*\}\s*([\w.]*)\s*;',
                         text)
        assert match, 'expected a node with global names: ' + text[:80]
        assert bool(match[3]) == (first is None), '"local: *;" belongs into the first node'
        assert match[4] == before, '%s follows "%s", not "%s"' % (match[1], match[4], before)
        names = [name.strip() for name in match[2].split(';') if name.strip()]
        assert names == sorted(names), 'the list of %s is not sorted' % match[1]
        assert len(names) == len(set(names)), 'a name is listed twice'
        assert not set(names) & set(listed), 'a name is listed in two nodes'
        listed.update((name, match[1]) for name in names)
        first, before, text = first or match[1], match[1], text[match.end():]
    return first, listed


def dynamic_symbols(library):
    """(symbol with version, type) of everything that a shared library gives."""
    lines = run(tool('nm'), '-D', '--defined-only', '--with-symbol-versions', library).splitlines()
    return [(fields[-1], fields[-2]) for fields in map(str.split, lines)]


def difference(a, b, a_name, b_name):
    only = ['only in %s: %s' % (a_name, ' '.join(sorted(a - b)))] if a - b else []
    return '; '.join(only + (['only in %s: %s' % (b_name, ' '.join(sorted(b - a)))] if b - a else []))


# --- Checks -------------------------------------------------------------------------------------

def header_and_map_agree(header, version_script, library, archive):
    declared, listed = set(declarations(header)), set(exports(version_script)[1])
    assert declared, 'no functions found in the header'
    assert declared == listed, difference(declared, listed, 'the header', 'the map')


def map_and_library_agree(header, version_script, library, archive):
    _, listed = exports(version_script)
    nodes = set(listed.values())
    found = [(name, kind) for name, kind in dynamic_symbols(library)
             if name.split('@')[0] not in nodes]
    names = {name.split('@')[0] for name, _ in found}
    assert names == set(listed), difference(set(listed), names, 'the map', 'the library')
    for name, kind in found:
        version = listed[name.split('@')[0]]
        assert name.endswith('@@' + version), '%s, expected version %s' % (name, version)
        assert kind == 'T', '%s is of type %s, expected a function' % (name, kind)


def archive_keeps_its_prefix(header, version_script, library, archive):
    if archive == '-':
        raise Skip('no archive')
    public, names = set(declarations(header)), set()
    for line in run(tool('nm'), '-g', '--defined-only', archive).splitlines():
        fields = line.split()
        if len(fields) == 3 and not FOREIGN.match(fields[2]):
            names.add(fields[2])
    assert public <= names, 'not defined: ' + ' '.join(sorted(public - names))
    strangers = {name for name in names if not name.startswith('cae__')} - public
    assert not strangers, 'neither public nor cae__...: ' + ' '.join(sorted(strangers))


def library_needs_no_executable_stack(header, version_script, library, archive):
    text = run(tool('readelf'), '-Wld', library)
    stack = re.search(r'GNU_STACK.*', text)
    assert stack and 'RWE' not in stack[0], 'the stack is executable'
    assert 'TEXTREL' not in text, 'the code is relocated'
    assert re.search(r'SONAME.*\[libcae\.so\.%s\]' % abi_of(header), text), 'not the soname'


def calls_from_inside_stay_inside(header, version_script, library, archive):
    """No call by name: another library, or a program, may have functions of these names."""
    found = re.findall(r'R_\S+ .*?\b(cae_\w+)', run(tool('readelf'), '-rW', library))
    assert not found, 'called through the linker: ' + ' '.join(sorted(set(found)))


def abi_of(header):
    return re.search(r'#define CAE_ABI_VERSION (\d+)', code_of(header))[1]


def header_includes_little(header, version_script, library, archive):
    found = re.findall(r'#\s*include\s*(\S+)', code_of(header))
    assert sorted(found) == ['<stddef.h>', '<stdint.h>'], 'it includes ' + ' '.join(found)


def signatures_can_be_bound(header, version_script, library, archive):
    """Fixed-width integers, doubles, sizes and pointers: what every language can pass."""
    plain = {'void', 'int32_t', 'uint32_t', 'int64_t', 'uint64_t', 'size_t', 'double', 'cae_status',
             'cae_progress_fn'}
    for name, (result, parameters) in declarations(header).items():
        assert parameters, '%s(): write (void)' % name
        assert '...' not in parameters, name + ' takes varargs'
        types = [re.sub(r'\w+$', '', p).strip() for p in parameters.split(',') if p != 'void']
        for text in types + [result]:
            kind = text.replace('const', '').strip()
            assert kind.endswith('*') or kind in plain, '%s: %s in a signature' % (name, text)


def a_naive_parser_reads_it(header, version_script, library, archive):
    """cffi's, which is pycparser: all that stands between the preprocessor's lines, as it is."""
    no_sanitizer(library)
    with open(header) as file:
        lines = file.read().splitlines()
    begin = lines.index('#pragma GCC visibility push(default)') + 2 # its #endif
    end = lines.index('#pragma GCC visibility pop') - 1             # its #if
    program = ('import cffi, sys\n'
               'ffi = cffi.FFI()\n'
               'ffi.cdef(sys.stdin.read())\n'
               'library = ffi.dlopen(sys.argv[1])\n'
               'assert library.cae_abi_version() == library.CAE_ABI_VERSION\n'
               'assert library.CAE_ERR_NAME == -9 and library.CAE_VISIT_EVALUATION == 0xffffffff\n'
               'for name in sys.argv[2:]: getattr(library, name)\n')
    for python in (sys.executable, '/usr/bin/python3'):
        if os.path.exists(python) and subprocess.run([python, '-c', 'import cffi'],
                                                     stderr=subprocess.DEVNULL).returncode == 0:
            result = subprocess.run([python, '-c', program, library, *sorted(declarations(header))],
                                    input='\n'.join(lines[begin:end]), stdout=subprocess.PIPE,
                                    stderr=subprocess.STDOUT, text=True)
            assert result.returncode == 0, result.stdout
            return
    raise Skip('no cffi')


def compilers(language):
    found = [c for c in COMPILERS[language] if shutil.which(c)]
    if not found:
        raise Skip('no %s compiler' % language)
    return found


def knows(compiler, language, standard):
    with tempfile.TemporaryDirectory() as folder:
        empty = os.path.join(folder, 'empty')
        open(empty, 'w').close()
        return subprocess.run([compiler, '-x', language, '-std=' + standard, '-fsyntax-only', empty],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


def compile_alone(language, standard):
    """A check: twice the header and nothing else."""
    def check(header, version_script, library, archive):
        able = [c for c in compilers(language) if knows(c, language, standard)]
        if not able:
            raise Skip('no compiler knows ' + standard)
        with tempfile.TemporaryDirectory() as folder:
            source = os.path.join(folder, 'alone')
            with open(source, 'w') as file:
                file.write('#include <cae/cae.h>\n#include <cae/cae.h>\nint main(%s) { return 0; }\n'
                           % ('void' if language == 'c' else ''))
            for compiler in able:
                run(compiler, '-x', language, '-std=' + standard, *WARNINGS, '-fsyntax-only',
                    '-I', include_of(header), source)
    check.__name__ = 'header_compiles_as_' + standard
    return check


def include_of(header):
    return os.path.dirname(os.path.dirname(os.path.abspath(header)))


def link_all(language):
    """A check: a program that takes the address of every function links with the library alone."""
    def check(header, version_script, library, archive):
        compiler = compilers(language)[0]
        names = sorted(declarations(header))
        no_sanitizer(library)
        with tempfile.TemporaryDirectory() as folder:
            source, program = os.path.join(folder, 'all'), os.path.join(folder, 'program')
            with open(source, 'w') as file:
                file.write('#include <cae/cae.h>\ntypedef void (*any)(void);\nany all[] = {\n%s};\n'
                           'int main(%s) { return cae_status_string(0) && all[0] ? 0 : 1; }\n' % (
                               ''.join('(any)%s,\n' % name for name in names),
                               'void' if language == 'c' else ''))
            run(compiler, '-x', language, '-Wno-cast-function-type', '-I', include_of(header), source,
                '-x', 'none', library, '-o', program,
                '-Wl,-rpath,' + os.path.dirname(os.path.abspath(library)))
            run(program)
    check.__name__ = 'a_%s_program_links' % language
    return check


CHECKS = [header_and_map_agree, map_and_library_agree, archive_keeps_its_prefix,
          library_needs_no_executable_stack, calls_from_inside_stay_inside, header_includes_little,
          signatures_can_be_bound, a_naive_parser_reads_it]
CHECKS += [compile_alone(*language) for language in LANGUAGES]
CHECKS += [link_all('c'), link_all('c++')]


def report(checks, *arguments):
    """Run checks, print TAP and exit."""
    failed = 0
    print('1..%d' % len(checks))
    for number, check in enumerate(checks, 1):
        name = check.__name__.replace('_', ' ')
        try:
            check(*arguments)
            print('ok %d - %s' % (number, name))
        except Skip as reason:
            print('ok %d - %s # skip %s' % (number, name, reason))
        except AssertionError as error:
            failed += 1
            print('not ok %d - %s' % (number, name))
            print(''.join('# %s\n' % line for line in str(error).splitlines()), end='')
    sys.exit(1 if failed else 0)


def main():
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    report(CHECKS, *sys.argv[1:])


if __name__ == '__main__':
    main()
