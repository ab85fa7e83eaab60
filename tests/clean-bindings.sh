#!/bin/sh
# clean-bindings.sh - do Python, Node.js, Java and Lua use libcae where there is no C compiler?
set -eu

usage()
{
    cat <<END
usage: sh tests/clean-bindings.sh BUILD [DIR [SUITE]]

As root: puts a minimal Debian (SUITE, default bookworm) into DIR, with the interpreters of the four
languages, OpenBLAS, and no compiler; then the library and the contract of BUILD, which is to be a build
directory whose test 'contract' has run, and runs the four bindings' tests there. DIR has to be new or
empty, and is kept; without it, a temporary one is used and removed.
END
}

die()
{
    echo "clean-bindings.sh: $*" >&2
    exit 1
}

case ${1-} in
    -h | --help) usage; exit ;;
    -* | '') usage >&2; exit 2 ;;
esac
[ $# -le 3 ] || { usage >&2; exit 2; }

suite=${3:-bookworm}
top=$(cd "$(dirname "$0")/.." && pwd)
build=$(cd "$1" && pwd)
# shellcheck source=examples/setup.sh
. "$top/examples/setup.sh"
# shellcheck source=tests/chroot.sh
. "$top/tests/chroot.sh"
chroot_needs
[ -f "$build/tests/bindings/c/expected.txt" ] || die "run the test 'contract' in $build first"

if [ $# -gt 1 ]; then
    dir=$2
    mkdir -p "$dir"
else
    dir=$(mktemp -d)
    trap 'rm -rf --one-file-system "$dir"' EXIT
    trap 'exit 1' HUP INT TERM
fi
chroot_make "$dir" "$suite"

home=$dir/root/libcae
mkdir -p "$home/lib" "$home/examples"
cp -R "$top/examples/bindings" "$home/examples"
cp -R "$build/tests/bindings/c" "$home/contract"
cp -L "$build/lib/libcae.so.1" "$build/tests/bindings/libcae-older.so" \
    "$build/tests/bindings/libcae-other-abi.so" "$home/lib"

# javac makes the test's classes; it is no C compiler
chroot_run 'apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y \
    --no-install-recommends libopenblas0-pthread python3-cffi python3-numpy nodejs npm \
    default-jdk-headless libjna-java luajit ca-certificates' >"$dir/root/log" 2>&1 ||
    { cat "$dir/root/log"; die 'the packages could not be installed'; }
for compiler in cc gcc clang tcc c++ g++; do
    ! chroot_run "command -v $compiler" || die "there is a $compiler"
done

status=0
report=
for language in python node java lua; do
    echo "=== $language ==="
    verdict=works
    chroot_run "CAE_LIBRARY=\$PWD/lib/libcae.so.1 CAE_LIBRARY_OLDER=\$PWD/lib/libcae-older.so \
        CAE_LIBRARY_OTHER_ABI=\$PWD/lib/libcae-other-abi.so CAE_CONTRACT=\$PWD/contract \
        CAE_SCRATCH=\$PWD/scratch/$language PKG_CONFIG_PATH= LD_LIBRARY_PATH=\$PWD/lib \
        sh examples/bindings/$language/test.sh" || { verdict="FAILS ($?)"; status=1; }
    report="$report$language without a C compiler: $verdict
"
done
printf '=== on a clean %s ===\n%s' "$suite" "$report"
exit $status
