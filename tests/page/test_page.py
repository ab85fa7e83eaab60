#!/usr/bin/env python3
"""report.html of real runs: is it well formed, true, and does a browser show it?

    test_page.py DENOISE RECONSTRUCT PAGE_CASES

Runs the trainers, and PAGE_CASES for what their images do not lead to: grey images, large ones, five
channels, an error of zero. Reads each page as XML and holds its figures, curves and pictures to
metrics.json, log.csv and the model, by computations of its own. Then opens it in a headless Chromium
without a network, wide and narrow, light and dark, and on paper; where there is none, that is skipped.
With CAE_TEST_SHOTS=DIRECTORY the screenshots stay there. Prints TAP."""

import base64
import csv
import json
import math
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as xml
import zlib

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
import browser  # noqa: E402 (beside this file)

SECTIONS = ["quality", "training", "samples", "distribution", "worst", "network", "filters",
            "latent", "figures", "reproduce"]
DASH = "\u2013"


# --- PNG ------------------------------------------------------------------------------------------

def paeth(a, b, c):
    p = a + b - c
    return min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]


def png_pixels(png):
    """(width, height, bytes of red, green, blue), of a file that must be without a fault"""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    at, packed, kinds = 8, b"", []
    while at < len(png):
        size, kind = struct.unpack(">I4s", png[at:at + 8])
        body, check = png[at + 8:at + 8 + size], png[at + 8 + size:at + 12 + size]
        assert struct.unpack(">I", check)[0] == zlib.crc32(kind + body), "checksum of a chunk"
        kinds.append(kind)
        packed += body if kind == b"IDAT" else b""
        at += 12 + size
    assert kinds[0] == b"IHDR" and kinds[-1] == b"IEND", kinds
    width, height, form = struct.unpack(">II5s", png[16:29])
    assert form == b"\x08\x02\0\0\0", "8 bits of red, green and blue, not interlaced"
    rows, stride = zlib.decompress(packed), 3 * width
    assert len(rows) == height * (stride + 1)
    pixels, before = bytearray(), bytes(stride)
    for y in range(height):
        kind, row = rows[y * (stride + 1)], bytearray(rows[y * (stride + 1) + 1:][:stride])
        for x in range(stride):
            left = row[x - 3] if x >= 3 else 0
            corner = before[x - 3] if x >= 3 else 0
            row[x] = row[x] + (0, left, before[x], (left + before[x]) // 2,
                               paeth(left, before[x], corner))[kind] & 255
        pixels += row
        before = row
    return width, height, bytes(pixels)


# --- A page ---------------------------------------------------------------------------------------

def text(element):
    return "".join(element.itertext())


class Page:
    def __init__(self, directory):
        self.directory = directory
        self.path = os.path.abspath(os.path.join(directory, "report.html"))
        with open(self.path, "rb") as file:
            self.bytes = file.read()
        self.source = self.bytes.decode("utf-8")
        assert self.source.startswith("<!DOCTYPE html>\n")
        root = xml.fromstring(self.source.split("\n", 1)[1])
        for element in root.iter():
            element.tag = element.tag.replace("{http://www.w3.org/1999/xhtml}", "")
        self.root = root
        self.sections = {s.get("id"): s for s in root.iter("section")}
        with open(os.path.join(directory, "metrics.json")) as file:
            self.metrics = json.load(file)

    def pictures(self, section):
        return [img for img in self.sections[section].iter("img")]

    def log(self):
        path = os.path.join(self.directory, "log.csv")
        if not os.path.exists(path):
            return None
        with open(path) as file:
            return [(int(r["step"]), float(r["loss"]), float(r["learning_rate"]))
                    for r in csv.DictReader(file)]


def decode(img):
    kind, data = img.get("src").split(",", 1)
    assert kind == "data:image/png;base64"
    return png_pixels(base64.b64decode(data, validate=True))


# --- What must hold for every page ------------------------------------------------------------------

def well_formed(page):
    ids = [e.get("id") for e in page.root.iter() if e.get("id")]
    assert len(ids) == len(set(ids)), ids
    known = {"html", "head", "meta", "link", "title", "style", "body", "header", "h1", "p", "div",
             "span", "b", "small", "nav", "a", "main", "section", "h2", "h3", "table", "thead",
             "tbody", "tr", "th", "td", "svg", "text", "line", "path", "circle", "rect", "figure",
             "img", "figcaption", "br", "code", "data", "pre", "footer"}
    assert {e.tag for e in page.root.iter()} <= known, {e.tag for e in page.root.iter()} - known
    for table in page.root.iter("table"):
        widths = {sum(int(c.get("colspan", 1)) for c in row) for row in table.iter("tr")}
        assert len(widths) == 1, "a table's rows have %s cells" % widths
    assert page.root.find("head/title").text and page.root.get("lang") == "en"
    assert all(32 <= ord(c) or c == "\n" for c in page.source)


def all_sections(page):
    expected = [s for s in SECTIONS if s != "training" or page.metrics["mode"] == "train"]
    assert sorted(page.sections) == sorted(expected), list(page.sections)
    linked = [a.get("href") for a in page.root.iter("a")]
    assert sorted(linked) == sorted("#" + s for s in expected), linked
    assert all(s.find("h2") is not None for s in page.sections.values())


def loads_nothing(page):
    for element in page.root.iter():
        for name, value in element.attrib.items():
            assert not name.startswith("on"), name
            if name in ("src", "href", "xlink:href", "srcset", "data", "action", "poster"):
                assert value.startswith(("data:", "#")), value[:80]
    style = text(page.root.find("head/style"))
    assert "url(" not in style and "@import" not in style
    policy = page.root.find("head/meta[@http-equiv]").get("content")
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline'")
    rest = re.sub(r'src="data:[^"]*"|xmlns="[^"]*"', "", page.source)
    assert "://" not in re.sub(r"<pre>.*?</pre>", "", rest), "an address"


def pictures_decode(page):
    for img in page.root.iter("img"):
        width, height, _ = decode(img)
        shown = int(img.get("width")), int(img.get("height"))
        assert img.get("alt") and shown[0] % width == 0 and shown[1] % height == 0
        assert shown[0] // width == shown[1] // height


def figures(page):
    """every key of metrics.json, and its value"""
    rows = {text(r.find("th/code")): r.find("td") for r in page.sections["figures"].iter("tr")}
    assert set(rows) == set(page.metrics), set(rows) ^ set(page.metrics)
    for key, value in page.metrics.items():
        cell, shown = rows[key], text(rows[key])
        if value is None:
            assert shown == DASH, (key, shown)
        elif isinstance(value, str):
            assert shown == value, (key, shown)
        else:
            exact = float(cell.find("data").get("value"))
            assert math.isclose(exact, value, rel_tol=1e-11), (key, exact, value)
            rounded = float(text(cell.find("data")).replace(",", ""))
            assert math.isclose(rounded, value, rel_tol=2e-3, abs_tol=5e-3), (key, rounded, value)


def quality(page):
    rows = [[text(c) for c in row] for row in page.sections["quality"].iter("tr")]
    m = page.metrics
    keys = [["psnr_db", "ssim", "ssim_uniform7", "test_mse"]]
    if m["noisy_psnr_db"] is not None:
        keys.insert(0, ["noisy_psnr_db", "noisy_ssim", "noisy_ssim_uniform7", "noisy_mse"])
    assert len(rows) == 1 + len(keys)
    for row, names in zip(rows[1:], keys):
        for shown, name in zip(row[1:], names):
            if m[name] is None:
                assert shown in (DASH, "\u221e"), (name, shown)
            else:
                assert abs(float(shown) - m[name]) <= 0.00501, (name, shown)


def shots(page, section):
    """[(number, {name: (img, PSNR or None)})]"""
    found = []
    for column in page.sections[section].findall("div/div"):
        one = {}
        for figure in column.iter("figure"):
            caption = figure.find("figcaption")
            psnr = caption.find("b")
            one[caption.text] = (figure.find("img"), None if psnr is None else float(
                text(psnr).replace("\u221e", "inf")))
        found.append((int(text(column.find("h3")).split()[1]), one))
    return found


def samples(page):
    """PSNR as the pictures themselves have it, but for what 8 bits, and a middle cut out, cannot tell"""
    for section in ("samples", "worst"):
        found = shots(page, section)
        assert len(found) == min(10, page.metrics["test_images"])
        noisy = {"noisy"} if page.metrics["noisy_psnr_db"] is not None else set()
        for _, one in found:
            error, = set(one) - {"original", "output"} - noisy
            factor = float(error.split()[-1])
            width, _, original = decode(one["original"][0])
            for name in {"output"} | noisy:
                other = decode(one[name][0])[2]
                mse = sum((a - b) ** 2 for a, b in zip(original, other)) / len(original)
                psnr = 10 * math.log10(255 ** 2 / mse) if mse else math.inf
                # noise beyond black and white is not in a picture; nor are channels four and five
                slack = 0 if width >= 192 or len(found) == 2 else 1.5
                if slack:
                    assert psnr == one[name][1] or -0.1 < psnr - one[name][1] < slack, (
                        name, psnr, one[name][1])
            output = decode(one["output"][0])[2]
            for a, b, e in zip(original, output, decode(one[error][0])[2]):
                if 0 < b < 255:  # else the output may lie beyond what a picture shows
                    assert abs(min(255, abs(a - b) * factor) - e) <= factor + 0.5, (a, b, e)


def worst(page):
    found = [one["output"][1] for _, one in shots(page, "worst")]
    assert found == sorted(found)
    others = {n: one["output"][1] for n, one in shots(page, "samples")}
    numbers = [n for n, _ in shots(page, "worst")]
    assert all(psnr >= found[-1] for n, psnr in others.items() if n not in numbers)
    lowest = "lowest %s dB" % ("\u221e" if math.isinf(found[0]) else "%.2f" % found[0])
    assert lowest in text(page.sections["distribution"])


def distribution(page):
    titles = [t.text for t in page.sections["distribution"].iter("title")]
    exact = re.search(r"(\d+) came back exactly", text(page.sections["distribution"]))
    count = page.metrics["test_images"] - (int(exact[1]) if exact else 0)
    drawings = list(page.sections["distribution"].iter("svg"))
    assert len(drawings) == (2 if count else 0)
    for svg in drawings:
        found = [re.fullmatch(r"(\S+) to (\S+) dB: (\d+) images?", t.text) for t in svg.iter("title")]
        assert sum(int(f[3]) for f in found) == count, titles
        assert all(float(a[2]) <= float(b[1]) + 1e-9 for a, b in zip(found, found[1:]))
        tallest = max(svg.iter("rect"), key=lambda r: float(r.get("height")))
        assert int(re.search(r": (\d+)", tallest.find("title").text)[1]) == max(int(f[3]) for f in found)


def training(page):
    """the buckets of the curve, from log.csv"""
    rows = page.log()
    if rows is None or page.metrics["mode"] != "train":
        return
    count = min(120, len(rows))
    per_epoch = math.ceil(page.metrics["train_images"] / page.metrics["batch"])
    drawings = list(page.sections["training"].iter("svg"))
    assert [d.get("class") for d in drawings] == ["wide", "narrow"]
    for svg in drawings:
        found = [t.text for t in svg.iter("title")]
        assert len(found) == count
        for i, shown in enumerate(found):
            part = rows[i * len(rows) // count:(i + 1) * len(rows) // count]
            losses = [r[1] for r in part]
            epoch, mean, low, high, rate = map(float, re.fullmatch(
                r"epoch (\S+): mean (\S+), (\S+) to (\S+); rate (\S+)", shown).groups())
            assert math.isclose(mean, sum(losses) / len(losses), rel_tol=1e-3), (mean, losses)
            assert math.isclose(low, min(losses), rel_tol=1e-3)
            assert math.isclose(high, max(losses), rel_tol=1e-3)
            assert math.isclose(rate, sum(r[2] for r in part) / len(part), rel_tol=1e-2)
            assert abs(epoch - (part[0][0] + part[-1][0]) / 2 / per_epoch) < 0.0051
        curves = [p for p in svg.iter("path") if p.get("class") == "curve"]
        assert len(curves) == 2 and all(p.get("d").count("L") == count - 1 for p in curves)


def network(page):
    rows = [[text(c) for c in r] for r in page.sections["network"].iter("tr")]
    layers = [r for r in rows if r[0].isdigit()]
    assert sum(int(r[-1].replace(",", "")) for r in layers) == page.metrics["parameters"]
    assert int(rows[-1][-1].replace(",", "")) == page.metrics["parameters"]
    given = next(r for r in rows if len(r) > 1 and r[1] == "input")[6]
    assert layers[-1][6] == given, (layers[-1], given)  # the model said so: it was evaluated
    parts = [r[0] for r in rows if len(r) == 1]
    if "decoder" in parts:
        last = [r for r in rows if len(r) == 1 or r[0].isdigit()]
        latent = last[last.index(["decoder"]) - 1][6]
        assert "has %s = " % latent in text(page.sections["network"]), latent


def weights(path):
    """the first tensor of the first layer, as {(out, in, y, x): weight}"""
    with open(path, "rb") as file:
        data = file.read()
    size, = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + size])
    entry = header["0.weight"]
    start, end = entry["data_offsets"]
    values = struct.unpack("<%df" % ((end - start) // 4), data[8 + size + start:8 + size + end])
    return entry["shape"], values


def filters(page):
    """middle grey is 0, the ends are the largest weight; three inputs are colours"""
    path = os.path.join(page.directory, "model.safetensors")
    if not os.path.exists(path):
        return
    (out, into, height, width), values = weights(path)
    pictures = page.pictures("filters")
    assert len(pictures) == out and into == 3
    for k, img in enumerate(pictures):
        one = values[k * into * height * width:(k + 1) * into * height * width]
        most = max(map(abs, one))
        wide, high, pixels = decode(img)
        zoom = wide // width
        assert zoom * width == wide and zoom * height == high
        for y in range(high):
            for x in range(wide):
                for c in range(3):
                    w = one[(c * height + y // zoom) * width + x // zoom]
                    shown = pixels[3 * (y * wide + x) + c]
                    assert abs(127.5 * (1 + w / most) - shown) <= 0.51, (k, x, y, c, w, shown)


def latent(page):
    """as many pictures as it has channels, and the image before them"""
    said = re.search(r"the (\d+) channels of (\d+)\u00d7(\d+)", text(page.sections["latent"]))
    pictures = page.pictures("latent")
    assert len(pictures) == 1 + min(96, int(said[1]))
    for img in pictures[1:]:
        width, height, pixels = decode(img)
        expected = min(96, int(said[3])), min(96, int(said[2]))
        zoom = width // expected[0]  # tiny ones are enlarged in the file
        assert (width, height) == (zoom * expected[0], zoom * expected[1]), (width, height)
        assert pixels[0::3] == pixels[1::3] == pixels[2::3], "grey"
        if width < 96:
            assert {min(pixels), max(pixels)} in ({0, 255}, {0}), "from black to white"


CHECKS = [well_formed, all_sections, loads_nothing, pictures_decode, figures, quality, samples, worst,
          distribution, training, network, filters, latent]


# --- In the browser -------------------------------------------------------------------------------

IMAGES = """Promise.all([...document.images].map(i => i.decode().then(() => i.naturalWidth > 0)))
    .then(all => all.every(Boolean) ? all.length : -1)"""

# text of drawings that are shown: the size on the screen, and whether two of one drawing overlap
DRAWINGS = """(() => {
    const all = [...document.querySelectorAll('svg')].filter(s => s.getBoundingClientRect().width);
    let least = 99, overlaps = [], outside = [];
    for (const svg of all) {
        const scale = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
        const box = svg.getBoundingClientRect();
        const texts = [...svg.querySelectorAll('text')].map(t => [t.textContent,
            t.getBoundingClientRect()]);
        for (const [a, r] of texts) {
            least = Math.min(least, parseFloat(getComputedStyle(svg.querySelector('text'))
                .fontSize) * scale);
            if (r.left < box.left - 1 || r.right > box.right + 1 || r.bottom > box.bottom + 1)
                outside.push(a);
            for (const [b, s] of texts)
                if (r !== s && r.left < s.right && s.left < r.right && r.top + 3 < s.bottom - 3 &&
                    s.top + 3 < r.bottom - 3)
                    overlaps.push(a + ' / ' + b);
        }
    }
    return [all.length, least, overlaps, outside];
})()"""

WIDE_ELEMENTS = """[...document.querySelectorAll('body *')].filter(e => !e.closest('.scroll') &&
    e.getBoundingClientRect().right > document.documentElement.clientWidth + 1).map(e => e.tagName +
    '.' + e.className).slice(0, 5)"""

# the least contrast (WCAG 2) between a text and what is behind it
CONTRAST = """(() => {
    const light = c => { const [r, g, b] = c.match(/[\\d.]+/g).map(v => v / 255).map(
        v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
    const behind = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e)
        .backgroundColor; if (!/, 0\\)$/.test(c)) return c; } return 'rgb(255, 255, 255)'; };
    let least = 99;
    for (const e of document.querySelectorAll('h1,h2,h3,p,td,th,a,b,span,figcaption,code,text')) {
        const colour = e.tagName === 'text' ? getComputedStyle(e).fill : getComputedStyle(e).color;
        const [x, y] = [light(colour), light(behind(e))].sort((a, b) => b - a);
        least = Math.min(least, (x + 0.05) / (y + 0.05));
    }
    return [least, light(behind(document.body))];
})()"""


def shown(page, tab):
    assert [u for u in tab.requests() if not u.startswith("data:")] == ["file://" + page.path], \
        "something else was asked for"
    assert tab.complaints() == [], tab.complaints()
    assert tab.value(IMAGES) == len(list(page.root.iter("img"))), "pictures that do not decode"
    assert tab.value("document.compatMode") == "CSS1Compat"
    assert tab.value("document.querySelectorAll('*').length") == sum(
        1 for _ in page.root.iter()), "the browser's tree is not what was written"


def fits(tab, width, dark, drawings):
    tab.screen(width, 900, ratio=2 if width < 500 else 1, dark=dark, mobile=width < 500)
    assert tab.value("document.documentElement.scrollWidth") <= width, tab.value(WIDE_ELEMENTS)
    assert tab.value(WIDE_ELEMENTS) == []
    count, least, overlaps, outside = tab.value(DRAWINGS)
    assert count == drawings, "%d drawings" % count
    assert not overlaps and not outside, (overlaps, outside)
    assert not drawings or least >= 9, "text of %.1f pixels" % least
    contrast, behind = tab.value(CONTRAST)
    assert contrast >= 4.5, "contrast %.2f" % contrast
    assert (behind < 0.1) == dark, "background %.2f" % behind


def save(tab, work, name):
    path = os.path.join(os.environ.get("CAE_TEST_SHOTS") or work, name)
    tab.picture(path + ".png")
    with open(path + ".png", "rb") as file:
        assert len(file.read()) > 20000, "an empty screenshot"


def on_paper(tab, work, name):
    path = os.path.join(os.environ.get("CAE_TEST_SHOTS") or work, name) + ".pdf"
    tab.print(path)
    with open(path, "rb") as file:
        pdf = file.read()
    assert pdf.startswith(b"%PDF") and len(pdf) > 10000


def dumped(program, page):
    """by a browser of its own, with nothing but the command line"""
    profile = tempfile.mkdtemp()
    try:
        done = subprocess.run([program] + browser.options(profile) + [
            "--dump-dom", "file://" + page.path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            timeout=120, check=True)
    finally:
        shutil.rmtree(profile, ignore_errors=True)
    dom = done.stdout.decode()
    for section in page.sections:
        assert '<section id="%s">' % section in dom, section
    assert dom.count("<img ") == len(list(page.root.iter("img")))


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
            print("# %s: %s" % (type(trouble).__name__, str(trouble)[:1500].replace("\n", "\n# ")))
        else:
            print("ok %d - %s" % (self.count, what))
        sys.stdout.flush()

    def skip(self, what, why):
        self.count += 1
        print("ok %d - %s # SKIP %s" % (self.count, what, why))


def run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, "exit code %d: %s" % (done.returncode, done.stdout)


def same_bytes(one, two):
    with open(one, "rb") as a, open(two, "rb") as b:
        assert a.read() == b.read(), "%s and %s differ" % (one, two)


def make_runs(denoise, reconstruct, cases):
    """{name: directory}"""
    tiny = ["--limit", "1000", "--batch", "16", "--quiet"]
    run(denoise, *tiny, "--epochs", "6", "--out", "denoise")
    run(reconstruct, *tiny, "--epochs", "1", "--out", "reconstruct")
    run(reconstruct, *tiny, "--epochs", "2", "--out", "reconstruct", "--resume",
        "reconstruct/checkpoint.safetensors")
    for twin in ("evaluated", "again"):
        run(denoise, "--quiet", "--eval", "denoise/model.safetensors", "--out", twin)
    for case in ("grey", "large", "five", "exact"):
        run(cases, case, case)
    return ["denoise", "reconstruct", "evaluated", "grey", "large", "five", "exact"]


def says(page, *words):
    whole = text(page.root)
    for word in words:
        assert word in whole, word


def only_named_differs():
    """twice the same evaluation: the same page, but for the name of the directory"""
    with open("evaluated/report.html") as one, open("again/report.html") as two:
        assert one.read().replace("--out evaluated", "--out again") == two.read()


SCREENS = [(1280, False, "wide"), (1280, True, "dark"), (375, False, "phone"), (320, True, "small"),
           (768, False, "tablet"), (901, False, "window")]


def in_browser(tap, program, pages, work):
    with browser.Browser(program) as chromium:
        for name, page in pages.items():
            tab = chromium.open("file://" + page.path)
            drawings = sum(1 for s in page.root.iter("svg") if s.get("class") == "wide")
            tap.check("%s: a browser shows all of it, and asks for nothing" % name, shown, page, tab)
            for width, dark, form in SCREENS if name in ("denoise", "large") else SCREENS[:3]:
                tap.check("%s: %s, %d pixels" % (name, form, width), fits, tab, width, dark, drawings)
                if form in ("wide", "dark", "phone"):
                    tap.check("%s: a picture of it, %s" % (name, form), save, tab, work,
                              name + "-" + form)
            tap.check("%s: on paper" % name, on_paper, tab, work, name)


def main():
    programs = [os.path.abspath(path) for path in sys.argv[1:4]]
    tap, work = Tap(), tempfile.mkdtemp()
    os.chdir(work)
    try:
        names = make_runs(*programs)
        pages = {}
        for name in names:
            tap.check("%s: report.html is there and is XML" % name,
                      lambda: pages.update({name: Page(name)}))
        for name, page in pages.items():
            for check in CHECKS:
                tap.check("%s: %s" % (name, check.__name__.replace("_", " ")), check, page)
        tap.check("the command that reproduces a run", says, pages["denoise"],
                  programs[0] + " --epochs 6 --batch 16 --limit 1000 --out denoise --quiet")
        tap.check("a run that went on says so", says, pages["reconstruct"], "from step 63",
                  "--resume reconstruct/checkpoint.safetensors",
                  programs[1] + " --epochs 2 --batch 16 --limit 1000 --out reconstruct --quiet")
        tap.check("a program that is called like markup", says, pages["large"],
                  "'<script>alert(\"1\")</script> & '\\''x'\\''\ufffd\ufffd'")
        tap.check("a residual connection is named", says, pages["grey"],
                  "output = input + what the layers make of it")
        tap.check("no error has a name", says, pages["exact"], "\u221e", "1 came back exactly")
        tap.check("the same evaluation, the same page", only_named_differs)
        program = browser.find()
        if program:
            tap.check("--dump-dom has the sections", dumped, program, pages["denoise"])
            in_browser(tap, program, pages, work)
        else:
            tap.skip("in a browser", "no chromium here: tests/run.sh installs it")
    finally:
        os.chdir("/")
        shutil.rmtree(work)
    print("1..%d" % tap.count)
    sys.exit(tap.failed > 0)


if __name__ == "__main__":
    main()
