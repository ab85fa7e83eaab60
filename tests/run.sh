#!/bin/sh
# run.sh - the whole test suite, from a bare machine.
set -eu

usage()
{
    cat <<END
usage: sh tests/run.sh [--asan | --tsan | --msan | --valgrind | --peers | --bindings] [TEST...]

Installs what is missing, builds into build/test and runs the suite. The last line counts the checks.
What cannot run, such as the binding of a language that is not there, is skipped and named.
With names of tests, as meson lists them, only those.
  --asan       with AddressSanitizer and UndefinedBehaviorSanitizer, in build/asan
  --tsan       with ThreadSanitizer and without BLAS, the C tests, in build/tsan
  --msan       with clang's MemorySanitizer and without BLAS, the C tests, in build/msan; Check, which
               must be instrumented too, is built from its source
  --valgrind   under valgrind's memcheck, in build/valgrind
  --peers      the comparisons with PyTorch, scikit-image, Python's safetensors, onnxruntime and
               TensorBoard, none skipped: installs those too; in build/peers
  --bindings   the bindings, with the toolchains of their languages, which it installs (a distribution's
               may be too old for one: that is said); in build/bindings
END
}

cd "$(dirname "$0")/.."
needs='cc pkg-config meson ninja openblas png jpeg jansson cairo check curl'
wants='chromium strace abidiff doxygen cmake cffi c++ luajit pillow openmpi mpich'
options=
arguments=
case ${1-} in
    --bindings)
        build=build/bindings
        wants="$wants cargo go npm javac"
        options='-Dtools=false -Dmpi=disabled'
        arguments='--suite bindings' ;;
    --asan)
        build=build/asan
        wants=
        needs="$needs sanitizers"
        options='-Db_sanitize=address,undefined -Db_lundef=false -Dmpi=disabled'
        arguments='--timeout-multiplier 5'
        export CK_FORK=no ASAN_OPTIONS=allocator_may_return_null=1:strict_string_checks=1
        export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 ;;
    --tsan)
        build=build/tsan
        wants=
        needs="$needs sanitizers"
        options='-Db_sanitize=thread -Db_lundef=false -Dblas=none -Dtools=false -Dmpi=disabled'
        arguments='--suite api --suite unit --timeout-multiplier 10'
        export CK_FORK=no CAE_TEST_QUICK=1 ;;
    --msan)
        build=build/msan
        wants=
        needs='cc clang pkg-config meson ninja'
        # a file of options, as a path may have spaces
        options='--native-file build/msan.ini -Db_lundef=false -Dblas=none -Dimages=disabled'
        options="$options -Dtools=false -Dmpi=disabled --force-fallback-for=check"
        arguments='--no-suite scripts --no-suite interop --no-suite bindings --no-suite soak'
        arguments="$arguments --timeout-multiplier 10"
        CC=$(command -v clang || echo clang-14)
        export CC CK_FORK=no CAE_TEST_QUICK=1 ;;
    --valgrind)
        build=build/valgrind
        wants=
        needs="$needs valgrind"
        options='-Dmpi=disabled'
        arguments='--setup valgrind --no-suite scripts --no-suite interop'
        export CK_FORK=no ;;
    --peers)
        build=build/peers
        wants=
        needs="$needs torch venv"
        arguments='--suite interop --suite parity' ;;
    -h | --help)
        usage
        exit ;;
    -*)
        usage >&2
        exit 2 ;;
    *)
        build=build/test ;;
esac
case ${1-} in -*) shift ;; esac

# shellcheck source=examples/setup.sh
. examples/setup.sh

# shellcheck disable=SC2086         # lists of words
{
    install_missing $needs
    if [ $build = build/msan ]; then
        sh tests/check-source.sh
        mkdir -p build && $CC -O2 -c tests/msan-stat.c -o build/msan-stat.o
        cat >build/msan.ini <<END
[constants]
memory = ['-fsanitize=memory', '-fsanitize-memory-track-origins']
[built-in options]
c_args = memory + ['-Wno-gnu-zero-variadic-macro-arguments'] # in Check's header
c_link_args = memory + ['$PWD/build/msan-stat.o']
END
    fi
    install_wanted $wants
    if [ $build = build/peers ]; then
        if [ ! -x build/python/bin/pip ]; then
            quietly /usr/bin/python3 -m venv --system-site-packages build/python
        fi
        # Debian's PyTorch is of before numpy 2
        quietly build/python/bin/pip install safetensors onnx onnxruntime tensorboard 'numpy<2'
        PATH=$PWD/build/python/bin:$PATH
    fi
    options="-Dbuildtype=debugoptimized ${CI:+--werror} $options"
    if [ "$(cat $build/options 2>/dev/null)" != "$options" ]; then # new, or of an older run.sh
        rm -rf $build
        quietly meson setup $build $options
        echo "$options" >$build/options
    fi
    echo "building in $build"
    quietly meson compile -C $build

    rm -f $build/meson-logs/testlog*.json   # of another run, which must not be counted
    status=0
    meson test -C $build --no-rebuild --print-errorlogs $arguments "$@" || status=$?
}

set -- $build/meson-logs/testlog*.json
[ -f "$1" ] || exit $((status ? status : 1))

# meson counts programs. Here a program counts for each of the checks it reports, in TAP or in the
# summary line of Check, and for one if it reports none or failed in any other way.
python3 - "$1" <<'END'
import json, re, sys

passed = failed = skipped = 0
for line in open(sys.argv[1]):
    test = json.loads(line)
    good = bad = skip = 0
    text = test.get('stdout', '')
    if re.search(r'^1\.\.\d', text, re.M):
        for verdict, skipping in re.findall(r'^(ok|not ok)\b(?:[^#\n]*(# skip))?', text, re.M | re.I):
            skip += bool(skipping)
            good += not skipping and verdict == 'ok'
            bad += not skipping and verdict != 'ok'
    else:
        for checks, failures, errors in re.findall(
                r'^\d+%: Checks: (\d+), Failures: (\d+), Errors: (\d+)', text, re.M):
            good += int(checks) - int(failures) - int(errors)
            bad += int(failures) + int(errors)
    if test['result'] == 'SKIP':
        skip = max(skip, 1)
        why = re.sub(r'^(1\.\.0\s*#\s*skip|skipped:)\s*', '', (text.strip().splitlines() or ['?'])[-1], flags=re.I)
        print('skipped: %s: %s' % (test['name'], why))
    elif test['result'] not in ('OK', 'EXPECTEDFAIL'):
        bad = max(bad, 1)
    elif good + skip == 0:
        good = 1
    passed, failed, skipped = passed + good, failed + bad, skipped + skip
print('%d passed, %d failed, %d skipped' % (passed, failed, skipped))
END
exit $status
