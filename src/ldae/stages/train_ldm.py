"""Train the latent diffusion model: predict the noise in scaled latents (Ho et al. 2020)."""

from pathlib import Path

import torch
from torch import Tensor, nn

from ldae import config
from ldae.data.choices import take_split
from ldae.data.examples import EvenTimes, LatentExamples
from ldae.data.latents import LatentSet, read_scale
from ldae.diffusion.losses import noise_loss
from ldae.diffusion.schedule import NoiseSchedule
from ldae.models import build_noise_predictor
from ldae.runtime import seeded_generator, use_threads, write_text
from ldae.tables import SCANS, read_table
from ldae.training.batches import fixed_batches
from ldae.training.checkpoint import Checkpoint
from ldae.training.fabric import build_fabric
from ldae.training.loop import fit
from ldae.training.steps import GradientStep
from ldae.weights.folder import save_model

VALIDATION_DRAWS = 64  # at least so many noise levels; few scans are used repeatedly


class Settings(config.Section):
    """What this stage reads of the configuration."""

    seed: int
    latents: config.Latents
    diffusion: config.Diffusion
    ldm: config.Ldm


class NoiseObjective(nn.Module):
    """Losses (B,) of a noise predictor on given latents, noise and times."""

    def __init__(self, noise_predictor: nn.Module, schedule: NoiseSchedule) -> None:
        super().__init__()
        self.noise_predictor = noise_predictor
        self.schedule = schedule

    def forward(self, z_0: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """For z_0 and noise (B, C, X, Y, Z) and t (B,)."""
        return noise_loss(self.noise_predictor, self.schedule, z_0=z_0, noise=noise, t=t)


def train_ldm(
    *, scans: Path, latents: Path, model: Path, state: Path, threads: int, settings: Settings
) -> None:
    """Train on the latents of the training subjects and write the model folder.

    Args:
        scans: table of scans with their side of the split.
        latents: folder `encode-latents` wrote.
        model: folder for weights.safetensors, config.json and train.jsonl.
        state: folder of the checkpoint; a killed training continues from it.
        threads: CPU threads.
        settings: seed, latents, diffusion, ldm.
    """
    use_threads(threads)
    table = read_table(scans, SCANS)
    training = settings.ldm.training
    train = LatentSet(latents, take_split(table, "train"), use=settings.latents.use)
    held_out = LatentSet(latents, take_split(table, "validation"), use="mean")
    channels = train.shape[0]

    torch.manual_seed(seeded_generator(settings.seed, "ldm").initial_seed())
    noise_predictor = build_noise_predictor(settings.ldm.network, channels)
    fabric = build_fabric(training)
    schedule = NoiseSchedule.linear(**settings.diffusion.model_dump()).to(fabric.device)
    objective = NoiseObjective(noise_predictor, schedule)
    validation = EvenTimes.covering(
        LatentExamples(held_out, schedule.timesteps), draws=VALIDATION_DRAWS
    )

    def validate() -> dict[str, float]:
        batches = fixed_batches(validation, batch_size=training.batch_size, seed=settings.seed)
        losses = [objective(**batch.to(fabric.device).tensors) for batch in batches]
        return {"loss": float(torch.cat(losses).mean())}

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
        train=LatentExamples(train, schedule.timesteps),
        validate=validate,
        settings=training,
        seed=settings.seed,
        checkpoint=Checkpoint(
            state,
            {
                "settings": settings.model_dump(mode="json"),
                "train": train.fingerprints,
                "validation": held_out.fingerprints,
            },
        ),
        prepare=lambda: None,
    )
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
