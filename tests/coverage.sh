#!/bin/sh
# coverage.sh - how much of the library do the tests run?
set -eu

usage()
{
    cat <<END
usage: sh tests/coverage.sh [--missing] [--keep]

Builds with gcov's counters into build/coverage, runs the api, unit and parity suites and disk.py there and
prints a table of lib/: lines and branches of every file and folder. Fails below $lines % of lines or $branches % of
branches, or when a test does. What tests cannot reach is listed in tests/coverage-exceptions.txt.
  --missing   also each line that did not run, or not both ways
  --keep      add to what was counted before instead of beginning anew
END
}

lines=95
branches=85
missing=
keep=
for option; do
    case $option in
        --missing) missing=--missing ;;
        --keep) keep=yes ;;
        -h | --help) usage; exit ;;
        *) usage >&2; exit 2 ;;
    esac
done

cd "$(dirname "$0")/.."
# shellcheck source=examples/setup.sh
. examples/setup.sh
install_missing cc pkg-config meson ninja openblas png jpeg check jansson cairo strace

build=build/coverage
if [ ! -f $build/build.ninja ]; then
    # unoptimized: a line is a line; kernels are optimized in every build
    quietly meson setup $build -Dbuildtype=debug -Db_coverage=true -Dmpi=disabled
fi
echo "building in $build"
quietly meson compile -C $build
[ -n "$keep" ] || find $build -name '*.gcda' -exec rm -f {} +

# counting slows the kernels down
status=0
meson test -C $build --no-rebuild --suite api --suite unit --suite parity --timeout-multiplier 10 \
    --print-errorlogs || status=$?
meson test -C $build --no-rebuild --timeout-multiplier 10 --print-errorlogs disk || status=$?
# shellcheck disable=SC2086         # a word or none
python3 tests/coverage.py $build tests/coverage-exceptions.txt --least $lines $branches $missing ||
    status=1
exit $status
