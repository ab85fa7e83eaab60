# setup.sh - what a build needs, and how to get it. Sourced by quickstart.sh and tests/run.sh, from
# the top folder.
#
#   install_missing NEED...   installs those needs (first column below) that this machine lacks, and
#                             only those; says nothing when none is missing, exits when it cannot
#   install_wanted NEED...    the same for what can be done without: says so and goes on
#   quietly COMMAND...        runs it, and shows what it printed only if it fails
#
# shellcheck shell=sh

# need         apt-get            dnf                 pacman      apk              brew
setup_table='
  cc           gcc,libc6-dev      gcc,glibc-devel     gcc         gcc,musl-dev     gcc
  pkg-config   pkg-config         pkgconf-pkg-config  pkgconf     pkgconf          pkgconf
  meson        meson              meson               meson       meson            meson
  ninja        ninja-build        ninja-build         ninja       samurai          ninja
  openblas     libopenblas-dev    openblas-devel      openblas    openblas-dev     openblas
  jansson      libjansson-dev     jansson-devel       jansson     jansson-dev      jansson
  cairo        libcairo2-dev      cairo-devel         cairo       cairo-dev        cairo
  png          libpng-dev         libpng-devel        libpng      libpng-dev       libpng
  jpeg         libjpeg-dev        libjpeg-turbo-devel  libjpeg-turbo  libjpeg-turbo-dev  jpeg-turbo
  check        check              check-devel         check       check-dev        check
  curl         curl               curl                curl        curl             curl
  sanitizers   gcc                libasan,libubsan    gcc         gcc              gcc
  clang        clang,libclang-rt-14-dev  clang,compiler-rt  clang,compiler-rt  clang,compiler-rt  llvm
  afl          afl++              american-fuzzy-lop  afl++       -            afl++
  valgrind     valgrind           valgrind            valgrind    valgrind         valgrind
  chromium     chromium           chromium            chromium    chromium         -
  strace       strace             strace              strace      strace           -
  gcc          gcc,libc6-dev      gcc,glibc-devel     gcc         gcc,musl-dev     gcc
  clang-tidy   clang-tidy         clang-tools-extra   clang       clang-extra-tools  llvm
  cppcheck     cppcheck           cppcheck            cppcheck    cppcheck         cppcheck
  openmpi      libopenmpi-dev,openmpi-bin  openmpi-devel  openmpi  openmpi,openmpi-dev  open-mpi
  mpich        libmpich-dev,mpich  mpich-devel        -           mpich,mpich-dev  -
  abidiff      abigail-tools      libabigail          -           libabigail       -
  doxygen      doxygen            doxygen             doxygen     doxygen          doxygen
  cmake        cmake              cmake               cmake       cmake            cmake
  c++          g++                gcc-c++             gcc         g++              gcc
  pillow       python3-numpy,python3-pil  python3-numpy,python3-pillow  python-numpy,python-pillow  py3-numpy,py3-pillow  numpy,pillow
  cffi         python3-cffi,python3-numpy  python3-cffi,python3-numpy  python-cffi,python-numpy  py3-cffi,py3-numpy  cffi,numpy
  cargo        cargo              cargo               rust        cargo            rust
  go           golang-go          golang              go          go               go
  npm          nodejs,npm         nodejs,npm          nodejs,npm  nodejs,npm       node
  javac        default-jdk-headless,libjna-java  java-17-openjdk-devel,maven  jdk17-openjdk,maven  openjdk17,maven  openjdk@17,maven
  luajit       luajit             luajit              luajit      luajit           luajit
  torch        python3-torch,python3-skimage  python3-torch,python3-scikit-image  python-pytorch,python-scikit-image  py3-pytorch,py3-scikit-image  pytorch
  matplotlib   python3-matplotlib  python3-matplotlib  python-matplotlib  py3-matplotlib  -
  venv         python3-venv       python3-pip         python-pip  python3,py3-pip  python
  aarch64-linux-gnu-gcc    gcc-aarch64-linux-gnu,libc6-dev-arm64-cross  -  -  -  -
  arm-linux-gnueabihf-gcc  gcc-arm-linux-gnueabihf,libc6-dev-armhf-cross  -  -  -  -
  riscv64-linux-gnu-gcc    gcc-riscv64-linux-gnu,libc6-dev-riscv64-cross  -  -  -  -
  s390x-linux-gnu-gcc      gcc-s390x-linux-gnu,libc6-dev-s390x-cross  -  -  -  -
  i686-linux-gnu-gcc       gcc-i686-linux-gnu,libc6-dev-i386-cross  -  -  -  -
  x86_64-w64-mingw32-gcc-posix  gcc-mingw-w64-x86-64-posix  -  -  -  -
  musl-gcc                 musl-tools  -  -  -  -
  qemu-s390x               qemu-user  -  -  -  -
  wine                     wine,wine64  -  -  -  -'

# is_here NEED - and recent enough?
is_here()
{
    case $1 in
        cc) echo '#include <stdio.h>' | ${CC:-cc} -E - ;;
        meson) case $(meson --version) in [1-9]*) ;; *) false ;; esac ;;
        ninja) command -v ninja || command -v ninja-build || command -v samu ;;
        openblas | jansson | cairo | check) ${PKG_CONFIG:-pkg-config} --exists "$1" ;;
        openmpi) ${PKG_CONFIG:-pkg-config} --exists ompi-c || ${PKG_CONFIG:-pkg-config} --exists ompi ;;
        mpich) ${PKG_CONFIG:-pkg-config} --exists mpich ;;
        png | jpeg) ${PKG_CONFIG:-pkg-config} --exists "lib$1" ;;
        sanitizers) sanitizers_link ;;
        clang) fuzzer_links ;;
        clang-tidy) command -v "$1" || command -v "$1-14" ;;
        chromium) command -v chromium || command -v chromium-browser || command -v google-chrome ;;
        afl) command -v afl-clang-fast ;;
        torch) /usr/bin/python3 -c 'import torch, skimage' ;;
        matplotlib) /usr/bin/python3 -c 'import matplotlib' ;;
        pillow) python3 -c 'import numpy, PIL' || /usr/bin/python3 -c 'import numpy, PIL' ;;
        cffi) python3 -c 'import cffi, numpy' || /usr/bin/python3 -c 'import cffi, numpy' ;;
        venv) python3 -c 'import ensurepip, venv' ;;
        *) command -v "$1" ;;
    esac >/dev/null 2>&1
}

sanitizers_link()
{
    probe=$(mktemp)
    if echo 'int main(void) { return 0; }' |
        ${CC:-cc} -fsanitize=address,undefined -x c - -o "$probe"; then
        set -- 0
    else
        set -- 1
    fi
    rm -f "$probe"
    return "$1"
}

fuzzer_links()
{
    probe=$(mktemp)
    if echo 'int LLVMFuzzerTestOneInput(void) { return 0; }' |
        clang -fsanitize=fuzzer,address,undefined -x c - -o "$probe"; then
        set -- 0
    else
        set -- 1
    fi
    rm -f "$probe"
    return "$1"
}

missing()
{
    for need; do
        is_here "$need" || printf '%s ' "$need"
    done
}

# packages_for NEED... - as $manager calls them; the needs themselves where it is unknown
packages_for()
{
    echo "$setup_table" | while read -r need apt dnf pacman apk brew; do
        case " $* " in *" $need "*) ;; *) continue ;; esac
        case $manager in
            apt-get) echo "$apt" ;;
            dnf) echo "$dnf" ;;
            pacman) echo "$pacman" ;;
            apk) echo "$apk" ;;
            brew) echo "$brew" ;;
            *) echo "$need" ;;
        esac
    done | tr '\n,' '  '
}

# install_packages NEED... - $why says why not
install_packages()
{
    why=
    as_root=
    if [ "$manager" = unknown ]; then
        why='no package manager that this script knows'
    elif [ "$manager" != brew ] && [ "$(id -u)" != 0 ]; then
        as_root=sudo
        [ -t 0 ] || as_root='sudo -n'           # nobody there to type a password
        command -v sudo >/dev/null || why='neither root nor sudo'
    fi
    [ -z "$why" ] || return 0

    packages=$(packages_for "$@")
    echo "installing with $manager: $packages" >&2
    # shellcheck disable=SC2086                 # lists of words
    case $manager in
        apt-get)
            [ -n "${apt_is_up_to_date-}" ] || quietly $as_root apt-get update || :
            apt_is_up_to_date=yes
            quietly $as_root env DEBIAN_FRONTEND=noninteractive \
                apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=120 $packages ;;
        dnf) quietly $as_root dnf install -y $packages ;;
        pacman) quietly $as_root pacman -Sy --noconfirm --needed $packages ;;
        apk) quietly $as_root apk add $packages ;;
        brew) quietly brew install $packages ;;
    esac || why="$manager failed"
}

# Where the distribution's meson is older than 1.0 (Ubuntu 22.04), or only meson is missing and
# nobody is root: a private one.
install_meson()
{
    is_here venv || install_packages venv
    echo 'installing meson with pip, into .venv' >&2
    quietly python3 -m venv .venv && quietly .venv/bin/pip install 'meson>=1.0' ninja &&
        PATH=$PWD/.venv/bin:$PATH
}

find_manager()
{
    for manager in apt-get dnf pacman apk brew unknown; do
        ! command -v $manager >/dev/null || break
    done
}

# Each by itself, so that one that this system does not have stands in no other's way.
install_wanted()
{
    find_manager
    for want in $(missing "$@"); do
        case $(packages_for "$want") in
            '- ') why='no package' ;;
            *) install_packages "$want" 2>/dev/null ;;
        esac
        is_here "$want" || echo "${0##*/}: going on without $want: ${why:-its package lacks it}" >&2
    done
}

install_missing()
{
    find_manager
    if [ -x .venv/bin/meson ]; then
        PATH=$PWD/.venv/bin:$PATH
    fi
    if [ "$manager" = brew ]; then                # which leaves this one out of the search path
        PKG_CONFIG_PATH=$(brew --prefix)/opt/openblas/lib/pkgconfig:${PKG_CONFIG_PATH-}
        export PKG_CONFIG_PATH
    fi

    lacking=$(missing "$@")
    [ -n "$lacking" ] || return 0
    # shellcheck disable=SC2086                 # a list of words
    install_packages $lacking
    lacking=$(missing "$@")
    case $lacking in
        'meson ' | 'meson ninja ')
            if install_meson; then
                lacking=
            else
                why='meson has to be 1.0 or newer'
            fi ;;
    esac
    if [ -n "$lacking" ]; then
        # shellcheck disable=SC2086
        echo "${0##*/}: ${why:-something is still missing}. Please install:" \
            "$(packages_for $lacking)" >&2
        exit 1
    fi
}

quietly()
{
    log=$(mktemp)
    if "$@" >"$log" 2>&1 </dev/null; then
        rm -f "$log"
    else
        cat "$log" >&2
        rm -f "$log"
        return 1
    fi
}
