"""The library's enumerations. Wherever one of these is accepted, so are its lower-case name and a plain
integer."""

from __future__ import annotations

from enum import IntEnum, IntFlag

from ._library import lib


def known(kind: type[IntEnum], value: int) -> int:
    """`value` as a member of `kind`, or as it is when a newer library has more members."""
    try:
        return kind(value)
    except ValueError:
        return value


class Status(IntEnum):
    """What came of a call."""

    STOPPED = lib.CAE_STOPPED
    OK = lib.CAE_OK
    ARGUMENT = lib.CAE_ERR_ARGUMENT
    MEMORY = lib.CAE_ERR_MEMORY
    SHAPE = lib.CAE_ERR_SHAPE
    OPTIONS = lib.CAE_ERR_OPTIONS
    IO = lib.CAE_ERR_IO
    FORMAT = lib.CAE_ERR_FORMAT
    NUMERIC = lib.CAE_ERR_NUMERIC
    UNSUPPORTED = lib.CAE_ERR_UNSUPPORTED
    NAME = lib.CAE_ERR_NAME
    PEER = lib.CAE_ERR_PEER


class LogLevel(IntEnum):
    """How much a line of the log matters."""

    INFO = lib.CAE_LOG_INFO
    WARNING = lib.CAE_LOG_WARNING


class Engine(IntEnum):
    """How layers are computed."""

    AUTO = lib.CAE_ENGINE_AUTO
    GEMM = lib.CAE_ENGINE_GEMM
    DIRECT = lib.CAE_ENGINE_DIRECT


class Cpu(IntEnum):
    """The instruction set of the library's own kernels."""

    AUTO = lib.CAE_CPU_AUTO
    BASELINE = lib.CAE_CPU_BASELINE
    AVX2 = lib.CAE_CPU_AVX2
    AVX512 = lib.CAE_CPU_AVX512


class Activation(IntEnum):
    """What a layer does with its sums."""

    NONE = lib.CAE_ACTIVATION_NONE
    RELU = lib.CAE_ACTIVATION_RELU
    LEAKY_RELU = lib.CAE_ACTIVATION_LEAKY_RELU
    TANH = lib.CAE_ACTIVATION_TANH
    SIGMOID = lib.CAE_ACTIVATION_SIGMOID


class Part(IntEnum):
    """Parts of a model."""

    ENCODER = lib.CAE_PART_ENCODER
    DECODER = lib.CAE_PART_DECODER
    WHOLE = lib.CAE_PART_WHOLE


class Layout(IntEnum):
    """The order of the caller's images."""

    NCHW = lib.CAE_LAYOUT_NCHW
    NHWC = lib.CAE_LAYOUT_NHWC


class Scale(IntEnum):
    """The range the network sees: [-1, 1] or [0, 1]. Bytes are mapped to it, floats are in it already."""

    SIGNED = lib.CAE_SCALE_SIGNED
    UNIT = lib.CAE_SCALE_UNIT


class Split(IntEnum):
    """Which images of a data set with two parts."""

    TRAIN = lib.CAE_SPLIT_TRAIN
    TEST = lib.CAE_SPLIT_TEST


class SsimKind(IntEnum):
    """Windows of SSIM: Wang et al. 2004, or scikit-image's default."""

    GAUSSIAN11 = lib.CAE_SSIM_GAUSSIAN11
    UNIFORM7 = lib.CAE_SSIM_UNIFORM7


class OptimizerKind(IntEnum):
    """Update rules as in torch.optim."""

    SGD = lib.CAE_OPTIMIZER_SGD
    ADAM = lib.CAE_OPTIMIZER_ADAM
    ADAMW = lib.CAE_OPTIMIZER_ADAMW


class Loss(IntEnum):
    """What a training step makes smaller."""

    MSE = lib.CAE_LOSS_MSE
    L1 = lib.CAE_LOSS_L1
    HUBER = lib.CAE_LOSS_HUBER
    CHARBONNIER = lib.CAE_LOSS_CHARBONNIER


class Schedule(IntEnum):
    """How the learning rate changes with the step."""

    CONSTANT = lib.CAE_SCHEDULE_CONSTANT
    STEP = lib.CAE_SCHEDULE_STEP
    COSINE = lib.CAE_SCHEDULE_COSINE


class Augment(IntFlag):
    """What may happen to an image on its way into a batch, by halves: `Augment.MIRROR | Augment.FLIP`."""

    MIRROR = lib.CAE_AUGMENT_MIRROR
    FLIP = lib.CAE_AUGMENT_FLIP
    TRANSPOSE = lib.CAE_AUGMENT_TRANSPOSE
