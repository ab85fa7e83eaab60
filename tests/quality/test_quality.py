#!/usr/bin/env python3
"""test_quality.py LIBCAE PAGE - run.py in its smallest form, on images that are made here: all
parts run, a second run does nothing again, and PAGE's copy gets its tables and nothing else changes.

Prints TAP. A part whose Python modules are missing is skipped with their names."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "abi")]
sys.dont_write_bytecode = True

TRAIN, TEST, PHOTOS = 48, 6, 3
SMALL = ["--train", str(TRAIN), "--test", str(TEST), "--tune", "2", "--samples", "48", "--seeds",
         "1,2", "--threads", "1"]
SECTIONS = {"filters": "| noisy input |", "presets": "### Reconstruction",
            "builtin": "### Trained on the built-in", "compress": "### Compression",
            "twin": "### The same recipe in PyTorch", "photos": "### Photographs"}


class Scene:
    """A CIFAR-10 directory, photographs, and a copy of the page, all made up."""

    def __init__(self, folder, library, page):
        self.library, self.out = library, os.path.join(folder, "out")
        self.data, self.photos = os.path.join(folder, "data"), os.path.join(folder, "photos")
        self.page = os.path.join(folder, "results.md")
        shutil.copy(page, self.page)
        self.cifar10()
        self.can_read_photos = self.photographs()

    def bytes_of(self, count, seed, side):
        """Built-in images as bytes [count][3][side][side]."""
        import numpy
        from library import Library
        lib = Library(self.library, 1)
        self.reads_folders = hasattr(lib.c, "cae_dataset_open_folder")
        images = lib.images(lib.dead_leaves(count, seed, side))
        return numpy.rint((images + 1) * 127.5).astype(numpy.uint8)

    def cifar10(self):
        os.makedirs(self.data)
        for name, count, seed in (("data_batch_1", TRAIN, 1), ("test_batch", TEST, 2)):
            with open(os.path.join(self.data, name + ".bin"), "wb") as file:
                for image in self.bytes_of(count, seed, 32):
                    file.write(b"\0" + image.tobytes())

    def photographs(self):
        """Test photos as PNG; training photos as JPEG, the first of which is a test photo."""
        try:
            from PIL import Image
        except ImportError:
            return False
        folders = [os.path.join(self.photos, "CBSD68", "original_png")] + [
            os.path.join(self.photos, "BSDS500", "data", "images", s) for s in ("train", "val")]
        for folder in folders:
            os.makedirs(folder)
        pixels = self.bytes_of(2 + PHOTOS, 3, 48).transpose(0, 2, 3, 1)
        for i in (0, 1):
            Image.fromarray(pixels[i]).save(os.path.join(folders[0], "%d.png" % i))
        Image.fromarray(pixels[0]).save(os.path.join(folders[2], "again.jpg"), quality=95)
        for i in range(PHOTOS):
            Image.fromarray(pixels[2 + i]).save(os.path.join(folders[1], "%d.jpg" % i))
        return self.reads_folders

    def run(self, *more):
        """(exit code, stdout, stderr)"""
        command = [sys.executable, os.path.join(HERE, "run.py"), "--lib", self.library, "--data",
                   self.data, "--photos", self.photos, "--out", self.out, "--page", self.page,
                   *SMALL, *more]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              encoding="utf-8", env={**os.environ, "PYTHONIOENCODING": "utf-8"})
        return done.returncode, done.stdout, done.stderr

    def pieces(self):
        with open(os.path.join(self.out, "results.json"), encoding="utf-8") as file:
            return json.load(file)["pieces"]


def all_parts_run(scene):
    before = read(scene.page)
    code, scene.tables, scene.said = scene.run()
    assert code == 0, scene.said
    for part, heading in SECTIONS.items():
        assert (heading in scene.tables) != ("%s: left out" % part in scene.said), \
            "%s\n%s" % (part, scene.said)
    from report import BEGIN, END
    outside = re.compile(re.escape(BEGIN) + ".*" + re.escape(END), re.S)
    after = read(scene.page)
    assert outside.split(after) == outside.split(before), "the page changed outside the marks"
    assert scene.tables.strip() in after, "the page has other tables than were printed"
    for name in ("denoisers.png", "compress.png"):
        picture = os.path.join(os.path.dirname(scene.page), "images", name)
        assert os.path.exists(picture) != (name + ": left out" in scene.said), scene.said
        assert os.path.exists(picture) == ("(images/%s)" % name in after)
        assert not os.path.exists(picture) or os.path.getsize(picture) < 300 << 10, name


def figures_are_what_they_should_be(scene):
    pieces = scene.pieces()
    psnr = pieces["denoise/reference/1"]["figures"]["psnr"]
    assert psnr != pieces["denoise/reference/2"]["figures"]["psnr"], "two seeds, one result"
    if needs(scene, "filters"):
        noisy = pieces["filters/noisy"]["figures"]["psnr"]
        assert abs(noisy - 26.02) < 0.2, "noise of 0.1 at a range of 2 is 26.02 dB, not %g" % noisy
        assert max(pieces["skimage"]["figures"][k] for k in ("psnr", "ssim")) < 1e-6
        assert pieces["filters/median"]["figures"]["psnr"] > noisy - 6
    pca = [pieces["pca/%d" % latent]["figures"]["psnr"] for latent in (2, 48)]
    assert pca[0] <= pca[1], "more components, worse images"


def photographs_of_the_test_are_not_trained_on(scene):
    if not needs(scene, "photos"):
        skip(scene, "photos")
    figures = scene.pieces()["photos/1"]["figures"]
    assert (figures["files"], figures["left_out"], figures["tests"]) == (PHOTOS, 1, 2), figures
    assert abs(figures["sigmas"]["25"]["noisy_psnr"] - 20.17) < 0.2, figures  # 20 log10(255 / 25)


def filters_run(scene):
    if not needs(scene, "filters"):
        skip(scene, "filters")


def the_twin_runs(scene):
    if not needs(scene, "twin"):
        skip(scene, "twin")


def a_second_run_does_nothing_again(scene):
    before = scene.pieces()
    code, tables, said = scene.run()
    assert code == 0 and tables == scene.tables, said
    assert scene.pieces() == before, "figures changed"
    assert not re.search("^(denoise|filters|compress|twin)/", said, re.M), said


def what_has_changed_is_run_again(scene):
    path = os.path.join(scene.out, "models", "denoise-tuned-1.safetensors")
    os.unlink(path)
    code, _, said = scene.run("--parts", "presets", "--samples", "96", "--presets", "residual")
    assert code == 0, said
    assert re.findall("^.*again.*$", said, re.M) == [
        "denoise/residual/%d, again: made from something else" % seed for seed in (1, 2)], said
    code, _, said = scene.run("--parts", "presets")
    assert "denoise/tuned/1, again: its file is gone" in said and os.path.exists(path), said


def other_images_are_refused(scene):
    code, _, said = scene.run("--train", str(TRAIN - 1))
    assert code != 0 and "is of other images" in said, said


def unknown_names_are_refused(scene):
    for option, word in (("--parts", "filtres"), ("--presets", "best"), ("--seeds", "one")):
        code, _, said = scene.run(option, word)
        assert code == 2 and word in said and "there are" in said + "there are" * (
            option == "--seeds"), said


def a_page_without_marks_is_left_alone(scene):
    other = scene.page + ".bare"
    with open(other, "w") as file:
        file.write("# Nothing\n")
    code, _, said = scene.run("--parts", "", "--page", other)
    assert code != 0 and "expected one line" in said and read(other) == "# Nothing\n", said


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def needs(scene, part):
    return "%s: left out" % part not in scene.said and not (
        part == "photos" and not scene.can_read_photos)


def skip(scene, part):
    from test_symbols import Skip
    raise Skip((re.findall("^%s: left out, (.*)$" % part, scene.said, re.M) or ["no PIL"])[0])


CHECKS = [all_parts_run, filters_run, the_twin_runs, figures_are_what_they_should_be,
          photographs_of_the_test_are_not_trained_on, a_second_run_does_nothing_again,
          what_has_changed_is_run_again, other_images_are_refused, unknown_names_are_refused,
          a_page_without_marks_is_left_alone]


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        import numpy
    except ImportError:
        print("1..0 # skip %s has no numpy" % sys.executable)
        return
    from test_symbols import report
    with tempfile.TemporaryDirectory() as folder:
        report(CHECKS, Scene(folder, *sys.argv[1:]))


if __name__ == "__main__":
    main()
