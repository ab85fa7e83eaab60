#!/usr/bin/env python3
"""--tensorboard: what the trainers write for TensorBoard, read back.

    events.py DENOISE

First by a reader of this script's own, which shares no code with the trainers and accepts nothing
that the formats do not allow; then by TensorBoard's, where the package is installed. Both are held to
log.csv and metrics.json. Prints TAP."""

import csv
import importlib.util
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import zlib

NAME = re.compile(r"events\.out\.tfevents\.\d{10}\.[^/]+")


# --- The formats, read strictly -------------------------------------------------------------------

def make_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


TABLE = make_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


assert crc32c(b"123456789") == 0xE3069283  # the check value of the algorithm's catalogues
assert crc32c(bytes(32)) == 0x8A9136AA     # RFC 3720, B.4


def masked(data):
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def records(data):
    while data:
        length, check = struct.unpack("<QI", data[:12])
        assert check == masked(data[:8]), "checksum of a length"
        body, check = data[12:12 + length], data[12 + length:16 + length]
        assert len(body) == length and struct.unpack("<I", check)[0] == masked(body), "checksum"
        yield body
        data = data[16 + length:]


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            assert byte or shift == 7, "a varint longer than it must be"
            return value, at


def fields(data):
    """(number, value) of a message; a value is a number, or bytes with its kind."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = varint(data, at)
        elif kind == 2:
            size, at = varint(data, at)
            value, at = data[at:at + size], at + size
        else:
            size, form = {1: (8, "<d"), 5: (4, "<f")}[kind]
            value, at = struct.unpack(form, data[at:at + size])[0], at + size
        assert at <= len(data), "a field that is cut"
        yield key >> 3, value


def image(data):
    found = dict(fields(data))
    png = found[4]
    assert set(found) == {1, 2, 3, 4} and found[3] == 3
    assert struct.unpack(">II", png[16:24]) == (found[2], found[1]), "size of an image"
    check_png(png)
    return png


def check_png(png):
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    at, pixels, kinds = 8, b"", []
    while at < len(png):
        size, kind = struct.unpack(">I4s", png[at:at + 8])
        body, check = png[at + 8:at + 8 + size], png[at + 8 + size:at + 12 + size]
        assert struct.unpack(">I", check)[0] == zlib.crc32(kind + body), "checksum of a chunk"
        kinds.append(kind)
        pixels += body if kind == b"IDAT" else b""
        at += 12 + size
    assert kinds[0] == b"IHDR" and kinds[-1] == b"IEND"
    width, height = struct.unpack(">II", png[16:24])
    assert png[24:26] == b"\x08\x02", "8 bits of red, green and blue"
    assert len(zlib.decompress(pixels)) == height * (1 + 3 * width)


class Events:
    """A file: scalars {tag: [(step, value)]}, images {tag: (step, png)}, steps taken back."""

    def __init__(self, path):
        self.scalars, self.images, self.restarts, self.versions = {}, {}, [], []
        with open(path, "rb") as file:
            found = list(records(file.read()))
        now = time.time()
        for body in found:
            event = list(fields(body))
            names = [number for number, _ in event]
            known = dict(event)
            assert set(names) <= {1, 2, 3, 5, 7} and names.count(1) == 1, names
            assert abs(known[1] - now) < 3600, "the time of an event"
            step = known.get(2, 0)
            if 3 in known:
                self.versions.append(known[3])
            if 7 in known:
                assert list(fields(known[7])) == [(1, 1)]
                self.restarts.append(step)
            for summary in (value for number, value in event if number == 5):
                for number, value in fields(summary):
                    assert number == 1
                    self.value(step, dict(fields(value)))
        assert self.versions == [b"brain.Event:2"] and b"brain" in found[0], "first the version"

    def value(self, step, value):
        tag = value[1].decode()
        if 2 in value:
            self.scalars.setdefault(tag, []).append((step, value[2]))
        else:
            assert tag not in self.images
            self.images[tag] = (step, image(value[4]))


# --- TAP ------------------------------------------------------------------------------------------

class Tap:
    def __init__(self):
        self.count = self.failed = 0

    def check(self, what, function, *arguments):
        self.count += 1
        try:
            function(*arguments)
        except Exception as trouble:  # which is what there is to tell
            self.failed += 1
            print("not ok %d - %s" % (self.count, what))
            print("# %s: %s" % (type(trouble).__name__, str(trouble)[:2000].replace("\n", "\n# ")))
        else:
            print("ok %d - %s" % (self.count, what))

    def skip(self, what, why):
        self.count += 1
        print("ok %d - %s # SKIP %s" % (self.count, what, why))


# --- Runs -----------------------------------------------------------------------------------------

def trained(program, *words, code=0):
    done = subprocess.run([program, "--quiet", "--limit", "100", "--batch", "16"] + list(words),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == code, "exit code %d: %s" % (done.returncode, done.stdout)
    return done.stdout


def files(directory):
    names = sorted(os.listdir(directory), key=lambda name: (len(name), name))
    assert all(NAME.fullmatch(name) for name in names), names
    return [os.path.join(directory, name) for name in names]


def log(directory):
    with open(os.path.join(directory, "log.csv")) as file:
        return [(int(row["step"]), float(row["loss"]), float(row["learning_rate"]))
                for row in csv.DictReader(file)]


def metrics(directory):
    with open(os.path.join(directory, "metrics.json")) as file:
        return json.load(file)


def near(a, b):
    """as float32, and as the digits of log.csv have it"""
    return abs(a - b) <= 2e-7 * max(abs(a), abs(b))


def same_series(found, expected):
    assert [step for step, _ in found] == [step for step, _ in expected], (found, expected)
    assert all(near(a[1], b[1]) for a, b in zip(found, expected)), (found, expected)


def column(rows, number):
    return [(row[0], row[number]) for row in rows]


FIGURES = {"test/psnr_db": "psnr_db", "test/ssim": "ssim", "test/ssim_uniform7": "ssim_uniform7",
           "test/mse": "test_mse", "test/noisy_psnr_db": "noisy_psnr_db",
           "test/noisy_ssim": "noisy_ssim"}


def images_are(tags):
    numbers = {int(re.fullmatch(r"test_image_(\d+)/(original|noisy|output)", tag)[1])
               for tag in tags}
    assert len(numbers) == 10 and len(tags) == 30, tags


# --- What is checked ------------------------------------------------------------------------------

def whole_run(directory):
    path, = files("tb")
    events = Events(path)
    rows = log("run")
    same_series(events.scalars["train/loss"], column(rows, 1))
    same_series(events.scalars["train/learning_rate"], column(rows, 2))
    for tag, key in FIGURES.items():
        same_series(events.scalars[tag], [(rows[-1][0], metrics("run")[key])])
    assert set(events.scalars) == set(FIGURES) | {"train/loss", "train/learning_rate"}
    images_are(events.images)
    assert {step for step, _ in events.images.values()} == {rows[-1][0]}
    assert events.restarts == [1]


def nothing_else_changes():
    for name in ("model.safetensors", "checkpoint.safetensors", "samples.png"):
        with open("run/" + name, "rb") as one, open("plain/" + name, "rb") as two:
            assert one.read() == two.read(), name
    assert log("run") == log("plain")
    times = re.compile("seconds|per_second")
    assert ({k: v for k, v in metrics("run").items() if not times.search(k)} ==
            {k: v for k, v in metrics("plain").items() if not times.search(k)})


def resumed():
    first, second = (Events(path) for path in files("tb"))
    rows = log("run")
    assert second.restarts == [15]
    same_series(second.scalars["train/loss"], column(rows, 1)[14:])


def evaluated():
    path, = files("eval-tb")
    events = Events(path)
    assert set(events.scalars) == set(FIGURES) and not events.restarts
    images_are(events.images)


def two_in_a_second(program):
    """Each has a file of its own."""
    both = [subprocess.Popen([program, "--quiet", "--eval", "run/model.safetensors", "--out",
                              "twin%d" % i, "--tensorboard", "twins"]) for i in range(2)]
    assert [one.wait() for one in both] == [0, 0]
    assert len(files("twins")) == 2


def followed(program):
    """While it runs, and when it is stopped, all steps of the log are there."""
    process = subprocess.Popen([program, "--quiet", "--limit", "100", "--batch", "16", "--epochs",
                                "1000000", "--out", "long", "--tensorboard", "long-tb"],
                               stderr=subprocess.PIPE)
    until = time.monotonic() + 60
    while not (os.path.exists("long/checkpoint.safetensors") and os.listdir("long-tb")):
        assert time.monotonic() < until and process.poll() is None
        time.sleep(0.05)
    early = os.path.getsize(files("long-tb")[0])
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    said = process.communicate()[1].decode()
    assert process.returncode == 143 and "--tensorboard long-tb" in said, said
    events = Events(files("long-tb")[0])
    same_series(events.scalars["train/loss"], column(log("long"), 1))
    assert early > 24, "nothing but the version while it ran"


def no_room(program):
    """Where the events cannot be written the checkpoint still is."""
    def limit():
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (30000, 30000))

    done = subprocess.run([program, "--quiet", "--limit", "2000", "--batch", "2", "--epochs", "1",
                           "--out", "full", "--tensorboard", "full-tb"], preexec_fn=limit,
                          stderr=subprocess.PIPE)
    assert done.returncode == 1 and b"events.out.tfevents" in done.stderr, done.stderr
    Events(files("full-tb")[0])  # no half a record


# --- TensorBoard's own reader ----------------------------------------------------------------------

def accumulated(directory):
    from tensorboard.backend.event_processing import event_accumulator
    found = event_accumulator.EventAccumulator(directory, size_guidance={"scalars": 0, "images": 0})
    found.Reload()
    return found


def scalars(found, tag):
    return [(event.step, event.value) for event in found.Scalars(tag)]


def every_record():
    """by the loader beneath, which checks the checksums and parses with TensorBoard's own schema"""
    from tensorboard.backend.event_processing import event_file_loader
    for path in files("tb") + files("eval-tb") + files("long-tb"):
        with open(path, "rb") as file:
            expected = len(list(records(file.read())))
        found = list(event_file_loader.EventFileLoader(path).Load())
        assert len(found) == expected, (path, len(found), expected)
        assert not any(event.FindInitializationErrors() for event in found)


def accumulates():
    found = accumulated("long-tb")
    rows = log("long")
    same_series(scalars(found, "train/loss"), column(rows, 1))
    same_series(scalars(found, "train/learning_rate"), column(rows, 2))
    found = accumulated("eval-tb")
    assert set(found.Tags()["scalars"]) == set(FIGURES)
    for tag, key in FIGURES.items():
        same_series(scalars(found, tag), [(0, metrics("eval")[key])])
    images_are(found.Tags()["images"])
    for tag in found.Tags()["images"]:
        picture, = found.Images(tag)
        assert (picture.width, picture.height) == (32, 32)
        check_png(picture.encoded_image_string)


def accumulates_resumed():
    """Both files are one series; steps that were taken twice are those of the run that went on."""
    found = accumulated("tb")
    same_series(scalars(found, "train/loss"), column(log("run"), 1))
    same_series(scalars(found, "train/learning_rate"), column(log("run"), 2))
    same_series(scalars(found, "test/psnr_db"), [(28, metrics("run")["psnr_db"])])


def main():
    program = os.path.abspath(sys.argv[1])
    tap = Tap()
    work = tempfile.mkdtemp()
    os.chdir(work)
    try:
        tap.check("denoise --tensorboard", trained, program, "--epochs", "3", "--out", "run",
                  "--tensorboard", "tb")
        tap.check("one file, with the steps of log.csv and the figures of metrics.json", whole_run,
                  "run")
        trained(program, "--epochs", "3", "--out", "plain")
        tap.check("the other files are as without it", nothing_else_changes)
        trained(program, "--epochs", "2", "--out", "run")  # an older checkpoint, at step 14
        trained(program, "--epochs", "4", "--lr", "0.0005", "--out", "run", "--tensorboard", "tb",
                "--resume", "run/checkpoint.safetensors")
        tap.check("a run that goes on begins a second file", resumed)
        trained(program, "--eval", "run/model.safetensors", "--out", "eval", "--tensorboard",
                "eval-tb")
        tap.check("--eval writes figures and images", evaluated)
        tap.check("two in the same second", two_in_a_second, program)
        tap.check("it can be followed; a run that is stopped leaves all its steps", followed,
                  program)
        tap.check("no room for it", no_room, program)
        for what, function in (("TensorBoard's loader reads every record", every_record),
                               ("TensorBoard's accumulator has log.csv, figures, images",
                                accumulates),
                               ("TensorBoard puts a run together that went on",
                                accumulates_resumed)):
            if importlib.util.find_spec("tensorboard"):
                tap.check(what, function)
            else:
                tap.skip(what, "no tensorboard package: tests/run.sh --peers installs it")
    finally:
        os.chdir("/")
        shutil.rmtree(work)
    print("1..%d" % tap.count)
    sys.exit(tap.failed > 0)


if __name__ == "__main__":
    main()
