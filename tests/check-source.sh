#!/bin/sh
# check-source.sh - Check's source in subprojects/check, for builds that cannot use the system's: with
# MemorySanitizer, or for another machine. From Check's own repository, or else from Debian.
#
#   sh tests/check-source.sh     nothing to do when it is there already; 1 when it cannot be had
set -eu

cd "$(dirname "$0")/.."
to=subprojects/check
[ ! -f $to/meson.build ] || exit 0
rm -rf $to
if meson subprojects download check >/dev/null 2>&1 && [ -f $to/meson.build ]; then
    exit 0
fi

# Where apt's list of packages names no sources, a list of our own does, in a folder that goes again.
here=$PWD
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir -p lists/partial parts
for list in /etc/apt/sources.list.d/*.sources; do
    [ ! -f "$list" ] || sed 's/^Types:.*/Types: deb-src/' "$list" >"parts/${list##*/}"
done
for list in /etc/apt/sources.list /etc/apt/sources.list.d/debian*.list; do
    [ ! -f "$list" ] || sed 's/^deb /deb-src /' "$list" >"parts/${list##*/}"
done
apt()
{
    apt-get -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$folder/parts" \
        -o Dir::State::lists="$folder/lists" -o APT::Sandbox::User=root "$@"
}
{
    apt update
    apt source --download-only check
} >log 2>&1 || {
    cat log >&2
    echo "check-source.sh: neither github.com nor Debian has Check's source for us" >&2
    exit 1
}
mkdir check
tar -xzf check_*.orig.tar.gz -C check --strip-components=1
cp "$here/subprojects/packagefiles/check/meson.build" check/
rm -rf "${here:?}/$to" # what a download that failed has left
cp -r check "$here/$to"
