#!/bin/sh
# quickstart.sh - from a bare machine to a trained denoiser, in two minutes.
set -eu
export LC_ALL=C                     # decimal points

usage()
{
    cat <<END
usage: sh examples/quickstart.sh [DIR]

Installs what is missing, builds libcae into build/, trains a denoiser and a reconstructor on the
CIFAR-10 images in DIR (see get-cifar10.sh), or on the built-in image set, and shows how good they
are. Models, curves and pictures go to runs/quickstart/.
END
}

case ${1-} in
    -h | --help) usage; exit ;;
    -*) usage >&2; exit 2 ;;
esac
[ $# -le 1 ] || { usage >&2; exit 2; }

data=
if [ $# = 1 ]; then
    [ -d "$1" ] || { echo "quickstart.sh: $1 is not a directory" >&2; exit 2; }
    data=$(cd "$1" && pwd)
fi

cd "$(dirname "$0")/.."
# shellcheck source=examples/setup.sh
. examples/setup.sh

install_missing cc pkg-config meson ninja openblas png jpeg jansson cairo
if [ ! -f build/build.ninja ]; then
    quietly meson setup build -Dbuildtype=release -Dtests=false
fi
echo building
quietly meson compile -C build

# train TASK OPTION... - a short recipe: 150,000 images seen in all
train()
{
    task=$1
    shift
    echo "training: $task"
    "build/examples/$task" ${data:+--data "$data"} --out "runs/quickstart/$task" \
        --limit 5000 --epochs 30 --batch 16 --lr 2e-3 --seed 1 "$@"
}

# figure TASK KEY - from what the trainer left in metrics.json
figure()
{
    sed -n 's/.*"'"$2"'": *\([-+.0-9e]*\).*/\1/p' "runs/quickstart/$1/metrics.json"
}

row()
{
    printf '%-28s %6.2f dB  %6.3f\n' "$1" "$(figure "$2" "$3")" "$(figure "$2" "$4")"
}

train denoise --sigma 0.1
train reconstruct

echo
printf '%-28s %9s  %6s\n' 'on the test images' PSNR SSIM
row 'noisy input (sigma 0.1)' denoise noisy_psnr_db noisy_ssim
row 'noisy input, denoised' denoise psnr_db ssim
row 'clean input, reconstructed' reconstruct psnr_db ssim
echo
echo 'pictures: runs/quickstart/denoise/samples.png (original, noisy, denoised)'
echo '          runs/quickstart/reconstruct/samples.png (original, reconstructed)'
