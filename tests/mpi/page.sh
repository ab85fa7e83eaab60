#!/bin/sh
# page.sh FILE MPIRUN INCLUDE LIBDIR MPI_LIBDIR PC - the program of docs/mpi.md compiles without warnings and
# prints what the page says, with one rank and with two.
set -eu
document=$1 mpirun=$2 include=$3 libdir=$4 mpi_libdir=$5 pc=$6
command -v "$mpirun" >/dev/null || { echo "skipped: no $mpirun"; exit 77; }
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# blocks LANGUAGE - the fenced blocks of that language, one after the other
blocks()
{
    sed -n "/^\`\`\`$1\$/,/^\`\`\`\$/p" "$document" | sed '/^```/d'
}

blocks c >"$scratch/program.c"
blocks text >"$scratch/expected"
[ -s "$scratch/expected" ]
cd "$scratch"
# shellcheck disable=SC2046
${CC:-cc} -std=c11 -Wall -Wextra -Werror program.c -I"$include" \
    $(${PKG_CONFIG:-pkg-config} --cflags "$pc") -L"$mpi_libdir" -L"$libdir" -lcae_mpi -lcae \
    -Wl,-rpath,"$mpi_libdir:$libdir" $(${PKG_CONFIG:-pkg-config} --libs "$pc") -o program
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
for ranks in 1 2; do
    rm -f mpi.checkpoint
    "$mpirun" -np $ranks ./program >printed
    diff expected printed
    [ -s mpi.checkpoint ]
done
