"""The tables, as Markdown, and the pictures, from what the record has."""

import importlib.util
import os
import sys

import numpy

import filters
import networks
import photos

BEGIN = "<!-- tables: made by tests/quality/run.py, not by hand -->"
END = "<!-- end of tables -->"


# --- Words and numbers ----------------------------------------------------------------------------

def table(head, rows):
    lines = [head, ["---"] * len(head)] + rows
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def over_seeds(pieces, key, form):
    """Mean, and least to greatest where there are several."""
    values = [piece[key] for piece in pieces]
    mean = form % numpy.mean(values)
    if len(values) == 1:
        return mean
    return "%s (%s to %s)" % (mean, form % min(values), form % max(values))


def duration(seconds):
    return "%.1f s" % seconds if seconds < 60 else "%.0f s" % seconds if seconds < 600 \
        else "%.0f min" % (seconds / 60)


def small_time(ms):
    return "%.0f µs" % (1e3 * ms) if ms < 1 else "%.1f ms" % ms


def in_words(parameters):
    def one(key, value):
        if isinstance(value, bool):
            return key if value else "no " + key
        return "%s %s" % (key.replace("_", " "), value)
    return ", ".join(one(*item) for item in parameters.items())


def of_preset(record, prefix):
    """{preset: figures of each seed} of pieces named prefix/preset/seed."""
    found = {}
    for name, figures in record.below(prefix).items():
        found.setdefault(name.split("/")[0], []).append(figures)
    return found


def mean(pieces, key):
    return float(numpy.mean([piece[key] for piece in pieces]))


def network_row(name, pieces):
    first = pieces[0]
    time = "" if "ms" not in first else small_time(mean(pieces, "ms"))
    return [name, "{:,} parameters, {:,} samples".format(first["parameters"], first["samples"]),
            duration(mean(pieces, "seconds")), time, over_seeds(pieces, "psnr", "%.2f"),
            over_seeds(pieces, "ssim", "%.4f")]


HEAD = ["", "settings", "training", "an image", "PSNR dB", "SSIM"]


# --- Tables ---------------------------------------------------------------------------------------

def denoising(record):
    plain = dict(record.below("filters/"))
    noisy = plain.pop("noisy", None)
    presets, twins = of_preset(record, "denoise/"), list(record.below("twin/").values())
    if not plain and not presets:
        return None
    rows = [["noisy input", "", "", "", "%.2f" % noisy["psnr"], "%.4f" % noisy["ssim"]]] \
        if noisy else []
    for name, f in sorted(plain.items(), key=lambda item: item[1]["psnr"]):
        rows.append([name, in_words(f["parameters"]), "", small_time(f["ms"]),
                     "%.2f" % f["psnr"], "%.4f" % f["ssim"]])
    if twins:
        rows.append(network_row("reference, PyTorch", twins))
    rows += [network_row("**%s**" % name, presets[name]) for name in networks.DENOISERS
             if name in presets]
    return "\n\n".join(["### Denoising, σ = 0.1", table(HEAD, rows)] +
                       comparison(plain, presets) + edges(plain))


def comparison(plain, presets):
    """Which filters do better than which preset, in words."""
    lines = []
    for key, form, unit in (("psnr", "%+.2f", " dB"), ("ssim", "%+.4f", "")):
        for name in networks.DENOISERS:
            if name not in presets or not plain:
                continue
            own = mean(presets[name], key)
            above = sorted(((f[key] - own, filter_name) for filter_name, f in plain.items()
                            if f[key] > own), reverse=True)
            best = max(plain, key=lambda n: plain[n][key])
            lines.append("- %s, `%s`: %s" % (key.upper(), name, "**filters that do better:** " + (
                ", ".join("%s %s%s" % (n, form % d, unit) for d, n in above)) if above else
                "above all filters, the best (%s) by %s%s" % (
                    best, form % (own - plain[best][key]), unit)))
    return ["\n".join(lines)] if lines else []


def edges(plain):
    at = ["%s (%s)" % (name, ", ".join(f["edge"])) for name, f in plain.items() if f["edge"]]
    return ["Best at an end of what was tried: %s." % ", ".join(at)] if at else []


def reconstruction(record):
    presets = of_preset(record, "reconstruct/")
    if not presets:
        return None
    rows = [network_row("**%s**" % name, presets[name]) for name in networks.RECONSTRUCTORS
            if name in presets]
    return "### Reconstruction\n\n" + table([h for h in HEAD if h != "an image"],
                                            [row[:3] + row[4:] for row in rows])


def builtin(record):
    """Means over the seeds; differences where a seed has been trained on both."""
    seeds = {}
    for name, here in record.below("builtin/").items():
        seeds.setdefault(name.rsplit("/", 1)[0], []).append((here, record.get(name)))
    rows = []
    for name, pairs in seeds.items():
        heres, both = [here for here, _ in pairs], [pair for pair in pairs if pair[1]]
        there = ["%.2f" % mean([there for _, there in both], "psnr")] + [
            form % numpy.mean([here[key] - there[key] for here, there in both])
            for key, form in (("psnr", "%+.2f"), ("ssim", "%+.4f"))] if both else [""] * 3
        rows.append(["%s, **%s**" % tuple(name.split("/")), "%.2f" % mean(heres, "psnr"), *there,
                     "%.2f" % mean(heres, "own_psnr")])
    return rows and "### Trained on the built-in images alone\n\n" + table(
        ["", "PSNR dB on CIFAR-10", "trained on CIFAR-10", "difference, dB", "in SSIM",
         "PSNR dB on built-in images"], rows)


def exact_or(psnr):
    return "exact" if psnr > 100 else "%.2f" % psnr


def compression(record):
    rows = []
    for latent in networks.LATENTS:
        net, pca = record.get("compress/%d" % latent), record.get("pca/%d" % latent)
        if net or pca:
            rows.append(["%d" % latent, "%d" % (64 * latent),
                         "1 : %.1f" % (networks.VALUES / (64 * latent)),
                         *(["{:,}".format(net["parameters"]), duration(net["seconds"]),
                            "%.2f" % net["psnr"], "%.4f" % net["ssim"]] if net else [""] * 4),
                         *([exact_or(pca["psnr"]), "%.4f" % pca["ssim"]] if pca else [""] * 2)])
    return rows and "### Compression\n\n" + table(
        ["latent channels", "values", "of 3072", "parameters", "training", "PSNR dB", "SSIM",
         "PCA: PSNR dB", "PCA: SSIM"], rows)


def against_pytorch(record):
    twins = list(record.below("twin/").values())
    ours = of_preset(record, "denoise/").get("reference")
    if not twins:
        return None
    rows = []
    for name, pieces in (("libcae, **reference**", ours),
                         ("PyTorch " + twins[0]["torch"].split("a")[0], twins)):
        if pieces:
            rate = numpy.mean([piece["samples"] / piece["seconds"] for piece in pieces])
            rows.append([name, "{:,}".format(pieces[0]["samples"]), "%d" % len(pieces),
                         over_seeds(pieces, "psnr", "%.2f"), over_seeds(pieces, "ssim", "%.4f"),
                         "{:,.0f}".format(rate), "%d" % pieces[0]["threads"]])
    return "### The same recipe in PyTorch\n\n" + table(
        ["", "samples", "seeds", "PSNR dB", "SSIM", "images/s in training", "threads"], rows)


def photographs(record):
    pieces = list(record.below("photos/").values())
    if not pieces:
        return None
    piece, sigmas = pieces[0], [str(sigma) for sigma in photos.SIGMAS]
    own = [piece["sigmas"][sigma] for sigma in sigmas]
    rows = [["noisy input, not clipped"] + ["%.2f" % s["noisy_psnr"] for s in own],
            ["**quality**, trained for 0 to %d" % piece["strongest"]] +
            ["%.2f" % s["psnr"] for s in own]]
    rows += [[name + ", published"] + ["%.2f" % psnr for psnr in figures]
             for name, figures in photos.PUBLISHED.items()]
    rows += [["quality minus CBM3D"] + ["%+.2f" % (s["psnr"] - psnr) for s, psnr in zip(
        own, photos.PUBLISHED["CBM3D"])], ["quality, SSIM"] + ["%.4f" % s["ssim"] for s in own]]
    return "\n\n".join([
        "### Photographs: CBSD68, PSNR dB",
        table([""] + ["σ = %s of 255" % sigma for sigma in sigmas], rows),
        "{:,} parameters, {:,} samples of {:,} crops of {}x{} from {} photographs ({} left out, "
        "which are among the tests), {} of training; {} test photographs, {} each.".format(
            piece["parameters"], piece["samples"], piece["images"], piece["crop"], piece["crop"],
            piece["files"], piece["left_out"], duration(piece["seconds"]), piece["tests"],
            small_time(own[0]["ms"]))])


def tables(record):
    data = record.data
    head = "{:,} training and {:,} test images of CIFAR-10. {}.".format(
        data["train"], data["test"], "; ".join(record.machines()) or "Nothing has run yet")
    check = record.get("skimage")
    if check:
        head += " PSNR and SSIM of %d test images are scikit-image's to %.0e dB and %.0e." % (
            check["images"], max(check["psnr"], 1e-15), max(check["ssim"], 1e-15))
    parts = [make(record) for make in (denoising, reconstruction, builtin, compression,
                                       against_pytorch, photographs)]
    return "\n\n".join([head] + [part for part in parts if part])


CAPTIONS = {
    "denoisers.png": ("Built-in images with noise, and as filters and networks return them",
                      "Two built-in images that no network has seen: with noise of σ = 0.1, by two "
                      "filters with the parameters above, and by three presets trained on other "
                      "built-in images (part `builtin`)."),
    "compress.png": ("PSNR and SSIM of compress and of principal components against the size of the "
                     "latent", "Compression: the preset, and as many principal components."),
}


def captions(pictures):
    return "".join("\n\n![%s](images/%s)\n\n*%s*" % (CAPTIONS[name][0], name, CAPTIONS[name][1])
                   for name in pictures)


def write_page(path, text):
    with open(path, encoding="utf-8") as file:
        page = file.read()
    if page.count(BEGIN) != 1 or page.count(END) != 1 or page.index(BEGIN) > page.index(END):
        sys.exit("%s: expected one line %s and after it one line %s" % (path, BEGIN, END))
    before, after = page.split(BEGIN)[0], page.split(END)[1]
    with open(path, "w", encoding="utf-8") as file:
        file.write("%s%s\n\n%s\n\n%s%s" % (before, BEGIN, text, END, after))


# --- Pictures: of the built-in images only --------------------------------------------------------

SIDE, ZOOM, PICTURE_SEED, PICTURES = 72, 2, 2, (3, 8)


def write_pictures(work, folder):
    """The names of those that the page can show: made now, or there from an earlier run."""
    os.makedirs(folder, exist_ok=True)
    for name, draw in (("denoisers.png", draw_denoisers), ("compress.png", draw_compression)):
        if importlib.util.find_spec("matplotlib") is None:
            why_not = "%s has no matplotlib" % sys.executable
        else:
            why_not = draw(work, os.path.join(folder, name))
        if why_not:
            print("%s: left out, %s" % (name, why_not), file=sys.stderr)
    return [name for name in CAPTIONS if os.path.exists(os.path.join(folder, name))]


def pyplot():
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot
    return matplotlib.pyplot


def draw_compression(work, path):
    nets = {int(k): f for k, f in work.record.below("compress/").items()}
    pcas = {int(k): f for k, f in work.record.below("pca/").items() if f["psnr"] < 100}
    if not nets:
        return "part compress has not run"
    figure, panels = pyplot().subplots(1, 2, figsize=(9, 3.4))
    for axes, key, title in zip(panels, ("psnr", "ssim"), ("PSNR dB", "SSIM")):
        for label, series, marker in (("preset compress", nets, "o"),
                                      ("principal components", pcas, "s")):
            axes.plot([64 * k for k in sorted(series)], [series[k][key] for k in sorted(series)],
                      marker=marker, label=label)
        axes.set_xscale("log", base=2)
        axes.set_xticks([64 * latent for latent in networks.LATENTS],
                        ["%d" % (64 * latent) for latent in networks.LATENTS])
        axes.set_xlabel("values in the latent, of 3072 in the image")
        axes.set_ylabel(title)
        axes.grid(alpha=0.3)
    panels[0].legend()
    figure.tight_layout()
    figure.savefig(path, dpi=90)
    return None


def denoised(work, noisy):
    """(title, image) of each column, or what is missing."""
    columns = []
    for name in ("median", "non-local means"):
        piece = work.record.get("filters/" + name)
        if not piece:
            return None, "part filters has not run"
        columns.append((name, filters.apply(name, piece["parameters"], noisy)))
    for preset in ("reference", "residual", "quality"):
        path = os.path.join(work.out, "models",
                            "builtin-denoise-%s-%d.safetensors" % (preset, work.options.seeds[0]))
        if not os.path.exists(path):
            return None, "part builtin has not run"
        model = work.library.load(path)
        columns.append((preset, work.library.forward(model, noisy[None])[0]))
        work.library.c.cae_model_destroy(model)
    return columns, None


def draw_denoisers(work, path):
    """Built-in images that no network has seen, by networks that have seen only built-in ones."""
    data = work.library.dead_leaves(max(PICTURES) + 1, PICTURE_SEED, SIDE)
    rows = []
    for index, clean in zip(PICTURES, work.library.images(data, PICTURES)):
        noisy = work.library.noisy(clean, filters.SIGMA, index)
        columns, missing = denoised(work, noisy)
        if missing:
            return missing
        rows.append([("original", clean), ("noisy, σ = 0.1", noisy)] + columns)
    work.library.c.cae_dataset_destroy(data)
    plot, width, gap, caption, dpi = pyplot(), ZOOM * SIDE, 6, 34, 100
    wide, high = len(rows[0]) * (width + gap) + gap, len(rows) * (width + caption) + gap
    figure = plot.figure(figsize=(wide / dpi, high / dpi), dpi=dpi)
    for i, row in enumerate(rows):
        for j, (title, image) in enumerate(row):
            top = i * (width + caption) + gap
            axes = figure.add_axes([(gap + j * (width + gap)) / wide, 1 - (top + width) / high,
                                    width / wide, width / high])
            axes.imshow(photos.to_bytes(image).astype(numpy.uint8).transpose(1, 2, 0),
                        interpolation="nearest")
            axes.axis("off")
            psnr = "" if title == "original" else "\n%.2f dB" % work.library.psnr(image,
                                                                                   row[0][1])
            figure.text((gap + j * (width + gap) + width / 2) / wide,
                        1 - (top + width + 3) / high, title + psnr, ha="center", va="top",
                        fontsize=8)
    figure.savefig(path, dpi=dpi)
    return None
