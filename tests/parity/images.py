#!/usr/bin/env python3
"""The library's files of arrays beside NumPy's and Pillow's, live, both ways.

    images.py LIBCAE

loads the shared library LIBCAE through ctypes, with nothing but what cae.h declares, and checks

  .npy   what NumPy saves, in every type, shape, byte order and version that the library reads, it reads to the
         same bits, or refuses in words; what it writes NumPy loads to the same bits
  PNG    the same with Pillow, kinds by kinds
  JPEG   every way to compress gives Pillow's pixels (to 2, where its libjpeg is another), upright as Pillow
         turns it; what the library writes has the tables of Pillow's quality 95 and full colour

Prints what was compared. Exit code 0 passed, 1 failed, 77 skipped with what is missing."""
import ctypes
import importlib.util
import io
import sys

i32, i64, size, handle, text = (ctypes.c_int32, ctypes.c_int64, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_char_p)
out = ctypes.POINTER(handle)
CALLS = {
    "cae_context_create": (i32, [out, handle]),
    "cae_context_destroy": (None, [handle]),
    "cae_context_error": (text, [handle]),
    "cae_array_create": (i32, [out, handle, i32, ctypes.POINTER(i64), i32]),
    "cae_array_destroy": (None, [handle]),
    "cae_array_shape": (i32, [ctypes.POINTER(i64), ctypes.POINTER(i32), ctypes.POINTER(i32), handle]),
    "cae_array_data": (handle, [handle]),
    "cae_array_bytes": (size, [handle]),
    "cae_array_read_memory": (i32, [out, handle, text, size]),
    "cae_array_write_memory": (i32, [handle, size, ctypes.POINTER(size), handle, i32]),
}
NPY, PNG, JPEG = 0, 1, 2
UNSUPPORTED = -8


class Refused(Exception):
    pass


class Library:
    def __init__(self, path):
        self.c = ctypes.CDLL(path)
        for name, (result, arguments) in CALLS.items():
            call = getattr(self.c, name)
            call.restype, call.argtypes = result, arguments
        self.context = handle()
        assert self.c.cae_context_create(ctypes.byref(self.context), None) == 0

    def check(self, status):
        if status != 0:
            raise Refused(self.c.cae_context_error(self.context).decode(errors="replace"), status)

    def read(self, data):
        array, shape, rank, kind = handle(), (i64 * 8)(), i32(), i32()
        self.check(self.c.cae_array_read_memory(ctypes.byref(array), self.context, data, len(data)))
        self.c.cae_array_shape(shape, ctypes.byref(rank), ctypes.byref(kind), array)
        bytes_ = ctypes.string_at(self.c.cae_array_data(array), self.c.cae_array_bytes(array))
        self.c.cae_array_destroy(array)
        type_ = (numpy.uint8, numpy.float32, numpy.uint16)[kind.value]
        return numpy.frombuffer(bytes_, type_).reshape(list(shape)[:rank.value])

    def write(self, values, form):
        array, needed = handle(), size()
        values = numpy.ascontiguousarray(values)
        kind = ("uint8", "float32", "uint16").index(values.dtype.name)
        self.check(self.c.cae_array_create(ctypes.byref(array), self.context, kind,
                                           (i64 * values.ndim)(*values.shape), values.ndim))
        try:
            ctypes.memmove(self.c.cae_array_data(array), values.ctypes.data, values.nbytes)
            self.check(self.c.cae_array_write_memory(None, 0, ctypes.byref(needed), array, form))
            data = ctypes.create_string_buffer(needed.value)
            self.check(self.c.cae_array_write_memory(data, needed, ctypes.byref(needed), array, form))
        finally:
            self.c.cae_array_destroy(array)
        return data.raw


class Report:
    def __init__(self):
        self.counts, self.failed = {}, 0

    def compare(self, what, name, found, expected, most=0):
        self.counts[what] = self.counts.get(what, 0) + 1
        if found.dtype == expected.dtype and found.shape == expected.shape:
            if most == 0 and found.tobytes() == expected.tobytes():
                return
            if most and abs(found.astype(int) - expected.astype(int)).max() <= most:
                return
        self.failed += 1
        print("FAILED: %s, %s: %s %s, expected %s %s" % (what, name, found.dtype, found.shape, expected.dtype,
                                                        expected.shape))

    def refused(self, what, name, call, part):
        self.counts[what] = self.counts.get(what, 0) + 1
        try:
            call()
            print("FAILED: %s, %s: not refused" % (what, name))
        except Refused as refusal:
            if part in refusal.args[0]:
                return
            print("FAILED: %s, %s: refused by \"%s\"" % (what, name, refusal.args[0]))
        self.failed += 1


def saved(values, version=None):
    file = io.BytesIO()
    if version:
        numpy.lib.format.write_array(file, values, version=version)
    else:
        numpy.save(file, values)
    return file.getvalue()


SHAPES = [(1,), (7,), (3, 4), (1, 1, 1), (5, 3, 32, 32), (2, 1, 3, 1, 2, 1, 2, 3)]


def npy(report, library, random):
    for descr in "|u1", "<u2", ">u2", "<f4", ">f4", "<f8", ">f8":
        kind = numpy.dtype(descr)
        for shape in SHAPES:
            if kind.kind == "u":
                values = random.integers(0, 256 ** kind.itemsize, shape).astype(kind)
            else:
                with numpy.errstate(over="ignore"):
                    values = (random.standard_normal(shape) * 10.0 ** random.integers(-42, 42, shape)).astype(kind)
                values.flat[0] = numpy.inf
            with numpy.errstate(over="ignore", under="ignore"):
                expected = values.astype(kind.newbyteorder("=") if kind.itemsize < 8 else numpy.float32)
            for version in None, (1, 0), (2, 0), (3, 0):
                report.compare(".npy that NumPy wrote", "%s %s %s" % (descr, shape, version),
                               library.read(saved(values, version)), expected)
            if kind.isnative and kind.itemsize < 8:
                report.compare(".npy that NumPy read", "%s %s" % (descr, shape),
                               numpy.load(io.BytesIO(library.write(values, NPY))), values)
    for name, values, part in [
            ("Fortran order", numpy.asfortranarray(numpy.ones((3, 4), "f4")), "ascontiguousarray"),
            ("a scalar", numpy.float32(3), "0 extents"), ("nothing", numpy.ones((0, 3), "f4"), "is 0"),
            ("int64", numpy.ones(3, "i8"), "'<i8'"), ("bool", numpy.ones(3, "?"), "'|b1'"),
            ("complex", numpy.ones(3, "c8"), "'<c8'"), ("text", numpy.array(["a"]), "'<U1'"),
            ("float16", numpy.ones(3, "f2"), "'<f2'"),
            ("a structure", numpy.ones(3, [("a", "u1"), ("b", "f4")]), "one type"),
            ("nine extents", numpy.ones((1,) * 9, "u1"), "9 extents")]:
        report.refused(".npy that is refused", name, lambda: library.read(saved(values)), part)
    values = numpy.ones((1, 5), "f4", order="F") # in both orders
    report.compare(".npy that NumPy wrote", "both orders", library.read(saved(values)), values)


def encoded(image, form, **options):
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def with_channels(image):
    values = numpy.asarray(image)
    return values[..., None] if values.ndim == 2 else values


def png(report, library, random):
    for height, width in (1, 1), (1, 17), (33, 1), (19, 40):
        def noise(*channels, most=256):
            return random.integers(0, most, (height, width) + channels).astype("u1")
        modes = {"L": noise(), "LA": noise(2), "RGB": noise(3), "RGBA": noise(4)}
        for mode, values in modes.items():
            image = Image.fromarray(values, mode)
            for level in 0, 1, 9:
                data = encoded(image, "PNG", compress_level=level)
                report.compare("PNG that Pillow wrote", "%s %dx%d" % (mode, height, width), library.read(data),
                               with_channels(image))
            again = Image.open(io.BytesIO(library.write(values, PNG)))
            report.compare("PNG that Pillow read", mode, numpy.asarray(again), values)
        bits = Image.fromarray(noise(most=2) * 255).convert("1")
        report.compare("PNG that Pillow wrote", "1 bit", library.read(encoded(bits, "PNG")),
                       with_channels(bits.convert("L")))
        for colours in 2, 4, 16, 200:
            image = Image.fromarray(noise(most=colours), "P")
            image.putpalette(bytes(random.integers(0, 256, 3 * colours).astype("u1")))
            report.compare("PNG that Pillow wrote", "%d colours" % colours, library.read(encoded(image, "PNG")),
                           with_channels(image.convert("RGB")))
            alpha = bytes(random.integers(0, 256, colours).astype("u1"))
            data = encoded(image, "PNG", transparency=alpha)
            report.compare("PNG that Pillow wrote", "%d colours, alpha" % colours, library.read(data),
                           with_channels(Image.open(io.BytesIO(data)).convert("RGBA")))
        data = encoded(Image.fromarray(noise(most=3)), "PNG", transparency=1)
        report.compare("PNG that Pillow wrote", "a transparent grey", library.read(data),
                       with_channels(Image.open(io.BytesIO(data)).convert("LA")))
        wide = random.integers(0, 65536, (height, width)).astype("u2")
        report.compare("PNG that Pillow wrote", "16 bits", library.read(encoded(Image.fromarray(wide), "PNG")),
                       wide[..., None])
        again = Image.open(io.BytesIO(library.write(wide, PNG)))
        report.compare("PNG that Pillow read", "16 bits", numpy.asarray(again).astype("u2"), wide)
        wide = random.integers(0, 65536, (height, width, 3)).astype("u2") # of which Pillow takes the upper halves
        again = Image.open(io.BytesIO(library.write(wide, PNG)))
        report.compare("PNG that Pillow read", "16 bits, colours", numpy.asarray(again), (wide >> 8).astype("u1"))


def jpeg(report, library, random):
    for height, width in (1, 1), (8, 8), (17, 40), (123, 77):
        small = Image.fromarray(random.integers(0, 256, (max(1, height // 4), max(1, width // 4), 3)).astype("u1"))
        for mode in "RGB", "L":
            image = small.resize((width, height), Image.BICUBIC).convert(mode)
            for options in [dict(quality=q, subsampling=s, progressive=p, optimize=o) for q in (30, 95)
                            for s in (0, 1, 2) for p in (False, True) for o in (False, True)]:
                data = encoded(image, "JPEG", **options)
                report.compare("JPEG that Pillow wrote", "%s %dx%d %s" % (mode, height, width, options),
                               library.read(data), with_channels(Image.open(io.BytesIO(data))), 2)
            for orientation in range(0, 10):
                exif = Image.Exif()
                exif[0x0112] = orientation
                data = encoded(image, "JPEG", quality=90, exif=exif)
                upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
                report.compare("JPEG turned upright", "%s %d" % (mode, orientation), library.read(data),
                               with_channels(upright), 2)
            values = numpy.asarray(image)
            data = library.write(values, JPEG)
            again = Image.open(io.BytesIO(data))
            report.compare("JPEG that Pillow read", mode, library.read(data), with_channels(again), 2)
            tables = Image.open(io.BytesIO(encoded(image, "JPEG", quality=95))).quantization
            if again.quantization != tables:
                report.failed += 1
                print("FAILED: other tables than those of quality 95")
            if mode == "RGB" and any(layer[1:3] != (1, 1) for layer in again.layer):
                report.failed += 1
                print("FAILED: colour is not in full resolution")
        cmyk = encoded(image.convert("CMYK"), "JPEG")
        report.refused("JPEG that is refused", "CMYK", lambda: library.read(cmyk), "CMYK")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    missing = [m for m in ("numpy", "PIL") if importlib.util.find_spec(m) is None]
    if missing:
        print("skipped: %s has no %s" % (sys.executable, ", ".join(missing)))
        return 77
    global numpy, Image, ImageOps
    import numpy
    from PIL import Image, ImageOps
    library, report = Library(sys.argv[1]), Report()
    random = numpy.random.default_rng(1)
    npy(report, library, random)
    try:
        library.write(numpy.zeros((1, 1), "u1"), PNG)
        png(report, library, random)
        jpeg(report, library, random)
    except Refused as refusal:
        if refusal.args[1] != UNSUPPORTED:
            raise
        print("# without PNG and JPEG: %s" % refusal.args[0])
    library.c.cae_context_destroy(library.context)
    for what, count in report.counts.items():
        print("%-24s %5d compared" % (what, count))
    print("NumPy %s, Pillow %s: %s" % (numpy.__version__, Image.__version__,
                                       "%d failed" % report.failed if report.failed else "all the same"))
    return report.failed > 0


if __name__ == "__main__":
    sys.exit(main())
