"""Train the latent diffusion model: predict the noise in scaled latents (Ho et al. 2020)."""

from pathlib import Path

import torch
from torch import Tensor

from ldae import config
from ldae.data.choices import take_split
from ldae.data.examples import EvenTimes, LatentExamples, Times
from ldae.data.latents import LatentSet, read_scale
from ldae.diffusion.schedule import NoiseSchedule
from ldae.models.build import build_noise_predictor
from ldae.nets.recompute import recompute_activations
from ldae.objectives import NoiseObjective
from ldae.runtime import seeded_generator, write_text
from ldae.tables import SCANS, read_table
from ldae.training.batches import Batch, FixedBatches
from ldae.training.checkpoint import Checkpoint
from ldae.training.fabric import launch
from ldae.training.loop import fit
from ldae.training.ranks import spread
from ldae.training.steps import GradientStep
from ldae.weights.folder import save_model

VALIDATION_DRAWS = 64  # at least so many noise levels; few scans are used repeatedly


class Settings(config.Section):
    """What this stage reads of the configuration."""

    seed: int
    latents: config.Latents
    diffusion: config.Diffusion
    ldm: config.Ldm


def train_ldm(
    *,
    scans: Path,
    latents: Path,
    model: Path,
    state: Path,
    devices: int,
    threads: int,
    settings: Settings,
) -> None:
    """Train on the latents of the training subjects and write the model folder.

    Args:
        scans: table of scans with their side of the split.
        latents: folder `encode-latents` wrote.
        model: folder for weights.safetensors, config.json and train.jsonl.
        state: folder of the checkpoint; a killed training continues from it.
        devices: GPUs to train on (see `launch`); 0: the CPU.
        threads: CPU threads.
        settings: seed, latents, diffusion, ldm.
    """
    checkpoint = Checkpoint(state)
    training = settings.ldm.training
    fabric = launch(training, devices=devices, threads=threads)
    table = read_table(scans, SCANS)
    train = LatentSet(latents, take_split(table, "train"), use=settings.latents.use)
    held_out = LatentSet(latents, take_split(table, "validation"), use="mean")
    channels = train.shape[0]

    torch.manual_seed(seeded_generator(settings.seed, "ldm").initial_seed())
    noise_predictor = build_noise_predictor(settings.ldm.network, channels)
    if training.activation_checkpointing:
        recompute_activations(noise_predictor.blocks)
    schedule = NoiseSchedule.linear(**settings.diffusion.model_dump()).to(fabric.device)
    objective = NoiseObjective(noise_predictor, schedule)
    times = Times.uniform(schedule.timesteps)
    validation = EvenTimes.covering(LatentExamples(held_out, times), draws=VALIDATION_DRAWS)
    batches = FixedBatches(validation, training.batch_size, settings.seed)

    def losses(batch: Batch) -> Tensor:
        each: Tensor = objective(**batch.to(fabric.device).tensors)
        return each

    def validate() -> dict[str, float]:
        return {"loss": float(torch.cat(spread(fabric, batches, losses)).mean())}

    outcome = fit(
        GradientStep(
            objective,
            noise_predictor,
            fabric=fabric,
            learning_rate=training.learning_rate,
            clip_norm=training.clip_norm,
        ),
        name="ldm",
        fabric=fabric,
        train=LatentExamples(train, times),
        validate=validate,
        settings=training,
        seed=settings.seed,
        checkpoint=checkpoint,
        origin={
            "settings": settings.model_dump(mode="json"),
            "train": train.fingerprints,
            "validation": held_out.fingerprints,
        },
        prepare=lambda: None,
    )
    if not fabric.is_global_zero:
        return
    scale = read_scale(latents)
    write_text(model / "train.jsonl", outcome.journal.read_text(encoding="utf-8"))
    save_model(
        model,
        module_state=outcome.weights,
        config={
            "model": "ldm",
            "network": settings.ldm.network.model_dump(mode="json"),
            "diffusion": settings.diffusion.model_dump(mode="json"),
            "latent_channels": channels,
            "latent_scale": scale["latent_scale"],
            "autoencoder": scale["autoencoder"],
            "settings": settings.model_dump(mode="json"),
            "fingerprint": outcome.fingerprint,
            "training": outcome.summary(),
        },
    )
