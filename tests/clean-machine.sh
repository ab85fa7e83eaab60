#!/bin/sh
# clean-machine.sh - do the two commands of README.md work on a bare Debian? Takes some minutes.
set -eu

usage()
{
    cat <<END
usage: sh tests/clean-machine.sh [DIR [SUITE]]

As root: puts a minimal Debian (SUITE, default bookworm) into DIR, a fresh clone of HEAD into that,
and runs quickstart.sh and run.sh there. DIR has to be new or empty, and is kept; without it, a
temporary one is used and removed. Packages come from where this machine gets its own.
END
}

die()
{
    echo "clean-machine.sh: $*" >&2
    exit 1
}

case ${1-} in
    -h | --help) usage; exit ;;
    -*) usage >&2; exit 2 ;;
esac
[ $# -le 2 ] || { usage >&2; exit 2; }

suite=${2:-bookworm}
top=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=examples/setup.sh
. "$top/examples/setup.sh"

# shellcheck source=tests/chroot.sh
. "$top/tests/chroot.sh"
chroot_needs
for command in 'sh examples/quickstart.sh' 'sh tests/run.sh'; do
    git -C "$top" show HEAD:README.md | grep -q "$command" || die "README.md does not say: $command"
done
[ -z "$(git -C "$top" status --porcelain)" ] || echo 'note: HEAD is tested, not the changes since'

if [ $# -gt 0 ]; then
    dir=$1
    mkdir -p "$dir"
else
    dir=$(mktemp -d)
    trap 'rm -rf --one-file-system "$dir"' EXIT
    trap 'exit 1' HUP INT TERM
fi
chroot_make "$dir" "$suite"
git clone --quiet "file://$top" "$dir/root/libcae"

status=0
report=
for command in 'sh examples/quickstart.sh' 'sh tests/run.sh'; do
    echo "=== $command ==="
    begin=$(date +%s)
    verdict=works
    chroot_run "$command" || { verdict=FAILS; status=1; }
    report="$report$command: $verdict, $(($(date +%s) - begin)) s
"
done
echo "=== on a clean $suite, with $(nproc) cores, at $(git -C "$top" rev-parse --short HEAD) ==="
printf %s "$report"
exit $status
