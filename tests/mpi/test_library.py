#!/usr/bin/env python3
"""test_library.py HEADER MAP LIBRARY CORE PC - libcae_mpi as a library, and libcae without any MPI.

  - the header's functions, the map's list and the library's dynamic symbols are the same names, in one version;
  - the header compiles alone, as C and as C++, without a warning;
  - libcae_mpi takes from libcae only what <cae/cae.h> declares, and never begins, ends or aborts MPI;
  - libcae needs no MPI, and says nothing of one.

PC is pkg-config's name of the MPI. Prints TAP; what lacks a tool is skipped."""
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'abi'))
import test_symbols
from test_symbols import declarations, difference, dynamic_symbols, exports, run, tool


def flags(pc):
    return [flag.replace('-I', '-isystem', 1) for flag in
            subprocess.check_output([os.environ.get('PKG_CONFIG', 'pkg-config'), '--cflags', pc], text=True).split()]


def three_lists_agree(header, version_script, library, core, pc):
    version, listed = exports(version_script)
    declared = set(declarations(header))
    assert declared and declared == set(listed), difference(declared, set(listed), 'the header', 'the map')
    found = dict(symbol.split('@@') for symbol, kind in dynamic_symbols(library) if kind == 'T')
    assert found == listed, difference(set(found), set(listed), 'the library', 'the map')
    assert version == 'LIBCAE_MPI_1'
    names = {symbol.split('@')[0] for symbol, _ in dynamic_symbols(library)} - {version}
    assert names == declared, difference(names, declared, 'the library', 'the header')


def soname(header, version_script, library, core, pc):
    number = re.search(r'#define CAE_MPI_ABI_VERSION (\d+)', test_symbols.code_of(header))[1]
    text = run(tool('readelf'), '-Wld', library)
    assert re.search(r'SONAME.*\[libcae_mpi\.so\.%s\]' % number, text), text
    assert 'TEXTREL' not in text and 'RWE' not in re.search('GNU_STACK.*', text)[0]


def header_includes_little(header, version_script, library, core, pc):
    found = re.findall(r'#\s*include\s*(\S+)', test_symbols.code_of(header))
    assert sorted(found) == ['<cae/cae.h>', '<mpi.h>'], 'it includes ' + ' '.join(found)


def header_compiles(header, version_script, library, core, pc):
    for language, standard in test_symbols.LANGUAGES:
        for compiler in test_symbols.compilers(language):
            if not test_symbols.knows(compiler, language, standard) or compiler == 'tcc':
                continue
            with tempfile.TemporaryDirectory() as folder:
                source = os.path.join(folder, 'alone')
                with open(source, 'w') as file:
                    file.write('#include <cae/mpi.h>\n#include <cae/mpi.h>\nint main(%s) { return 0; }\n'
                               % ('void' if language == 'c' else ''))
                run(compiler, '-x', language, '-std=' + standard, *test_symbols.WARNINGS, '-fsyntax-only',
                    *flags(pc), '-I', test_symbols.include_of(header), source)


def undefined(library):
    return {name.split('@')[0] for name in run(tool('nm'), '-D', '-u', library).split() if len(name) > 1}


def only_what_is_public(header, version_script, library, core, pc):
    names = undefined(library)
    public = set(declarations(os.path.join(os.path.dirname(header), 'cae.h')))
    inside = {name for name in names if name.startswith('cae_')} - public
    assert not inside, 'not in cae.h: ' + ' '.join(sorted(inside))
    asked = {name for name in names if name.startswith('MPI_')}
    assert 'MPI_Iallreduce' in asked, 'no calls of MPI found'
    never = asked & {'MPI_Init', 'MPI_Init_thread', 'MPI_Finalize', 'MPI_Abort'}
    assert not never, 'it calls ' + ' '.join(sorted(never))
    never = names & {'exit', 'abort', 'printf', 'puts', 'signal', 'sigaction', 'setlocale'}
    assert not never, 'it calls ' + ' '.join(sorted(never))


def libcae_knows_no_mpi(header, version_script, library, core, pc):
    needed = re.findall(r'NEEDED.*\[(.*)\]', run(tool('readelf'), '-Wd', core))
    assert needed and not [name for name in needed if re.search('mpi|pmi|ucp|orte', name)], needed
    needed = re.findall(r'NEEDED.*\[(.*)\]', run(tool('readelf'), '-Wd', library))
    assert any(name.startswith('libcae.so.') for name in needed), needed
    assert any(re.match('libmpi', name) for name in needed) or any('mpich' in name for name in needed), needed
    assert not [name for name in undefined(core) if name.startswith('MPI_')]


def no_variables(header, version_script, library, core, pc):
    data = [line for line in run(tool('nm'), library).splitlines()
            if re.search(r' [bBdD] ', line) and not re.search(
                r' (__|_DYNAMIC|_GLOBAL|_edata|_end|completed|_bss|asan|gcov)', line)]
    data = [line for line in data if not re.search(r'(completed\.\d+|__dso_handle|_fini|_init)', line)]
    assert not data, 'variables: ' + ', '.join(data)


if __name__ == '__main__':
    if len(sys.argv) != 6:
        sys.exit(__doc__)
    test_symbols.report([three_lists_agree, soname, header_includes_little, header_compiles, only_what_is_public,
                         libcae_knows_no_mpi, no_variables], *sys.argv[1:])
