"""Store every scan's semantic code, by a trained encoder or by the LDAE's untrained."""

import logging
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from ldae.config import Section
from ldae.data.batches import ScanBatches
from ldae.data.choices import take_split
from ldae.data.embeddings import write_embeddings
from ldae.data.volumes import VolumeSet
from ldae.models.build import SemanticNetwork, Shape, build_semantic_encoder
from ldae.models.encoder import load_encoder, standardise
from ldae.models.stored import stored_encoder, stored_key, stored_shape
from ldae.progress import Tally
from ldae.runtime import pick_device, seeded_generator, use_threads
from ldae.tables import SCANS, read_table
from ldae.weights.folder import load_model_config


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
        models: the folder of the models. Of `autoencoder`, which all but `dae` need beside their
            own, only the grid is read: no other network than the encoder is loaded.
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
    shape = _volume_shape(models / ("dae" if encoder == "dae" else "autoencoder"))
    if encoder == "random-init":
        volumes = VolumeSet(rows[rows["split"] == "train"], derivatives)
        network = _untrained(models / "ldae", shape, volumes, settings.seed).to(device)
    else:
        network = load_encoder(models / encoder, shape, device=device)
    batches = ScanBatches(rows, derivatives, batch_size, device)
    tally, codes = Tally(f"embedding by {encoder}", len(rows)), []
    with torch.inference_mode():
        for batch in batches:
            codes.append(network(batch.x).float().cpu().numpy())
            tally.add(len(batch.rows))
    write_embeddings(rows, np.concatenate(codes), embeddings)
    logging.info("%d scans encoded by %s", len(rows), encoder)


def _volume_shape(folder: Path) -> Shape:
    return stored_shape(stored_key(load_model_config(folder), "volume_shape", folder))


def _untrained(folder: Path, shape: Shape, volumes: VolumeSet, seed: int) -> SemanticNetwork:
    """An encoder of the form of the one in `folder`."""
    form = stored_encoder(load_model_config(folder), folder)
    with torch.random.fork_rng():
        torch.manual_seed(seeded_generator(seed, "random-init").initial_seed())
        network = build_semantic_encoder(form, shape)
    standardise(network, volumes, name="random-init")
    return network.eval()
