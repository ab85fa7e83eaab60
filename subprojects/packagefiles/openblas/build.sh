#!/bin/sh
# build.sh SOURCE BUILD STAMP OPTION... - makes libopenblas.a and its headers in BUILD/prefix.
set -eu
source=$1 build=$2 stamp=$3
shift 3

rm -rf "$build/copy" "$build/prefix"
mkdir -p "$build/copy"
(cd "$source" && tar -cf - --exclude=.git --exclude=lapack-netlib .) | tar -xf - -C "$build/copy"
cd "$build/copy"
unset MAKEFLAGS
make -s -j"$(getconf _NPROCESSORS_ONLN)" "$@" libs
make -s "$@" PREFIX="$build/prefix" install
rm -rf "$build/copy"
echo '/* OpenBLAS is built. */' >"$build/${stamp##*/}"
