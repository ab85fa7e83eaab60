#!/bin/sh
# Compiles and runs the tests of the C++ binding; TAP on stdout. Everything written goes to $CAE_SCRATCH.
#
# Needs: CAE_LIBRARY, CAE_LIBRARY_OLDER, CAE_LIBRARY_OTHER_ABI, CAE_CONTRACT, CAE_SCRATCH; PKG_CONFIG_PATH and
# LD_LIBRARY_PATH for a library that is not installed. Exits with 77 when the toolchain is missing.
set -u
here=$(cd "$(dirname "$0")" && pwd) || exit 1
: "${CAE_LIBRARY:?}" "${CAE_LIBRARY_OLDER:?}" "${CAE_LIBRARY_OTHER_ABI:?}"
: "${CAE_CONTRACT:?}" "${CAE_SCRATCH:?}"
: "${CXX:=c++}" "${LD_LIBRARY_PATH:=}"
export CXX LD_LIBRARY_PATH

skip() { echo "1..0 # SKIP $1"; exit 77; }

for tool in "${CXX%% *}" pkg-config; do
    command -v "$tool" > /dev/null || skip "no $tool"
done
pkg-config --exists cae || skip "no cae.pc for pkg-config"
mkdir -p "$CAE_SCRATCH" || exit 1
echo 'int main() {}' > "$CAE_SCRATCH/empty.cpp"
$CXX -std=c++17 "$CAE_SCRATCH/empty.cpp" -o "$CAE_SCRATCH/empty" 2> /dev/null ||
    skip "no C++17 from $CXX"
[ "$(cat "$CAE_SCRATCH/compiler" 2> /dev/null)" = "$CXX" ] || echo "$CXX" > "$CAE_SCRATCH/compiler"

number=0 failures=0

# check NAME COMMAND...: one line of TAP; what the command says becomes diagnostics if it fails.
check() {
    name=$1
    shift
    number=$((number + 1))
    if "$@" > "$CAE_SCRATCH/log" 2>&1; then
        echo "ok $number - $name"
    else
        failures=$((failures + 1))
        sed 's/^/# /' "$CAE_SCRATCH/log"
        echo "not ok $number - $name"
    fi
}

# run VARIANT PROGRAM [ARGUMENT...]: the lines of a program that speaks TAP, numbered.
run() {
    variant=$1 program=$CAE_SCRATCH/$1/$2
    name=$2
    shift 2
    rm -f "$CAE_SCRATCH/tap"
    "$program" "$@" > "$CAE_SCRATCH/tap" 2> "$CAE_SCRATCH/stderr"
    status=$?
    awk -v n="$number" -v variant="$variant" '
        /^(not )?ok / { sub(/ok/, "ok " ++n); $0 = $0 " [" variant "]" } 1' "$CAE_SCRATCH/tap"
    number=$((number + $(grep -c -E '^(not )?ok ' "$CAE_SCRATCH/tap")))
    failures=$((failures + $(grep -c '^not ok ' "$CAE_SCRATCH/tap")))
    sed 's/^/# /' "$CAE_SCRATCH/stderr"
    check "$name ends well [$variant]" test "$status" -eq 0
}

# fresh FILE [SOURCE]: is it there, and newer than all it is made of?
fresh() {
    [ -e "$1" ] && [ -z "$(find "$here/include" "$here/tests" "$here/test.sh" "$CAE_LIBRARY" \
        "$CAE_SCRATCH/compiler" ${2+"$2"} -newer "$1")" ]
}

# compile VARIANT PROGRAM SOURCE COMPILER FLAG...: unless it is fresh.
compile() {
    output=$CAE_SCRATCH/$1/$2 source=$3
    shift 3
    mkdir -p "${output%/*}" || return
    fresh "$output" "$source" && return
    rm -f "$output"
    # shellcheck disable=SC2046,SC2086 # words are wanted
    "$@" -g -pthread -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror -I"$here/include" \
        $(pkg-config --cflags cae) "$source" -o "$output" ${libraries:-$(pkg-config --libs cae)}
}

# suite VARIANT COMPILER FLAG...: all programs, once.
suite() {
    suite=$1
    shift
    for program in static contract throw_through; do
        check "$program compiles [$suite]" \
            compile "$suite" "$program" "$here/tests/$program.cpp" "$@"
    done
    run "$suite" contract "$CAE_CONTRACT" "$CAE_SCRATCH"
    run "$suite" throw_through
}

# finds NAME LIBRARY ANSWER: what does check_library say in a program that finds LIBRARY as its libcae?
finds() {
    # shellcheck disable=SC2086
    libraries="$2 -Wl,-rpath,${2%/*}" \
        compile version "$1" "$here/tests/check_library.cpp" $CXX -std=c++17 &&
        says "$CAE_SCRATCH/version/$1" "$3"
}

says() { said=$("$1") && echo "$said" && case $said in "$2"*) ;; *) return 1 ;; esac; }

sha256() {
    if command -v sha256sum > /dev/null; then sha256sum "$1"; else shasum -a 256 "$1"; fi | cut -d' ' -f1
}

alone() { # every header includes what it needs
    fresh "$CAE_SCRATCH/alone" && return
    for header in "$here"/include/cae/*.hpp; do
        # shellcheck disable=SC2046
        $CXX -std=c++17 -fsyntax-only -Wall -Wextra -Wpedantic -Werror -x c++ \
            $(pkg-config --cflags cae) -I"$here/include" "$header" || return
    done
    touch "$CAE_SCRATCH/alone"
}

# without COMMAND...: where neither CMake nor pkg-config can find libcae.
without() {
    (
        # shellcheck disable=SC2030 # for this one command
        export PKG_CONFIG_PATH='' PKG_CONFIG_LIBDIR="$CAE_SCRATCH/nowhere"
        "$@" -DCMAKE_DISABLE_FIND_PACKAGE_cae=ON
    )
}

install_package() { # CMAKE-OPTION...
    rm -rf "$CAE_SCRATCH/prefix"
    cmake -S "$here" -B "$CAE_SCRATCH/cmake" "$@" &&
        cmake --install "$CAE_SCRATCH/cmake" --prefix "$CAE_SCRATCH/prefix"
}

configure() { # DIRECTORY CMAKE-OPTION...: another project uses the binding
    directory=$CAE_SCRATCH/$1
    shift
    cmake -S "$here/tests/consumer" -B "$directory" "$@"
}

consume() { # as configure; CMake's rpath finds the library for the program
    configure "$@" && cmake --build "$directory" &&
        LD_LIBRARY_PATH='' says "$directory/consumer" accepted
}

# lacks STATUS COMMAND...: it ends with STATUS, 0 or 1, and has said that libcae is missing.
lacks() {
    expected=$1
    shift
    without "$@" > "$CAE_SCRATCH/said" 2>&1
    status=$?
    cat "$CAE_SCRATCH/said"
    [ "$status" -eq "$expected" ] && tr -s '\n ' '  ' < "$CAE_SCRATCH/said" | grep -q -F \
        'libcae >= 1.0 was not found: set CMAKE_PREFIX_PATH or PKG_CONFIG_PATH'
}

# A folder with a CMake package of libcae, as an installed one has it.
library_package() {
    mkdir -p "$CAE_SCRATCH/libcae/lib/cmake/cae" || return
    include=$(pkg-config --cflags-only-I cae | sed 's/^-I//; s/ *$//; s/ *-I/;/g')
    cat > "$CAE_SCRATCH/libcae/lib/cmake/cae/cae-config.cmake" << END
add_library(cae::cae SHARED IMPORTED)
set_target_properties(cae::cae PROPERTIES IMPORTED_LOCATION "$CAE_LIBRARY"
  INTERFACE_INCLUDE_DIRECTORIES "$include")
END
    cat > "$CAE_SCRATCH/libcae/lib/cmake/cae/cae-config-version.cmake" << 'END'
set(PACKAGE_VERSION 1.0.0)
set(PACKAGE_VERSION_COMPATIBLE TRUE)
END
}

consume_packages() { # libcae from its own package, and none for pkg-config
    library_package && (
        # shellcheck disable=SC2031 # for this one command
        export PKG_CONFIG_PATH='' PKG_CONFIG_LIBDIR="$CAE_SCRATCH/nowhere"
        consume packages -DCMAKE_PREFIX_PATH="$CAE_SCRATCH/prefix;$CAE_SCRATCH/libcae"
    )
}

# shellcheck disable=SC2086 # $CXX may be a compiler with flags
{
    suite c++17 $CXX -std=c++17
    echo "# sha256 model.safetensors $(sha256 "$CAE_SCRATCH/model.safetensors")"
    suite c++20 $CXX -std=c++20
    sanitize='-fsanitize=address,undefined -fno-sanitize-recover=all'
    if $CXX $sanitize "$CAE_SCRATCH/empty.cpp" -o "$CAE_SCRATCH/empty" 2> /dev/null; then
        suite sanitized $CXX -std=c++17 $sanitize
    else
        echo "# $CXX has no sanitizers here"
    fi
    if command -v clang++ > /dev/null && [ "$CXX" != clang++ ]; then
        suite clang++17 clang++ -std=c++17
        suite clang++20 clang++ -std=c++20
    fi

    check 'every header stands alone' alone
    check 'check_library accepts the library' finds same "$CAE_LIBRARY" accepted
    check 'check_library refuses an older one' finds older "$CAE_LIBRARY_OLDER" \
        'refused: libcae 0.9.0 with ABI 1 was found, but ABI 1 and at least 1.'
    check 'check_library refuses another ABI' finds other "$CAE_LIBRARY_OTHER_ABI" \
        'refused: libcae 9.0.0 with ABI 9 was found, but ABI 1 and at least 1.'

    awk '/^```/ { code = $0 == "```cpp"; next } code' "$here/README.md" > "$CAE_SCRATCH/readme.cpp.new"
    cmp -s "$CAE_SCRATCH/readme.cpp.new" "$CAE_SCRATCH/readme.cpp" ||
        cp "$CAE_SCRATCH/readme.cpp.new" "$CAE_SCRATCH/readme.cpp"
    check 'the example of the README compiles' \
        compile readme example "$CAE_SCRATCH/readme.cpp" $CXX -std=c++17
    check 'the example of the README runs' "$CAE_SCRATCH/readme/example"
}
if command -v cmake > /dev/null; then
    check 'the CMake package installs, without libcae' without install_package
    prefix=-DCMAKE_PREFIX_PATH=$CAE_SCRATCH/prefix
    check 'the CMake package, with libcae from pkg-config' \
        consume found "$prefix" -DCMAKE_DISABLE_FIND_PACKAGE_cae=ON
    check "the CMake package, with libcae's own" consume_packages
    check 'the CMake package, as a subdirectory' consume subdirectory -DSUBDIRECTORY=ON
    check 'the CMake package names libcae where it is missing' lacks 1 configure missing "$prefix"
    check 'the CMake package needs no pkg-config to do so' \
        lacks 1 configure missing-tool "$prefix" -DCMAKE_DISABLE_FIND_PACKAGE_PkgConfig=ON
    check 'the CMake package is not found where it is optional' \
        lacks 0 configure optional "$prefix" -DOPTIONAL=ON
    check 'the subdirectory names libcae where it is missing' \
        lacks 1 configure missing-subdirectory -DSUBDIRECTORY=ON
else
    echo '# no cmake: its package was not tried'
fi

echo "1..$number"
[ "$failures" -eq 0 ]
