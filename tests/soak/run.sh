#!/bin/sh
# run.sh - the long soak: an hour of making, training, saving, loading and destroying at random, and the
# curves of what the process held meanwhile.
set -eu

usage()
{
    cat <<END
usage: sh tests/soak/run.sh [SECONDS [option of soak]...]

3600 seconds unless told otherwise. Builds into build/soak; leaves soak.csv, soak.txt and, with
matplotlib, soak.png there. The ordinary suite runs four seconds of the same.
END
}

case ${1-} in
    -h | --help) usage; exit ;;
    *[!0-9]*) usage >&2; exit 2 ;;
esac
seconds=${1:-3600}
[ $# = 0 ] || shift

cd "$(dirname "$0")/../.."
# shellcheck source=examples/setup.sh
. examples/setup.sh
install_missing cc pkg-config meson ninja openblas check
install_wanted matplotlib
[ -f build/soak/build.ninja ] || quietly meson setup build/soak -Dtools=false -Dbuildtype=release
quietly meson compile -C build/soak soak

status=0
build/soak/tests/soak/soak --seconds "$seconds" --every 2 --log build/soak/soak.csv "$@" \
    >build/soak/soak.txt || status=$?
cat build/soak/soak.txt
/usr/bin/python3 tests/soak/plot.py build/soak/soak.csv build/soak/soak.png || :
exit $status
