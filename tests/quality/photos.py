"""Part photos: one network for noise of any strength, trained on crops of photographs, tested on
the 68 of CBSD68 as the papers do whose figures stand beside it."""

import glob
import hashlib
import os
import time

import numpy

from networks import trained

STRONGEST = 55  # of 255
SIGMAS = (15, 25, 50)
CROP = 32
PUBLISHED = {  # dB at the three SIGMAS, as the papers print them
    "CBM3D": (33.52, 30.71, 27.38), "CDnCNN": (33.89, 31.23, 27.92),
    "FFDNet": (33.87, 31.21, 27.96), "DRUNet": (34.30, 31.69, 28.51)}
SAME_PHOTO = 8  # of 255: the same photo from another decoder differs by less, other photos by 50


def tests(directory):
    return sorted(glob.glob(os.path.join(directory, "CBSD68", "original_png", "*.png")))


def candidates(directory):
    return sorted(glob.glob(os.path.join(directory, "BSDS500", "data", "images", "*", "*.jpg")))


def read(path):
    from PIL import Image
    with Image.open(path) as image:
        return numpy.asarray(image.convert("RGB"))


def look(path):
    """What a photo looks like from far away: (size, 12x12 greys)."""
    from PIL import Image
    with Image.open(path) as image:
        return image.size, numpy.asarray(image.convert("L").resize((12, 12), Image.BOX), float)


def without_tests(work, directory):
    """A folder of links to all photos that are not among the tests, whatever their names."""
    seen = [look(path) for path in tests(directory)]
    folder = os.path.join(work.out, "photos")
    os.makedirs(folder, exist_ok=True)
    for old in os.listdir(folder):
        os.unlink(os.path.join(folder, old))
    left_out = 0
    for path in candidates(directory):
        shape, greys = look(path)
        if any(shape == other and abs(greys - others).max() < SAME_PHOTO
               for other, others in seen):
            left_out += 1
        else:
            os.symlink(os.path.abspath(path), os.path.join(folder, os.path.basename(path)))
    return folder, left_out


def to_bytes(image):
    """[-1, 1] to 0 ... 255, clipped and rounded, still floats."""
    return numpy.clip(numpy.rint((image + 1) * 127.5), 0, 255).astype(numpy.float32)


def measure(work, model, directory):
    """PSNR and SSIM of bytes, as FFDNet's own script has them: noise not clipped, output clipped
    and rounded, all channels at once, mean over photos. Beside it the PSNR of floats."""
    library = work.library
    figures = {}
    for sigma in SIGMAS:
        sums = {name: [] for name in ("psnr", "ssim", "psnr_float", "noisy_psnr", "ms")}
        for index, path in enumerate(tests(directory)):
            pixels = numpy.ascontiguousarray(read(path).transpose(2, 0, 1), dtype=numpy.float32)
            clean = pixels / numpy.float32(127.5) - 1
            noisy = library.noisy(clean, 2 * sigma / 255, index)
            start = time.perf_counter()
            output = library.forward(model, noisy[None])[0]
            sums["ms"].append(1e3 * (time.perf_counter() - start))
            sums["psnr"].append(library.psnr(to_bytes(output), pixels, 255))
            sums["ssim"].append(library.ssim(to_bytes(output), pixels, 255))
            sums["psnr_float"].append(library.psnr(output, clean))
            sums["noisy_psnr"].append(library.psnr(noisy, clean))
        figures[str(sigma)] = {name: float(numpy.mean(all_of)) for name, all_of in sums.items()}
    return figures


def run(work):
    directory, seed = work.options.photos, work.options.seeds[0]
    if not tests(directory) or not candidates(directory):
        raise work.Failure("%s has no CBSD68/original_png/*.png or no BSDS500/data/images/*/*.jpg"
                           % directory)
    folder, left_out = without_tests(work, directory)
    names = hashlib.sha256("".join(sorted(os.listdir(folder))).encode()).hexdigest()[:16]
    data, skipped = work.library.folder(folder, CROP, seed)
    data = work.library.first(data, work.options.train)
    trained(work, "photos/%d" % seed, "quality", data, seed,
            lambda model: {"files": len(os.listdir(folder)) - skipped, "left_out": left_out,
                           "tests": len(tests(directory)), "crop": CROP, "strongest": STRONGEST,
                           "sigmas": measure(work, model, directory)},
            sigma_max=2 * STRONGEST / 255, more={"files": names})
    work.library.c.cae_dataset_destroy(data)
