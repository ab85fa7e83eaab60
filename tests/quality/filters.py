"""Part filters: what denoises without having learned. Each filter's parameters are those of its
grid that do best on training images; then they are fixed."""

import itertools
import time

import numpy

SIGMA = 0.1  # on [-1, 1]; filters see [0, 1], where it is half of that


# --- Filters: [height][width][3] of about [0, 1], and parameters ----------------------------------

def gaussian(image, sigma):
    from scipy import ndimage
    return ndimage.gaussian_filter(image, (sigma, sigma, 0), mode="reflect")


def median(image, window):
    from scipy import ndimage
    footprint = {"cross": numpy.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]]),
                 "3x3": numpy.ones((3, 3)), "5x5": numpy.ones((5, 5))}[window]
    return ndimage.median_filter(image, footprint=footprint[:, :, None], mode="reflect")


def bilateral(image, sigma_space, sigma_colour):
    """Tomasi & Manduchi 1998, distances between colours Euclidean. Written out, because
    scikit-image 0.19's gives colour images 1.5 dB less at its best."""
    radius = int(numpy.ceil(2 * sigma_space))
    height, width, _ = image.shape
    padded = numpy.pad(image, ((radius, radius), (radius, radius), (0, 0)), mode="symmetric")
    total, weights = numpy.zeros(image.shape), numpy.zeros((height, width, 1))
    for i, j in itertools.product(range(2 * radius + 1), repeat=2):
        other = padded[i:i + height, j:j + width]
        space = ((i - radius) ** 2 + (j - radius) ** 2) / sigma_space ** 2
        colour = ((other - image) ** 2).sum(2, keepdims=True) / sigma_colour ** 2
        weight = numpy.exp(-(space + colour) / 2)
        total += weight * other
        weights += weight
    return total / weights


def non_local_means(image, patch, distance, h):
    from skimage.restoration import denoise_nl_means
    return denoise_nl_means(image, patch_size=patch, patch_distance=distance, h=h * SIGMA / 2,
                            sigma=SIGMA / 2, fast_mode=False, channel_axis=-1)


def total_variation(image, weight):
    from skimage.restoration import denoise_tv_chambolle
    return denoise_tv_chambolle(image, weight=weight, channel_axis=-1)


def wavelets(image, wavelet, ycbcr, shifts):
    """BayesShrink; `shifts` averages over so many ways of laying the grid."""
    from skimage.restoration import denoise_wavelet

    def one(shifted):
        return denoise_wavelet(shifted, sigma=SIGMA / 2, wavelet=wavelet, mode="soft",
                               method="BayesShrink", convert2ycbcr=ycbcr, rescale_sigma=True,
                               channel_axis=-1)
    side = int(shifts ** 0.5)
    return sum(numpy.roll(one(numpy.roll(image, shift, (0, 1))), (-shift[0], -shift[1]), (0, 1))
               for shift in itertools.product(range(side), repeat=2)) / shifts


FILTERS = {
    "Gaussian blur": (gaussian, {"sigma": (0.4, 0.5, 0.6, 0.7)}),
    "median": (median, {"window": ("cross", "3x3", "5x5")}),
    "bilateral": (bilateral, {"sigma_space": (1, 1.5, 2), "sigma_colour": (0.1, 0.15, 0.2)}),
    "total variation": (total_variation, {"weight": (0.015, 0.02, 0.025, 0.03, 0.04)}),
    "wavelets": (wavelets, {"wavelet": ("db1", "db2", "sym4"), "ycbcr": (False, True),
                            "shifts": (1, 16)}),
    "non-local means": (non_local_means, {"patch": (3, 5), "distance": (5, 9),
                                          "h": (0.8, 1, 1.2, 1.4, 1.6)}),
}


def apply(name, parameters, image):
    """Image [3][height][width] on [-1, 1], float32, in and out. Nothing is clipped: neither are the
    networks' outputs."""
    pixels = (image.transpose(1, 2, 0).astype(float) + 1) / 2
    pixels = FILTERS[name][0](pixels, **parameters)
    return numpy.ascontiguousarray((2 * pixels - 1).transpose(2, 0, 1), dtype=numpy.float32)


# --- Tuning and measuring -------------------------------------------------------------------------

def combinations(grid):
    return [dict(zip(grid, values)) for values in itertools.product(*grid.values())]


def tune(work, name):
    """The best of the grid, and whether it is at an end of one of its rows of numbers."""
    clean, noisy = work.tuning_images()
    grid = FILTERS[name][1]
    best = max(combinations(grid), key=lambda parameters: numpy.mean(
        [work.library.psnr(apply(name, parameters, x), c) for x, c in zip(noisy, clean)]))
    edge = [key for key, values in grid.items()
            if not isinstance(values[0], (str, bool)) and len(values) > 2
            and best[key] in (values[0], values[-1])]
    return best, edge


def measure(work, name):
    parameters, edge = tune(work, name)
    outputs, seconds = [], []
    for image in work.noisy_test():
        start = time.perf_counter()
        outputs.append(apply(name, parameters, image))
        seconds.append(time.perf_counter() - start)
    return {"parameters": parameters, "edge": edge, "ms": 1e3 * float(numpy.median(seconds)),
            **work.quality(outputs)}


def run(work):
    import scipy
    import skimage
    versions = {"skimage": skimage.__version__, "scipy": scipy.__version__}
    work.record.do("filters/noisy", {"sigma": SIGMA}, lambda: work.quality(work.noisy_test()))
    for name, (_, grid) in FILTERS.items():
        made_from = {"grid": grid, "tuned on": work.options.tune, "sigma": SIGMA, **versions}
        work.record.do("filters/" + name, made_from, lambda n=name: measure(work, n))
    work.record.do("skimage", versions, lambda: cross_check(work))


def cross_check(work):
    """Largest difference between the library's metrics and scikit-image's, over some test images
    with noise and with what the wavelets make of it."""
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity
    parameters = work.record.get("filters/wavelets")["parameters"]
    worst = {"psnr": 0, "ssim": 0}
    pairs = [(c, y) for c, x in list(zip(work.test_images(), work.noisy_test()))[:20]
             for y in (x, apply("wavelets", parameters, x))]
    for clean, other in pairs:
        a, b = clean.astype(float), other.astype(float)
        psnr = peak_signal_noise_ratio(a, b, data_range=2)
        ssim = structural_similarity(a, b, data_range=2, channel_axis=0, gaussian_weights=True,
                                     sigma=1.5, use_sample_covariance=False)
        worst["psnr"] = max(worst["psnr"], abs(psnr - work.library.psnr(clean, other)))
        worst["ssim"] = max(worst["ssim"], abs(ssim - work.library.ssim(clean, other)))
    if not max(worst.values()) < 1e-6:
        raise work.Failure("the library's metrics are not scikit-image's: %s" % worst)
    return {"images": len(pairs), **worst}
