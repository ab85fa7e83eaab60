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

[ "$(id -u)" = 0 ] || die 'needs root'
for tool in debootstrap unshare git apt-config; do
    command -v $tool >/dev/null || die "please install $tool"
done
for command in 'sh examples/quickstart.sh' 'sh tests/run.sh'; do
    git -C "$top" show HEAD:README.md | grep -q "$command" || die "README.md does not say: $command"
done
[ -z "$(git -C "$top" status --porcelain)" ] || echo 'note: HEAD is tested, not the changes since'

if [ $# -gt 0 ]; then
    dir=$1
    mkdir -p "$dir"
    [ -z "$(ls -A "$dir")" ] || die "$dir is not empty"
else
    dir=$(mktemp -d)
    trap 'rm -rf --one-file-system "$dir"' EXIT
    trap 'exit 1' HUP INT TERM
fi
dir=$(cd "$dir" && pwd)
chmod 755 "$dir"                    # it becomes / for every user in there

# Everything that is mounted is mounted in a namespace of its own and goes with it, whatever happens.

# shellcheck disable=SC2016         # a format for apt-get
mirror=$(apt-get indextargets --no-release-info --format '$(REPO_URI)' 'Created-By: Packages' |
    head -n 1)
eval "$(apt-config shell http_proxy Acquire::http::Proxy https_proxy Acquire::https::Proxy)"
export http_proxy="${http_proxy-}" https_proxy="${https_proxy-}" no_proxy="${no_proxy-}"

echo "debootstrap $suite"
quietly unshare --mount debootstrap --variant=minbase "$suite" "$dir" "$mirror"
rm -rf "$dir/var/lib/apt/lists"/*
cp -L /etc/resolv.conf "$dir/etc"
apt-config dump | grep '^Acquire::' >"$dir/etc/apt/apt.conf.d/99host"
certificates=
if [ -f /etc/ssl/certs/ca-certificates.crt ]; then      # of a proxy, perhaps
    certificates=/etc/host.crt
    cp -L /etc/ssl/certs/ca-certificates.crt "$dir$certificates"
    echo "Acquire::https::CAInfo \"$certificates\";" >>"$dir/etc/apt/apt.conf.d/99host"
fi
git clone --quiet "file://$top" "$dir/root/libcae"

# inside COMMAND - runs it there, in the clone, with next to no environment
inside()
{
    unshare --mount --pid --fork --kill-child --mount-proc="$dir/proc" \
        chroot "$dir" /usr/bin/env -i HOME=/root TERM=dumb \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        http_proxy="$http_proxy" https_proxy="$https_proxy" no_proxy="$no_proxy" \
        ${certificates:+PIP_CERT=$certificates SSL_CERT_FILE=$certificates} \
        ${OPENBLAS_CORETYPE:+OPENBLAS_CORETYPE="$OPENBLAS_CORETYPE"} \
        sh -c "cd /root/libcae && $1" </dev/null
}

status=0
report=
for command in 'sh examples/quickstart.sh' 'sh tests/run.sh'; do
    echo "=== $command ==="
    begin=$(date +%s)
    verdict=works
    inside "$command" || { verdict=FAILS; status=1; }
    report="$report$command: $verdict, $(($(date +%s) - begin)) s
"
done
echo "=== on a clean $suite, with $(nproc) cores, at $(git -C "$top" rev-parse --short HEAD) ==="
printf %s "$report"
exit $status
