"""Convolutional auto-encoders on the CPU: libcae for numpy.

    >>> import cae
    >>> context = cae.Context(threads=2)
    >>> images = cae.Dataset.dead_leaves(context, 256, seed=1)
    >>> model = cae.Model.reference(context, seed=1)
    >>> trainer = cae.Trainer(model, cae.Optimizer(model), images, noise_sigma=0.1)
    >>> trainer.epoch().epoch
    1

Importing it loads the library: CAE_LIBRARY, a full path, or libcae.so.1 where the system finds it.
"""

from ._library import abi_version, build_info, version, version_number
from .context import Context
from .dataset import Dataset
from .enums import (
    Activation,
    Augment,
    Cpu,
    Engine,
    Layout,
    LogLevel,
    Loss,
    OptimizerKind,
    Part,
    Scale,
    Schedule,
    Split,
    SsimKind,
    Status,
)
from .errors import (
    ArgumentError,
    CaeError,
    ClosedError,
    FileError,
    FormatError,
    NumericError,
    OptionsError,
    OutOfMemoryError,
    ShapeError,
    UnknownNameError,
    UnsupportedError,
    status_string,
)
from .metrics import EVALUATION_VISIT, add_noise, mse, psnr, ssim
from .model import Evaluation, Model, Tensors
from .spec import Spec
from .training import Optimizer, Progress, Trainer

__version__ = "1.1.0"

__all__ = [
    "EVALUATION_VISIT",
    "Activation",
    "ArgumentError",
    "Augment",
    "CaeError",
    "ClosedError",
    "Context",
    "Cpu",
    "Dataset",
    "Engine",
    "Evaluation",
    "FileError",
    "FormatError",
    "Layout",
    "LogLevel",
    "Loss",
    "Model",
    "NumericError",
    "Optimizer",
    "OptimizerKind",
    "OptionsError",
    "OutOfMemoryError",
    "Part",
    "Progress",
    "Scale",
    "Schedule",
    "ShapeError",
    "Spec",
    "Split",
    "SsimKind",
    "Status",
    "Tensors",
    "Trainer",
    "UnknownNameError",
    "UnsupportedError",
    "__version__",
    "abi_version",
    "add_noise",
    "build_info",
    "mse",
    "psnr",
    "ssim",
    "status_string",
    "version",
    "version_number",
]
