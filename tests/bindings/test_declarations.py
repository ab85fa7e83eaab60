#!/usr/bin/env python3
"""test_declarations.py SOURCE - what bindings say about the interface is what cae.h says.

Python and Lua have the header's declarations word for word, Node.js its prototypes; Rust and Java say
the same in words of their own, of which names, order and kinds of parameters are compared.

A later release may add to the header; a binding may know less, but nothing else. Prints TAP."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'abi'))
import test_symbols
from test_symbols import code_of, declarations

BINDINGS = os.path.join('examples', 'bindings')


def plain(text):
    """Without comments, and with white space in one way only."""
    text = re.sub(r'/\*.*?\*/', ' ', text, flags=re.S)
    text = re.sub(r'\s+', ' ', text)
    return re.sub(r'\s*([*(),;{}=])\s*', r'\1', text).strip()


def read(source, *path):
    with open(os.path.join(source, *path)) as file:
        return file.read()


def header_of(source):
    return os.path.join(source, 'include', 'cae', 'cae.h')


def prototypes(text):
    """name -> prototype, as it stands in some text."""
    found = re.findall(r'(?:^|[;}`\[]|\n)\s*((?:const )?\w+[ *]+(cae_\w+)\s*\([^()]*\)\s*);', text)
    return {name: plain(prototype) for prototype, name in found}


def types(text):
    """name -> body of every struct and enum."""
    return {name: plain(body) for name, body in
            re.findall(r'(?:struct|enum) (\w+)\s*(\{[^}]*\})', re.sub(r'/\*.*?\*/', ' ', text,
                                                                       flags=re.S))}


def compare(ours, theirs, what):
    assert len(theirs) > 20 or what == 'types', 'found only %d %s' % (len(theirs), what)
    for name, text in theirs.items():
        assert name in ours, '%s: not in the header' % name
        assert ours[name] == text, '%s: the header has\n%s\nand not\n%s' % (name, ours[name], text)


def word_for_word(source, *path, whole):
    header, text = code_of(header_of(source)), read(source, *path)
    functions = prototypes(text)
    compare(prototypes(header), functions, 'functions')
    if whole:
        found = types(text)
        assert len(found) > 15, 'found only %d types' % len(found)
        compare(types(header), found, 'types')
    missing = set(declarations(header_of(source))) - set(functions)
    print('# not bound: %s' % (' '.join(sorted(missing)) or 'nothing'))


def python(source):
    word_for_word(source, BINDINGS, 'python', 'src', 'cae', '_cdef.h', whole=True)


def lua(source):
    word_for_word(source, BINDINGS, 'lua', 'cae', 'cdef.lua', whole=True)


def node(source):
    word_for_word(source, BINDINGS, 'node', 'src', 'prototypes.js', whole=False)


# --- The same in other words ------------------------------------------------------------------------------

KINDS = { # of a parameter or result, by what stands in the place of its type
    'int32_t': 'i32', 'cae_status': 'i32', 'uint32_t': 'u32', 'int64_t': 'i64', 'uint64_t': 'u64',
    'size_t': 'size', 'double': 'f64', 'void': 'void', 'cae_progress_fn': 'pointer',
}
RUST = {'i32': 'i32', 'cae_status': 'i32', 'u32': 'u32', 'i64': 'i64', 'u64': 'u64', 'usize': 'size',
        'f64': 'f64', '': 'void', 'c_double': 'f64'}
JAVA = {'int': ('i32', 'u32'), 'long': ('i64', 'u64'), 'SizeT': ('size',), 'double': ('f64',),
        'void': ('void',)}


def signatures(source):
    """name -> kinds of result and parameters."""
    found = {}
    for name, (result, parameters) in declarations(header_of(source)).items():
        kinds = []
        for text in [result] + [p for p in parameters.split(',') if p != 'void']:
            words = re.sub(r'\bconst\b', '', text).split()
            kinds.append('pointer' if '*' in text else KINDS[words[0]])
        found[name] = kinds
    return found


def rust(source):
    text = re.sub(r'//[^\n]*', '', read(source, BINDINGS, 'rust', 'cae-sys', 'src', 'functions.rs'))
    wanted, found = signatures(source), set()
    for name, parameters, result in re.findall(
            r'pub fn (cae_\w+)\(([^()]*)\)\s*(?:->\s*([^;]+))?;', text):
        kinds = [result.strip()] + [p.split(':', 1)[1].strip() for p in parameters.split(',')
                                    if p.strip()]
        kinds = [RUST.get(k, 'pointer' if k.startswith('*') or k == 'cae_progress_fn' or
                          k.startswith('Option') else k) for k in kinds]
        assert wanted.get(name) == kinds, '%s: the header has %s, not %s' % (name, wanted.get(name),
                                                                             kinds)
        found.add(name)
    assert len(found) > 60, 'found only %d functions' % len(found)
    print('# not bound: %s' % (' '.join(sorted(set(wanted) - found)) or 'nothing'))


def java(source):
    text = read(source, BINDINGS, 'java', 'src', 'main', 'java', 'org', 'libcae', 'LibCae.java')
    text = re.sub(r'/\*.*?\*/|//[^\n]*', '', text, flags=re.S)
    wanted, found = signatures(source), set()
    for result, name, parameters in re.findall(r'(\w+(?:\[\])?) (cae_\w+)\(([^()]*)\);', text):
        kinds = [result] + [p.split()[0] for p in parameters.split(',') if p.strip()]
        assert name in wanted and len(kinds) == len(wanted[name]), name
        for kind, expected in zip(kinds, wanted[name]):
            assert expected in JAVA.get(kind, ('pointer',)), \
                '%s: %s where the header has %s' % (name, kind, expected)
        found.add(name)
    assert len(found) > 60, 'found only %d functions' % len(found)
    print('# not bound: %s' % (' '.join(sorted(set(wanted) - found)) or 'nothing'))


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    test_symbols.report([python, lua, node, rust, java], sys.argv[1])


if __name__ == '__main__':
    main()
