"""Train the autoencoder: volumes to a small Gaussian latent and back (Rombach et al. 2022).

L1 + KL + perceptual + patch-adversarial losses, on the scans whose split is `train`; the weights
kept are the moving average at the best validation L1.
"""

import logging
from pathlib import Path

import torch
from lightning.fabric import Fabric
from monai.losses import PatchAdversarialLoss
from torch import Tensor
from torch.nn import functional as F

from ldae import config
from ldae.data.examples import VolumeExamples
from ldae.data.training_scans import TrainingScans
from ldae.data.volumes import VolumeSet, common_shape, voxel_spacing
from ldae.models.autoencoder import build_autoencoder
from ldae.nets.autoencoder import Autoencoder, build_discriminator
from ldae.nets.recompute import recompute_activations
from ldae.runtime import seeded_generator, write_text
from ldae.training.autoencoding import AdversarialStep, AutoencoderObjective, channel_kl
from ldae.training.checkpoint import Checkpoint
from ldae.training.fabric import launch
from ldae.training.loop import fit
from ldae.training.perceptual import SlicePerceptualLoss
from ldae.training.ranks import spread
from ldae.training.steps import Trained
from ldae.weights.folder import save_model
from ldae.weights.identity import published_sha256
from ldae.weights.perceptual import load_lpips
from ldae.weights.public import SQUEEZENET

MEASURED = ("loss", "mse", "latent_spread", "posterior_std")
IDLE_NATS = 0.01  # a latent channel whose posterior differs less from N(0, 1) carries nothing


class Settings(config.Section):
    """What this stage reads of the configuration."""

    seed: int
    pretrained: str | None
    autoencoder: config.Autoencoder


def train_autoencoder(
    *,
    scans: Path,
    derivatives: Path,
    model: Path,
    state: Path,
    devices: int,
    threads: int,
    settings: Settings,
) -> None:
    """Train on the scans of the training subjects and write the model folder.

    Args:
        scans: table of scans with their side of the split.
        derivatives: folder the table's volumes are relative to.
        model: folder for weights.safetensors, config.json and train.jsonl.
        state: folder of the checkpoint, from which a killed training continues; beside it the
            unpacked volumes.
        devices: GPUs to train on (see `launch`); 0: the CPU.
        threads: CPU threads.
        settings: seed, pretrained, autoencoder.
    """
    checkpoint = Checkpoint(state)
    training = settings.autoencoder.training
    fabric = launch(training, devices=devices, threads=threads)
    sides = TrainingScans.open(scans, derivatives, state=state)
    volumes, held_out = sides.train.volumes, sides.validation.volumes
    shape = common_shape(volumes)
    losses = settings.autoencoder.loss

    torch.manual_seed(seeded_generator(settings.seed, "autoencoder").initial_seed())
    autoencoder = build_autoencoder(settings.autoencoder.network)
    adversary = settings.autoencoder.discriminator
    discriminator = build_discriminator(channels=adversary.channels, layers=adversary.layers)
    distance = load_lpips(settings.pretrained) if losses.perceptual > 0 else None
    perceptual = None if distance is None else SlicePerceptualLoss(distance)
    if losses.perceptual > 0 and perceptual is None:
        logging.warning(
            "perceptual loss left out: no %s in the folder `pretrained`", SQUEEZENET.name
        )

    if training.activation_checkpointing:
        recompute_activations(autoencoder.blocks)
    objective = AutoencoderObjective(
        autoencoder,
        kl_weight=losses.kl,
        perceptual=perceptual,
        perceptual_weight=losses.perceptual,
    )
    step = AdversarialStep(
        Trained(
            objective,
            fabric=fabric,
            learning_rate=training.learning_rate,
            clip_norm=training.clip_norm,
        ),
        Trained(
            discriminator,
            fabric=fabric,
            learning_rate=adversary.learning_rate,
            clip_norm=training.clip_norm,
        ),
        averaged=autoencoder,
        fabric=fabric,
        adversarial_loss=PatchAdversarialLoss(criterion="least_squares"),
        adversarial_weight=losses.adversarial,
        adversarial_after=losses.adversarial_after,
    )
    outcome = fit(
        step,
        name="autoencoder",
        fabric=fabric,
        train=VolumeExamples(volumes, sides.train.names, autoencoder.latent_shape(shape)),
        validate=lambda: _validate(autoencoder, held_out, fabric),
        settings=training,
        seed=settings.seed,
        checkpoint=checkpoint,
        origin=_origin(settings, sides),
        prepare=lambda: None,
    )
    if not fabric.is_global_zero:
        return
    write_text(model / "train.jsonl", outcome.journal.read_text(encoding="utf-8"))
    save_model(
        model,
        module_state=outcome.weights,
        config={
            "model": "autoencoder",
            "network": settings.autoencoder.network.model_dump(mode="json"),
            "volume_shape": list(shape),
            "spacing_mm": voxel_spacing(volumes.paths[0]),
            "perceptual_loss": perceptual is not None,
            "settings": settings.model_dump(mode="json"),
            "fingerprint": outcome.fingerprint,
            "training": outcome.summary(),
        },
    )


def _validate(autoencoder: Autoencoder, volumes: VolumeSet, fabric: Fabric) -> dict[str, float]:
    """L1 and squared error of decoded posterior means, and what the latents look like."""

    def measure(volume: Tensor) -> Tensor:
        x = volume[None, None].to(fabric.device)
        mean, std = autoencoder.encode(x)
        decoded = autoencoder.decode(mean)
        errors = [F.l1_loss(decoded, x), F.mse_loss(decoded, x), mean.std(), std.mean()]
        return torch.cat([torch.stack(errors).float(), channel_kl(mean, std)])

    average = torch.stack(spread(fabric, volumes, measure)).mean(0)
    divergence = average[len(MEASURED) :]
    idle = int((divergence < IDLE_NATS).sum())
    if idle:
        logging.warning(
            "the KL has collapsed: %d of %d latent channels say nothing (below %g nats per value); "
            "lower autoencoder.loss.kl",
            *(idle, len(divergence), IDLE_NATS),
        )
    measured = dict(zip(MEASURED, average[: len(MEASURED)].tolist(), strict=True))
    return measured | {"kl_per_value": float(divergence.mean()), "idle_channels": float(idle)}


def _origin(settings: Settings, sides: TrainingScans) -> dict[str, object]:
    lpips = SQUEEZENET.name if settings.autoencoder.loss.perceptual > 0 else None
    return {
        "settings": settings.model_dump(mode="json"),
        "lpips": published_sha256(settings.pretrained, lpips),
        "train": sides.train.hashes,
        "validation": sides.validation.hashes,
    }
