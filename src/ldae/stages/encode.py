"""Encode scans: the semantic code and the latent of each."""

import logging
from pathlib import Path

import numpy as np

from ldae.pretrained.desk import open_desk
from ldae.pretrained.options import HERE, ModelsFolder, OutputFolder
from ldae.runtime import atomic_path


def encode(
    scans: list[Path],
    *,
    models: ModelsFolder,
    output: OutputFolder = HERE,
    preprocess: bool = False,
    json: bool = False,
    devices: int = 1,
) -> None:
    """Write `{scan}_codes.npz` and `{scan}_codes.json` to a folder.

    The NPZ holds `y_sem` (E,) and `latent` (C, X, Y, Z), the posterior mean scaled as diffusion
    sees it; the JSON says what they were made from, and how unlike the training scans that is.

    Args:
        scans: preprocessed volumes (NIfTI), as `ldae preprocess` writes them.
        models: the folder of a run's models, `results/demo/models` say.
        output: the folder to write to; the current one if not given.
        preprocess: scans that are not what the models read are raw heads: preprocess them as the
            training scans were, into `preprocessed` of the output folder.
        json: write what the JSON files hold to standard output, too, a line per scan.
        devices: GPUs it may use: one, where there is one; 0: the CPU.
    """
    desk = open_desk(models, output=output, preprocess=preprocess, to_stdout=json, devices=devices)
    for scan in desk.scans(scans):
        y_sem, latent = desk.model.encode(scan), desk.model.compress(scan)
        codes = output / f"{scan.name}_codes.npz"
        with atomic_path(codes) as temporary:
            np.savez(temporary, y_sem=y_sem, latent=latent)
        desk.give(
            f"{scan.name}_codes",
            desk.about(scan)
            | {
                "codes": codes.name,
                "y_sem": {"dimensions": y_sem.size, **_moments(y_sem)},
                "latent": {"shape": list(latent.shape), **_moments(latent)},
                "latent_scale": desk.model.networks.latent_scale,
            },
        )
        logging.info("y_sem (%d) and latent %s in %s", y_sem.size, latent.shape, codes)


def _moments(values: np.ndarray) -> dict[str, float]:
    return {"mean": float(values.mean()), "std": float(values.std())}
