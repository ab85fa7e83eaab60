#!/bin/sh
# Tests the Python binding; writes TAP. Everything it makes goes to $CAE_SCRATCH.
#
#   CAE_LIBRARY CAE_LIBRARY_OLDER CAE_LIBRARY_OTHER_ABI   the library, and two that must be refused
#   CAE_CONTRACT                                          what tests/bindings/contract.c has written
#   PYTHON                                                the interpreter to use, if a certain one
set -u
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$CAE_SCRATCH"

usable() {
    "$1" -c 'import sys, numpy, cffi; sys.exit(sys.version_info < (3, 9))' 2>/dev/null
}

python=
for candidate in ${PYTHON:-} python3 /usr/bin/python3 "$CAE_SCRATCH/venv/bin/python"; do
    if usable "$candidate"; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    if ! command -v python3 >/dev/null; then
        echo '1..0 # SKIP no python3'
        exit 77
    fi
    python=$CAE_SCRATCH/venv/bin/python
    if ! { python3 -m venv "$CAE_SCRATCH/venv" && "$python" -m pip install numpy cffi; } \
        >"$CAE_SCRATCH/pip.log" 2>&1 || ! usable "$python"; then
        echo '1..0 # SKIP no Python 3.9 with numpy and cffi'
        exit 77
    fi
fi

PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$here/src exec "$python" "$here/tests/tap.py"
