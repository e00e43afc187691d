"""Encode one scan: its semantic code and its latent."""

import logging
from pathlib import Path

import numpy as np
import torch

from ldae.data.single_scan import load_single_scan
from ldae.models.ldae import load_ldae
from ldae.runtime import atomic_path, pick_device, sha256, write_json


def encode(scan: Path, *, models: Path, output: Path, devices: int = 1) -> None:
    """Write `{scan}_codes.npz` and `{scan}_codes.json` to a folder.

    The NPZ holds `y_sem` (E,) and `latent` (C, X, Y, Z), the posterior mean scaled as diffusion
    sees it; the JSON says what they were made from.

    Args:
        scan: a preprocessed volume (NIfTI), as `ldae preprocess` writes it.
        models: the folder of `autoencoder`, `ldm` and `ldae`.
        output: the folder to write to.
        devices: GPUs it may use: one, where there is one; 0: the CPU.
    """
    model = load_ldae(models, device=pick_device(devices))
    single = load_single_scan(scan, shape=model.volume_shape, spacing_mm=model.spacing_mm)
    with torch.inference_mode():
        y_sem = model.encode(single.x)[0].float().cpu().numpy()
        latent = model.to_latent(single.x)[0].float().cpu().numpy()
    codes = output / f"{single.name}_codes.npz"
    with atomic_path(codes) as temporary:
        np.savez(temporary, y_sem=y_sem, latent=latent)
    summary = {
        "scan": scan.name,
        "scan_sha256": sha256(scan),
        "codes": codes.name,
        "y_sem": {"dimensions": y_sem.size, "mean": float(y_sem.mean()), "std": float(y_sem.std())},
        "latent": {"shape": latent.shape, "mean": float(latent.mean()), "std": float(latent.std())},
        "latent_scale": model.latent_scale,
    }
    write_json(output / f"{single.name}_codes.json", summary)
    logging.info("y_sem (%d) and latent %s in %s", y_sem.size, latent.shape, codes)
