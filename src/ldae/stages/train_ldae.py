"""Train semantic encoder and gradient estimator over the frozen latent diffusion model."""

import math
from pathlib import Path

import torch

from ldae import config
from ldae.data.choices import other_subjects
from ldae.data.examples import EvenTimes, LatentExamples, PairedExamples, Times
from ldae.data.latents import LatentSet, read_scale
from ldae.data.training_scans import TrainingScans
from ldae.data.volumes import common_shape
from ldae.errors import UserError
from ldae.models.build import representation
from ldae.models.encoder import imagenet_name, new_encoder, standardise
from ldae.models.ldm import LatentDiffusion, load_ldm
from ldae.nets.gradient_estimator import ShiftedNoisePredictor
from ldae.nets.recompute import recompute_activations
from ldae.objectives import RepresentationObjective
from ldae.runtime import seeded_generator, write_text
from ldae.training.batches import FixedBatches
from ldae.training.checkpoint import Checkpoint
from ldae.training.fabric import launch
from ldae.training.loop import fit
from ldae.training.steps import GradientStep
from ldae.validation import CodeValidation
from ldae.weights.folder import save_model
from ldae.weights.identity import published_sha256

VALIDATION_DRAWS = 64  # at least so many noise levels; few scans are used repeatedly


class Settings(config.Section):
    """What this stage reads of the configuration."""

    seed: int
    pretrained: str | None
    latents: config.Latents
    ldae: config.Ldae


def train_ldae(
    *,
    scans: Path,
    derivatives: Path,
    latents: Path,
    ldm: Path,
    model: Path,
    state: Path,
    devices: int,
    threads: int,
    settings: Settings,
) -> None:
    """Train on the training subjects' volumes and latents and write the model folder.

    Args:
        scans: table of scans with their side of the split.
        derivatives: folder the table's volumes are relative to.
        latents: folder `encode-latents` wrote.
        ldm: folder of the trained latent diffusion model.
        model: folder for weights.safetensors, config.json and train.jsonl; called as the model.
        state: folder of the checkpoint, from which a killed training continues; beside it the
            unpacked volumes.
        devices: GPUs to train on (see `launch`); 0: the CPU.
        threads: CPU threads.
        settings: seed, pretrained, latents, ldae.
    """
    checkpoint, name = Checkpoint(state), model.name
    training = settings.ldae.training
    fabric = launch(training, devices=devices, threads=threads)
    sides = TrainingScans.open(scans, derivatives, state=state)
    volumes = sides.train.volumes
    train = LatentSet(latents, sides.train.rows, use=settings.latents.use)
    held_out = LatentSet(latents, sides.validation.rows, use="mean")
    encoder = settings.ldae.semantic_encoder

    base = load_ldm(ldm, device=fabric.device)
    _require_latents_of(base, ldm, latents)
    torch.manual_seed(seeded_generator(settings.seed, "ldae").initial_seed())
    semantic_encoder = new_encoder(
        encoder, common_shape(volumes), pretrained=settings.pretrained, name=name
    )
    shifted = ShiftedNoisePredictor(base.noise_predictor, encoder.embedding_dim)
    if training.activation_checkpointing:
        recompute_activations([*semantic_encoder.blocks, *shifted.blocks])
    objective = RepresentationObjective(
        semantic_encoder, shifted, base.schedule, settings.ldae.snr_exponent
    )
    timesteps = base.schedule.timesteps
    examples = EvenTimes.covering(
        LatentExamples(held_out, Times.uniform(timesteps)), draws=VALIDATION_DRAWS
    )
    validate = CodeValidation(
        name,
        semantic_encoder=semantic_encoder,
        given_code=objective.given_code,
        without_code=objective.without_code,
        volumes=sides.validation.volumes,
        batches=FixedBatches(examples, training.batch_size, settings.seed),
        scans=held_out.names,
        partners=other_subjects(sides.validation.rows),
        timesteps=timesteps,
        fabric=fabric,
    )

    outcome = fit(
        GradientStep(
            objective,
            representation(semantic_encoder, shifted),
            fabric=fabric,
            learning_rate=training.learning_rate,
            clip_norm=training.clip_norm,
        ),
        name=name,
        fabric=fabric,
        train=PairedExamples(
            volumes,
            LatentExamples(train, Times.focused(timesteps, settings.ldae.timesteps)),
        ),
        validate=validate,
        settings=training,
        seed=settings.seed,
        checkpoint=checkpoint,
        origin={
            "settings": settings.model_dump(mode="json"),
            "imagenet": published_sha256(settings.pretrained, imagenet_name(encoder)),
            "ldm": base.weights,
            "train": train.fingerprints,  # of volume and autoencoder
            "validation": held_out.fingerprints,
        },
        prepare=lambda: standardise(semantic_encoder, volumes, name=name),
    )
    if not fabric.is_global_zero:
        return
    write_text(model / "train.jsonl", outcome.journal.read_text(encoding="utf-8"))
    save_model(
        model,
        module_state=outcome.weights,
        config={
            "model": name,
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
