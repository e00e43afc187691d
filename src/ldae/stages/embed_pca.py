"""Store every scan's scores on the principal components of the training volumes: a baseline."""

import logging
from pathlib import Path

import numpy as np

from ldae.config import Section, VoxelPca
from ldae.data.choices import take_split
from ldae.data.embeddings import write_embeddings
from ldae.data.volumes import VolumeSet
from ldae.models import voxel_pca
from ldae.runtime import use_threads
from ldae.tables import SCANS, read_table
from ldae.weights.folder import save_model


class Settings(Section):
    """The seed of the solver, and how many components of which cubes there are."""

    seed: int
    voxel_pca: VoxelPca


def embed_pca(
    *,
    scans: Path,
    derivatives: Path,
    model: Path,
    embeddings: Path,
    threads: int,
    settings: Settings,
) -> None:
    """Write one row per scan of `scans`: its keys and its scores on the components.

    Memory is that of the averaged training volumes, 4 bytes per cube of voxels; scans are then
    embedded one by one.

    Args:
        scans: the table of scans (`cohort/scans.parquet`).
        derivatives: the folder its volumes lie in.
        model: the folder for the fitted mean and components (`models/voxel-pca`).
        embeddings: the table to write.
        threads: CPU threads.
        settings: see `Settings`.
    """
    use_threads(threads)
    rows = take_split(read_table(scans, SCANS), "train", "validation", "test")
    train = VolumeSet(rows[rows["split"] == "train"], derivatives)
    fitted = voxel_pca.VoxelPca.fit(
        train,
        components=settings.voxel_pca.components,
        pool=settings.voxel_pca.pool,
        seed=settings.seed,
    )
    volumes = VolumeSet(rows, derivatives)
    codes = [fitted.encode(volumes[index]).numpy() for index in range(len(volumes))]
    save_model(
        model,
        module_state={"mean": fitted.mean, "components": fitted.components},
        config={"model": "voxel-pca", "settings": settings.model_dump(mode="json")},
    )
    write_embeddings(rows, np.stack(codes), embeddings)
    logging.info(
        "%d components of %d cubes of %d training volumes", *fitted.components.shape, len(train)
    )
