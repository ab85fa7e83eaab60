#!/bin/sh
# trainers.sh DENOISE RECONSTRUCT - the two trainers as their users meet them: what they write,
# what they refuse, and that neither Ctrl-C nor a full disk loses anything. Prints TAP.
#
# Runs on tiny image sets of its own. What this machine cannot show is skipped, saying so.
#
# shellcheck disable=SC2086         # $tiny, $options: lists of words
set -u

if [ $# -ne 2 ]; then
    echo "usage: $0 DENOISE RECONSTRUCT" >&2
    exit 2
fi
absolute() {
    echo "$(cd "$(dirname "$1")" && pwd)/$(basename "$1")"
}
denoise=$(absolute "$1") reconstruct=$(absolute "$2")
work=$(mktemp -d) || exit 1
mounted=
finish() {
    [ -z "$mounted" ] || umount "$mounted"
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 1' INT TERM
cd "$work" || exit 1

# With a sanitizer, leaks count, but for what fontconfig keeps to itself.
echo 'leak:libfontconfig' >leaks
export LSAN_OPTIONS="suppressions=$work/leaks:print_suppressions=0${LSAN_OPTIONS:+:$LSAN_OPTIONS}"

# --- TAP ------------------------------------------------------------------------------------------

count=0

# check WHAT COMMAND...: one line of TAP; what the command printed follows a failure.
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

skip() {
    count=$((count + 1))
    echo "ok $count - $1 # SKIP $2"
}

# exits CODE TEXT COMMAND...: the exit code is CODE and stderr contains TEXT.
exits() {
    expected=$1 text=$2
    shift 2
    "$@" >stdout 2>stderr
    code=$?
    cat stderr
    [ $code -eq "$expected" ] || { echo "exit code $code, expected $expected"; return 1; }
    [ -z "$text" ] || grep -qF -e "$text" stderr || { echo "expected on stderr: $text"; return 1; }
}

# --- Images ---------------------------------------------------------------------------------------

# pattern RECORDS: a repeated pattern of bytes that are labels and pixels alike (0 to 9).
pattern() {
    yes "$(printf '\001\005\003\011\002\007\004')" | tr -d '\n' | head -c $((3073 * $1))
}
mkdir data empty
pattern 80 >data/data_batch_1.bin
pattern 12 >data/test_batch.bin
tiny='--data data --batch 8 --threads 1 --quiet'

# --- A whole run ----------------------------------------------------------------------------------

keys='task dataset train_images test_images epochs batch learning_rate sigma seed threads engine
parameters train_seconds images_per_second final_train_mse test_mse psnr_db ssim ssim_uniform7
noisy_psnr_db noisy_ssim'

is_metrics() {
    for key in $keys; do
        grep -q "\"$key\": ." "$1" || { echo "$1 has no $key"; return 1; }
    done
    ! command -v python3 >/dev/null || python3 -c '
import json, sys
def refuse(name): raise ValueError("not finite: " + name)
json.load(open(sys.argv[1]), parse_constant=refuse)' "$1"
}

is_png() {
    printf '\211PNG\r\n\032\n' | cmp - "$1" 2>&1 | grep -q 'EOF on -'
}

# is_log FILE ROWS
is_log() {
    [ "$(head -n 1 "$1")" = step,epoch,loss,learning_rate,images_per_second ] &&
        [ "$(sed 1d "$1" | grep -cE '^[0-9]+(,[0-9.e+-]+){4}$')" -eq "$2" ] &&
        [ "$(wc -l <"$1")" -eq $(($2 + 1)) ]
}

# tests/page looks into it
is_page() {
    [ "$(head -n 1 "$1")" = '<!DOCTYPE html>' ] && [ "$(tail -n 1 "$1")" = '</html>' ]
}

# is_events FILE...: one, named as TensorBoard wants it; tests/parity/events.py reads it
is_events() {
    [ $# -eq 1 ] && grep -q 'brain\.Event:2' "$1" && basename "$1" |
        grep -qE '^events\.out\.tfevents\.[0-9]{10}\..+$'
}

holds_results() {
    # shellcheck disable=SC2012     # of names that are known
    [ "$(ls "$1" | tr '\n' ' ')" = "checkpoint.safetensors log.csv loss.png metrics.json \
model.safetensors report.html samples.png " ] || { ls -l "$1"; return 1; }
}

for trainer in "$denoise" "$reconstruct"; do
    name=$(basename "$trainer")
    out=deep/er/$name
    check "$name trains on the built-in images" exits 0 'epoch 2/2' \
        "$trainer" --limit 100 --epochs 2 --batch 40 --out "$out"
    check "$name prints the table on stdout" grep -q '^output .*[0-9]' stdout
    check "$name leaves seven files" holds_results "$out"
    check "$name: metrics.json is complete" is_metrics "$out/metrics.json"
    check "$name: log.csv has a row per step" is_log "$out/log.csv" 6
    check "$name: loss.png is a PNG" is_png "$out/loss.png"
    check "$name: samples.png is a PNG" is_png "$out/samples.png"
    check "$name: report.html is a page" is_page "$out/report.html"
    check "$name evaluates what it saved" exits 0 '' \
        "$trainer" --eval "$out/model.safetensors" --out "$out-eval"
    check "$name: a page of that, too" is_page "$out-eval/report.html"
    figures='"(test_mse|psnr_db|ssim|ssim_uniform7|noisy_psnr_db)"'
    grep -E "$figures" "$out/metrics.json" >trained
    grep -E "$figures" "$out-eval/metrics.json" >evaluated
    check "$name: the same figures again" cmp trained evaluated
done
check 'denoise shows what the noisy input was' grep -q '"noisy_psnr_db": [0-9]' \
    deep/er/denoise/metrics.json
check 'reconstruct has no noisy input' grep -q '"noisy_psnr_db": null' \
    deep/er/reconstruct/metrics.json
check 'a CIFAR-10 directory will do' exits 0 '' "$denoise" $tiny --epochs 1 --out cifar
check '--quiet says nothing' test ! -s stdout -a ! -s stderr
check '--tensorboard' exits 0 '' "$denoise" $tiny --epochs 1 --out cifar --tensorboard events/here
check '--tensorboard: an event file' is_events events/here/*
check '--preset' exits 0 '' "$denoise" $tiny --preset quality --epochs 1 --out preset
check '--preset: what it says is what was done' grep -q '"loss": "charbonnier"' preset/metrics.json
"$denoise" $tiny --eval preset/model.safetensors --out preset-eval
grep -E "$figures" preset/metrics.json >trained
grep -E "$figures" preset-eval/metrics.json >evaluated
check '--preset: the model is the average that was judged' cmp trained evaluated
check '--help' exits 0 '' "$denoise" --help
check '--help names every option' grep -q -e --resume stdout
check '--version' exits 0 '' "$denoise" --version

if command -v script >/dev/null && script -qec true /dev/null >/dev/null 2>&1; then
    TERM=xterm script -qec "$denoise --data data --epochs 2 --out bar" /dev/null >terminal 2>&1
    check 'on a terminal there is a bar' grep -q '\[=.*100%.*images/s  loss .*ETA' terminal
else
    skip 'on a terminal there is a bar' 'no script(1) here'
fi

# --- Wrong usage: exit code 2, a message that names the option, no file touched -------------------

usage() {
    trainer=$1 text=$2
    shift 2
    check "$(basename "$trainer") $*" refuses "$trainer" "$text" "$@"
}

refuses() {
    trainer=$1 text=$2
    shift 2
    exits 2 "$text" "$trainer" --data data --out never "$@" &&
        grep -q -- '--help' stderr && [ ! -e never ]
}

usage "$denoise" "--bogus: no such option" --bogus
usage "$denoise" "-x: no such option" -x
usage "$denoise" "--e: no such option" --e 3
usage "$denoise" "stray: expected options only" stray
usage "$denoise" "--epochs: expected a whole number" --epochs
for value in 0 -3 1.5 ten 99999999999999999999 ' 3' ''; do
    usage "$denoise" "--epochs: expected a whole number from 1 to 1000000, found '$value'" \
        --epochs "$value"
done
for value in 0 -1 nan inf 1e 1e999 0x1 ''; do
    usage "$denoise" "--lr: expected a number greater than 0, found '$value'" --lr "$value"
done
usage "$denoise" "--batch: expected" --batch 0
usage "$denoise" "--sigma: expected a number greater than 0, at most 1000" --sigma -0.1
usage "$denoise" "--sigma: expected" --sigma 1e9
usage "$denoise" "--seed: expected" --seed -1
usage "$denoise" "--threads: expected" --threads 1025
usage "$denoise" "--engine: expected auto, gemm or direct, found 'fast'" --engine fast
usage "$denoise" "--limit: expected" --limit 0
usage "$denoise" "--out: expected a directory, found '--quiet'" --out --quiet
usage "$denoise" "--data: expected a directory" --data ''
usage "$denoise" "--tensorboard: expected a directory" --tensorboard
usage "$denoise" "--quiet: expected no value" --quiet=yes
usage "$denoise" "--eval and --resume" --eval a --resume b
usage "$reconstruct" "--sigma: no such option" --sigma 0.1

# --- What goes wrong later: exit code 1, a message, nothing touched -------------------------------

failure() {
    what=$1 text=$2
    shift 2
    check "$what" exits 1 "$text" "$denoise" $tiny --epochs 2 --out never "$@"
}

echo 'not a model' >garbage
failure 'a data directory that is not there' 'No such file or directory' --data nowhere
failure 'a data directory without data' 'empty' --data empty
failure 'a checkpoint that is not there' 'nowhere' --resume nowhere
failure 'a checkpoint that is none' 'garbage' --resume garbage
failure 'a checkpoint of another batch' 'cifar/checkpoint' --batch 16 \
    --resume cifar/checkpoint.safetensors
failure 'a model that is none' 'garbage' --eval garbage
failure 'events below a file' 'garbage' --tensorboard garbage/events
check 'none of them made --out' test ! -e never
failure '--out is a file' 'garbage' --out garbage
failure '--out is below a file' 'garbage' --out garbage/out
if [ "$(id -u)" -ne 0 ]; then
    mkdir -m 555 readonly
    failure '--out may not be written to' 'readonly' --out readonly
else
    skip '--out may not be written to' 'root may write anywhere'
fi
cp -R cifar foreign
echo 'no log' >foreign/log.csv
failure 'a log.csv that is none' 'foreign/log.csv' --out foreign \
    --resume foreign/checkpoint.safetensors
check 'which stays' grep -q 'no log' foreign/log.csv
if [ -w /dev/full ]; then
    # shellcheck disable=SC2016     # for the shell that it starts
    check 'stdout is full' sh -c '"$1" --help >/dev/full; [ $? -eq 1 ]' sh "$denoise"
else
    skip 'stdout is full' 'no /dev/full here'
fi

# --- A full disk ----------------------------------------------------------------------------------

# survives DIRECTORY COMMAND...: the command fails and leaves the directory's files as they were.
survives() {
    directory=$1
    shift
    cksum "$directory"/* >before
    exits 1 'cannot' "$@" && cksum "$directory"/* >after && cmp before after
}

# Writing beyond a limit fails as a full disk does, for any user.
limited() (
    ulimit -f 4
    "$@"
)

cp -R cifar small
check 'a file that cannot be written' survives small limited "$denoise" $tiny --seed 2 \
    --epochs 2 --out small
mkdir disk
if mount -t tmpfs -o size=512k tmpfs disk 2>/dev/null; then
    mounted=$work/disk
    cp cifar/* disk
    cat /dev/zero >disk/filler 2>/dev/null
    check 'a full disk' survives disk "$denoise" $tiny --seed 2 --epochs 2 --out disk
    check 'a full disk says so' grep -qi 'space' stderr
    rm disk/filler
    # events are written in the middle of an epoch when there is a MiB of them
    check 'a full disk for TensorBoard' exits 1 'space' "$denoise" --batch 1 --limit 14000 \
        --threads 1 --quiet --epochs 2 --out told --tensorboard disk
    check 'loses no step' test "$(tail -n 1 told/log.csv | cut -d, -f1)" -gt 10000
    check 'which the checkpoint has' grep -aq '"step\\*":1[0-9]\{4\},' told/checkpoint.safetensors
else
    skip 'a full disk' 'cannot mount a small one'
    skip 'a full disk says so' 'cannot mount a small one'
    skip 'a full disk for TensorBoard' 'cannot mount a small one'
fi

# --- Going on where it stopped --------------------------------------------------------------------

same_run() {
    cmp "$1/model.safetensors" "$2/model.safetensors" &&
        cmp "$1/checkpoint.safetensors" "$2/checkpoint.safetensors" || return 1
    cut -d, -f1-4 "$1/log.csv" >one
    cut -d, -f1-4 "$2/log.csv" >two
    cmp one two
}

for threads in 1 2; do
    options="--data data --batch 12 --threads $threads --quiet"
    "$denoise" $options --epochs 4 --out whole$threads
    "$denoise" $options --epochs 2 --out parts$threads
    check "$threads threads: resumes after 2 epochs of 4" exits 0 '' "$denoise" $options \
        --epochs 4 --out parts$threads --resume parts$threads/checkpoint.safetensors
    check "$threads threads: the same bytes as without a break" same_run whole$threads parts$threads
done
check 'one thread or two, the same model' cmp whole1/model.safetensors whole2/model.safetensors
check 'nothing left to train is no error' exits 0 'nothing to train' "$denoise" --data data \
    --batch 12 --epochs 4 --out whole1 --resume whole1/checkpoint.safetensors

# soon COMMAND...: wait until the command succeeds, for 20 seconds at most.
soon() {
    tries=200
    until "$@" || [ $((tries -= 1)) -eq 0 ]; do sleep 0.1; done
}

gone() {
    ! kill -s 0 "$(cat number)" 2>/dev/null
}

# interrupted SIGNAL COMMAND...: send the signal once there is a checkpoint in $out. The command
# runs in the foreground, as a shell makes its background jobs deaf to SIGINT.
interrupted() {
    signal=$1
    shift
    (
        soon [ -s "$out/checkpoint.safetensors" ]
        kill -s "$signal" "$(cat number)"
        soon gone
        gone || kill -s KILL "$(cat number)"
    ) &
    sh -c 'echo $$ >number; exec "$@"' sh "$@"
    status=$?
    wait
    return $status
}

# The command it printed, with --epochs set to the end of the epoch it was in.
go_on() {
    epochs=$(tail -n 1 "$out/log.csv" | cut -d, -f2)
    command=$(sed -n '/to continue:$/{n;p;}' stderr)
    eval "$command --epochs $epochs" && "$denoise" $options --epochs "$epochs" --out "$out-whole"
}

options='--data data --batch 12 --threads 1'

# unheard COMMAND...: its messages go into a pipe that nobody reads from.
unheard() {
    { "$@" 2>&1 >/dev/null; echo $? >code; } | true
    [ "$(cat code)" -eq 0 ] || { echo "exit code $(cat code)"; return 1; }
}
check 'a training that nobody listens to' unheard "$denoise" $options --epochs 3 --out unheard
check 'comes to its end' test -s unheard/report.html
check 'a table that nobody reads' exits 1 'standard output' sh -c '"$@" >&-' sh "$denoise" $options \
    --epochs 2 --out closed

for signal in INT TERM HUP; do
    if ! sh -c "trap 'exit 0' $signal; kill -s $signal \$\$; exit 1"; then
        skip "SIG$signal saves" 'whoever runs this has had the signal ignored'
        continue
    fi
    case $signal in INT) code=130 ;; TERM) code=143 ;; *) code=129 ;; esac
    out="it's stopped by $signal"
    check "SIG$signal saves and says how to go on" exits $code '--resume' \
        interrupted $signal "$denoise" $options --epochs 1000000 --out "$out"
    check "SIG$signal: the model is there" test -s "$out/model.safetensors"
    check "SIG$signal: the command it printed goes on" go_on
    check "SIG$signal: the same bytes as without it" same_run "$out" "$out-whole"
done

# --- A loss that is no number ---------------------------------------------------------------------

check 'training that diverges' exits 1 'diverged' "$denoise" $tiny --lr 1e30 --out diverged
check 'leaves weights that are good' exits 0 '' "$denoise" --data data --quiet \
    --eval diverged/checkpoint.safetensors --out diverged-eval

echo "1..$count"
