#!/bin/sh
# tutorial.sh FILE INCLUDE LIBRARY MADE... - the C blocks of a document, put together, compile without
# warnings, print its text blocks, and leave the files that are named.
set -eu
document=$1 include=$2 library=$3
shift 3
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# blocks LANGUAGE - the fenced blocks of that language, one after the other
blocks()
{
    sed -n "/^\`\`\`$1\$/,/^\`\`\`\$/p" "$document" | sed '/^```/d'
}

blocks c >"$scratch/tutorial.c"
blocks text >"$scratch/expected"
[ -s "$scratch/expected" ]
cd "$scratch"
# the sanitizers' flags, when the library was built with them
# shellcheck disable=SC2086
${CC:-cc} -std=c11 -Wall -Wextra -Wpedantic -Werror ${CFLAGS-} tutorial.c -I"$include" "$library" \
    -Wl,-rpath,"$(dirname "$library")" -o tutorial
./tutorial >printed
diff expected printed
for made; do
    [ -s "$made" ]
done
