"""Scans in batches for evaluation: rows of the table, their volumes and their brain masks."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from ldae.data.volumes import load_volume
from ldae.runtime import seeded_generator
from ldae.tables import KEYS


@dataclass(frozen=True)
class ScanBatch:
    """Some scans: their rows, volumes `(B, 1, X, Y, Z)` in [0, 1] and brain masks (bool, alike)."""

    rows: pd.DataFrame
    x: Tensor
    brain: Tensor


def load_batch(rows: pd.DataFrame, derivatives: Path, device: torch.device) -> ScanBatch:
    """Read the volumes and masks of `rows` to `device`."""
    x = torch.stack([load_volume(derivatives / name) for name in rows["volume"]])
    brain = torch.stack([load_volume(derivatives / name) > 0.5 for name in rows["mask"]])
    return ScanBatch(rows, x[:, None].to(device), brain[:, None].to(device))


@dataclass(frozen=True)
class ScanBatches:
    """All scans of `rows` in their order, as often as iterated over, `size` in memory at a time."""

    rows: pd.DataFrame
    derivatives: Path
    size: int
    device: torch.device

    def __iter__(self) -> Iterator[ScanBatch]:
        for start in range(0, len(self.rows), self.size):
            rows = self.rows.iloc[start : start + self.size]
            yield load_batch(rows, self.derivatives, self.device)


def scan_noise(rows: pd.DataFrame, shape: tuple[int, ...], *seeds: int | str) -> Tensor:
    """Standard normal `(B, *shape)`: drawn by `seeds` and the scan alone, not by its batch."""
    keys = rows[KEYS].itertuples(index=False)
    return torch.stack(
        [torch.randn(shape, generator=seeded_generator(*seeds, *key)) for key in keys]
    )


def mean_volume(rows: pd.DataFrame, derivatives: Path) -> Tensor:
    """The voxel-wise mean of the volumes of `rows`, `(X, Y, Z)`, accumulated one by one."""
    total = torch.zeros((), dtype=torch.float64)
    for name in rows["volume"]:
        total = total + load_volume(derivatives / name).double()
    return (total / len(rows)).float()
