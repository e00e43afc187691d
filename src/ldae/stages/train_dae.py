"""Train the diffusion autoencoder on voxels: a baseline that compresses nothing first.

Semantic encoder and noise predictor train together, by the error of the predicted noise
(Preechakul et al. 2022, on volumes).
"""

from pathlib import Path

import torch

from ldae import config
from ldae.data.choices import other_subjects
from ldae.data.examples import EvenTimes, Times, VoxelExamples
from ldae.data.training_scans import TrainingScans
from ldae.data.volumes import common_shape, voxel_spacing
from ldae.diffusion.schedule import NoiseSchedule
from ldae.models.dae import build_voxel_noise_predictor, voxel_representation
from ldae.models.encoder import imagenet_name, new_encoder, standardise
from ldae.nets.recompute import recompute_activations
from ldae.objectives import VoxelObjective
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
    diffusion: config.Diffusion
    dae: config.Dae


def train_dae(
    *,
    scans: Path,
    derivatives: Path,
    model: Path,
    state: Path,
    devices: int,
    threads: int,
    settings: Settings,
) -> None:
    """Train on the training subjects' volumes and write the model folder.

    Args:
        scans: table of scans with their side of the split.
        derivatives: folder the table's volumes are relative to.
        model: folder for weights.safetensors, config.json and train.jsonl.
        state: folder of the checkpoint, from which a killed training continues; beside it the
            unpacked volumes.
        devices: GPUs to train on (see `launch`); 0: the CPU.
        threads: CPU threads.
        settings: seed, pretrained, diffusion, dae.
    """
    checkpoint = Checkpoint(state)
    training = settings.dae.training
    fabric = launch(training, devices=devices, threads=threads)
    sides = TrainingScans.open(scans, derivatives, state=state)
    volumes, held_out = sides.train.volumes, sides.validation
    shape = common_shape(volumes)
    encoder = settings.dae.semantic_encoder

    torch.manual_seed(seeded_generator(settings.seed, "dae").initial_seed())
    semantic_encoder = new_encoder(encoder, shape, pretrained=settings.pretrained, name="dae")
    noise_predictor = build_voxel_noise_predictor(settings.dae.network, encoder.embedding_dim)
    if training.activation_checkpointing:
        recompute_activations([*semantic_encoder.blocks, *noise_predictor.blocks])
    schedule = NoiseSchedule.linear(**settings.diffusion.model_dump()).to(fabric.device)
    objective = VoxelObjective(semantic_encoder, noise_predictor, schedule)
    times = Times.uniform(schedule.timesteps)
    examples = EvenTimes.covering(
        VoxelExamples(held_out.volumes, held_out.names, times), draws=VALIDATION_DRAWS
    )
    validate = CodeValidation(
        "dae",
        semantic_encoder=semantic_encoder,
        given_code=objective.given_code,
        without_code=None,
        volumes=held_out.volumes,
        batches=FixedBatches(examples, training.batch_size, settings.seed),
        scans=held_out.names,
        partners=other_subjects(held_out.rows),
        timesteps=schedule.timesteps,
        fabric=fabric,
    )
    outcome = fit(
        GradientStep(
            objective,
            voxel_representation(semantic_encoder, noise_predictor),
            fabric=fabric,
            learning_rate=training.learning_rate,
            clip_norm=training.clip_norm,
        ),
        name="dae",
        fabric=fabric,
        train=VoxelExamples(volumes, sides.train.names, times),
        validate=validate,
        settings=training,
        seed=settings.seed,
        checkpoint=checkpoint,
        origin={
            "settings": settings.model_dump(mode="json"),
            "imagenet": published_sha256(settings.pretrained, imagenet_name(encoder)),
            "train": sides.train.hashes,
            "validation": held_out.hashes,
        },
        prepare=lambda: standardise(semantic_encoder, volumes, name="dae"),
    )
    if not fabric.is_global_zero:
        return
    write_text(model / "train.jsonl", outcome.journal.read_text(encoding="utf-8"))
    save_model(
        model,
        module_state=outcome.weights,
        config={
            "model": "dae",
            "network": encoder.model_dump(mode="json"),
            "noise_predictor": settings.dae.network.model_dump(mode="json"),
            "diffusion": settings.diffusion.model_dump(mode="json"),
            "volume_shape": list(shape),
            "spacing_mm": voxel_spacing(volumes.paths[0]),
            "settings": settings.model_dump(mode="json"),
            "fingerprint": outcome.fingerprint,
            "training": outcome.summary(),
        },
    )
