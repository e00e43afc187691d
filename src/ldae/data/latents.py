"""Stored latents: one posterior per scan, the scale they share, and the index that finds them."""

import json
from pathlib import Path
from typing import Any, Literal
from zipfile import BadZipFile

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from torch import Tensor

from ldae.errors import UserError
from ldae.runtime import atomic_path, note_read
from ldae.tables import KEYS, read_table

# One row per scan; `file` is relative to the folder of the latents.
INDEX = pa.schema(
    [
        pa.field("participant_id", pa.string(), nullable=False),
        pa.field("session_id", pa.string(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("file", pa.string(), nullable=False),
        pa.field("fingerprint", pa.string(), nullable=False),  # of autoencoder and volume
    ]
)
INDEX_NAME = "index.parquet"
SCALE_NAME = "scale.json"


class LatentSet:
    """The scaled latents of the scans of the table `scans`, in its order, kept in memory once read.

    `use` says what stands for a scan: the posterior's mean, or a draw from the posterior.
    """

    def __init__(
        self, folder: Path, scans: pd.DataFrame, *, use: Literal["mean", "sample"]
    ) -> None:
        self.folder = folder
        self.use = use
        self.scale = float(read_scale(folder)["latent_scale"])
        index = read_table(folder / INDEX_NAME, INDEX)
        found = scans[KEYS].merge(index, on=KEYS, how="left", validate="one_to_one")
        lost = found[found["file"].isna()]
        if len(lost):
            first = "_".join(lost[KEYS].iloc[0])
            raise UserError(
                f"{folder}: no latent of {len(lost)} scans, {first} first; run encode-latents again"
            )
        self.names = found[KEYS].agg("_".join, axis=1).tolist()
        self.fingerprints = found["fingerprint"].tolist()
        self._files = found["file"].tolist()
        self._kept: dict[int, tuple[Tensor, ...]] = {}

    def __len__(self) -> int:
        """How many latents there are."""
        return len(self._files)

    @property
    def shape(self) -> tuple[int, ...]:
        """(C, X, Y, Z) of the first latent, which the others share.

        Raises:
            UserError: there are no latents.
        """
        if not self._files:
            raise UserError(
                f"{self.folder}: no scan on this side of the split; enlarge it (split:)"
            )
        return tuple(self._stored(0)[0].shape)

    def draw(self, index: int, generator: torch.Generator) -> Tensor:
        """z_0 (C, X, Y, Z) of scan `index`: the scaled posterior mean, or a scaled draw."""
        mean, *deviation = self._stored(index)
        for std in deviation:
            mean = mean + std * torch.randn(mean.shape, generator=generator)
        return mean * self.scale

    def _stored(self, index: int) -> tuple[Tensor, ...]:
        """Mean and, where it is drawn from, standard deviation of a posterior, unscaled."""
        if index not in self._kept:
            mean, std = read_latent(self.folder / self._files[index])
            self._kept[index] = (mean, std) if self.use == "sample" else (mean,)
        return self._kept[index]


def read_latent(path: Path) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (C, X, Y, Z) stored at `path`, unscaled."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return torch.from_numpy(arrays["mean"]), torch.from_numpy(arrays["std"])
    except (OSError, KeyError, ValueError, BadZipFile) as error:
        raise UserError(
            f"{path}: cannot be read as a latent ({error}); delete it and encode again"
        ) from None


def write_latent(path: Path, *, mean: Tensor, std: Tensor, fingerprint: str) -> None:
    """Store one posterior (C, X, Y, Z) float32 with what it was made of, atomically."""
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(
            file,
            mean=mean.float().cpu().numpy(),
            std=std.float().cpu().numpy(),
            fingerprint=np.array(fingerprint),
        )


def is_current(path: Path, fingerprint: str) -> bool:
    """Whether `path` holds a latent made of just what `fingerprint` stands for."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return str(arrays["fingerprint"]) == fingerprint
    except (OSError, KeyError, ValueError, BadZipFile):
        return False


def read_scale(folder: Path) -> dict[str, Any]:
    """What `encode-latents` says of all latents: `latent_scale`, `mean`, `autoencoder`, ..."""
    path = folder / SCALE_NAME
    note_read(path)
    try:
        scale: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise UserError(f"{path}: cannot be read ({error}); run encode-latents again") from None
    return scale
