#!/bin/sh
# run.sh - fuzz the library: hostile files, and calls in any order.
set -eu

usage()
{
    cat <<END
usage: sh tests/fuzz/run.sh [--seconds N | --total N] [--afl] [TARGET...]

Installs what is missing, builds into build/fuzz with clang, AddressSanitizer, UndefinedBehaviorSanitizer
and LeakSanitizer, and runs each target for N seconds (60), one after the other, on one core. Corpora stay
in build/fuzz/corpus and are used again. build/fuzz/results.txt has the table, up to date at any time;
inputs that failed are in build/fuzz/crashes/TARGET, and the exit status is 1 when there are any.
  --seconds N  for each target
  --total N    seconds for all targets together
  --afl        with AFL++ instead of libFuzzer, in build/fuzz-afl
Targets: $targets
END
}

targets='model weights checkpoint json architecture cifar10 images npy png jpeg history api group data'
seconds=60
total=
afl=
chosen=
while [ $# -gt 0 ]; do
    case $1 in
        --seconds) seconds=${2:?}; shift ;;
        --total) total=${2:?}; shift ;;
        --afl) afl=yes ;;
        -h | --help) usage; exit ;;
        -*) usage >&2; exit 2 ;;
        *) case " $targets " in *" $1 "*) chosen="$chosen $1" ;; *) usage >&2; exit 2 ;; esac ;;
    esac
    shift
done
chosen=${chosen:-$targets}

cd "$(dirname "$0")/../.."
# shellcheck source=examples/setup.sh
. examples/setup.sh
if [ -n "$total" ]; then
    # shellcheck disable=SC2086
    set -- $chosen
    seconds=$((total / $#))
fi

ASAN_OPTIONS=quarantine_size_mb=8:malloc_context_size=8:allocator_may_return_null=1
UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
if [ -n "$afl" ]; then
    install_missing cc pkg-config meson ninja png jpeg clang afl
    build=build/fuzz-afl cc=afl-clang-fast instrument=
    ASAN_OPTIONS=$ASAN_OPTIONS:abort_on_error=1:symbolize=0:detect_leaks=0 # as AFL++ wants them
    UBSAN_OPTIONS=$UBSAN_OPTIONS:abort_on_error=1
    export AFL_SKIP_CPUFREQ=1 AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1 AFL_NO_UI=1 AFL_QUIET=1 AFL_NO_AFFINITY=1
else
    install_missing cc pkg-config meson ninja png jpeg clang
    build=build/fuzz cc=clang
    instrument="-fsanitize=fuzzer-no-link -fsanitize-coverage-ignorelist=$PWD/tests/fuzz/uninstrumented.txt"
    ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=1
fi
export ASAN_OPTIONS UBSAN_OPTIONS

# --- Building ---------------------------------------------------------------------------------------

echo "building in $build"
if [ ! -f $build/build.ninja ]; then
    # no OpenBLAS: its threads and its memory are not what is to be looked at
    CC=$cc quietly meson setup $build -Dbuildtype=debugoptimized -Dtests=false -Dtools=false -Dmpi=disabled -Dblas=none \
        -Db_sanitize=address,undefined -Db_lundef=false -Dc_args="$instrument"
fi
quietly ninja -C $build lib/libcae-internal.a
mkdir -p $build/bin
flags="-std=gnu11 -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -Iinclude -I$build/include"
images=$(pkg-config --libs libpng libjpeg)
trainer='examples/trainer/history.c examples/trainer/files.c examples/trainer/message.c'

# compile OUTPUT FLAG... SOURCE...
compile()
{
    output=$1
    shift
    # shellcheck disable=SC2086
    quietly $cc $flags "$@" tests/fuzz/fuzz.c $build/lib/libcae-internal.a $images -lm -pthread -o "$output"
}

# shellcheck disable=SC2086
compile $build/bin/seeds $instrument tests/fuzz/seeds.c
for target in $chosen; do
    sources=tests/fuzz/$target.c
    case $target in
        model | weights | checkpoint) [ -n "$afl" ] || sources="$sources tests/fuzz/mutator.c" ;;
        history) sources="$sources $trainer" ;;
        api) sources="$sources tests/fuzz/api_more.c tests/fuzz/machine.c" ;;
        data) sources="$sources tests/fuzz/machine.c" ;;
    esac
    # shellcheck disable=SC2086
    compile $build/bin/"$target" $instrument -fsanitize=fuzzer $sources
done
rm -rf $build/seeds
python3 tests/fuzz/seeds.py $build/bin/seeds $build/seeds

# --- Running ----------------------------------------------------------------------------------------

# most_bytes TARGET - of an input
most_bytes()
{
    case $1 in
        cifar10) echo 12400 ;;
        checkpoint) echo 6144 ;;
        *) echo 4096 ;;
    esac
}

# One slice of $target's time; sets runs and edges, and leaves failing inputs in $crashes.
run_libfuzzer()
{
    dictionary=-dict=tests/fuzz/libcae.dict
    case $target in api | data | group | images | cifar10 | png | jpeg) dictionary= ;; esac
    # shellcheck disable=SC2046,SC2086
    nice $build/bin/"$target" $dictionary -max_len="$(most_bytes "$target")" -max_total_time="$slice" \
        -timeout=10 -entropic=0 -rss_limit_mb=1024 -malloc_limit_mb=512 -print_final_stats=1 \
        -artifact_prefix="$crashes/" "$corpus" $build/seeds/"$target" \
        $(ls -d tests/fuzz/regressions/"$target" 2>/dev/null) >"$log" 2>&1 || :
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    edges=$(sed -n 's/.* cov: \([0-9]*\).*/\1/p' "$log" | tail -1)
}

# AFL++ passes over what fails before it begins, and takes what it finds from one directory.
run_afl()
{
    rm -rf $build/afl/"$target" $build/afl/inputs
    mkdir -p $build/afl/inputs
    for input in "$build/seeds/$target"/* "tests/fuzz/regressions/$target"/*; do
        [ ! -f "$input" ] || cp "$input" $build/afl/inputs/
    done
    for input in "$build"/afl/inputs/*; do
        $build/bin/"$target" "$input" >"$log" 2>&1 || {
            cp "$input" "$crashes/"
            cp "$log" "$build/$target-input-failed.log"
        }
    done
    cp "$corpus"/* $build/afl/inputs/ 2>/dev/null || :
    dictionary="-x tests/fuzz/libcae.dict"
    case $target in api | data | group | images | cifar10 | png | jpeg) dictionary= ;; esac
    # shellcheck disable=SC2086
    nice afl-fuzz -i $build/afl/inputs -o $build/afl/"$target" $dictionary -m none \
        -t 5000 -V "$slice" -- $build/bin/"$target" >"$log" 2>&1 || :
    stats=$build/afl/$target/default/fuzzer_stats
    runs=$(sed -n 's/^execs_done *: *//p' "$stats" 2>/dev/null)
    edges=$(sed -n 's/^edges_found *: *//p' "$stats" 2>/dev/null)
    cp $build/afl/"$target"/default/queue/id* "$corpus"/ 2>/dev/null || :
    for failed in "$build/afl/$target/default/crashes"/id* "$build/afl/$target/default/hangs"/id*; do
        [ ! -f "$failed" ] || cp "$failed" "$crashes/"
    done
}

# Slices so far, a line each, as a table.
print_table()
{
    awk -v targets="$chosen" -v build=$build '
        { runs[$1] += $2; spent[$1] += $3; if ($4 > edges[$1]) edges[$1] = $4; broken[$1] += $5 }
        END {
            line = "%-14s %8s %12s %9s %7s %7s %8s\n"
            printf line, "target", "seconds", "executions", "exec/s", "edges", "corpus", "crashes"
            count = split(targets, names, " ")
            for (i = 1; i <= count; i++) {
                t = names[i]
                ("find " build "/corpus/" t " -type f 2>/dev/null | wc -l") | getline corpus
                ("find " build "/crashes/" t " -type f 2>/dev/null | wc -l") | getline crashes
                printf line, t, spent[t] + 0, runs[t] + 0, int(runs[t] / (spent[t] ? spent[t] : 1)),
                    edges[t] + 0, corpus + 0, crashes + broken[t]
                all += runs[t]; time += spent[t]; bad += crashes + broken[t]
            }
            printf line, "all", time + 0, all + 0, int(all / (time ? time : 1)), "", "", bad + 0
            exit bad > 0
        }' $build/slices.txt
}

# In turns of at most a minute, so that what is interrupted has met every target.
shared=$(mktemp -d /dev/shm/cae-fuzz-XXXXXX 2>/dev/null || mktemp -d)
trap 'rm -rf "$shared"' EXIT
trap 'exit 130' INT TERM
export CAE_FUZZ_DIRECTORY="$shared"
left=$seconds
: >$build/slices.txt
rm -rf $build/crashes
while [ "$left" -gt 0 ]; do
    slice=$((left > 60 ? 60 : left))
    left=$((left - slice))
    for target in $chosen; do
        crashes=$build/crashes/$target corpus=$build/corpus/$target log=$build/$target.log
        mkdir -p "$crashes" "$corpus"
        begin=$(date +%s) before=$(find "$crashes" -type f | wc -l)
        if [ -n "$afl" ]; then run_afl; else run_libfuzzer; fi
        after=$(find "$crashes" -type f | wc -l) broken=0
        if [ -z "$runs" ] && [ "$after" = "$before" ]; then
            broken=1                            # it did not even begin: the log says why
        fi
        if [ "$after" -gt "$before" ] || [ $broken = 1 ]; then
            cp "$log" "$build/$target-failed.log"
        fi
        echo "$target ${runs:-0} $(($(date +%s) - begin)) ${edges:-0} $broken" >>$build/slices.txt
        print_table >$build/results.txt || :
    done
done
status=0
print_table || status=$?
echo "the table is in $build/results.txt, logs of failures in $build/*-failed.log"
exit $status
