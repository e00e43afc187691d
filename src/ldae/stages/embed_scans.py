"""Store every scan's semantic code, by the trained encoder or by the same one untrained."""

import logging
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import nn

from ldae import config
from ldae.config import Sampling, Section
from ldae.data.batches import ScanBatches
from ldae.data.choices import take_split
from ldae.data.embeddings import write_embeddings
from ldae.data.volumes import VolumeSet
from ldae.models.autoencoder import load_autoencoder
from ldae.models.build import build_semantic_encoder
from ldae.models.ldae import load_ldae
from ldae.nets.semantic_encoder import StandardisedEncoder
from ldae.runtime import pick_device, seeded_generator, use_threads
from ldae.tables import SCANS, read_table
from ldae.weights.folder import load_model_config


class Settings(Section):
    """The seed of the untrained encoder, and how many scans are encoded at once."""

    seed: int
    sampling: Sampling


def embed_scans(
    *,
    scans: Path,
    derivatives: Path,
    models: Path,
    encoder: Literal["ldae", "random-init"],
    embeddings: Path,
    threads: int,
    settings: Settings,
) -> None:
    """Write one row per scan of `scans`: its keys and its semantic code.

    Args:
        scans: the table of scans (`cohort/scans.parquet`).
        derivatives: the folder its volumes lie in.
        models: the folder of `autoencoder`, `ldm` and `ldae`.
        encoder: `ldae`, the trained one, or the control `random-init`: the same architecture with
            fresh weights, standardised on training volumes as the trained one was before training.
        embeddings: the table to write.
        threads: CPU threads.
        settings: see `Settings`.
    """
    use_threads(threads)
    device = pick_device()
    rows = take_split(read_table(scans, SCANS), "train", "validation", "test")
    if encoder == "ldae":
        network = load_ldae(models, device=device).semantic_encoder
    else:
        volumes = VolumeSet(rows[rows["split"] == "train"], derivatives)
        network = _untrained(models, volumes, settings.seed).to(device)
    batches = ScanBatches(rows, derivatives, settings.sampling.batch_size, device)
    with torch.inference_mode():
        codes = [network(batch.x).float().cpu().numpy() for batch in batches]
    write_embeddings(rows, np.concatenate(codes), embeddings)
    logging.info("%d scans encoded by %s", len(rows), encoder)


def _untrained(models: Path, volumes: VolumeSet, seed: int) -> nn.Module:
    stored = load_model_config(models / "ldae")["network"]
    shape = load_autoencoder(models / "autoencoder").volume_shape
    with torch.random.fork_rng():
        torch.manual_seed(seeded_generator(seed, "random-init").initial_seed())
        network = build_semantic_encoder(config.SemanticEncoder.model_validate(stored), shape)
    if isinstance(network, StandardisedEncoder):
        network.standardise(volumes)
    return network.eval()
