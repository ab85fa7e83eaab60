"""Exported ONNX files beside onnxruntime and PyTorch: a part of interop.py."""
import os
import tempfile

PARTS = ("encoder", "decoder", "whole")
IR_VERSION, OPSET = 7, 13
TOLERANCE = 1e-5  # max |a - b| / max |b|: sums of float32 in another order


def check_file(report, path, where):
    """The checker accepts it, strictly; versions and names are what cae.h says."""
    import onnx
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
    with open(path, "rb") as file:
        report.require(model.SerializeToString() == file.read(),
                       "%s: protobuf would write other bytes" % where)
    report.require(model.ir_version == IR_VERSION and len(model.opset_import) == 1 and
                   model.opset_import[0].version == OPSET, "%s: other versions" % where)
    dimensions = model.graph.input[0].type.tensor_type.shape.dim
    report.require([d.dim_param for d in dimensions] == ["batch", "", "height", "width"],
                   "%s: the input is not dynamic" % where)
    return model


def check_outputs(report, library, model, part, path, channels, sizes, twin, where):
    """One session at several sizes: batch, height and width are dynamic."""
    import numpy
    import onnxruntime
    import torch
    from interop import relative_error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    random = numpy.random.default_rng(13)
    for n, height, width in sizes:
        x = random.uniform(-1, 1, (n, channels, height, width)).astype(numpy.float32)
        ours = library.forward(model, x, part)
        theirs, = session.run(None, {"input": x})
        at = "%s %dx%dx%d" % (where, n, height, width)
        report.figure("onnxruntime, " + PARTS[part], relative_error(theirs, ours), TOLERANCE, at)
        with torch.no_grad():
            expected = twin(torch.from_numpy(x)).numpy()
        report.figure("PyTorch, " + PARTS[part], relative_error(expected, ours), TOLERANCE, at)


def one_layer(**changes):
    """A network of one layer, and sizes for it."""
    layer = dict(kind="conv", cin=3, cout=5, kernel=(3, 3), stride=(1, 1), padding=(0, 0),
                 dilation=(1, 1), outpad=(0, 0), bias=1, act="none", slope=0.01)
    layer.update(changes)
    return [layer], ((1, 9, 9), (3, 16, 11), (2, 33, 40))


def networks():
    """Those of the fixtures, and every layer type alone with every option."""
    from interop import network_shapes
    for name, layers, residual, sizes in network_shapes():
        yield name, layers, tuple(sizes) + ((5, sizes[0][1] + 12, sizes[0][2] + 24),), residual
    for kind in ("conv", "conv_transpose"):
        for act in ("none", "relu", "leaky", "tanh", "sigmoid"):
            yield (kind + " " + act, *one_layer(kind=kind, act=act, slope=0.3))
        yield (kind + " without bias", *one_layer(kind=kind, bias=0))
        yield (kind + " 2x5 kernel, strides, padding, dilation",
               *one_layer(kind=kind, kernel=(2, 5), stride=(3, 2), padding=(1, 3), dilation=(2, 1)))
        yield (kind + " 1x1", *one_layer(kind=kind, kernel=(1, 1)))
    yield ("conv_transpose output padding",
           *one_layer(kind="conv_transpose", stride=(2, 3), outpad=(1, 2), padding=(1, 1)))


def modules(layers):
    """Modules of the PyTorch twin that a list of layers takes."""
    return sum(1 if l["act"] == "none" else 2 for l in layers)


def twin_of(library, model, layers, residual, directory):
    from make_fixtures import build
    from safetensors.torch import load_file
    path = os.path.join(directory, "weights.safetensors")
    library.call("cae_model_save", model, path.encode())
    twin = build(layers, residual)
    twin.load_state_dict(load_file(path), strict=True)
    return twin


def compare(report, library):
    from torch.nn import Sequential
    with tempfile.TemporaryDirectory() as directory:
        for name, layers, sizes, *residual in networks():
            residual = any(residual)
            model = library.model(layers, 7, residual)
            twin = twin_of(library, model, layers, residual, directory)
            half = (len(layers) + 1) // 2  # the encoder, when nothing else was said
            split = modules(layers[:half])
            parts = list(twin)
            for part, own, twin_part in ((0, layers[:half], Sequential(*parts[:split])),
                                         (1, layers[half:], Sequential(*parts[split:])),
                                         (2, layers, twin)):
                path = os.path.join(directory, "model.onnx")
                if not own:
                    report.require(library.c.cae_model_export_onnx(model, part, path.encode()) < 0,
                                   "exported a part without layers")
                    continue
                library.call("cae_model_export_onnx", model, part, path.encode())
                graph = check_file(report, path, "%s, %s" % (name, PARTS[part])).graph
                report.require([n.op_type for n in graph.node].count("Add") == (residual and part == 2),
                               "%s, %s: another number of additions" % (name, PARTS[part]))
                part_sizes = sizes
                if part == 1:  # what the encoder makes of those sizes
                    part_sizes = [(n, *latent_size(library, model, h, w)) for n, h, w in sizes]
                check_outputs(report, library, model, part, path, own[0]["cin"], part_sizes,
                              twin_part, name)
            library.c.cae_model_destroy(model)


def latent_size(library, model, height, width):
    import ctypes
    shape = [ctypes.c_int32() for _ in range(3)]
    library.call("cae_model_output_shape", *map(ctypes.byref, shape), model, None, 0, height,
                 width)
    return shape[1].value, shape[2].value
