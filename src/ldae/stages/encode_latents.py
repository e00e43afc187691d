"""Store the latent posterior of every scan, and the scale that brings latents to unit variance."""

import logging
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from ldae.data.latents import INDEX, INDEX_NAME, SCALE_NAME, is_current, read_latent, write_latent
from ldae.data.volumes import load_volume
from ldae.errors import UserError
from ldae.models.autoencoder import load_autoencoder
from ldae.progress import Tally
from ldae.runtime import pick_device, use_threads, write_json
from ldae.settings import fingerprint
from ldae.tables import KEYS, SCANS, read_table, write_table

EDGES = [-4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0]  # of the histogram, in deviations
HISTOGRAM_SCANS = 500
IDLE = 0.05  # a channel that varies by less than this share of all


def encode_latents(
    *, scans: Path, derivatives: Path, autoencoder: Path, latents: Path, devices: int, threads: int
) -> None:
    """Encode all scans, skipping those whose volume and autoencoder have not changed.

    Args:
        scans: table of scans with their side of the split.
        derivatives: folder the table's volumes are relative to.
        autoencoder: folder of the trained autoencoder.
        latents: folder for one NPZ per scan (`mean`, `std`, (C, X, Y, Z) float32, unscaled),
            `scale.json` and `index.parquet`.
        devices: GPUs it may use; it uses one. 0: the CPU.
        threads: CPU threads.
    """
    use_threads(threads)
    table = read_table(scans, SCANS)
    model = load_autoencoder(autoencoder, device=pick_device(devices))
    index = table[[*KEYS, "split"]].assign(
        file=table[KEYS].agg("_".join, axis=1) + ".npz",
        fingerprint=[fingerprint(model.weights, sha) for sha in table["volume_sha256"]],
    )
    stale = [
        not is_current(latents / file, mark)
        for file, mark in zip(index["file"], index["fingerprint"], strict=True)
    ]
    logging.info("encoding %d of %d scans; the others are up to date", sum(stale), len(index))
    missing = zip(
        table.loc[stale, "volume"],
        index.loc[stale, "file"],
        index.loc[stale, "fingerprint"],
        strict=True,
    )
    for volume, file, mark in Tally("latents", sum(stale)).over(missing):
        # one by one: in a batch a scan's latent would differ, in its last bits, with its neighbours
        means, stds = model.posterior(load_volume(derivatives / volume)[None, None])
        write_latent(latents / file, mean=means[0], std=stds[0], fingerprint=mark)
    write_json(latents / SCALE_NAME, _scale(latents, index) | {"autoencoder": model.weights})
    write_table(index, latents / INDEX_NAME, INDEX)


def _scale(latents: Path, index: pd.DataFrame) -> dict[str, Any]:
    """One scale over the posterior means of the training scans; a dead channel stays dead."""
    files = index.loc[index["split"] == "train", "file"]
    if files.empty:
        raise UserError("no training scans: the table of scans has none with split 'train'")
    channels = [_moments(*read_latent(latents / file)) for file in files]
    count, total, squares, std = torch.stack(channels).sum(0).unbind(1)  # (C,) each
    average = float(total.sum() / count.sum())
    spread = float((squares.sum() / count.sum() - average**2).sqrt())
    spreads = (squares / count - (total / count).square()).clamp_min(0).sqrt().tolist()
    means = torch.cat(
        [read_latent(latents / file)[0].flatten() for file in files[:HISTOGRAM_SCANS]]
    )
    shares = _histogram((means - average) / spread)
    logging.info(
        "latents: mean %.3f, std %.3f (channels: %s), from %.1f to %.1f std: %s %%",
        *(average, spread, ", ".join(f"{each:.3f}" for each in spreads), EDGES[0], EDGES[-1]),
        " ".join(f"{100 * share:.1f}" for share in shares),
    )
    idle = [number for number, each in enumerate(spreads) if each < IDLE * spread]
    if idle:
        logging.warning(
            "latents: channels %s hardly vary from scan to scan and voxel to voxel: a smaller "
            "autoencoder.network.latent_channels, or a longer training, would serve better",
            idle,
        )
    return {
        "latent_scale": 1 / spread,
        "mean": average,
        "std": spread,
        "channel_std": spreads,
        "posterior_std": float(std.sum() / count.sum()),
        "histogram": {"edges": EDGES, "shares": shares, "unit": "standard deviations"},
        "training_scans": len(files),
    }


def _moments(mean: Tensor, std: Tensor) -> Tensor:
    """Of each channel: count, sum and sum of squares of the mean, sum of the deviation; (C, 4)."""
    values, deviations = mean.double().flatten(1), std.double().flatten(1)
    count = torch.full((len(values),), values.shape[1], dtype=torch.float64)
    return torch.stack([count, values.sum(1), values.square().sum(1), deviations.sum(1)], dim=1)


def _histogram(values: Tensor) -> list[float]:
    """Shares of `values` between `EDGES`; the first and the last part hold what lies beyond."""
    inside = torch.tensor(EDGES[1:-1], dtype=values.dtype)
    counts = torch.bincount(torch.bucketize(values, inside), minlength=len(EDGES) - 1)
    return [round(float(share), 5) for share in counts / len(values)]
