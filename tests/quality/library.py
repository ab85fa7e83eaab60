"""What measuring needs of the library beyond tests/parity/interop.py, through ctypes: presets,
trainers, data, noise, evaluation. Metrics and noise are the library's own, never this script's."""

import ctypes
import json
import os
import sys
import time

import numpy

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "parity"))
import interop
from interop import (Failure, doubles, floats, handle, i32, i64, out_handle, pointer, size, text,
                     u64)

NOISE_SEED = 123  # what cae_model_evaluate adds, image by image
VISIT_EVALUATION = 0xFFFFFFFF
RANGE = 2.0
TRAIN, TEST = 0, 1
PART_WHOLE = 2


def struct(name, *fields):
    """A struct of cae.h from (ctypes type, "names") pairs; all begin with their size."""
    return type(name, (ctypes.Structure,), {"_fields_": [("size", ctypes.c_uint32)] + [
        (field, kind) for kind, names in fields for field in names.split()]})


u32, f64 = ctypes.c_uint32, ctypes.c_double
OptimizerOptions = struct(
    "OptimizerOptions", (i32, "kind"),
    (f64, "learning_rate momentum beta1 beta2 epsilon weight_decay"), (i32, "nesterov"),
    (u32, "reserved"))
TrainerOptions = struct(
    "TrainerOptions", (i32, "batch"), (u64, "seed"), (i32, "loss shuffle"),
    (f64, "huber_delta noise_sigma clip_norm"), (i32, "schedule"), (u32, "reserved"),
    (i64, "warmup_steps decay_steps"), (f64, "decay_factor final_fraction noise_sigma_max "
                                             "average_decay epsilon ssim_weight"),
    (i32, "augment"), (u32, "reserved2"))
EvaluationOptions = struct("EvaluationOptions", (u32, "reserved"), (u64, "noise_seed"),
                           (f64, "noise_sigma"))
Evaluation = struct("Evaluation", (u32, "reserved"), (i64, "images"),
                    (f64, "mse psnr psnr_global ssim ssim_uniform7 noisy_mse noisy_psnr noisy_ssim "
                          "noisy_ssim_uniform7"))
FolderOptions = struct("FolderOptions", (i32, "scale channels height width crops"), (u64, "seed"),
                       (i64, "memory limit"))

pointer_to = ctypes.POINTER
CALLS = {
    "cae_build_info": (size, [ctypes.c_char_p, size]),
    "cae_context_set_threads": (i32, [handle, i32]),
    "cae_context_threads": (i32, [handle]),
    "cae_preset_name": (text, [i32]),
    "cae_preset_epochs": (i64, [i32, i64]),
    "cae_preset_options": (i32, [pointer_to(OptimizerOptions), pointer_to(TrainerOptions), handle,
                                 i32, i64, i64]),
    "cae_spec_add_preset": (i32, [handle, i32, i32, i32]),
    "cae_model_parameter_count": (i64, [handle]),
    "cae_model_save_memory": (i32, [ctypes.c_char_p, size, pointer_to(size), handle]),
    "cae_optimizer_options_init": (i32, [pointer_to(OptimizerOptions), u32]),
    "cae_optimizer_create": (i32, [out_handle, handle, pointer_to(OptimizerOptions)]),
    "cae_optimizer_destroy": (None, [handle]),
    "cae_trainer_options_init": (i32, [pointer_to(TrainerOptions), u32]),
    "cae_trainer_create": (i32, [out_handle, handle, handle, handle, pointer_to(TrainerOptions)]),
    "cae_trainer_destroy": (None, [handle]),
    "cae_trainer_epoch": (i32, [ctypes.c_void_p, handle, ctypes.c_void_p, ctypes.c_void_p]),
    "cae_trainer_average": (i32, [out_handle, handle]),
    "cae_evaluation_options_init": (i32, [pointer_to(EvaluationOptions), u32]),
    "cae_evaluation_init": (i32, [pointer_to(Evaluation), u32]),
    "cae_model_evaluate": (i32, [pointer_to(Evaluation), handle, handle, handle,
                                 pointer_to(EvaluationOptions)]),
    "cae_dataset_open_cifar10": (i32, [out_handle, handle, text, i32, ctypes.c_void_p]),
    "cae_dataset_create_dead_leaves": (i32, [out_handle, handle, i64, i32, i32, i32, u64,
                                             ctypes.c_void_p]),
    "cae_dataset_slice": (i32, [out_handle, handle, i64, i64]),
    "cae_dataset_count": (i64, [handle]),
    "cae_dataset_shape": (i32, [pointer_to(i32)] * 3 + [handle]),
    "cae_dataset_get": (i32, [floats, size, handle, i64]),
    "cae_dataset_destroy": (None, [handle]),
    "cae_add_noise": (i32, [floats, size, f64, u64, u32, u64]),
}
LATER_CALLS = {  # of builds that read images
    "cae_folder_options_init": (i32, [pointer_to(FolderOptions), u32]),
    "cae_dataset_open_folder": (i32, [out_handle, handle, text, pointer_to(FolderOptions)]),
    "cae_dataset_skipped": (i64, [handle]),
}


class Library(interop.Library):
    def __init__(self, path, threads):
        super().__init__(path)
        for name, (result, arguments) in {**CALLS, **LATER_CALLS}.items():
            if name in LATER_CALLS and not hasattr(self.c, name):
                continue
            call = getattr(self.c, name)
            call.restype, call.argtypes = result, arguments
        self.call("cae_context_set_threads", self.context, threads)

    @property
    def threads(self):
        return self.c.cae_context_threads(self.context)

    def build_info(self):
        line = ctypes.create_string_buffer(200)
        self.c.cae_build_info(line, len(line))
        return line.value.decode()

    def options(self, kind, init):
        o = kind()
        self.call(init, ctypes.byref(o), ctypes.sizeof(o))
        return o

    # --- Metrics and noise ------------------------------------------------------------------------

    def psnr(self, a, b, data_range=RANGE):
        value = f64()
        self.call("cae_psnr", ctypes.byref(value), self.context, pointer(a), pointer(b), a.size,
                  data_range)
        return value.value

    def ssim(self, a, b, data_range=RANGE):
        value = f64()
        self.call("cae_ssim", ctypes.byref(value), self.context, pointer(a), pointer(b), *a.shape,
                  data_range, 0)
        return value.value

    def noisy(self, image, sigma, index, visit=VISIT_EVALUATION):
        """A copy with the noise of evaluation, or of another visit."""
        copy = image.copy()
        self.call("cae_add_noise", pointer(copy), copy.size, sigma, NOISE_SEED, visit, index)
        return copy

    # --- Data -------------------------------------------------------------------------------------

    def cifar10(self, directory, split, limit=0):
        data = self.create("cae_dataset_open_cifar10", self.context, directory.encode(), split,
                           None)
        return self.first(data, limit)

    def dead_leaves(self, count, seed, side=32):
        return self.create("cae_dataset_create_dead_leaves", self.context, count, 3, side, side,
                           seed, None)

    def first(self, data, limit):
        """The first `limit` images; 0 and more than there are: all."""
        if not 0 < limit < self.count(data):
            return data
        part = self.create("cae_dataset_slice", data, 0, limit)
        self.c.cae_dataset_destroy(data)
        return part

    def count(self, data):
        return self.c.cae_dataset_count(data)

    def images(self, data, indices=None):
        """As float32 [n][3][height][width]."""
        shape = [i32() for _ in range(3)]
        self.call("cae_dataset_shape", *map(ctypes.byref, shape), data)
        indices = range(self.count(data)) if indices is None else indices
        images = numpy.empty([len(indices)] + [s.value for s in shape], numpy.float32)
        for image, index in zip(images, indices):
            self.call("cae_dataset_get", pointer(image), image.size, data, index)
        return images

    # --- Models -----------------------------------------------------------------------------------

    def preset(self, name):
        """Its number."""
        number, names = 0, []
        while self.c.cae_preset_name(number):
            names.append(self.c.cae_preset_name(number).decode())
            number += 1
        if name not in names:
            raise Failure("no preset %s, there are %s" % (name, ", ".join(names)))
        return names.index(name)

    def untrained(self, preset, seed, latent=0):
        spec = self.create("cae_spec_create", self.context)
        self.call("cae_spec_add_preset", spec, preset, 3, latent)
        model = self.create("cae_model_create", self.context, spec, seed)
        self.c.cae_spec_destroy(spec)
        return model

    def architecture(self, model):
        """As the model's file says it, without its parameters."""
        written = size()
        self.call("cae_model_save_memory", None, 0, ctypes.byref(written), model)
        data = ctypes.create_string_buffer(written.value)
        self.call("cae_model_save_memory", data, written.value, ctypes.byref(written), model)
        length = int.from_bytes(data.raw[:8], "little")
        return json.loads(json.loads(data.raw[8:8 + length])["__metadata__"]["libcae.architecture"])

    def recipe(self, preset, images, seed, sigma, sigma_max, samples):
        """(optimizer's options, trainer's options, epochs); `samples` 0 are the preset's own."""
        epochs = -(-samples // images) if samples else self.c.cae_preset_epochs(preset, images)
        optimizer = self.options(OptimizerOptions, "cae_optimizer_options_init")
        trainer = self.options(TrainerOptions, "cae_trainer_options_init")
        self.call("cae_preset_options", ctypes.byref(optimizer), ctypes.byref(trainer),
                  self.context, preset, images, epochs)
        trainer.seed, trainer.noise_sigma, trainer.noise_sigma_max = seed, sigma, sigma_max
        return optimizer, trainer, epochs

    def train(self, model, data, recipe, progress):
        """(the averaged model, seconds). `model` is used up; progress(done, seconds) after each
        epoch."""
        optimizer_options, trainer_options, epochs = recipe
        optimizer = self.create("cae_optimizer_create", model, ctypes.byref(optimizer_options))
        trainer = self.create("cae_trainer_create", model, optimizer, data,
                              ctypes.byref(trainer_options))
        seconds = 0
        for epoch in range(epochs):
            start = time.perf_counter()
            self.call("cae_trainer_epoch", None, trainer, None, None)
            seconds += time.perf_counter() - start
            progress((epoch + 1) / epochs, seconds)
        average = self.create("cae_trainer_average", trainer)
        self.c.cae_trainer_destroy(trainer)
        self.c.cae_optimizer_destroy(optimizer)
        self.c.cae_model_destroy(model)
        return average, seconds

    def evaluate(self, model, data, sigma):
        options = self.options(EvaluationOptions, "cae_evaluation_options_init")
        options.noise_sigma = sigma
        evaluation = self.options(Evaluation, "cae_evaluation_init")
        self.call("cae_model_evaluate", ctypes.byref(evaluation), model, None, data,
                  ctypes.byref(options))
        return evaluation

    def save(self, model, path):
        self.call("cae_model_save", model, path.encode())

    def load(self, path):
        return self.create("cae_model_load", self.context, path.encode())

    def folder(self, directory, side, seed):
        """(dataset of crops, files left out)."""
        options = self.options(FolderOptions, "cae_folder_options_init")
        options.height = options.width = side
        options.seed = seed
        data = self.create("cae_dataset_open_folder", self.context, directory.encode(),
                           ctypes.byref(options))
        return data, self.c.cae_dataset_skipped(data)
