"""The scans a training on volumes learns from, and those it is validated on."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Self

import pandas as pd

from ldae.data.cache import VolumeCache
from ldae.data.choices import take_split
from ldae.data.volumes import VolumeSet
from ldae.tables import SCANS, read_table, scan_names


@dataclass(frozen=True)
class Side:
    """One side of the split: rows of the table of scans, and where their volumes are."""

    rows: pd.DataFrame
    derivatives: Path
    cache: VolumeCache

    @cached_property
    def volumes(self) -> VolumeSet:
        """(X, Y, Z) each, in the order of the rows."""
        return VolumeSet(self.rows, self.derivatives, cache=self.cache)

    @property
    def names(self) -> list[str]:
        """Of the scans, in the order of the rows."""
        return scan_names(self.rows)

    @property
    def hashes(self) -> list[str]:
        """SHA-256 of each volume's file: what a training that learns from them depends on."""
        hashes: list[str] = self.rows["volume_sha256"].tolist()
        return hashes

    def where(self, chosen: "pd.Series[bool]") -> Self:
        """Some of the scans; the cache goes on to keep the others, for trainings that share it."""
        return replace(self, rows=self.rows[chosen].reset_index(drop=True))


@dataclass(frozen=True)
class TrainingScans:
    """Both sides of the split that a training sees; test scans are not among them."""

    train: Side
    validation: Side

    @classmethod
    def open(cls, scans: Path, derivatives: Path, *, state: Path) -> Self:
        """The scans of a table, whose volumes are unpacked once, beside the checkpoint `state`.

        Args:
            scans: table of scans with their side of the split.
            derivatives: folder the table's volumes are relative to.
            state: folder of the checkpoint; trainings whose checkpoints are neighbours share
                what is unpacked.

        Raises:
            UserError: a side has no scan.
        """
        table = read_table(scans, SCANS)
        train, validation = (take_split(table, side) for side in ("train", "validation"))
        keep = [*train["volume_sha256"], *validation["volume_sha256"]]
        cache = VolumeCache(state.parent / "volumes", keep=keep)
        return cls(Side(train, derivatives, cache), Side(validation, derivatives, cache))
