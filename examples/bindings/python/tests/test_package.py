"""The package: what it covers, which libraries it refuses, and that it can be installed."""

from __future__ import annotations

import importlib.util
import inspect
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

import cae
from cae._library import ffi, lib
from cae._structs import initialized
from common import SCRATCH, SOURCE
from tap import Skip


def test_coverage() -> None:
    """every function of the C interface is called somewhere in the package"""
    source = "".join(path.read_text() for path in (SOURCE / "src" / "cae").glob("*.py"))
    structs = re.findall(r'"(cae_\w+)"', source)
    called = set(re.findall(r"\b(?:lib|library)\.(cae_\w+)", source))
    called |= {f"{name}_init" for name in structs} | {f"{name}_destroy" for name in structs}
    functions = {name for name in dir(lib) if name.startswith("cae_")}
    assert len(functions) > 60 and not functions - called, functions - called


def test_defaults() -> None:
    """the defaults of the signatures are those of the library"""
    for call, name in (
        (cae.Context, "cae_context_options"),
        (cae.Spec.add_conv, "cae_conv_options"),
        (cae.Spec.add_conv_transpose, "cae_conv_options"),
        (cae.Dataset, "cae_dataset_options"),
        (cae.Dataset.cifar10, "cae_dataset_options"),
        (cae.Dataset.dead_leaves, "cae_dataset_options"),
        (cae.Optimizer, "cae_optimizer_options"),
        (cae.Trainer, "cae_trainer_options"),
        (cae.Model.evaluate, "cae_evaluation_options"),
    ):
        struct, compared = initialized(name), 0
        fields = {field for field, _ in ffi.typeof(name).fields}
        for parameter in inspect.signature(call).parameters.values():
            for field in {parameter.name, f"{parameter.name}_h", f"{parameter.name}_w"} & fields:
                if parameter.name != "log":
                    assert getattr(struct, field) == parameter.default, (name, field)
                    compared += 1
        assert compared


def load(library: str) -> str:
    """The last line of what importing the package says with that library."""
    environment = dict(os.environ, CAE_LIBRARY=library)
    code = "import cae; print(cae.version())"
    run = [sys.executable, "-c", code]
    result = subprocess.run(run, env=environment, capture_output=True, text=True, check=False)
    assert (result.returncode == 0) == (result.stderr == "")
    return (result.stdout + result.stderr).strip().splitlines()[-1]


def test_refusal() -> None:
    """libraries that are too old, of another ABI, incomplete, something else or missing"""
    older = load(os.environ["CAE_LIBRARY_OLDER"])
    assert older.startswith("ImportError: ") and "cae 0.9.0, ABI 1; needed is cae 1.1.0" in older
    other = load(os.environ["CAE_LIBRARY_OTHER_ABI"])
    assert other.startswith("ImportError: ") and "is cae 9.0.0, ABI 9; needed is" in other
    missing = load("/nowhere/libcae.so.1")
    assert missing.startswith("ImportError: libcae was not found") and "/nowhere" in missing
    if sys.platform.startswith("linux"):
        assert "libm.so.6 is not libcae" in load("libm.so.6")
    assert load("") == cae.version()  # libcae.so.1 where the system finds it


def test_wheel() -> None:
    """a wheel builds, installs into a venv, and works there"""
    if not importlib.util.find_spec("pip"):
        raise Skip("no pip")
    work = SCRATCH / "wheel"
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(SOURCE, work / "source", ignore=shutil.ignore_patterns("__pycache__"))
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    offline = all(importlib.util.find_spec(name) for name in ("setuptools", "wheel"))
    build = ["wheel", "--no-deps", *["--no-build-isolation"] * offline, "-w", str(work)]
    environment = {key: text for key, text in os.environ.items() if key != "PYTHONPATH"}

    def run(command: list[str], **keywords: object) -> str:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, **keywords
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    try:
        run([*pip, *build, str(work / "source")])
    except AssertionError:
        if not offline:
            raise Skip("no setuptools, and none to be fetched") from None
        raise
    (wheel,) = work.glob("cae-1.1.0-py3-none-any.whl")
    run(
        [
            sys.executable,
            "-m",
            "venv",
            "--without-pip",
            "--system-site-packages",
            str(work / "venv"),
        ]
    )
    python = work / "venv" / "bin" / "python"
    site = run(
        [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    ).strip()
    run([*pip, "install", "--no-deps", "--no-index", "--target", site, str(wheel)])
    environment["PYTHONPATH"] = str(Path(np.__file__).parent.parent)  # if that is a venv, too
    code = "import cae; print(cae.__file__); cae.Model.reference(cae.Context(), seed=1)"
    assert run([str(python), "-c", code], cwd=work).startswith(site)
    assert (
        run([str(python), "-c", "import importlib.metadata as m; print(m.version('cae'))"])
        == "1.1.0\n"
    )
