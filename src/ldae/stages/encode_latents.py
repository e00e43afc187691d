"""Store the latent posterior of every scan, and the scale that brings latents to unit variance."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd

from ldae.data.latents import INDEX, INDEX_NAME, SCALE_NAME, is_current, read_latent, write_latent
from ldae.data.volumes import load_volume
from ldae.errors import UserError
from ldae.models import load_autoencoder
from ldae.runtime import use_threads, write_json
from ldae.settings import fingerprint
from ldae.tables import KEYS, SCANS, read_table, write_table


def encode_latents(
    *, scans: Path, derivatives: Path, autoencoder: Path, latents: Path, threads: int
) -> None:
    """Encode all scans, skipping those whose volume and autoencoder have not changed.

    Args:
        scans: table of scans with their side of the split.
        derivatives: folder the table's volumes are relative to.
        autoencoder: folder of the trained autoencoder.
        latents: folder for one NPZ per scan (`mean`, `std`, (C, X, Y, Z) float32, unscaled),
            `scale.json` and `index.parquet`.
        threads: CPU threads.
    """
    use_threads(threads)
    table = read_table(scans, SCANS)
    model = load_autoencoder(autoencoder)
    index = table[[*KEYS, "split"]].assign(
        file=table[KEYS].agg("_".join, axis=1) + ".npz",
        fingerprint=[fingerprint(model.weights, sha) for sha in table["volume_sha256"]],
    )
    stale = [
        not is_current(latents / file, mark)
        for file, mark in zip(index["file"], index["fingerprint"], strict=True)
    ]
    logging.info("encoding %d of %d scans; the others are up to date", sum(stale), len(index))
    for volume, file, mark in zip(
        table.loc[stale, "volume"],
        index.loc[stale, "file"],
        index.loc[stale, "fingerprint"],
        strict=True,
    ):
        # one by one: in a batch a scan's latent would differ, in its last bits, with its neighbours
        means, stds = model.posterior(load_volume(derivatives / volume)[None, None])
        write_latent(latents / file, mean=means[0], std=stds[0], fingerprint=mark)
    write_json(latents / SCALE_NAME, _scale(latents, index) | {"autoencoder": model.weights})
    write_table(index, latents / INDEX_NAME, INDEX)


def _scale(latents: Path, index: pd.DataFrame) -> dict[str, float | int]:
    """One scale over the posterior means of the training scans; a dead channel stays dead."""
    files = index.loc[index["split"] == "train", "file"]
    if files.empty:
        raise UserError("no training scans: the table of scans has none with split 'train'")
    count, total, squares = 0, 0.0, 0.0
    lowest, highest, posterior_std = np.inf, -np.inf, 0.0
    for file in files:
        mean, std = (each.double() for each in read_latent(latents / file))
        count += mean.numel()
        total += float(mean.sum())
        squares += float(mean.square().sum())
        lowest, highest = min(lowest, float(mean.min())), max(highest, float(mean.max()))
        posterior_std += float(std.sum())
    average = total / count
    spread = float(np.sqrt(squares / count - average**2))
    logging.info(
        "latents: mean %.3f, std %.3f, from %.2f to %.2f", average, spread, lowest, highest
    )
    return {
        "latent_scale": 1 / spread,
        "mean": average,
        "std": spread,
        "min": lowest,
        "max": highest,
        "posterior_std": posterior_std / count,
        "training_scans": len(files),
    }
