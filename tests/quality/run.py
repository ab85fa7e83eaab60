#!/usr/bin/env python3
"""How good the presets are, beside filters that learned nothing, principal components, PyTorch, and
published figures: every number of docs/results.md.

  run.py --data DIR [--photos DIR] [--parts LIST] [--seeds LIST] [--out DIR] [--lib PATH] ...

DIR has CIFAR-10's binary files. Parts, all by default:

  filters    noisy input and classical filters, tuned on training images; needs scikit-image
  presets    networks for denoising and reconstruction, each seed
  builtin    the same trained on the built-in images alone, tested on CIFAR-10
  compress   latents of several sizes; principal components beside them
  twin       the published recipe in PyTorch, each seed; needs torch
  photos     a network for any strength of noise, on CBSD68; needs --photos, with
             CBSD68/original_png/*.png and BSDS500/data/images/*/*.jpg

Figures are kept in OUT/results.json piece by piece: what is there is not run again, so a run that
was stopped goes on where it was; remove the file to start anew. Prints the tables and puts them
into docs/results.md, with pictures beside it; a run shortened by --train, --test or --samples
leaves the page alone, unless --page names one. What a part needs and is missing is said, and the
part left out.
"""

import argparse
import hashlib
import importlib.util
import os
import sys

sys.dont_write_bytecode = True
import numpy

import filters
import networks
import photos
import report
import twin
from library import TEST, TRAIN, Failure, Library
from record import Record

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
PARTS = {"filters": (filters.run, ("skimage", "scipy", "pywt")),
         "presets": (networks.run_presets, ()), "builtin": (networks.run_builtin, ()),
         "compress": (networks.run_compress, ()), "twin": (twin.run, ("torch",)),
         "photos": (photos.run, ("PIL",))}


class Work:
    """What all parts work with: the library, the images, the noise, the record."""

    Failure = Failure

    def __init__(self, options):
        self.options, self.out = options, options.out
        os.makedirs(os.path.join(self.out, "models"), exist_ok=True)
        self.library = Library(options.lib, options.threads)
        self.train = self.library.cifar10(options.data, TRAIN, options.train)
        self.test = self.library.cifar10(options.data, TEST, options.test)
        self.record = Record(self.out, {
            "train": self.library.count(self.train), "test": self.library.count(self.test),
            "files": digest(options.data)}, self.library.build_info())
        self.cache = {}

    def once(self, name, make):
        if name not in self.cache:
            self.cache[name] = make()
        return self.cache[name]

    def test_images(self):
        return self.once("clean", lambda: self.library.images(self.test))

    def noisy_test(self):
        """Test images with the noise that cae_model_evaluate adds."""
        return self.once("noisy", lambda: numpy.stack([
            self.library.noisy(image, filters.SIGMA, index)
            for index, image in enumerate(self.test_images())]))

    def tuning_images(self):
        """(clean, noisy) training images, spread over all, with a training visit's noise."""
        count = self.library.count(self.train)
        wanted = min(count, self.options.tune)
        indices = [i * count // wanted for i in range(wanted)]
        clean = self.once("tuning", lambda: self.library.images(self.train, indices))
        return clean, self.once("tuning noisy", lambda: numpy.stack([
            self.library.noisy(image, filters.SIGMA, index, visit=0)
            for index, image in zip(indices, clean)]))

    def quality(self, outputs):
        """Mean over the test images of PSNR and SSIM."""
        pairs = list(zip(outputs, self.test_images()))
        return {"psnr": float(numpy.mean([self.library.psnr(y, clean) for y, clean in pairs])),
                "ssim": float(numpy.mean([self.library.ssim(y, clean) for y, clean in pairs]))}


def digest(directory):
    whole = hashlib.sha256()
    for name in sorted(os.listdir(directory)):
        if name.endswith(".bin"):
            with open(os.path.join(directory, name), "rb") as file:
                whole.update(file.read())
    return whole.hexdigest()[:16]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, metavar="DIR")
    parser.add_argument("--photos", metavar="DIR")
    parser.add_argument("--parts", default=",".join(PARTS), metavar="LIST",
                        help="with commas; nothing: only the tables of what is there")
    parser.add_argument("--seeds", default="1,2,3", metavar="LIST",
                        help="builtin, compress and photos take the first (1,2,3)")
    parser.add_argument("--presets", default=",".join(networks.DENOISERS), metavar="LIST",
                        help="of parts presets and builtin (%(default)s)")
    parser.add_argument("--out", default=os.path.join(TOP, "build", "quality"), metavar="DIR",
                        help="for results.json and models (build/quality)")
    parser.add_argument("--lib", metavar="PATH",
                        default=os.path.join(TOP, "build", "release", "lib", "libcae.so"),
                        help="(build/release/lib/libcae.so)")
    parser.add_argument("--threads", type=int, default=0, metavar="N",
                        help="0: one for each processor (0)")
    parser.add_argument("--train", type=int, default=0, metavar="N", help="first N training images")
    parser.add_argument("--test", type=int, default=0, metavar="N", help="first N test images")
    parser.add_argument("--tune", type=int, default=200, metavar="N",
                        help="training images that filters are tuned on (200)")
    parser.add_argument("--samples", type=int, default=0, metavar="N",
                        help="visits of images in each training, in place of the preset's own")
    parser.add_argument("--page", metavar="FILE", help="(docs/results.md)")
    options = parser.parse_args()
    for name, known in (("parts", PARTS), ("presets", networks.DENOISERS)):
        chosen = [word for word in getattr(options, name).split(",") if word]
        setattr(options, name, chosen)
        unknown = [word for word in chosen if word not in known]
        if unknown:
            parser.error("--%s: no %s, there are %s" % (name, ", ".join(unknown),
                                                        ", ".join(known)))
    try:
        options.seeds = [int(seed) for seed in options.seeds.split(",")]
    except ValueError:
        parser.error("--seeds %s: expected whole numbers with commas" % options.seeds)
    if not options.page and not (options.train or options.test or options.samples):
        options.page = os.path.join(TOP, "docs", "results.md")
    return options


def why_not(part, work):
    """Why a part cannot run, or None."""
    missing = [m for m in PARTS[part][1] if importlib.util.find_spec(m) is None]
    if missing:
        return "%s has no %s" % (sys.executable, ", ".join(missing))
    if part == "photos" and not work.options.photos:
        return "no --photos DIR"
    if part == "photos" and not hasattr(work.library.c, "cae_dataset_open_folder"):
        return "the library has no cae_dataset_open_folder"
    return None


def main():
    options = arguments()
    work = Work(options)
    for part in options.parts:
        reason = why_not(part, work)
        if reason:
            print("%s: left out, %s" % (part, reason), file=sys.stderr)
        else:
            PARTS[part][0](work)
    tables = report.tables(work.record)
    print(tables)
    if options.page:
        pictures = report.write_pictures(work, os.path.join(
            os.path.dirname(options.page) or ".", "images"))
        report.write_page(options.page, tables + report.captions(pictures))


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit("run.py: %s" % failure)
    except KeyboardInterrupt:
        sys.exit("\nrun.py: stopped; the same command goes on from here")
