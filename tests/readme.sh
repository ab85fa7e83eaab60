#!/bin/sh
# readme.sh INCLUDE LIBRARY - the README's program compiles without warnings, runs and writes a model.
set -eu
include=$1 library=$2
root=$(cd "$(dirname "$0")/.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"

# shellcheck disable=SC2016         # Markdown's fences, no commands
sed -n '/^```c$/,/^```$/p' "$root/README.md" | sed '/^```/d' >program.c
# the sanitizers' flags, when the library was built with them
# shellcheck disable=SC2086
${CC:-cc} -std=c11 -Wall -Wextra -Wpedantic -Werror ${CFLAGS-} program.c -I"$include" "$library" \
    -Wl,-rpath,"$(dirname "$library")" -o program
./program
[ -s model.safetensors ]
