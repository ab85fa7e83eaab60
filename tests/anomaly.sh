#!/bin/sh
# anomaly.sh ANOMALY - the example that finds defects: what it tells apart, twice the same, with any number of
# threads, and what it refuses. A short training; docs/anomaly.md has the figures of the long one. Prints TAP.
set -u

if [ $# -ne 1 ]; then
    echo "usage: $0 ANOMALY" >&2
    exit 2
fi
anomaly=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
cd "$work" || exit 1

# With a sanitizer, leaks count, but for what fontconfig keeps to itself.
echo 'leak:libfontconfig' >leaks
export LSAN_OPTIONS="suppressions=$work/leaks:print_suppressions=0${LSAN_OPTIONS:+:$LSAN_OPTIONS}"

count=0
check() {
    what=$1
    shift
    count=$((count + 1))
    if "$@" >said 2>&1; then
        echo "ok $count - $what"
    else
        echo "not ok $count - $what"
        sed 's/^/# /' said
    fi
}

# brief THREADS NAME: a training of seconds; the report goes to NAME, the picture to NAME.png.
brief() {
    "$anomaly" --images 1000 --epochs 15 --test 200 --threads "$1" --picture "$2.png" \
        --model "$2.safetensors" >"$2"
}

# at_least LEAST KIND: the area under the curve of a kind of defect, from the report.
at_least() {
    cat one
    awk -v least="$1" -v kind="$2" '$1 == kind && NF == 4 { found = $2 >= least } END { exit !found }' one
}

# refuses TEXT OPTION...: exit code 2, and the text on stderr.
refuses() {
    text=$1
    shift
    "$anomaly" "$@" >stdout 2>stderr
    code=$?
    cat stderr
    [ $code -eq 2 ] && grep -qF -- "$text" stderr
}

# cannot DIR: exit code 1, and the directory on stderr.
cannot() {
    "$anomaly" --data "$1" >stdout 2>stderr
    code=$?
    cat stderr
    [ $code -eq 1 ] && grep -qF -- "$1" stderr
}

png() {
    [ "$(head -c 8 "$1" | od -An -tx1 | tr -d ' \n')" = 89504e470d0a1a0a ]
}

check 'a short training' brief 1 one
check 'finds scratches' at_least 0.65 scratch
check 'finds blobs' at_least 0.85 blob
check 'finds blocks' at_least 0.85 block
check 'finds textures' at_least 0.80 texture
check 'finds anomalies of all kinds' at_least 0.80 all
check 'draws a picture' png one.png
check 'says so twice, and by three threads' brief 3 three
check 'the same report' cmp one three
check 'the same picture' cmp one.png three.png
check 'the same model, with its threshold' cmp one.safetensors three.safetensors
check 'the model file has the threshold' grep -q libcae.threshold one.safetensors
check 'explains itself' "$anomaly" --help
check 'refuses an unknown option' refuses 'no option --sharpness' --sharpness 1
check 'refuses a missing value' refuses 'expected a value' --epochs
check 'refuses a number out of range' refuses 'from 0 to 256' --smoothing 257
check 'refuses an unknown network' refuses 'compact, shallow' --network deep
check 'refuses an empty path' refuses 'expected a path' --picture ''
check 'says what it cannot read' cannot nowhere
echo "1..$count"
