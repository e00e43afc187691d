"""Train semantic encoder and gradient estimator over the frozen latent diffusion model."""

import logging
from pathlib import Path

import torch
from torch import Tensor, nn

from ldae import config
from ldae.data.examples import EvenTimes, LatentExamples, PairedExamples
from ldae.data.latents import LatentSet
from ldae.data.volumes import VolumeSet, common_shape
from ldae.diffusion.losses import representation_loss
from ldae.diffusion.schedule import NoiseSchedule
from ldae.models import build_semantic_encoder, load_ldm, representation
from ldae.nets.gradient_estimator import ShiftedNoisePredictor
from ldae.nets.semantic_encoder import StandardisedEncoder
from ldae.runtime import seeded_generator, use_threads, write_text
from ldae.tables import SCANS, read_table
from ldae.training.batches import fixed_batches
from ldae.training.checkpoint import Checkpoint
from ldae.training.collapse import code_statistics
from ldae.training.fabric import build_fabric
from ldae.training.loop import fit
from ldae.training.steps import GradientStep
from ldae.weights.folder import save_model
from ldae.weights.imagenet import load_imagenet

VALIDATION_DRAWS = 64  # at least so many noise levels; few scans are used repeatedly


class Settings(config.Section):
    """What this stage reads of the configuration."""

    seed: int
    pretrained: str | None
    latents: config.Latents
    ldae: config.Ldae


class RepresentationObjective(nn.Module):
    """Losses (B,) of a semantic encoder and the gradient estimator that reads its codes."""

    def __init__(
        self,
        semantic_encoder: nn.Module,
        shifted: ShiftedNoisePredictor,
        schedule: NoiseSchedule,
        snr_exponent: float,
    ) -> None:
        super().__init__()
        self.semantic_encoder = semantic_encoder
        self.shifted = shifted
        self.schedule = schedule
        self.snr_exponent = snr_exponent

    def forward(self, x: Tensor, z_0: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """For volumes x (B, 1, X, Y, Z), z_0 and noise (B, C, X', Y', Z'), t (B,)."""
        return self.given_code(self.semantic_encoder(x), z_0, noise, t)

    def given_code(self, y: Tensor, z_0: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """The same for codes y (B, E) already at hand."""
        return representation_loss(
            self.shifted,
            self.schedule,
            z_0=z_0,
            noise=noise,
            t=t,
            y=y,
            snr_exponent=self.snr_exponent,
        )


def train_ldae(
    *,
    scans: Path,
    derivatives: Path,
    latents: Path,
    ldm: Path,
    model: Path,
    state: Path,
    threads: int,
    settings: Settings,
) -> None:
    """Train on the training subjects' volumes and latents and write the model folder.

    Args:
        scans: table of scans with their side of the split.
        derivatives: folder the table's volumes are relative to.
        latents: folder `encode-latents` wrote.
        ldm: folder of the trained latent diffusion model.
        model: folder for weights.safetensors, config.json and train.jsonl.
        state: folder of the checkpoint; a killed training continues from it.
        threads: CPU threads.
        settings: seed, pretrained, latents, ldae.
    """
    use_threads(threads)
    table = read_table(scans, SCANS)
    rows = {side: table[table["split"] == side] for side in ("train", "validation")}
    volumes = {
        side: VolumeSet([derivatives / v for v in of["volume"]]) for side, of in rows.items()
    }
    train = LatentSet(latents, rows["train"], use=settings.latents.use)
    held_out = LatentSet(latents, rows["validation"], use="mean")
    training = settings.ldae.training
    encoder = settings.ldae.semantic_encoder

    fabric = build_fabric(training)
    base = load_ldm(ldm, device=fabric.device)
    torch.manual_seed(seeded_generator(settings.seed, "ldae").initial_seed())
    semantic_encoder = build_semantic_encoder(encoder, common_shape(volumes["train"]))
    if encoder.initialise == "imagenet":
        load_imagenet(
            semantic_encoder,
            widths=encoder.widths,
            depths=encoder.depths,
            pretrained=settings.pretrained,
        )
    shifted = ShiftedNoisePredictor(base.noise_predictor, encoder.embedding_dim)
    objective = RepresentationObjective(
        semantic_encoder, shifted, base.schedule, settings.ldae.snr_exponent
    )
    validation = EvenTimes.covering(
        LatentExamples(held_out, base.schedule.timesteps), draws=VALIDATION_DRAWS
    )

    def prepare() -> None:
        if isinstance(semantic_encoder, StandardisedEncoder):
            logging.info("ldae: standardising the semantic encoder on %d volumes", len(train))
            semantic_encoder.standardise(volumes["train"])

    def validate() -> dict[str, float]:
        x = (volume[None, None].to(fabric.device) for volume in volumes["validation"])
        codes = torch.cat([semantic_encoder(volume) for volume in x])
        swapped = codes.roll(len(codes) // 2, dims=0)  # visits of one subject are neighbours
        right, wrong = [], []
        batches = fixed_batches(validation, batch_size=len(codes), seed=settings.seed)
        for batch in batches:  # each holds every validation scan once, in order
            given = batch.to(fabric.device).tensors
            right.append(objective.given_code(codes, **given))
            wrong.append(objective.given_code(swapped, **given))
        loss, shuffled = (float(torch.cat(losses).mean()) for losses in (right, wrong))
        statistics = code_statistics(codes.float())
        return {"loss": loss, "shuffled_loss_ratio": shuffled / loss, **statistics}

    outcome = fit(
        GradientStep(
            objective,
            representation(semantic_encoder, shifted),
            fabric=fabric,
            learning_rate=training.learning_rate,
            clip_norm=training.clip_norm,
        ),
        name="ldae",
        fabric=fabric,
        train=PairedExamples(volumes["train"], LatentExamples(train, base.schedule.timesteps)),
        validate=validate,
        settings=training,
        seed=settings.seed,
        checkpoint=Checkpoint(
            state,
            {
                "settings": settings.model_dump(mode="json"),
                "ldm": base.weights,
                "train": train.fingerprints,  # of volume and autoencoder
                "validation": held_out.fingerprints,
            },
        ),
        prepare=prepare,
    )
    write_text(model / "train.jsonl", outcome.journal.read_text(encoding="utf-8"))
    save_model(
        model,
        module_state=outcome.weights,
        config={
            "model": "ldae",
            "network": encoder.model_dump(mode="json"),
            "ldm": base.weights,
            "settings": settings.model_dump(mode="json"),
            "fingerprint": outcome.fingerprint,
            "training": outcome.summary(),
        },
    )
