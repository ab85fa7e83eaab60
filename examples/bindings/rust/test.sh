#!/bin/sh
# Test the Rust binding: TAP on standard output, 77 when the toolchain is missing. README.md has the variables
# it reads. Everything it writes is in CAE_SCRATCH.
set -eu

least=77 # the minor version of Rust 1 that Cargo.toml asks for

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

for tool in cargo rustc cc pkg-config; do
    command -v $tool >/dev/null || skip "no $tool"
done
minor=$(rustc --version 2>/dev/null | sed -n 's/^rustc 1\.\([0-9]*\)\..*/\1/p')
[ "${minor:-0}" -ge $least ] || skip "no Rust 1.$least or later"

export CARGO_TARGET_DIR="${CAE_SCRATCH:?}/target"
cd "$(dirname "$0")"
rm -rf "$CAE_SCRATCH/out"
mkdir -p "$CAE_SCRATCH"
log=$CAE_SCRATCH/log

# Every "test NAME ... ok" of Cargo's becomes a line of TAP.
status=0
cargo test --offline --locked --no-fail-fast >"$log" 2>&1 || status=$?
sed -n 's/^test \(.*\) \.\.\. \([A-Za-z]*\)$/\2 \1/p' "$log" >"$log.tests"
while read -r result name; do
    if [ "$result" = ok ]; then report 0 "$name"; else report 1 "$name"; fi
done <"$log.tests"
report $status "cargo test builds and ends well"
[ $status -eq 0 ] || sed 's/^/# /' "$log"

model=$CAE_SCRATCH/out/model.safetensors
if [ -f "$model" ]; then
    echo "# sha256 model.safetensors $( (sha256sum "$model" 2>/dev/null || shasum -a 256 "$model") | cut -d' ' -f1)"
fi

# What the house's own tools say, where they are installed.
tool() { # name, arguments
    name=$1
    shift
    cargo "$name" --version >/dev/null 2>&1 || return 0
    status=0
    cargo "$name" "$@" >"$log" 2>&1 || status=$?
    report $status "cargo $name has nothing to say"
    [ $status -eq 0 ] || sed 's/^/# /' "$log"
}
tool clippy --offline --locked --all-targets -- -D warnings
tool fmt --check

echo "1..$count"
[ $failed -eq 0 ]
