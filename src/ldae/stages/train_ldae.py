"""Train semantic encoder and gradient estimator over the frozen latent diffusion model."""

import logging
import math
from pathlib import Path

import torch
from torch import Tensor, nn

from ldae import config
from ldae.data.choices import other_subject, take_split
from ldae.data.examples import EvenTimes, LatentExamples, PairedExamples
from ldae.data.latents import LatentSet, read_scale
from ldae.data.volumes import VolumeSet, common_shape
from ldae.diffusion.losses import representation_loss
from ldae.diffusion.schedule import NoiseSchedule
from ldae.errors import UserError
from ldae.metrics.codes import code_statistics
from ldae.models import LatentDiffusion, build_semantic_encoder, load_ldm, representation
from ldae.nets.gradient_estimator import ShiftedNoisePredictor
from ldae.nets.semantic_encoder import StandardisedEncoder
from ldae.runtime import seeded_generator, use_threads, write_text
from ldae.tables import SCANS, read_table
from ldae.training.batches import fixed_batches
from ldae.training.checkpoint import Checkpoint
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
    rows = {side: take_split(table, side) for side in ("train", "validation")}
    volumes = {
        side: VolumeSet([derivatives / v for v in of["volume"]]) for side, of in rows.items()
    }
    train = LatentSet(latents, rows["train"], use=settings.latents.use)
    held_out = LatentSet(latents, rows["validation"], use="mean")
    training = settings.ldae.training
    encoder = settings.ldae.semantic_encoder

    fabric = build_fabric(training)
    base = load_ldm(ldm, device=fabric.device)
    _require_latents_of(base, ldm, latents)
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

    place = {name: index for index, name in enumerate(held_out.names)}
    several = rows["validation"]["participant_id"].nunique() > 1
    partners = other_subject(rows["validation"]) if several else []

    def prepare() -> None:
        if isinstance(semantic_encoder, StandardisedEncoder):
            logging.info("ldae: standardising the semantic encoder on %d volumes", len(train))
            semantic_encoder.standardise(volumes["train"])

    def validate() -> dict[str, float]:
        x = (volume[None, None].to(fabric.device) for volume in volumes["validation"])
        codes = torch.cat([semantic_encoder(volume) for volume in x])
        right, wrong = [], []
        batches = fixed_batches(validation, batch_size=training.batch_size, seed=settings.seed)
        for batch in batches:
            given = batch.to(fabric.device).tensors
            scans = [place[name] for name in batch.names]
            right.append(objective.given_code(codes[scans], **given))
            if partners:
                others = codes[[partners[scan] for scan in scans]]
                wrong.append(objective.given_code(others, **given))
        measured = {"loss": float(torch.cat(right).mean()), **code_statistics(codes.float())}
        if partners:
            measured["shuffled_loss_ratio"] = float(torch.cat(wrong).mean()) / measured["loss"]
        return measured

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


def _require_latents_of(base: LatentDiffusion, ldm: Path, latents: Path) -> None:
    """Refuse latents that are not those the diffusion model was trained on."""
    found = read_scale(latents)
    same_scale = math.isclose(float(found["latent_scale"]), base.latent_scale, rel_tol=1e-6)
    if found["autoencoder"] != base.autoencoder or not same_scale:
        raise UserError(
            f"{latents}: latents of the autoencoder {str(found['autoencoder'])[:12]} at scale "
            f"{found['latent_scale']:.6g}, but {ldm} was trained on those of "
            f"{base.autoencoder[:12]} at {base.latent_scale:.6g}; train the diffusion model again "
            "(train-ldm), or restore the matching latents"
        )
