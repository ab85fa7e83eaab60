#!/bin/sh
# Test the Go binding: TAP on standard output, 77 when the toolchain is missing. README.md has the variables
# it reads. All it writes is in CAE_SCRATCH and in Go's own cache.
set -eu

least=24 # the minor version of Go 1 that go.mod asks for

skip() {
    echo "1..0 # SKIP $1"
    exit 77
}

count=0
failed=0
report() { # status, name
    count=$((count + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $count - $2"
    else
        echo "not ok $count - $2"
        failed=$((failed + 1))
    fi
}

log=${CAE_SCRATCH:?}/log
check() { # name, command
    name=$1
    shift
    status=0
    "$@" >"$log" 2>&1 || status=$?
    report $status "$name"
    [ $status -eq 0 ] || sed 's/^/# /' "$log"
}

export GOTOOLCHAIN=local GOPROXY=off CGO_ENABLED=1
for tool in go cc pkg-config; do
    command -v $tool >/dev/null || skip "no $tool"
done
minor=$(go env GOVERSION 2>/dev/null | sed -n 's/^go1\.\([0-9]*\).*/\1/p')
[ "${minor:-0}" -ge $least ] || skip "no Go 1.$least or later"

here=$(cd "$(dirname "$0")" && pwd)
cd "$here"
rm -rf "$CAE_SCRATCH/out" "$CAE_SCRATCH/readme"
mkdir -p "$CAE_SCRATCH/readme" "$CAE_SCRATCH/path/to"

# Go's cache does not know of headers outside of the package: let another header be another flag.
# shellcheck disable=SC2046 # words are wanted
header=$(echo '#include <cae/cae.h>' | cc $(pkg-config --cflags cae) -E -P - | cksum | tr ' ' _)
export CGO_CFLAGS="-g -O2 -DCAE_HEADER_IS=$header"

# Every "--- PASS: TestName (0.00s)" becomes a line of TAP.
status=0
go test -v -count=1 . >"$log" 2>&1 || status=$?
sed -n 's/^--- \([A-Z]*\): \([A-Za-z0-9_]*\) .*/\1 \2/p' "$log" >"$log.tests"
while read -r result name; do
    case $result in
    PASS) report 0 "$name" ;;
    SKIP) report 0 "$name # SKIP" ;;
    *) report 1 "$name" ;;
    esac
done <"$log.tests"
report $status "go test builds and ends well"
[ $status -eq 0 ] || sed 's/^/# /' "$log"

model=$CAE_SCRATCH/out/model.safetensors
if [ -f "$model" ]; then
    echo "# sha256 model.safetensors $( (sha256sum "$model" 2>/dev/null || shasum -a 256 "$model") | cut -d' ' -f1)"
fi

check "go vet has nothing to say" go vet .
# shellcheck disable=SC2016 # for the shell that it starts
check "gofmt has nothing to say" sh -c 'found=$("$(go env GOROOT)/bin/gofmt" -d .) && echo "$found" && test -z "$found"'

# The README's program, in a module of its own with the lines of the README, which find the clone elsewhere.
ln -sfn "$here/../../.." "$CAE_SCRATCH/path/to/libcae"
# shellcheck disable=SC2016 # Markdown's fences, no commands
sed -n '/^```go$/,/^```$/{/^```/d;p;}' README.md >"$CAE_SCRATCH/readme/main.go"
{
    printf 'module readme\n\ngo 1.%s\n\n' $least
    # shellcheck disable=SC2016 # the same
    sed -n '/^require cae/,/^```$/{/^```/d;p;}' README.md
} >"$CAE_SCRATCH/readme/go.mod"
cd "$CAE_SCRATCH/readme"
check "the example of README.md runs" sh -c 'go run . >out && cat out && grep -q "bytes of safetensors, <nil>" out'

echo "1..$count"
[ $failed -eq 0 ]
