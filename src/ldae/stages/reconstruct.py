"""Reconstruct scans through the latent diffusion autoencoder."""

import logging
from pathlib import Path

import numpy as np
import torch

from ldae.metrics.image import ImageScorer
from ldae.pretrained.desk import open_desk, short
from ldae.pretrained.options import HERE, ModelsFolder, OutputFolder
from ldae.pretrained.scan import Volume

SSIM_WINDOW = 3  # voxels, as in the paper


def reconstruct(
    scans: list[Path],
    *,
    models: ModelsFolder,
    output: OutputFolder = HERE,
    steps: int = 50,
    preprocess: bool = False,
    json: bool = False,
    devices: int = 1,
) -> None:
    """Write reconstructions (`{scan}_reconstruction.nii.gz`), scores (JSON), comparisons (PNG).

    z_T comes from the scan by DDIM inversion with its semantic code, and is sampled back in as many
    steps. Brain scores are over the scan's voxels above 0; `bottleneck` is the autoencoder alone.

    Args:
        scans: preprocessed volumes (NIfTI), as `ldae preprocess` writes them.
        models: the folder of a run's models, `results/demo/models` say.
        output: the folder to write to; the current one if not given.
        steps: DDIM steps each way.
        preprocess: scans that are not what the models read are raw heads: preprocess them as the
            training scans were, into `preprocessed` of the output folder.
        json: write what the JSON files hold to standard output, too, a line per scan.
        devices: GPUs it may use: one, where there is one; 0: the CPU.
    """
    desk = open_desk(models, output=output, preprocess=preprocess, to_stdout=json, devices=devices)
    for scan in desk.scans(scans):
        made = desk.model.reconstruct(scan, steps=steps)
        decoded = desk.model.decompress(desk.model.compress(scan))
        scores = {
            "encoded": _scores(made, scan.volume),
            "bottleneck": _scores(decoded, scan.volume),
        }
        name = f"{scan.name}_reconstruction"
        files = desk.keep({name: made}, like=scan)
        column = f"reconstruction, {steps} steps"
        columns = {"scan": scan.volume, column: made}
        files.append(desk.draw(name, short(scan), columns, against="scan"))
        desk.give(name, desk.about(scan) | {"steps": steps, "scores": scores, "files": files})
        logging.info("SSIM %.4f, in %s", scores["encoded"]["ssim"], output / files[0])


def _scores(made: Volume, scan: Volume) -> dict[str, float]:
    """Those that can be computed without a network."""
    prediction, target = (
        torch.from_numpy(np.ascontiguousarray(each))[None, None] for each in (made, scan)
    )
    scores = ImageScorer(SSIM_WINDOW, perceptual=None).score(prediction, target, target > 0)
    return {name: float(value) for name, value in scores.items() if not value.isnan().any()}
