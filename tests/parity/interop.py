#!/usr/bin/env python3
"""The library beside PyTorch, Python's safetensors and scikit-image, live.

    interop.py LIBCAE [weights|onnx|metrics]

loads the shared library LIBCAE through ctypes, with nothing but what cae.h declares, and checks

  weights  a model saved by the library loads into its PyTorch twin (strict) and gives the same
           output; a state dict saved from PyTorch loads into the library and gives the same;
           files are byte for byte what safetensors writes; both refuse the same broken files
  onnx     exported parts pass onnx.checker; onnxruntime and PyTorch give the library's output, at
           several sizes of one file
  metrics  PSNR and SSIM, both conventions, are scikit-image's

Prints a table of the worst figures. Exit code 0 passed, 1 failed, 77 skipped with what is missing.
"""

import ctypes
import importlib.util
import json
import os
import struct
import sys
import tempfile

OUTPUT_TOLERANCE = 1e-5  # max |a - b| / max |b|
METRIC_TOLERANCE = 1e-6
NEEDS = {"weights": ("numpy", "torch", "safetensors"),
         "onnx": ("numpy", "torch", "onnx", "onnxruntime"), "metrics": ("numpy", "skimage")}

CAE_OK, CAE_ERR_FORMAT = 0, -6


# --- cae.h in ctypes ------------------------------------------------------------------------------

class ConvOptions(ctypes.Structure):
    _fields_ = [("size", ctypes.c_uint32)] + [(name, ctypes.c_int32) for name in (
        "kernel_h", "kernel_w", "stride_h", "stride_w", "padding_h", "padding_w", "dilation_h",
        "dilation_w", "output_padding_h", "output_padding_w", "bias", "activation")] + [
            ("reserved", ctypes.c_uint32), ("slope", ctypes.c_double)]


i32, i64, u64 = ctypes.c_int32, ctypes.c_int64, ctypes.c_uint64
size, handle, text = ctypes.c_size_t, ctypes.c_void_p, ctypes.c_char_p
floats, doubles = ctypes.POINTER(ctypes.c_float), ctypes.POINTER(ctypes.c_double)
out_handle = ctypes.POINTER(handle)

CALLS = {
    "cae_version_string": (text, []),
    "cae_status_string": (text, [i32]),
    "cae_context_create": (i32, [out_handle, ctypes.c_void_p]),
    "cae_context_destroy": (None, [handle]),
    "cae_context_error": (text, [handle]),
    "cae_conv_options_init": (i32, [ctypes.POINTER(ConvOptions), ctypes.c_uint32]),
    "cae_spec_create": (i32, [out_handle, handle]),
    "cae_spec_destroy": (None, [handle]),
    "cae_spec_add_conv": (i32, [handle, i32, i32, ctypes.POINTER(ConvOptions)]),
    "cae_spec_add_conv_transpose": (i32, [handle, i32, i32, ctypes.POINTER(ConvOptions)]),
    "cae_spec_set_residual": (i32, [handle, i32]),
    "cae_model_create": (i32, [out_handle, handle, handle, u64]),
    "cae_model_destroy": (None, [handle]),
    "cae_model_output_shape": (i32, [ctypes.POINTER(i32)] * 3 + [handle, handle, i32, i32, i32]),
    **{"cae_model_" + part: (i32, [floats, size, handle, handle, floats, size, i64, i32, i32])
       for part in ("encode", "decode", "forward")},
    "cae_model_save": (i32, [handle, text]),
    "cae_model_load": (i32, [out_handle, handle, text]),
    "cae_model_load_memory": (i32, [out_handle, handle, ctypes.c_char_p, size]),
    "cae_model_load_weights": (i32, [handle, text]),
    "cae_model_export_onnx": (i32, [handle, i32, text]),
    "cae_mse": (i32, [doubles, handle, floats, floats, size]),
    "cae_psnr": (i32, [doubles, handle, floats, floats, size, ctypes.c_double]),
    "cae_ssim": (i32, [doubles, handle, floats, floats, i32, i32, i32, ctypes.c_double, i32]),
}


class Failure(Exception):
    pass


class Library:
    """The loaded library with one context; calls raise Failure with the context's text."""

    def __init__(self, path):
        self.c = ctypes.CDLL(path)
        for name, (result, arguments) in CALLS.items():
            call = getattr(self.c, name)
            call.restype, call.argtypes = result, arguments
        self.context = self.create("cae_context_create", None)

    def error(self):
        return self.c.cae_context_error(self.context).decode()

    def check(self, status, what):
        if status != CAE_OK:
            raise Failure("%s: %s (%s)" % (what, self.c.cae_status_string(status).decode(),
                                           self.error() if hasattr(self, "context") else ""))

    def create(self, name, *arguments):
        made = handle()
        self.check(getattr(self.c, name)(ctypes.byref(made), *arguments), name)
        return made

    def call(self, name, *arguments):
        self.check(getattr(self.c, name)(*arguments), name)

    def model(self, layers, seed, residual=False):
        """A model from layers as make_fixtures.py describes them."""
        spec = self.create("cae_spec_create", self.context)
        self.call("cae_spec_set_residual", spec, int(residual))
        for l in layers:
            o = ConvOptions()
            self.call("cae_conv_options_init", ctypes.byref(o), ctypes.sizeof(o))
            for field in ("kernel", "stride", "padding", "dilation"):
                setattr(o, field + "_h", l[field][0])
                setattr(o, field + "_w", l[field][1])
            o.output_padding_h, o.output_padding_w = l["outpad"]
            o.bias, o.slope = l["bias"], l["slope"]
            o.activation = ("none", "relu", "leaky", "tanh", "sigmoid").index(l["act"])
            self.call("cae_spec_add_conv" + ("" if l["kind"] == "conv" else "_transpose"), spec,
                      l["cin"], l["cout"], ctypes.byref(o))
        model = self.create("cae_model_create", self.context, spec, seed)
        self.c.cae_spec_destroy(spec)
        return model

    def forward(self, model, x, part=2):
        import numpy
        n, _, height, width = x.shape
        shape = [i32() for _ in range(3)]
        self.call("cae_model_output_shape", *map(ctypes.byref, shape), model, None, part, height,
                  width)
        y = numpy.full([n] + [s.value for s in shape], numpy.nan, numpy.float32)
        self.call(("cae_model_encode", "cae_model_decode", "cae_model_forward")[part], pointer(y), y.size, model, None, pointer(x), x.size, n, height,
                  width)
        return y


def pointer(array):
    """Of a dense float32 array, which the caller keeps alive."""
    if array.dtype.name != "float32" or not array.flags["C_CONTIGUOUS"]:
        raise TypeError("not a dense float32 array")
    return array.ctypes.data_as(floats)


# --- Reporting ------------------------------------------------------------------------------------

class Report:
    def __init__(self):
        self.worst, self.failures = {}, []

    def figure(self, what, value, limit, where):
        """Keeps the worst value under each heading."""
        if not value <= limit:
            self.failures.append("%s: %g exceeds %g (%s)" % (what, value, limit, where))
        if not value <= self.worst.get(what, (-1,))[0]:
            self.worst[what] = (value, limit, where)

    def require(self, condition, what):
        if not condition:
            self.failures.append(what)

    def finish(self):
        print("%-44s %-9s %-8s at" % ("worst of", "error", "allowed"))
        for what, (value, limit, where) in self.worst.items():
            print("%-44s %-9.2g %-8g %s" % (what, value, limit, where))
        for failure in self.failures:
            print("FAILED " + failure)
        return 1 if self.failures or not self.worst else 0


def relative_error(actual, expected):
    import numpy
    if actual.shape != expected.shape:
        return float("inf")
    difference = numpy.abs(actual.astype(float) - expected.astype(float)).max()
    return float(difference / numpy.abs(expected).max())


# --- Weights --------------------------------------------------------------------------------------

def network_shapes():
    """Networks of the fixtures, with sizes that fit them besides the ones there."""
    from make_fixtures import NETWORKS, RESIDUAL
    for name, (batch, height, width, _, layers, _, _) in NETWORKS.items():
        yield (name, layers, name in RESIDUAL,
               ((batch, height, width), (1, height + 6, width + 12)))


def check_outputs(report, library, model, twin, layers, shapes, heading, name):
    import numpy
    import torch
    random = numpy.random.default_rng(5)
    for n, height, width in shapes:
        x = random.uniform(-1, 1, (n, layers[0]["cin"], height, width)).astype(numpy.float32)
        with torch.no_grad():
            expected = twin(torch.from_numpy(x)).numpy()
        report.figure(heading, relative_error(library.forward(model, x), expected),
                      OUTPUT_TOLERANCE, "%s %dx%dx%d" % (name, n, height, width))


def library_to_pytorch(report, library, directory):
    from make_fixtures import build
    from safetensors.torch import load_file
    for name, layers, residual, shapes in network_shapes():
        path = os.path.join(directory, name + ".safetensors")
        model = library.model(layers, 7, residual)
        library.call("cae_model_save", model, path.encode())
        twin = build(layers, residual)
        twin.load_state_dict(load_file(path), strict=True)
        check_outputs(report, library, model, twin, layers, shapes, "library -> PyTorch output",
                      name)
        again = library.create("cae_model_load", library.context, path.encode())
        check_outputs(report, library, again, twin, layers, shapes, "library -> library output",
                      name)
        library.c.cae_model_destroy(again)
        library.c.cae_model_destroy(model)


def pytorch_to_library(report, library, directory):
    import torch
    from make_fixtures import build
    from safetensors.torch import save_file
    for name, layers, residual, shapes in network_shapes():
        torch.manual_seed(11)
        twin = build(layers, residual)
        model = library.model(layers, 1, residual)
        for metadata in (None, {"format": "pt"}):  # both are usual
            path = os.path.join(directory, "twin.safetensors")
            save_file(twin.state_dict(), path, metadata)
            library.call("cae_model_load_weights", model, path.encode())
            check_outputs(report, library, model, twin, layers, shapes,
                          "PyTorch -> library output", name)
        library.c.cae_model_destroy(model)


def wrong_state_dicts(report, library, directory):
    """Weights of another network are refused and leave the model as it was."""
    import numpy
    import torch
    from make_fixtures import REFERENCE, build
    from safetensors.torch import save_file
    model = library.model(REFERENCE, 3)
    x = numpy.linspace(-1, 1, 3 * 12 * 12, dtype=numpy.float32).reshape(1, 3, 12, 12)
    before = library.forward(model, x)
    good = build(REFERENCE).state_dict()
    wrong = {
        "a missing tensor": {k: v for k, v in good.items() if k != "4.bias"},
        "an extra tensor": {**good, "8.weight": torch.zeros(1)},
        "another shape": {**good, "0.weight": torch.zeros(8, 3, 3, 2)},
        "a transposed weight the other way": {**good, "6.weight": torch.zeros(3, 8, 3, 3)},
        "float64": {k: v.double() for k, v in good.items()},
        "float16 in the last tensor": {**good, "6.bias": good["6.bias"].half()},
        "a NaN": {**good, "6.bias": torch.full((3,), float("nan"))},
    }
    path = os.path.join(directory, "wrong.safetensors")
    for what, tensors in wrong.items():
        save_file(tensors, path)
        status = library.c.cae_model_load_weights(model, path.encode())
        report.require(status < 0, "load_weights accepted " + what)
        report.require(library.error() != "", "load_weights refused %s without a text" % what)
        report.require((library.forward(model, x) == before).all(),
                       "load_weights changed the model on " + what)
    library.c.cae_model_destroy(model)


def split(data):
    """Header text without its padding, header length, tensor data."""
    length = struct.unpack("<Q", data[:8])[0]
    return data[8:8 + length].decode().rstrip(" "), length, data[8 + length:]


def same_bytes(report, library, directory):
    """The file is what safetensors writes for the same tensors and metadata. safetensors keeps
    metadata in a hash map and writes it in a random order, anew each time: it is asked until the
    order is the library's."""
    from make_fixtures import NETWORKS, RESIDUAL
    from safetensors import safe_open
    from safetensors.torch import load_file, save_file
    for name in ("reference", "no_bias", "wide", "residual"):
        ours, theirs = (os.path.join(directory, f + ".safetensors") for f in ("ours", "theirs"))
        model = library.model(NETWORKS[name][4], 9, name in RESIDUAL)
        library.call("cae_model_save", model, ours.encode())
        library.c.cae_model_destroy(model)
        with safe_open(ours, "pt") as file:
            metadata = file.metadata()
        with open(ours, "rb") as file:
            data = file.read()
        header, length, _ = split(data)
        report.require(length % 8 == 0, "%s: header of %d bytes" % (name, length))
        report.require(json.dumps(json.loads(header), separators=(",", ":"),
                                  ensure_ascii=False) == header,
                       "%s: header is not in its compact form" % name)
        if len(metadata) > 5:
            print("%d metadata keys are too many orders to try: bytes not compared" % len(metadata))
            continue
        for _ in range(3000):
            save_file(load_file(ours), theirs, metadata)
            with open(theirs, "rb") as file:
                equal = file.read() == data
            if equal:
                break
        report.require(equal, "%s: the file is not what safetensors writes" % name)
    print("metadata keys: " + ", ".join(sorted(metadata)))


def pack(header, data):
    encoded = header if isinstance(header, bytes) else header.encode()
    return struct.pack("<Q", len(encoded)) + encoded + data


def broken_files(good):
    """(what, bytes, whether safetensors refuses it too)."""
    header, length, data = split(good)
    tree = json.loads(header)
    first = min((k for k in tree if k != "__metadata__"), key=lambda k: tree[k]["data_offsets"])

    def edited(edit):
        copy = json.loads(header)
        edit(copy)
        return pack(json.dumps(copy, separators=(",", ":")), data)

    def offsets(begin, end):
        def edit(t):
            t[first]["data_offsets"] = [tree[first]["data_offsets"][0] + begin,
                                        tree[first]["data_offsets"][1] + end]
        return edit

    def metadata(value):
        return edited(lambda t: t["__metadata__"].update(other=value))

    yield "no bytes", b"", True
    yield "7 bytes", good[:7], True
    yield "the length alone", good[:8], True
    yield "half a header", good[:8 + length // 2], True
    yield "no data", good[:8 + length], True
    yield "a byte too few", good[:-1], True
    yield "a byte too many", good + b"\0", True
    yield "header length 2^64 - 1", b"\xff" * 8 + good[8:], True
    yield "header length over the limit", struct.pack("<Q", 100000001) + good[8:], True
    yield "header length 0", pack(b"", data), True
    yield "header length off by one", struct.pack("<Q", length + 1) + good[8:], True
    yield "not JSON", pack("{" + "x" * 15, data), True
    yield "a list", pack("[]      ", data), True
    yield "no UTF-8", pack(header.encode()[:-1] + b',"\xff":0}', data), True
    yield "text after the object", pack(header + "x", data), True
    yield "offsets that leave a hole", edited(offsets(4, 4)), True
    yield "offsets too short for the shape", edited(offsets(0, -4)), True
    yield "offsets in reverse", edited(
        lambda t: t[first].update(data_offsets=t[first]["data_offsets"][::-1])), True
    yield "a negative offset", edited(offsets(-4, 0)), True
    yield "an offset of 2^64", edited(
        lambda t: t[first].update(data_offsets=[0, 1 << 64])), True
    yield "an offset that is a fraction", edited(
        lambda t: t[first].update(data_offsets=[0.0, tree[first]["data_offsets"][1]])), True
    yield "three offsets", edited(lambda t: t[first]["data_offsets"].append(0)), True
    yield "a shape that does not fit", edited(lambda t: t[first]["shape"].append(2)), True
    yield "a shape that overflows", edited(
        lambda t: t[first].update(shape=[1 << 33, 1 << 33])), True
    yield "an unknown dtype", edited(lambda t: t[first].update(dtype="F33")), True
    yield "no dtype", edited(lambda t: t[first].pop("dtype")), True
    yield "no offsets", edited(lambda t: t[first].pop("data_offsets")), True
    yield "a missing tensor", edited(lambda t: t.pop(first)), True  # a hole in the data
    yield "metadata that is a number", metadata(1), True
    yield "metadata that is an object", metadata({}), True
    yield "a key twice", pack('{"%s":%s,%s' % (first, json.dumps(tree[first]), header[1:]),
                              data), False
    yield "a tensor renamed", pack(header.replace('"%s"' % first, '"other"'), data), False
    yield "no architecture", edited(lambda t: t.pop("__metadata__")), False


def malformed(report, library, directory):
    """The library refuses them with CAE_ERR_FORMAT and a text; so does safetensors where it is as
    strict."""
    from make_fixtures import REFERENCE
    from safetensors import SafetensorError, safe_open
    path = os.path.join(directory, "good.safetensors")
    model = library.model(REFERENCE, 4)
    library.call("cae_model_save", model, path.encode())
    library.c.cae_model_destroy(model)
    with open(path, "rb") as file:
        good = file.read()
    library.c.cae_model_destroy(library.create("cae_model_load_memory", library.context, good,
                                               len(good)))
    count = 0
    for what, data, both in broken_files(good):
        count += 1
        path = os.path.join(directory, "broken.safetensors")
        with open(path, "wb") as file:
            file.write(data)
        for name, arguments in (("cae_model_load", (path.encode(),)),
                                ("cae_model_load_memory", (data, len(data)))):
            made = handle()
            status = getattr(library.c, name)(ctypes.byref(made), library.context, *arguments)
            report.require(status == CAE_ERR_FORMAT and not made,
                           "%s of %s gave %d: %s" % (name, what, status, library.error()))
            report.require(library.error() != "", "%s of %s says nothing" % (name, what))
        try:
            with safe_open(path, "pt"):
                accepted = True
        except (SafetensorError, OSError):
            accepted = False
        report.require(not (both and accepted), "safetensors accepts %s" % what)
    print("%d malformed files refused" % count)


def weights(report, library):
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    sys.dont_write_bytecode = True
    import torch
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as directory:
        library_to_pytorch(report, library, directory)
        pytorch_to_library(report, library, directory)
        wrong_state_dicts(report, library, directory)
        same_bytes(report, library, directory)
        malformed(report, library, directory)


# --- Metrics --------------------------------------------------------------------------------------

def image_pairs():
    """(name, a, b, data range); arrays [channel][row][column]."""
    import numpy
    random = numpy.random.default_rng(3)
    for c, h, w, data_range in ((1, 11, 11, 1), (3, 32, 32, 2), (3, 17, 45, 255), (1, 7, 30, 1),
                                (5, 64, 12, 2), (2, 100, 75, 1)):
        for noise in (0.01, 0.2, 1):
            a = random.uniform(0, data_range, (c, h, w))
            b = a + random.normal(0, noise * data_range, (c, h, w))
            yield ("%dx%dx%d noise %g" % (c, h, w, noise), a.astype(numpy.float32),
                   b.astype(numpy.float32), data_range)
    clean, noisy = golden_pair()
    yield "golden bytes", clean, noisy, 255
    yield "golden [-1, 1]", clean / numpy.float32(127.5) - 1, noisy / numpy.float32(127.5) - 1, 2


def golden_pair():
    """As in tests/api/test_metrics.c."""
    import numpy
    side, channels, state = 32, 3, 12345
    y, x, c = numpy.meshgrid(range(side), range(side), range(channels), indexing="ij")
    clean = (x * 5 + y * 3 + c * 40) % 256
    noise = []
    for _ in range(clean.size):
        state = (1664525 * state + 1013904223) % 2**32
        noise.append((state >> 24) - 128)
    noisy = numpy.clip(clean + numpy.array(noise).reshape(clean.shape) // 4, 0, 255)
    return (numpy.ascontiguousarray(image.transpose(2, 0, 1).astype(numpy.float32))
            for image in (clean, noisy))


def metrics(report, library):
    import numpy
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity
    value = ctypes.c_double()

    def ours(name, *arguments):
        library.call(name, ctypes.byref(value), library.context, *arguments)
        return value.value

    for name, a, b, data_range in image_pairs():
        c, h, w = a.shape
        wide_a, wide_b = a.astype(float), b.astype(float)
        report.figure("MSE, relative", abs(ours("cae_mse", pointer(a), pointer(b), a.size) /
                                           numpy.mean((wide_a - wide_b) ** 2) - 1),
                      METRIC_TOLERANCE, name)
        report.figure("PSNR, dB", abs(
            ours("cae_psnr", pointer(a), pointer(b), a.size, data_range) -
            peak_signal_noise_ratio(wide_a, wide_b, data_range=data_range)),
                      METRIC_TOLERANCE, name)
        conventions = [("SSIM uniform7", 1, {})]
        if min(h, w) >= 11:
            conventions.append(("SSIM gaussian11", 0, dict(
                gaussian_weights=True, sigma=1.5, use_sample_covariance=False)))
        for heading, kind, options in conventions:
            expected = structural_similarity(wide_a, wide_b, channel_axis=0,
                                             data_range=data_range, **options)
            actual = ours("cae_ssim", pointer(a), pointer(b), c, h, w, data_range, kind)
            report.figure(heading, abs(actual - expected), METRIC_TOLERANCE, name)


def main():
    import onnx_parity
    parts = {"weights": weights, "onnx": onnx_parity.compare, "metrics": metrics}
    if len(sys.argv) not in (2, 3) or (len(sys.argv) == 3 and sys.argv[2] not in parts):
        sys.exit(__doc__)
    chosen = sys.argv[2:] or list(parts)
    missing = sorted({m for part in chosen for m in NEEDS[part]
                      if importlib.util.find_spec(m) is None})
    if missing:
        print("skipped: %s has no %s" % (sys.executable, ", ".join(missing)))
        return 77
    report = Report()
    library = Library(sys.argv[1])
    print("libcae " + library.c.cae_version_string().decode())
    for part in chosen:
        parts[part](report, library)
    library.c.cae_context_destroy(library.context)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
