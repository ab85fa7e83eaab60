#!/bin/sh
# Tests the Lua binding; writes TAP. Everything it makes goes to $CAE_SCRATCH.
#
#   CAE_LIBRARY CAE_LIBRARY_OLDER CAE_LIBRARY_OTHER_ABI   the library, and two that must be refused
#   CAE_CONTRACT                                          what tests/bindings/contract.c has written
#   LUAJIT                                                the interpreter to use, if a certain one
set -u
here=$(cd "$(dirname "$0")" && pwd)
luajit=${LUAJIT:-luajit}
if ! "$luajit" -e 'require("ffi")' 2>/dev/null; then
    echo '1..0 # SKIP no luajit'
    exit 77
fi
mkdir -p "$CAE_SCRATCH"
LUA_PATH="$here/?.lua;;" exec "$luajit" "$here/tests/tap.lua" test_contract.lua test_errors.lua \
    test_callbacks.lua test_data.lua test_lifetime.lua test_package.lua
