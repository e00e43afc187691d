"""Generated scans: all latents in one file, a few volumes to look at, and a table of both."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from torch import Tensor

from ldae.errors import UserError
from ldae.runtime import atomic_path, note_read
from ldae.tables import read_table, write_table

# One row per sample.
INDEX = pa.schema(
    [
        pa.field("sample", pa.int64(), nullable=False),  # its place in the file of latents
        pa.field("volume", pa.string()),  # beside the index; null: not kept
    ]
)
INDEX_NAME = "index.parquet"
LATENTS_NAME = "latents.npy"


def write_samples(folder: Path, index: pd.DataFrame, z_0: Tensor) -> None:
    """Store scaled latents (N, C, X, Y, Z) as float32, and then the index that describes them."""
    with atomic_path(folder / LATENTS_NAME) as temporary:
        np.save(temporary, z_0.float().cpu().numpy())
    write_table(index, folder / INDEX_NAME, INDEX)


def read_samples(folder: Path) -> tuple[pd.DataFrame, Tensor]:
    """The index and the scaled latents (N, C, X, Y, Z).

    Raises:
        UserError: a file is missing or damaged, or they do not belong together.
    """
    index, path = read_table(folder / INDEX_NAME, INDEX), folder / LATENTS_NAME
    note_read(path)
    try:
        z_0 = torch.from_numpy(np.load(path, allow_pickle=False))
    except (OSError, EOFError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error}); run sample-scans again") from None
    if len(z_0) != len(index):
        raise UserError(f"{path}: {len(z_0)} samples, but {len(index)} listed; sample again")
    return index, z_0
