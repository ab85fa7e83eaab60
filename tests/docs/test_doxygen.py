#!/usr/bin/env python3
"""test_doxygen.py SOURCE SCRATCH - the API reference is made without a warning, and every symbol of the
header stands in it with a description.

Prints TAP; all is skipped without doxygen."""
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as tree

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'abi'))
import test_symbols
from test_symbols import Skip


def doxygen(source, scratch, header=None):
    """(exit code, warnings, folder of the XML) of a run with our settings."""
    if not shutil.which('doxygen'):
        raise Skip('no doxygen')
    shutil.rmtree(scratch, ignore_errors=True)
    os.makedirs(scratch)
    with open(os.path.join(source, 'docs', 'Doxyfile')) as file:
        settings = file.read()
    settings += '\nOUTPUT_DIRECTORY = %s\nGENERATE_XML = YES\n' % scratch # the last one counts
    if header:
        settings = settings.replace('include/cae/cae.h include/cae/mpi.h', header)
    result = subprocess.run(['doxygen', '-'], input=settings, cwd=source, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True)
    return result.returncode, result.stdout.strip(), os.path.join(scratch, 'xml')


def described(element):
    return any(''.join(part.itertext()).strip()
               for name in ('briefdescription', 'detaileddescription')
               for part in element.findall(name))


def undocumented(xml):
    """Names of all symbols without a description, and of all functions."""
    bare, functions = [], set()
    for name in os.listdir(xml):
        if not re.match(r'(cae_8h|mpi_8h|group__|struct)', name):
            continue
        for compound in tree.parse(os.path.join(xml, name)).iter('compounddef'):
            if compound.get('kind') == 'struct' and not described(compound):
                bare.append(compound.findtext('compoundname'))
            for member in compound.iter('memberdef'):
                if member.get('kind') == 'function':
                    functions.add(member.findtext('name'))
                for element in [member] + member.findall('enumvalue'):
                    if not described(element):
                        bare.append(element.findtext('name'))
    return bare, functions


def no_warning(source, scratch):
    code, warnings, _ = doxygen(source, scratch)
    assert code == 0 and not warnings, warnings


def every_symbol_is_described(source, scratch):
    bare, functions = undocumented(doxygen(source, scratch)[2])
    assert not bare, 'no description: ' + ' '.join(bare)
    declared = set()
    for header in ('cae.h', 'mpi.h'):
        declared |= set(test_symbols.declarations(os.path.join(source, 'include', 'cae', header)))
    assert functions == declared, test_symbols.difference(declared, functions, 'the headers',
                                                          'the reference')


def a_missing_comment_is_found(source, scratch):
    for pattern in (r'/\*\* Number of scalar parameters; 0 for NULL. \*/\n',
                    r'/\*\*< L2, before clipping \*/', r'/\*\*< float32 \*/'):
        with open(os.path.join(source, 'include', 'cae', 'cae.h')) as file:
            text, count = re.subn(pattern, '', file.read())
        assert count == 1, 'not in the header once: ' + pattern
        header = os.path.join(scratch + '-header', 'cae.h')
        os.makedirs(os.path.dirname(header), exist_ok=True)
        with open(header, 'w') as file:
            file.write(text)
        code, _, xml = doxygen(source, scratch, header)
        assert code or undocumented(xml)[0], 'nobody missed ' + pattern


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    test_symbols.report([no_warning, every_symbol_is_described, a_missing_comment_is_found],
                        *sys.argv[1:])


if __name__ == '__main__':
    main()
