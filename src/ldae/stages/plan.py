"""What the trainings will need: GPU memory, hours, disk; found from the networks' shapes alone."""

import sys
from dataclasses import dataclass
from math import ceil, prod

import torch

from ldae import config
from ldae.models.autoencoder import build_autoencoder
from ldae.models.build import build_noise_predictor, build_semantic_encoder
from ldae.models.dae import build_voxel_noise_predictor
from ldae.nets.autoencoder import build_discriminator
from ldae.nets.gradient_estimator import ShiftedNoisePredictor
from ldae.training.cost import Part, activation_bytes, training_flops
from ldae.training.perceptual import SlicePerceptualLoss
from ldae.training.plan import optimiser_steps
from ldae.weights.perceptual import load_lpips

GIB = 2**30
FLOAT_BYTES = 4
CHECKPOINT_BYTES = 20  # per trained parameter: weight, moments, moving average, the best so far
RECOMPUTING = 4 / 3  # forward, forward again and backward, over forward and backward
HEADS = (
    "",
    "parameters",
    "trained",
    "batch",
    "GPU GiB",
    "recomputing",
    "TFLOP",
    "samples",
    "hours",
)


class Settings(config.Section):
    """What this stage reads of the configuration."""

    pretrained: str | None
    preprocessing: config.Preprocessing
    split: config.Split
    autoencoder: config.Autoencoder
    ldm: config.Ldm
    ldae: config.Ldae
    ldae_volume: config.Ldae
    baselines: tuple[config.Baseline, ...]
    dae: config.Dae
    supervised_diagnosis: config.SupervisedDiagnosis
    supervised_age: config.SupervisedAge


@dataclass(frozen=True)
class Forecast:
    """One training; memory in bytes, work in FLOP per sample."""

    name: str
    parameters: int
    trained: int
    batch: int
    memory: int
    memory_recomputing: int
    flops: float
    samples: int

    def row(self, *, tflops: float) -> tuple[str, ...]:
        """For the table."""
        hours = self.flops * self.samples / (tflops * 1e12) / 3600
        return (
            self.name,
            f"{self.parameters:,}",
            f"{self.trained:,}",
            str(self.batch),
            _figure(self.memory / GIB),
            _figure(self.memory_recomputing / GIB),
            _figure(self.flops / 1e12),
            f"{self.samples:,}",
            _figure(hours),
        )


def plan(*, settings: Settings, scans: int = 12_000, tflops: float = 100.0) -> None:
    """Print what each training needs at the configured size, and what is written.

    Args:
        settings: JSON or YAML: a whole configuration, with its overlays.
        scans: how many scans there will be.
        tflops: TFLOP/s that all GPUs of a job sustain together: a quarter to a half of what their
            maker states for bfloat16.
    """
    train = ceil(scans * (1 - settings.split.validation - settings.split.test))
    shape = settings.preprocessing.grid.shape
    forecasts = forecast(settings, train)
    with torch.device("meta"):
        latent = build_autoencoder(settings.autoencoder.network).latent_shape(shape)
    checkpoint = max(CHECKPOINT_BYTES * each.trained for each in forecasts) / GIB
    rows = [HEADS, *(each.row(tflops=tflops) for each in forecasts)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    ]
    volumes, latents = (scans * FLOAT_BYTES * prod(size) / GIB for size in (shape, latent))
    sys.stdout.write(
        f"{scans:,} scans of {_times(shape)} voxels, {train:,} of them to train on; "
        f"latents of {_times(latent)}; {tflops:g} TFLOP/s sustained\n\n"
        + "\n".join(lines)
        + "\n\nGPU GiB: weights, gradients, optimiser, moving average, and the activations of a "
        "batch; libraries take one or two more.\nrecomputing: the same with "
        "activation_checkpointing, which takes a third longer.\nTFLOP: per sample, forwards and "
        f"backwards{_without(settings)}.\n\n"
        f"Disk: latents {_figure(2 * latents)} GiB; volumes unpacked for training at most "
        f"{_figure(volumes)} GiB (LDAE_CACHE says where);\n"
        f"the largest checkpoint {_figure(checkpoint)} GiB, twice that while it is replaced.\n"
    )


def forecast(settings: Settings, train: int) -> list[Forecast]:
    """The trainings, on `train` scans."""
    volume = (1, *settings.preprocessing.grid.shape)
    with torch.device("meta"):
        autoencoder = build_autoencoder(settings.autoencoder.network).train()
        latent = autoencoder.latent_shape(volume[1:])
        noise_predictor = build_noise_predictor(settings.ldm.network, latent[0]).train()
        critic = settings.autoencoder.discriminator
        discriminator = build_discriminator(channels=critic.channels, layers=critic.layers)
        distance = load_lpips(settings.pretrained)
    losses = settings.autoencoder.loss
    compressing = [Part(autoencoder, [volume, latent], autoencoder.blocks)]
    if losses.adversarial > 0:
        compressing.append(Part(discriminator, [volume], passes=3))
    if losses.perceptual > 0 and distance is not None:
        compressing.append(Part(SlicePerceptualLoss(distance), [volume, volume]))
    return [
        _of("autoencoder", compressing, settings.autoencoder.training, train),
        _of(
            "ldm",
            [Part(noise_predictor, [latent, ()], noise_predictor.blocks)],
            settings.ldm.training,
            train,
        ),
        _of(
            "ldae",
            _representation(settings.ldae, settings, latent=latent),
            settings.ldae.training,
            train,
        ),
        *_baselines(settings, train, latent=latent),
    ]


def _baselines(settings: Settings, train: int, *, latent: tuple[int, ...]) -> list[Forecast]:
    """Those of the setting `baselines`; diagnosis is counted as if every scan were AD or CN."""
    shape = settings.preprocessing.grid.shape
    found = []
    if "ldae-volume" in settings.baselines:
        parts = _representation(settings.ldae_volume, settings, latent=latent)
        found.append(_of("ldae-volume", parts, settings.ldae_volume.training, train))
    if "dae" in settings.baselines:
        code = settings.dae.semantic_encoder.embedding_dim
        with torch.device("meta"):
            network = build_voxel_noise_predictor(settings.dae.network, code).train()
        parts = [
            _encoder(settings.dae.semantic_encoder, shape),
            Part(network, [(1, *shape), (), (code,)], network.blocks),
        ]
        found.append(_of("dae", parts, settings.dae.training, train))
    if "supervised" in settings.baselines:
        for name, asked in (
            ("supervised-diagnosis", settings.supervised_diagnosis),
            ("supervised-age", settings.supervised_age),
        ):
            parts = [_encoder(asked.semantic_encoder, shape)]
            found.append(_of(name, parts, asked.training, train))
    return found


def _encoder(encoder: config.Encoder, shape: tuple[int, int, int]) -> Part:
    with torch.device("meta"):
        network = build_semantic_encoder(encoder, shape).train()
    return Part(network, [(1, *shape)], network.blocks)


def _representation(
    ldae: config.Ldae, settings: Settings, *, latent: tuple[int, ...]
) -> list[Part]:
    """Semantic encoder and gradient estimator, for latents (C, X, Y, Z)."""
    shape, code = settings.preprocessing.grid.shape, ldae.semantic_encoder.embedding_dim
    with torch.device("meta"):
        base = build_noise_predictor(settings.ldm.network, latent[0])
        shifted = ShiftedNoisePredictor(base, code).train()
    return [
        _encoder(ldae.semantic_encoder, shape),
        Part(shifted, [latent, (), (code,)], shifted.blocks),
    ]


def _of(name: str, parts: list[Part], training: config.Training, train: int) -> Forecast:
    batch = training.batch_size
    kept = [activation_bytes(part, batch=batch, precision=training.precision) for part in parts]
    state = sum(part.state_bytes for part in parts)
    flops = sum(training_flops(part) for part in parts)
    return Forecast(
        name=name,
        parameters=sum(part.parameters for part in parts),
        trained=sum(part.trained for part in parts),
        batch=batch,
        memory=state + sum(plain for plain, _ in kept),
        memory_recomputing=state + sum(less for _, less in kept),
        flops=flops * (RECOMPUTING if training.activation_checkpointing else 1),
        samples=optimiser_steps(training, train) * batch * training.accumulate,
    )


def _without(settings: Settings) -> str:
    wanted = settings.autoencoder.loss.perceptual > 0
    missing = wanted and load_lpips(settings.pretrained) is None
    return "; the perceptual loss is not counted, `pretrained` lacks its weights" if missing else ""


def _figure(value: float) -> str:
    return f"{value:.3g}" if value < 100 else f"{value:,.0f}"


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
