"""Parts presets, builtin and compress: networks that the library trains."""

import os
import time

import numpy

from filters import SIGMA
from record import progress

DENOISERS = ("reference", "tuned", "residual", "quality")
RECONSTRUCTORS = ("reference", "tuned")
LATENTS = (2, 4, 8, 16, 32, 48)
VALUES = 3 * 32 * 32
BUILTIN = {"train": (20000, 1), "test": (500, 2)}  # (images, seed) of examples/trainer/data.c


def made_from(work, preset, recipe, seed, latent=0):
    """All that a training depends on but the images: layers, parameters, options."""
    optimizer, trainer, epochs = recipe
    model = work.library.untrained(preset, seed, latent)
    layers = work.library.architecture(model)
    work.library.c.cae_model_destroy(model)
    return {"layers": layers, "epochs": epochs,
            **{field: getattr(options, field) for options in (optimizer, trainer)
               for field, _ in options._fields_ if field not in ("size", "reserved", "reserved2")}}


def trained(work, name, preset, data, seed, measure, sigma=0.0, sigma_max=0.0, latent=0, more=None):
    """Figures of a preset trained on `data`: those of every training, and what measure(model) adds.
    The model stays in --out."""
    library, number = work.library, work.library.preset(preset)
    images = library.count(data)
    recipe = library.recipe(number, images, seed, sigma, sigma_max, work.options.samples)
    path = os.path.join(work.out, "models", name.replace("/", "-") + ".safetensors")

    def train():
        model, seconds = library.train(library.untrained(number, seed, latent), data, recipe,
                                       progress())
        library.save(model, path)
        figures = {"parameters": library.c.cae_model_parameter_count(model), "images": images,
                   "samples": recipe[2] * images, "seconds": seconds, "threads": library.threads,
                   **measure(model)}
        library.c.cae_model_destroy(model)
        return figures

    return work.record.do(name, {**made_from(work, number, recipe, seed, latent), "images": images,
                                 **(more or {})}, train, needs=path)


def on_test_images(work, model, sigma):
    e = work.library.evaluate(model, work.test, sigma)
    if sigma == SIGMA and abs(e.noisy_psnr - work.quality(work.noisy_test())["psnr"]) > 1e-9:
        raise work.Failure("evaluation saw other noise than the filters")
    return {"psnr": e.psnr, "ssim": e.ssim}


def time_of_one(work, model):
    """Milliseconds for one 32x32 image by itself, Python's call included."""
    seconds = []
    for image in work.noisy_test()[:200]:
        start = time.perf_counter()
        work.library.forward(model, image[None])
        seconds.append(time.perf_counter() - start)
    return 1e3 * float(numpy.median(seconds))


def chosen(work, presets):
    return [preset for preset in presets if preset in work.options.presets]


def run_presets(work):
    for seed in work.options.seeds:
        for preset in chosen(work, DENOISERS):
            trained(work, "denoise/%s/%d" % (preset, seed), preset, work.train, seed,
                    lambda m: {**on_test_images(work, m, SIGMA), "ms": time_of_one(work, m)}, SIGMA)
        for preset in chosen(work, RECONSTRUCTORS):
            trained(work, "reconstruct/%s/%d" % (preset, seed), preset, work.train, seed,
                    lambda m: on_test_images(work, m, 0.0))


def run_builtin(work):
    library, seed = work.library, work.options.seeds[0]
    count, data_seed = BUILTIN["train"]
    data = library.dead_leaves(min(count, work.options.train or count), data_seed)
    own_test = library.dead_leaves(*BUILTIN["test"])

    def measure(model, sigma):
        own = library.evaluate(model, own_test, sigma)
        return {**on_test_images(work, model, sigma), "own_psnr": own.psnr, "own_ssim": own.ssim,
                "own_noisy_psnr": own.noisy_psnr, "own_noisy_ssim": own.noisy_ssim}

    for preset in chosen(work, DENOISERS):
        trained(work, "builtin/denoise/%s/%d" % (preset, seed), preset, data, seed,
                lambda m: measure(m, SIGMA), SIGMA)
    for preset in chosen(work, RECONSTRUCTORS):
        trained(work, "builtin/reconstruct/%s/%d" % (preset, seed), preset, data, seed,
                lambda m: measure(m, 0.0))
    library.c.cae_dataset_destroy(data)
    library.c.cae_dataset_destroy(own_test)


def run_compress(work):
    for latent in LATENTS:
        trained(work, "compress/%d" % latent, "compress", work.train, work.options.seeds[0],
                lambda m: on_test_images(work, m, 0.0), latent=latent)
    run_pca(work)


# --- Principal components: the best linear code of as many coefficients ---------------------------

def principal_components(images):
    """(mean, components in rows, the largest first) of rows."""
    mean = images.mean(0)
    centred = images - mean
    if len(images) < images.shape[1]:
        return mean, numpy.linalg.svd(centred, full_matrices=False)[2]
    covariance = numpy.zeros((images.shape[1],) * 2)
    for rows in numpy.array_split(centred, len(images) // 5000 + 1):
        covariance += rows.T.astype(float) @ rows
    return mean, numpy.linalg.eigh(covariance)[1].T[::-1]


def run_pca(work):
    cache = []

    def measure(coefficients):
        if not cache:
            cache.extend(principal_components(work.library.images(work.train).reshape(-1, VALUES)))
        mean, components = cache
        rows = work.test_images().reshape(-1, VALUES).astype(float) - mean
        basis = components[:coefficients]
        outputs = (rows @ basis.T @ basis + mean).reshape(-1, 3, 32, 32)
        return {"coefficients": len(basis),
                **work.quality(numpy.ascontiguousarray(outputs, dtype=numpy.float32))}

    for latent in LATENTS:
        work.record.do("pca/%d" % latent, {}, lambda c=64 * latent: measure(c))
