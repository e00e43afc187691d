"""Terminal codes z_T of scans, found once by DDIM inversion: one file per scan, and an index.

A file is named by its scan and by a fingerprint of all it was made of, so a file that is there is
one that can be used, and what a killed job has finished is kept.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from torch import Tensor

from ldae.errors import UserError
from ldae.runtime import atomic_path
from ldae.settings import fingerprint
from ldae.tables import KEYS, read_table, write_table

# One row per scan; `file` lies beside the index.
INDEX = pa.schema(
    [
        pa.field("participant_id", pa.string(), nullable=False),
        pa.field("session_id", pa.string(), nullable=False),
        pa.field("file", pa.string(), nullable=False),
        pa.field("fingerprint", pa.string(), nullable=False),  # of weights, clamp and volume
    ]
)


def plan_inversions(rows: pd.DataFrame, *, made_by: str) -> pd.DataFrame:
    """The index `INDEX` of scans `rows`, in their order, whether or not its files are there.

    `made_by` stands for the model that inverts (`ldae.models.stored.inverted_by`).
    """
    marks = [fingerprint(made_by, volume) for volume in rows["volume_sha256"]]
    names = rows[KEYS].agg("_".join, axis=1) + [f"_{mark}.npy" for mark in marks]
    return rows[KEYS].assign(file=names, fingerprint=marks)


def write_inversion(folder: Path, row: pd.Series, z_T: Tensor) -> None:
    """Store the z_T (C, X, Y, Z) of one row of `plan_inversions` as float32, atomically."""
    with atomic_path(folder / row["file"]) as temporary:
        np.save(temporary, z_T.float().cpu().numpy())


def finish_inversions(index: Path, planned: pd.DataFrame) -> None:
    """Write the index, and remove codes beside it that are not in it: of other weights, or cut."""
    kept = set(planned["file"])
    for path in index.parent.glob("*.npy"):
        if path.name not in kept:
            path.unlink()
    write_table(planned, index, INDEX)


def read_inversions(index: Path, rows: pd.DataFrame, *, made_by: str) -> Tensor:
    """The stored z_T (N, C, X, Y, Z) of scans `rows`, in their order.

    Args:
        index: `inversions/{model}/T{steps}/index.parquet`.
        rows: rows of the table of scans; one may stand there more than once.
        made_by: of the model at hand (`ldae.models.stored.inverted_by`).

    Raises:
        UserError: a scan has no code, or one of other weights, another clamp or another volume.
    """
    wanted = plan_inversions(rows, made_by=made_by)
    stored = read_table(index, INDEX)
    found = wanted.merge(stored, on=KEYS, how="left", suffixes=("", "_stored"), validate="m:1")
    unfit = found[found["fingerprint"] != found["fingerprint_stored"]]
    if len(unfit):
        first = unfit.iloc[0]
        absent = pd.isna(first["fingerprint_stored"])
        problem = "there is none" if absent else "it is of other weights, clamp or volume"
        raise UserError(
            f"{index}: no usable z_T of {len(unfit)} scans, {'_'.join(first[KEYS])} first: "
            f"{problem}; run invert-scans again"
        )
    return torch.stack([_read(index.parent / name) for name in found["file"]])


def code_length(index: Path) -> int:
    """How many numbers one stored z_T holds, counted in the first file of the index."""
    stored = read_table(index, INDEX)
    if stored.empty:
        raise UserError(f"{index}: holds no scan; run invert-scans again")
    return _read(index.parent / stored["file"].iloc[0]).numel()


def _read(path: Path) -> Tensor:
    try:
        return torch.from_numpy(np.load(path, allow_pickle=False))
    except (OSError, EOFError, ValueError) as error:
        raise UserError(
            f"{path}: cannot be read as a z_T ({error}); delete it and run invert-scans again"
        ) from None
