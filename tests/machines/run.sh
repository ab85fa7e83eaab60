#!/bin/sh
# run.sh - the library on other machines: cross-built, tested under emulators, files exchanged.
set -eu

usage()
{
    cat <<USAGE
usage: sh tests/machines/run.sh [--short] [MACHINE... | all]

Installs what is missing (Debian's cross compilers, qemu-user), builds the library with its tests for each
machine into build/machines/MACHINE, without OpenBLAS and with warnings as errors, and runs them: those of
suites api, unit and parity in their quick form, and the exchange of files with the machines that were
there before, x86-64 among them. A line for each machine says how it went.
--short leaves out, under an emulator, the tests that take most of all: $long.

  aarch64 armhf riscv64 s390x   under qemu-user
  i686 musl                     as they are, on an x86-64
  mingw                         built and linked; run where there is Wine
USAGE
}

long='layers engines determinism'
short=
if [ "${1-}" = --short ]; then
    short=$long
    shift
fi
everything='aarch64 armhf riscv64 s390x i686 musl mingw'
machines=$everything
case ${1-all} in
    all) ;;
    -h | --help) usage; exit ;;
    *) machines=$* ;;
esac
for machine in $machines; do
    case " $everything " in
        *" $machine "*) ;;
        *) usage >&2; exit 2 ;;
    esac
done

cd "$(dirname "$0")/../.."
# shellcheck source=examples/setup.sh
. examples/setup.sh
build=$PWD/build/machines

compiler_of()
{
    case $1 in
        aarch64 | riscv64 | s390x) echo "$1-linux-gnu-gcc qemu-s390x" ;;
        armhf) echo 'arm-linux-gnueabihf-gcc qemu-s390x' ;;
        i686) echo i686-linux-gnu-gcc ;;
        musl) echo musl-gcc ;;
        mingw) echo x86_64-w64-mingw32-gcc-posix ;;
    esac
}

# runs_on MACHINE COMMAND...
runs_on()
{
    machine_=$1
    shift
    i686=/usr/i686-linux-gnu/lib
    case $machine_ in
        armhf) qemu-arm -L /usr/arm-linux-gnueabihf "$@" ;;
        i686) "$i686/ld-linux.so.2" --library-path "$i686" "$@" ;;
        aarch64 | riscv64 | s390x) "qemu-$machine_" -L "/usr/$machine_-linux-gnu" "$@" ;;
        mingw) WINEPREFIX=$build/mingw/wine WINEDEBUG=-all WINEPATH="Z:$build/mingw/lib" wine "$@" ;;
        *) "$@" ;;
    esac
}

# Check is a C library like any other, and not every machine has a Debian: its sources come from
# Debian's archive, by settings of our own, and are built by what subprojects/packagefiles has for them.
# Where that does not work meson fetches what check.wrap says.
fetch_check()
{
    [ ! -f subprojects/check/meson.build ] || return 0
    apt=$build/apt
    mkdir -p "$apt/lists/partial" "$apt/cache"
    # shellcheck disable=SC2016         # a format for apt-get
    mirror=$(apt-get indextargets --no-release-info --format '$(REPO_URI) $(RELEASE)' \
        'Created-By: Packages' 'Component: main' | head -n 1)
    [ -n "$mirror" ] || mirror='http://deb.debian.org/debian bookworm'
    echo "deb-src $mirror main" >"$apt/sources.list"
    set -- -o "Dir::Etc::sourcelist=$apt/sources.list" -o Dir::Etc::sourceparts=- \
        -o "Dir::State::lists=$apt/lists" -o "Dir::Cache=$apt/cache"
    (
        cd "$apt"
        quietly apt-get "$@" update && quietly apt-get "$@" source --download-only check
    ) || return 0
    mkdir -p subprojects/check
    tar -xzf "$apt"/check_*.orig.tar.gz -C subprojects/check --strip-components=1
    cp subprojects/packagefiles/check/* subprojects/check
}

setup()
{
    [ -f "$build/$1/build.ninja" ] || quietly meson setup "$build/$1" -Dblas=none -Dmpi=disabled -Dtools=false \
        -Dbuildtype=debugoptimized --werror ${2:+--cross-file "$2"}
    quietly nice -n 5 meson compile -C "$build/$1"
}

exchange=tests/machines/exchange

# Where the machine's program lies, from its build directory.
program_of()
{
    case $1 in mingw) echo "$build/$1/$exchange.exe" ;; *) echo "$build/$1/$exchange" ;; esac
}

write_files()
{
    mkdir -p "$build/$1/files"
    runs_on "$1" "$(program_of "$1")" write "$build/$1/files"
}

# take_files READER WRITER - the reader goes on from the writer's checkpoint, as far as the writer went
take_files()
{
    taken=$build/$1/from-$2
    mkdir -p "$taken"
    runs_on "$1" "$(program_of "$1")" take "$build/$2/files" "$taken" &&
        "$build/x86_64/$exchange" continued "$build/$2/files" "$taken"
}

exchange_files()
{
    write_files "$1" || return 1
    differences=$("$build/x86_64/$exchange" compare "$build/x86_64/files" "$build/$1/files") || return 1
    printf '  x86-64 and %s: %s\n' "$1" "$differences"
    for other in x86_64 $everything; do
        if [ "$other" = "$1" ] || [ ! -f "$build/$other/files/continued.f32" ]; then continue; fi
        ours=$(take_files "$1" "$other") && theirs=$(take_files "$other" "$1") || return 1
        printf '  trained on: %s from %s %s, %s from %s %s\n' "$1" "$other" "$ours" "$other" "$1" "$theirs"
    done
}

# Checks that Check counted, and what tests said they left out, in meson's log.
count_checks()
{
    awk '
        /^[0-9]+%: Checks: / { gsub(",", ""); ran += $3; bad += $5 + $7 }
        /^skipped: / && !seen[$0]++ { skipped++; reasons = reasons "\n  " $0 }
        END { printf "%d passed, %d failed, %d skipped%s\n", ran - bad, bad, skipped, reasons }
    ' "$build/$1/meson-logs/testlog.txt"
}

run_tests()
{
    emulated=1
    case $1 in i686 | musl) emulated=0 ;; esac
    # shellcheck disable=SC2046 # a list of words
    CAE_TEST_QUICK=1 CAE_TEST_EMULATED=$emulated CK_TIMEOUT_MULTIPLIER=20 nice -n 5 meson test -C "$build/$1" --no-rebuild \
        --num-processes 1 --timeout-multiplier 20 --print-errorlogs \
        --suite api --suite unit --suite parity $(tests_of "$1" $emulated) >"$build/$1/tests.log" 2>&1
}

# What is left when long tests are left out; nothing, which means all, when they are not.
tests_of()
{
    [ -n "$short" ] && [ "$2" = 1 ] || return 0
    meson test -C "$build/$1" --list --suite api --suite unit --suite parity 2>/dev/null |
        sed -n 's|.* / ||p' | while read -r name; do
            case " $short " in *" $name "*) ;; *) echo "$name" ;; esac
        done
}

# The DLL exports what cae.map lists, under any version, and nothing else.
check_exports()
{
    x86_64-w64-mingw32-objdump -p "$build/mingw/lib/libcae-1.dll" |
        sed -n 's/^[[:space:]]*\[ *[0-9]*\] \([A-Za-z_].*\)/\1/p' | LC_ALL=C sort >"$build/mingw/exported"
    sed -n 's/^ *\(cae_[a-z0-9_]*\);$/\1/p' lib/cae.map | LC_ALL=C sort >"$build/mingw/listed"
    [ -s "$build/mingw/listed" ] && diff "$build/mingw/listed" "$build/mingw/exported" >&2
}

# There Check's tests have no processes to run in; a client of the DLL reports in TAP.
try_windows()
{
    check_exports || return 1
    if ! command -v wine >/dev/null; then
        echo 'mingw: built, linked, exports what cae.map lists; no Wine, so nothing was run'
        return 0
    fi
    rm -rf "$build/mingw/client.d"
    mkdir "$build/mingw/client.d"
    runs_on mingw "$build/mingw/tests/machines/client.exe" "$build/mingw/client.d" \
        >"$build/mingw/tests.log" || verdict=FAILED
    exchange_files mingw || verdict=FAILED
    echo "mingw: $verdict, $(( $(date +%s) - began )) s, $(grep -c '^ok' "$build/mingw/tests.log") passed, $(
        grep -c '^not ok' "$build/mingw/tests.log") failed"
    [ "$verdict" != FAILED ]
}

try_machine()
{
    # shellcheck disable=SC2046
    install_missing $(compiler_of "$1")
    began=$(date +%s)
    verdict='as it should'
    setup "$1" "tests/machines/$1.ini" || return 1
    if [ "$1" = mingw ]; then
        try_windows
        return
    fi
    run_tests "$1" || { verdict=FAILED; tail -n 40 "$build/$1/tests.log" >&2; }
    exchange_files "$1" || verdict=FAILED
    echo "$1: $verdict, $(( $(date +%s) - began )) s, $(count_checks "$1")"
    [ "$verdict" != FAILED ]
}

install_missing cc meson ninja pkg-config check
case " $machines " in *" mingw "*) install_wanted wine ;; esac
mkdir -p "$build"
fetch_check
setup x86_64 '' && write_files x86_64 || exit 1
status=0
for machine in $machines; do
    try_machine "$machine" || { echo "$machine: FAILED"; status=1; }
done
exit $status
