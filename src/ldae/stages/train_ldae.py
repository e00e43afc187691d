"""Train semantic encoder and gradient estimator over the frozen latent diffusion model."""

import logging
import math
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd
import torch
from lightning.fabric import Fabric
from torch import Tensor

from ldae import config
from ldae.data.cache import VolumeCache
from ldae.data.choices import other_subject, take_split
from ldae.data.examples import EvenTimes, LatentExamples, PairedExamples
from ldae.data.latents import LatentSet, read_scale
from ldae.data.volumes import VolumeSet, common_shape
from ldae.errors import UserError
from ldae.metrics.codes import code_statistics
from ldae.metrics.gain import gain_by_time
from ldae.models.build import build_semantic_encoder, representation
from ldae.models.ldm import LatentDiffusion, load_ldm
from ldae.nets.gradient_estimator import ShiftedNoisePredictor
from ldae.nets.recompute import recompute_activations
from ldae.nets.semantic_encoder import StandardisedEncoder
from ldae.objectives import RepresentationObjective
from ldae.runtime import seeded_generator, write_text
from ldae.tables import SCANS, read_table
from ldae.training.batches import Batch, FixedBatches
from ldae.training.checkpoint import Checkpoint
from ldae.training.fabric import launch
from ldae.training.loop import fit
from ldae.training.ranks import spread
from ldae.training.steps import GradientStep
from ldae.weights.folder import save_model
from ldae.weights.imagenet import load_imagenet

VALIDATION_DRAWS = 64  # at least so many noise levels; few scans are used repeatedly
ALIVE_RANK, ALIVE_VARIANCE = 1.5, 1e-4  # of codes; below either they tell scans hardly apart


class Settings(config.Section):
    """What this stage reads of the configuration."""

    seed: int
    pretrained: str | None
    latents: config.Latents
    ldae: config.Ldae


@dataclass(frozen=True)
class Validation:
    """The loss on held-out scans, and whether the codes say anything of them.

    `partners` gives each scan (of those called `names`) one of another subject; none where there is
    only one subject.
    """

    objective: RepresentationObjective
    _: KW_ONLY
    volumes: VolumeSet
    batches: FixedBatches
    names: list[str]
    partners: list[int]
    fabric: Fabric

    def __call__(self) -> dict[str, float]:
        """`loss`, and what to watch beside it."""
        codes = torch.cat(spread(self.fabric, self.volumes, self._code)).to(self.fabric.device)
        each = spread(self.fabric, self.batches, lambda batch: self._losses(batch, codes))
        right, wrong, t = torch.cat(each, dim=1)
        measured = {"loss": float(right.mean()), **code_statistics(codes.cpu())}
        if self.partners:
            measured["shuffled_loss_ratio"] = float(wrong.mean()) / measured["loss"]
            measured |= gain_by_time(
                right=right,
                wrong=wrong,
                without=self._without_code,
                t=t.long(),
                timesteps=self.objective.schedule.timesteps,
            )
        rank, variance = measured["code_effective_rank"], measured["code_variance"]
        if rank < ALIVE_RANK or variance < ALIVE_VARIANCE:
            logging.warning(
                "ldae: the semantic code has collapsed (effective rank %.2f, variance %.1e); set "
                "ldae.semantic_encoder.standardise, or lower the learning rate",
                *(rank, variance),
            )
        return measured

    @cached_property
    def _without_code(self) -> Tensor:
        """The frozen model's losses, which stay the same."""
        return torch.cat(spread(self.fabric, self.batches, self._frozen_losses))

    def _code(self, volume: Tensor) -> Tensor:
        code: Tensor = self.objective.semantic_encoder(volume[None, None].to(self.fabric.device))
        return code.float()

    def _frozen_losses(self, batch: Batch) -> Tensor:
        return self.objective.without_code(**batch.to(self.fabric.device).tensors)

    def _losses(self, batch: Batch, codes: Tensor) -> Tensor:
        """Losses given the right and a wrong code, and the times, as (3, B)."""
        given = batch.to(self.fabric.device).tensors
        scans = [self.names.index(name) for name in batch.names]
        right = wrong = self.objective.given_code(codes[scans], **given)
        if self.partners:
            others = codes[[self.partners[scan] for scan in scans]]
            wrong = self.objective.given_code(others, **given)
        return torch.stack([right, wrong, given["t"].float()])


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
        model: folder for weights.safetensors, config.json and train.jsonl.
        state: folder of the checkpoint, from which a killed training continues; beside it the
            unpacked volumes.
        devices: GPUs to train on (see `launch`); 0: the CPU.
        threads: CPU threads.
        settings: seed, pretrained, latents, ldae.
    """
    checkpoint = Checkpoint(state)
    training = settings.ldae.training
    fabric = launch(training, devices=devices, threads=threads)
    table = read_table(scans, SCANS)
    rows = {side: take_split(table, side) for side in ("train", "validation")}
    cache = VolumeCache(
        state.parent / "volumes", keep=[key for of in rows.values() for key in of["volume_sha256"]]
    )
    volumes = {side: VolumeSet(of, derivatives, cache=cache) for side, of in rows.items()}
    train = LatentSet(latents, rows["train"], use=settings.latents.use)
    held_out = LatentSet(latents, rows["validation"], use="mean")
    encoder = settings.ldae.semantic_encoder

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
    if training.activation_checkpointing:
        recompute_activations([*semantic_encoder.blocks, *shifted.blocks])
    objective = RepresentationObjective(
        semantic_encoder, shifted, base.schedule, settings.ldae.snr_exponent
    )
    examples = EvenTimes.covering(
        LatentExamples(held_out, base.schedule.timesteps), draws=VALIDATION_DRAWS
    )
    validate = Validation(
        objective,
        volumes=volumes["validation"],
        batches=FixedBatches(examples, training.batch_size, settings.seed),
        names=held_out.names,
        partners=_partners(rows["validation"]),
        fabric=fabric,
    )

    def prepare() -> None:
        if isinstance(semantic_encoder, StandardisedEncoder):
            logging.info("ldae: standardising the semantic encoder on %d volumes", len(train))
            semantic_encoder.standardise(volumes["train"])

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
        checkpoint=checkpoint,
        origin={
            "settings": settings.model_dump(mode="json"),
            "ldm": base.weights,
            "train": train.fingerprints,  # of volume and autoencoder
            "validation": held_out.fingerprints,
        },
        prepare=prepare,
    )
    if not fabric.is_global_zero:
        return
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


def _partners(rows: pd.DataFrame) -> list[int]:
    return other_subject(rows) if rows["participant_id"].nunique() > 1 else []


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
