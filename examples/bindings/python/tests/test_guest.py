"""The library is a good guest in a Python process: it leaves nothing behind and touches nothing.

Each test runs in a process of its own, whose last line is "fine".
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

from tap import Skip

TRAIN = """
import gc, os, sys
import numpy as np

def threads():
    return len(os.listdir("/proc/self/task"))

def train(epochs=2, threads=2):
    import cae
    with cae.Context(threads=threads) as context, \\
            cae.Dataset.dead_leaves(context, 64, seed=1) as data, \\
            cae.Model.reference(context, seed=1) as model, \\
            cae.Optimizer(model) as optimizer, \\
            cae.Trainer(model, optimizer, data, batch=16, noise_sigma=0.1) as trainer:
        for _ in range(epochs):
            trainer.epoch()
        model.evaluate(data)
        return model.to_bytes()
"""


def alone(code: str, **environment: str) -> None:
    """Run TRAIN and `code` in a new interpreter."""
    if not sys.platform.startswith("linux"):
        raise Skip("looks into Linux's /proc")
    result = subprocess.run(
        [sys.executable, "-c", TRAIN + textwrap.dedent(code)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if result.stdout.startswith("skip "):
        raise Skip(result.stdout[5:].strip())
    assert result.returncode == 0 and result.stdout == "fine\n", result.stdout + result.stderr
    assert result.stderr == "", result.stderr


def test_threads_and_files() -> None:
    """after use and dlclose: no thread and no file descriptor more than before"""
    code = """
        import cae
        from cae._library import ffi, lib
        before, files = threads(), os.listdir("/proc/self/fd")
        train()
        cae.Model.load(cae.Context(), os.environ["CAE_CONTRACT"] + "/model.safetensors")
        assert threads() == before, (before, threads())
        assert os.listdir("/proc/self/fd") == files
        gc.collect()
        ffi.dlclose(lib)
        assert threads() <= before  # OpenBLAS's own end when nobody else uses it
        assert os.listdir("/proc/self/fd") == files
        if os.environ.get("OPENBLAS_NUM_THREADS") == "1":
            assert before == 1, before
        print("fine")
    """
    alone(code)
    alone(code, OPENBLAS_NUM_THREADS="1")


def test_unloaded() -> None:
    """dlclose takes the library out of the process: it can be loaded again"""
    alone(
        """
        def mapped():
            with open("/proc/self/maps") as maps:
                return os.path.realpath(os.environ["CAE_LIBRARY"]) in maps.read()
        first = train()
        from cae._library import ffi, lib
        assert mapped()
        gc.collect()
        ffi.dlclose(lib)
        assert not mapped()
        for name in [name for name in sys.modules if name.partition(".")[0] == "cae"]:
            del sys.modules[name]
        assert train() == first
        print("fine")
        """
    )


def test_process_state() -> None:
    """environment, locale, signals, directory, umask and floating-point mode are as they were"""
    alone(
        """
        import ctypes, locale, re, signal
        libm = ctypes.CDLL("libm.so.6")

        def state():
            with open("/proc/self/environ", "rb") as block, open("/proc/self/status") as status:
                mask = os.umask(0o22)
                os.umask(mask)
                tiny = np.full(8, 1e-40, np.float32)
                return (
                    dict(os.environ), block.read(), locale.setlocale(locale.LC_ALL), os.getcwd(), mask,
                    [signal.getsignal(s) for s in sorted(signal.valid_signals())],
                    signal.pthread_sigmask(signal.SIG_BLOCK, []),
                    [line for line in status if re.match("Sig[^Q]", line)],  # SigQ is the whole user's
                    libm.fegetround(), np.geterr(),
                    bool((tiny * np.float32(0.5) != 0).all()),  # denormals are not flushed
                )

        locale.setlocale(locale.LC_ALL, "C.UTF-8")
        libm.fesetround(0)
        before = state()
        import cae
        assert state() == before
        train()
        assert state() == before

        upward = 0x800  # FE_UPWARD of x86: a mode the host has chosen stays
        if os.uname().machine == "x86_64" and libm.fesetround(upward) == 0:
            train()
            assert libm.fegetround() == upward
            libm.fesetround(0)
        print("fine")
        """
    )


def test_blas_threads() -> None:
    """the host's number of BLAS threads is left alone"""
    alone(
        """
        import ctypes
        import cae
        with open("/proc/self/maps") as maps:
            if "libopenblas" not in maps.read():
                print("skip built without OpenBLAS")
                sys.exit()
        blas = ctypes.CDLL("libopenblas.so.0")
        before = blas.openblas_get_num_threads()
        first = train()
        assert blas.openblas_get_num_threads() == before
        blas.openblas_set_num_threads(3)
        assert train() == first
        assert blas.openblas_get_num_threads() == 3
        print("fine")
        """
    )


def test_fork() -> None:
    """os.fork after use: parent and child train on, with 2 threads, to the same bits"""
    alone(
        """
        import warnings
        warnings.simplefilter("ignore", DeprecationWarning)  # Python's, about fork and threads
        import cae
        context = cae.Context(threads=2)
        data = cae.Dataset.dead_leaves(context, 64, seed=1)
        model = cae.Model.reference(context, seed=1)
        trainer = cae.Trainer(model, cae.Optimizer(model), data, batch=16)
        trainer.step()
        inward, outward = os.pipe()
        child = os.fork()
        progress = trainer.step()
        assert threads() >= 2
        result = repr(progress).encode() + model.to_bytes()
        if child == 0:
            os.write(outward, result)
            trainer.close()
            os._exit(0)
        os.close(outward)
        with open(inward, "rb") as pipe:
            assert pipe.read() == result and b"step=2" in result
        assert os.waitpid(child, 0)[1] == 0
        print("fine")
        """
    )


def test_log() -> None:
    """threads that the system refuses are a line in the log, and change no bit"""
    alone(
        """
        import resource
        import cae
        expected, lines = train(1, 1), []
        context = cae.Context(threads=1024, log=lambda level, line: lines.append((level, line)))
        data = cae.Dataset.dead_leaves(cae.Context(), 64, seed=1)
        model = cae.Model.reference(context, seed=1)
        trainer = cae.Trainer(model, cae.Optimizer(model), data, batch=16, noise_sigma=0.1)
        with open("/proc/self/statm") as statm:
            used = int(statm.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (used + (256 << 20), hard))
        trainer.epoch()
        assert model.to_bytes() == expected
        (level, line), = lines
        assert level is cae.LogLevel.WARNING and "of 1024 threads" in line, lines
        print("fine")
        """
    )


def test_exit() -> None:
    """a process may end with handles open and threads asleep"""
    alone(
        """
        import cae
        context = cae.Context(threads=2)
        model = cae.Model.reference(context, seed=1)
        model.forward(np.zeros((8, 3, 32, 32)))
        print("fine")
        """
    )
