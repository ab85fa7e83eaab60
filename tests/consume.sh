#!/bin/sh
# consume.sh SOURCE BUILD SCRATCH - is libcae found, linked and run by an outside project, each way that
# the documents promise? Installs into SCRATCH/prefix. Prints TAP.
#
# shellcheck disable=SC2317         # check calls the functions that it is given
set -u
source=$1 build=$2 scratch=$3
outside=$source/tests/consume
prefix=$scratch/prefix
number=0
failed=0
unset PKG_CONFIG_PATH LD_LIBRARY_PATH
export CMAKE_GENERATOR=Ninja        # is there, as meson needs it; make may not be

# check WHAT FUNCTION - one line of TAP; what the function printed when it fails
check()
{
    number=$((number + 1))
    (set -e; "$2") >"$scratch/log" 2>&1   # as a condition, `set -e` would do nothing
    status=$?
    if [ $status = 0 ]; then
        echo "ok $number - $1"
    else
        echo "not ok $number - $1"
        sed 's/^/# /' "$scratch/log"
        failed=1
    fi
}

# fails COMMAND... - for `set -e`, which looks away from `!`
fails()
{
    if "$@"; then
        echo "unexpectedly done: $*"
        return 1
    fi
}

skip()
{
    number=$((number + 1))
    echo "ok $number - $1 # SKIP $2"
}

# runs PROGRAM [LIBRARY_DIR] - works, and takes libcae from that directory, or from none
runs()
{
    LD_LIBRARY_PATH=${2-} "$1" | grep '^libcae [0-9.]*, done: loss'
    if [ -n "${2-}" ]; then
        LD_LIBRARY_PATH=$2 ldd "$1" | grep -F "libcae.so.1 => $2/libcae.so.1"
    elif LD_LIBRARY_PATH='' ldd "$1" | grep libcae; then
        return 1
    fi
}

installs()
{
    meson setup "$scratch/build" "$source" --prefix="$prefix" --libdir=lib -Ddefault_library=both \
        -Dbuildtype=debugoptimized -Dtests=false -Dtools=false -Dmpi=disabled
    meson compile -C "$scratch/build"
    meson install -C "$scratch/build" --no-rebuild
    DESTDIR="$scratch/dest" meson install -C "$scratch/build" --no-rebuild
    (cd "$scratch/dest$prefix" && find . ! -type d | sort) >"$scratch/files"
    version=$(cat "$source/.version")
    printf '%s\n' ./include/cae/cae.h ./lib/cmake/cae/cae-config-version.cmake \
        ./lib/cmake/cae/cae-config.cmake ./lib/libcae.a ./lib/libcae.so ./lib/libcae.so.1 \
        "./lib/libcae.so.$version" ./lib/pkgconfig/cae.pc | diff - "$scratch/files"
    # nothing installed says where it was built
    cat "$prefix"/lib/pkgconfig/* "$prefix"/lib/cmake/cae/* | sed "s|$prefix||g" >"$scratch/text"
    fails grep "$source" "$scratch/text"
}

by_pkg_config()
{
    export PKG_CONFIG_PATH="$prefix/lib/pkgconfig"
    # shellcheck disable=SC2046
    ${CC:-cc} "$outside/program.c" -o "$scratch/shared" $(pkg-config --cflags --libs cae)
    runs "$scratch/shared" "$prefix/lib"
    [ "$(pkg-config --modversion cae)" = "$(cat "$source/.version")" ]
}

# A prefix where only the archive is.
by_pkg_config_static()
{
    rm -rf "$scratch/archive"
    cp -R "$prefix" "$scratch/archive"
    rm "$scratch/archive/lib"/libcae.so*
    export PKG_CONFIG_PATH="$scratch/archive/lib/pkgconfig"
    # shellcheck disable=SC2046
    ${CC:-cc} "$outside/program.c" -o "$scratch/static" \
        $(pkg-config --define-variable=prefix="$scratch/archive" --static --cflags --libs cae)
    runs "$scratch/static"
}

by_cmake()
{
    rm -rf "$scratch/cmake"
    cmake -S "$outside" -B "$scratch/cmake" -DCMAKE_PREFIX_PATH="$prefix"
    cmake --build "$scratch/cmake"
    runs "$scratch/cmake/outside" "$prefix/lib"
    runs "$scratch/cmake/outside-static"
}

# An install tree is found where it was moved, too, and a version that it does not have is not.
by_cmake_elsewhere()
{
    rm -rf "$scratch/moved" "$scratch/cmake2"
    cp -R "$prefix" "$scratch/moved"
    cmake -S "$outside" -B "$scratch/cmake2" -DCMAKE_PREFIX_PATH="$prefix"
    cmake -S "$outside" -B "$scratch/cmake2" -DCMAKE_PREFIX_PATH="$scratch/moved" -Dcae_DIR=
    cmake --build "$scratch/cmake2"
    runs "$scratch/cmake2/outside" "$scratch/moved/lib"
    mkdir -p "$scratch/newer"
    sed 's/find_package(cae 1.0/find_package(cae 1.99/' "$outside/CMakeLists.txt" \
        >"$scratch/newer/CMakeLists.txt"
    cp "$outside/program.c" "$scratch/newer"
    mkdir -p "$scratch/any"
    sed 's/find_package(cae 1.0/find_package(cae/' "$outside/CMakeLists.txt" >"$scratch/any/CMakeLists.txt"
    cp "$outside/program.c" "$scratch/any"
    cmake -S "$scratch/any" -B "$scratch/any/build" -DCMAKE_PREFIX_PATH="$prefix"
    fails cmake -S "$scratch/newer" -B "$scratch/newer/build" -DCMAKE_PREFIX_PATH="$prefix" \
        2>"$scratch/why"
    grep -F 'cae-config.cmake, version: 1.' "$scratch/why"
}

by_meson_from_the_system()
{
    rm -rf "$scratch/meson"
    PKG_CONFIG_PATH="$prefix/lib/pkgconfig" meson setup "$scratch/meson" "$outside"
    meson test -C "$scratch/meson"
    runs "$scratch/meson/outside" "$prefix/lib"
}

by_meson_subproject()
{
    rm -rf "$scratch/project" "$scratch/subproject"
    mkdir -p "$scratch/project/subprojects"
    cp "$outside/meson.build" "$outside/program.c" "$scratch/project"
    ln -s "$source" "$scratch/project/subprojects/cae"
    meson setup "$scratch/subproject" "$scratch/project" -Ddefault_library=static -Dcae:blas=none \
        -Dcae:images=disabled -Dcae:mpi=disabled
    meson test -C "$scratch/subproject"
    runs "$scratch/subproject/outside"
    ldd "$scratch/subproject/outside" >"$scratch/needs"
    fails grep -e openblas -e png -e jpeg "$scratch/needs"
}

# The companion by itself: what it brings, and a program that finds it, its MPI and libcae by one name.
by_pkg_config_mpi()
{
    meson setup "$scratch/mpi-build" "$source" --prefix="$scratch/mpi" --libdir=lib \
        -Dbuildtype=debugoptimized -Dtests=false -Dtools=false
    meson compile -C "$scratch/mpi-build"
    meson install -C "$scratch/mpi-build" --no-rebuild
    (cd "$scratch/mpi" && find . -name '*mpi*' ! -type d | sort) >"$scratch/files"
    printf '%s\n' ./include/cae/mpi.h ./lib/libcae_mpi.so ./lib/libcae_mpi.so.1 \
        "./lib/libcae_mpi.so.$(cat "$source/.version")" ./lib/pkgconfig/cae-mpi.pc | diff - "$scratch/files"
    export PKG_CONFIG_PATH="$scratch/mpi/lib/pkgconfig"
    # shellcheck disable=SC2046
    ${CC:-cc} "$outside/mpi.c" -o "$scratch/with-mpi" $(pkg-config --cflags --libs cae-mpi)
    LD_LIBRARY_PATH="$scratch/mpi/lib" "$scratch/with-mpi" | grep '^libcae_mpi [0-9.]*, MPI .*: 1 rank$'
    [ "$(pkg-config --modversion cae-mpi)" = "$(cat "$source/.version")" ]
    ldd "$scratch/mpi/lib/libcae.so" >"$scratch/needs"
    fails grep -i mpi "$scratch/needs"
}

uninstalled()
{
    export PKG_CONFIG_PATH="$build/meson-uninstalled"
    # shellcheck disable=SC2046
    ${CC:-cc} "$outside/program.c" -o "$scratch/uninstalled" $(pkg-config --cflags --libs cae)
    runs "$scratch/uninstalled" "$build/lib"
}

rm -rf "$scratch"
mkdir -p "$scratch"
echo 1..9
check 'meson install, with and without DESTDIR' installs
check 'pkg-config, shared' by_pkg_config
check 'pkg-config --static' by_pkg_config_static
if command -v cmake >/dev/null; then
    check 'CMake, shared and static' by_cmake
    check 'CMake, where the tree was moved, any version, and none that is not there' by_cmake_elsewhere
else
    skip 'CMake, shared and static' 'no cmake'
    skip 'CMake, where the tree was moved, any version, and none that is not there' 'no cmake'
fi
check 'meson, from the system' by_meson_from_the_system
check 'meson, as a subproject that needs nothing' by_meson_subproject
if pkg-config --exists ompi-c || pkg-config --exists ompi || pkg-config --exists mpich; then
    check 'pkg-config, libcae_mpi' by_pkg_config_mpi
else
    skip 'pkg-config, libcae_mpi' 'no MPI'
fi
check 'uninstalled, from the build directory' uninstalled
exit $failed
