"""Store every scan's semantic code, by a trained encoder or by the LDAE's untrained."""

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from ldae.config import Section
from ldae.data.batches import ScanBatches
from ldae.data.choices import take_split
from ldae.data.embeddings import write_embeddings
from ldae.data.volumes import VolumeSet
from ldae.models.autoencoder import load_autoencoder
from ldae.models.build import build_semantic_encoder
from ldae.models.dae import load_dae
from ldae.models.diffusion_autoencoder import DiffusionAutoencoder
from ldae.models.encoder import standardise
from ldae.models.ldae import load_ldae
from ldae.models.stored import stored_encoder
from ldae.progress import Tally
from ldae.runtime import pick_device, seeded_generator, use_threads
from ldae.tables import SCANS, read_table
from ldae.weights.folder import load_model_config

Encode = Callable[[Tensor], Tensor]  # (B, 1, X, Y, Z) to (B, E)
TRAINED: dict[str, Callable[..., DiffusionAutoencoder]] = {
    "ldae": load_ldae,
    "ldae-volume": partial(load_ldae, name="ldae-volume"),
    "dae": load_dae,
}


class Settings(Section):
    """The seed of the untrained encoder."""

    seed: int


def embed_scans(
    *,
    scans: Path,
    derivatives: Path,
    models: Path,
    encoder: Literal["ldae", "ldae-volume", "dae", "random-init"],
    embeddings: Path,
    devices: int,
    threads: int,
    batch_size: int,
    settings: Settings,
) -> None:
    """Write one row per scan of `scans`: its keys and its semantic code.

    Args:
        scans: the table of scans (`cohort/scans.parquet`).
        derivatives: the folder its volumes lie in.
        models: the folder of the models; `ldae` and `ldae-volume` need `autoencoder` and `ldm`
            beside their own.
        encoder: of a trained model, or the control `random-init`: the LDAE's architecture with
            fresh weights, standardised on training volumes as the trained one was before training.
        embeddings: the table to write.
        devices: GPUs it may use; it uses one. 0: the CPU.
        threads: CPU threads.
        batch_size: how many scans are held in memory at once; no result depends on it.
        settings: see `Settings`.
    """
    use_threads(threads)
    device = pick_device(devices)
    rows = take_split(read_table(scans, SCANS), "train", "validation", "test")
    if encoder == "random-init":
        volumes = VolumeSet(rows[rows["split"] == "train"], derivatives)
        encode = _untrained(models, volumes, settings.seed, device)
    else:
        encode = TRAINED[encoder](models, device=device).encode
    batches = ScanBatches(rows, derivatives, batch_size, device)
    tally, codes = Tally(f"embedding by {encoder}", len(rows)), []
    with torch.inference_mode():
        for batch in batches:
            codes.append(encode(batch.x).float().cpu().numpy())
            tally.add(len(batch.rows))
    write_embeddings(rows, np.concatenate(codes), embeddings)
    logging.info("%d scans encoded by %s", len(rows), encoder)


def _untrained(models: Path, volumes: VolumeSet, seed: int, device: torch.device) -> Encode:
    form = stored_encoder(load_model_config(models / "ldae"), models / "ldae")
    shape = load_autoencoder(models / "autoencoder").volume_shape
    with torch.random.fork_rng():
        torch.manual_seed(seeded_generator(seed, "random-init").initial_seed())
        network = build_semantic_encoder(form, shape)
    standardise(network, volumes, name="random-init")
    return network.eval().to(device)
