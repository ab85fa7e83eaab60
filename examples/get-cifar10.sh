#!/bin/sh
# get-cifar10.sh - fetch the CIFAR-10 images (Krizhevsky, 2009) in their official binary form.
#
# The archive grows as DIR/cifar-10-binary.tar.gz.part, which a later run continues; it is unpacked
# beside its destination and moved there when every file is right. Mirrors are not trusted, checksums
# are.
set -eu

mirrors=${CAE_CIFAR10_URL:-'
    https://storage.googleapis.com/s4tf-hosted-binaries/datasets/CIFAR10/cifar-10-binary.tar.gz
    https://mindspore-website.obs.cn-north-4.myhuaweicloud.com/notebook/datasets/cifar-10-binary.tar.gz
    https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz'}
md5=${CAE_CIFAR10_MD5:-c32a1d4ab5d03f1284b67883e8d87530}
sha256=${CAE_CIFAR10_SHA256:-c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd}
size=30730000                       # of each .bin: 10,000 records of 1 label byte and 3072 pixels

usage()
{
    cat <<END
usage: sh get-cifar10.sh [DIR]

Fetches the CIFAR-10 binary archive (162 MiB) into DIR (default: data), checks and unpacks it to
DIR/cifar-10-batches-bin. Run it again to continue an interrupted download. Needs curl or wget.

environment:
  CAE_CIFAR10_URL                       where to fetch it instead; several, separated by spaces
  CAE_CIFAR10_MD5, CAE_CIFAR10_SHA256   checksums of a mirror that packed the same files anew
END
}

say()
{
    echo "get-cifar10.sh: $*" >&2
}

die()
{
    say "$@"
    exit 1
}

# is_complete FOLDER - has all six files, each of the right size; $flaw says what is wrong
is_complete()
{
    for file in data_batch_1 data_batch_2 data_batch_3 data_batch_4 data_batch_5 test_batch; do
        flaw="$file.bin is missing"
        [ -f "$1/$file.bin" ] || return 1
        found=$(wc -c <"$1/$file.bin")
        flaw="$file.bin has $((found)) bytes instead of $size"
        [ "$found" -eq $size ] || return 1
    done
}

# digest md5|sha256 FILE
digest()
{
    if command -v "$1sum" >/dev/null; then
        "$1sum" <"$2"
    else
        openssl dgst -r "-$1" <"$2"
    fi | cut -d ' ' -f 1
}

is_genuine()
{
    [ "$(digest md5 "$1")" = "$md5" ] && [ "$(digest sha256 "$1")" = "$sha256" ]
}

# fetch URL - continue $part from there; fails if there is nothing worth checking yet
fetch()
{
    if command -v curl >/dev/null; then
        [ -t 2 ] && show=--progress-bar || show=-sS
        status=0
        code=$(curl -fL "$show" --connect-timeout 20 --speed-limit 100 --speed-time 60 \
            -C - -o "$part" -w '%{http_code}' "$1") || status=$?
        # It cannot continue (33), or has nothing to add (416): the checksums will tell.
        [ $status = 0 ] || [ $status = 33 ] || [ "$code" = 416 ]
    else
        [ -t 2 ] && show=-c || show=-q
        wget "$show" -c -O "$part" "$1"
    fi
}

# try URL - fetch and check; what is wrong goes away and, if begun elsewhere, is fetched once more
try()
{
    begun=
    [ ! -s "$part" ] || begun=yes
    fetch "$1" && [ -s "$part" ] || return 1
    ! is_genuine "$part" || return 0
    rm "$part" || return 1
    say "wrong checksum: ${begun:+the part continued from }$1"
    [ "$begun" ] && try "$1"
}

case ${1-} in
    -h | --help) usage; exit ;;
    -*) usage >&2; exit 2 ;;
esac
[ $# -le 1 ] || { usage >&2; exit 2; }

dir=${1:-data}
goal=$dir/cifar-10-batches-bin
part=$dir/cifar-10-binary.tar.gz.part

for folder in "$dir" "$goal"; do
    if is_complete "$folder"; then
        echo "CIFAR-10 is already in $folder"
        exit
    fi
done
[ ! -e "$goal" ] || die "$goal is in the way: $flaw. Move it away and try again"

command -v curl >/dev/null || command -v wget >/dev/null || die 'please install curl or wget'
command -v md5sum >/dev/null || command -v openssl >/dev/null ||
    die 'please install md5sum and sha256sum (coreutils), or openssl'
command -v tar >/dev/null || die 'please install tar'
command -v gzip >/dev/null || die 'please install gzip'
mkdir -p "$dir"

fetched=
if [ -s "$part" ] && is_genuine "$part"; then
    fetched=yes
fi
for url in $mirrors; do
    [ -z "$fetched" ] || break
    echo "fetching $url"
    if try "$url"; then
        fetched=yes
    else
        say "no luck with $url"
    fi
done
if [ -z "$fetched" ]; then
    [ -s "$part" ] || rm -f "$part"
    say 'could not get the archive from any of these'
    [ ! -e "$part" ] || say "kept what came, $part; run this again to continue"
    die 'without a network, or to use another copy, set CAE_CIFAR10_URL (file:///... will do)'
fi

temp=$(mktemp -d "$dir/.cifar10.XXXXXX")
trap 'rm -rf "$temp"' EXIT
trap 'exit 1' HUP INT TERM
tar -xzf "$part" -C "$temp" || die "could not unpack $part"
is_complete "$temp/cifar-10-batches-bin" || { rm "$part"; die "not the archive it should be: $flaw"; }
mv "$temp/cifar-10-batches-bin" "$goal"
rm "$part"
echo "CIFAR-10 is in $goal"
