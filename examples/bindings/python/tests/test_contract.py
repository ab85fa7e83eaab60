"""The C program's results, byte for byte."""

from __future__ import annotations

import hashlib
from functools import cache
from types import SimpleNamespace

import numpy as np

import cae
from common import CONTRACT, EXPECTED, IMAGES, SCRATCH, make_trainer, reference_spec


@cache
def trained() -> SimpleNamespace:
    context = cae.Context()
    model, trainer, data = make_trainer(context)
    for _ in range(20):
        progress = trainer.step()
    return SimpleNamespace(context=context, model=model, data=data, progress=progress)


def measures(evaluation: cae.Evaluation) -> dict[str, float]:
    return {name: getattr(evaluation, name) for name in ("mse", "psnr", "ssim")}


def test_version() -> None:
    """version and build info"""
    assert cae.abi_version() == 1
    major, minor, patch = map(int, cae.version().split("."))
    assert cae.version_number() == major << 16 | minor << 8 | patch >= 0x010100
    assert cae.build_info().startswith(f"libcae {cae.version()}, ")
    assert cae.status_string(cae.Status.MEMORY) == "out of memory"


def test_spec() -> None:
    """the reference network layer by layer: parameters, names, shapes"""
    context = cae.Context()
    model = cae.Model(context, reference_spec(context), seed=7)
    reference = cae.Model.reference(context, seed=7)
    added = cae.Model(context, cae.Spec(context).add_reference(), seed=7)
    assert model.parameter_count == 1611 and model.layer_count == 4
    assert list(model.tensors) == [
        f"{i}.{kind}" for i in (0, 2, 4, 6) for kind in ("weight", "bias")
    ]
    assert model.tensors["0.weight"].shape == (8, 3, 3, 3)
    assert model.tensors.shape("6.bias") == (3,)
    assert model.to_bytes() == reference.to_bytes() == added.to_bytes()
    assert model.channels() == (3, 3) and model.channels(cae.Part.ENCODER) == (3, 8)
    assert model.output_shape(32, 40, cae.Part.ENCODER) == (8, 28, 36)


def test_training() -> None:
    """20 steps: the loss is the C program's double"""
    assert trained().progress.loss == EXPECTED["loss"]
    assert trained().progress.step == 20 and trained().progress.epoch_done


def test_residual() -> None:
    """a residual network, all that can be drawn, a moving average: the C program's loss and bytes"""
    context = cae.Context()
    model = cae.Model(context, reference_spec(context).set_residual(), seed=7)
    assert model.residual and not cae.Model.reference(context, seed=7).residual
    augment = cae.Augment.MIRROR | cae.Augment.FLIP | cae.Augment.TRANSPOSE
    trainer = cae.Trainer(
        model,
        cae.Optimizer(model),
        cae.Dataset(context, IMAGES),
        batch=16,
        seed=7,
        loss="charbonnier",
        epsilon=0.01,
        noise_sigma=0.05,
        noise_sigma_max=0.2,
        augment=augment,
        average_decay=0.9,
    )
    for _ in range(20):
        progress = trainer.step()
    assert progress.loss == EXPECTED["residual_loss"]
    average = trainer.average()
    trainer.close()
    assert average.residual
    assert average.to_bytes() == (CONTRACT / "average.safetensors").read_bytes()


def test_evaluation() -> None:
    """evaluation with noise: mse, psnr and ssim are the C program's doubles"""
    t = trained()
    found = t.model.evaluate(t.data, noise_sigma=0.1)
    assert found.images == 320
    assert measures(found) == {name: EXPECTED[name] for name in ("mse", "psnr", "ssim")}
    assert found == t.model.evaluate(t.data, noise_sigma=0.1, context=cae.Context(threads=2))


def test_save() -> None:
    """model file and ONNX file, on disk and in memory: the C program's bytes"""
    model, path = trained().model, SCRATCH / "modèle.safetensors"
    model.save(path)
    written = path.read_bytes()
    print("# sha256 model.safetensors", hashlib.sha256(written).hexdigest())
    assert written == model.to_bytes() == (CONTRACT / "model.safetensors").read_bytes()
    model.export_onnx(str(SCRATCH / "model.onnx"))
    onnx = (SCRATCH / "model.onnx").read_bytes()
    assert onnx == model.to_onnx() == (CONTRACT / "model.onnx").read_bytes()
    assert model.to_onnx(cae.Part.ENCODER) != onnx


def test_reload() -> None:
    """reloaded from disk and memory: the same evaluation, output, latent"""
    t = trained()
    path = CONTRACT / "model.safetensors"
    empty = cae.Model.reference(t.context, seed=1)
    empty.load_weights(path)
    x = t.data[0]
    for model in (
        cae.Model.load(t.context, path),
        cae.Model.from_bytes(t.context, path.read_bytes()),
        empty,
    ):
        assert measures(model.evaluate(t.data, noise_sigma=0.1)) == measures(
            t.model.evaluate(t.data, noise_sigma=0.1)
        )
        y = model.forward(x)
        assert y.flat[0] == np.float32(EXPECTED["first"])
        latent = model.encode(x)
        assert latent.shape == (8, 28, 28) and latent.dtype == np.float32
        assert np.array_equal(model.decode(latent), y)
        assert np.array_equal(model.forward(x[None]), y[None])


def test_resume() -> None:
    """checkpoint and resume: the same bits as without a break"""
    context, path = cae.Context(), SCRATCH / "checkpoint.safetensors"
    model, trainer, _ = make_trainer(context)
    for _ in range(7):
        trainer.step()
    trainer.save(path)
    for _ in range(6):
        progress = trainer.step()

    second, resumed, _ = make_trainer(cae.Context(threads=2))
    resumed.resume(path)
    assert resumed.progress.step == 7
    for _ in range(6):
        again = resumed.step()
    assert again == progress and second.to_bytes() == model.to_bytes()


def test_tensors() -> None:
    """tensors go in and out by name"""
    model = cae.Model.reference(cae.Context(), seed=3)
    other = cae.Model.reference(cae.Context(), seed=4)
    state = dict(model.tensors)
    assert len(state) == len(model.tensors) == 8 and "0.weight" in model.tensors
    for name, tensor in state.items():
        other.tensors[name] = tensor
    assert other.to_bytes() == model.to_bytes()
    model.tensors["0.bias"] = model.tensors["0.bias"] + 1.0
    assert np.array_equal(model.tensors["0.bias"], state["0.bias"] + np.float32(1))


def test_gradient() -> None:
    """the gradient of the last step has the norm that the progress says"""
    model, trainer, _ = make_trainer(cae.Context())
    progress = trainer.step()
    gradient = [trainer.gradient(name).astype(np.float64) for name in model.tensors]
    norm = np.sqrt(sum(np.sum(g * g) for g in gradient))
    assert abs(norm - progress.gradient_norm) < 1e-5 * norm


def test_metrics() -> None:
    """mse, psnr and ssim of one image; the noise of an evaluation"""
    t = trained()
    one = t.data[5:6]
    found = t.model.evaluate(one)
    x, y = one[0], t.model.forward(one[0])
    assert cae.mse(y, x) == found.mse
    assert cae.psnr(y, x, 2.0) == found.psnr and cae.psnr(x, x, 2.0) == np.inf
    assert cae.ssim(y, x, one.range) == found.ssim
    assert cae.ssim(y, x, 2, kind=cae.SsimKind.UNIFORM7, context=t.context) == found.ssim_uniform7
    noisy = x.copy()
    cae.add_noise(noisy, 0.1, seed=123, visit=cae.EVALUATION_VISIT, image=0)
    assert cae.mse(noisy, x) == t.model.evaluate(one, noise_sigma=0.1).noisy_mse


def test_threads() -> None:
    """threads change nothing but the time; rate and options arrive"""
    context = cae.Context(threads=2, engine=cae.Engine.GEMM, cpu=cae.Cpu.BASELINE)
    assert context.threads == 2 and context.cpu == cae.Cpu.BASELINE
    model, trainer, _ = make_trainer(context)
    first = trainer.epoch()
    single = cae.Context(engine=cae.Engine.GEMM, cpu=cae.Cpu.BASELINE)
    same, trainer, _ = make_trainer(single)
    assert trainer.epoch() == first and same.to_bytes() == model.to_bytes()
    context.threads = 1
    assert context.threads == 1

    optimizer = cae.Optimizer(model, kind=cae.OptimizerKind.SGD, learning_rate=0.5, momentum=0.9)
    optimizer.learning_rate = 0.25
    trainer = cae.Trainer(
        model,
        optimizer,
        cae.Dataset(context, IMAGES),
        batch=100,
        schedule=cae.Schedule.COSINE,
        warmup_steps=2,
        decay_steps=10,
    )
    assert trainer.steps_per_epoch == 4 and trainer.step().learning_rate == 0.125
