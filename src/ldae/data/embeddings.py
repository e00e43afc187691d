"""Semantic codes as a table: the keys of each scan, then one column per dimension."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ldae.errors import UserError
from ldae.tables import KEYS, SCANS, write_table

DESCRIPTION = ["split", "months", "age", "diagnosis"]
CODE = re.compile(r"e\d{3,}")


def write_embeddings(rows: pd.DataFrame, codes: NDArray[np.float32], path: Path) -> None:
    """Write codes `(N, E)` beside the keys of their scans: columns e000, e001, ..."""
    names = [f"e{index:03d}" for index in range(codes.shape[1])]
    keys = [SCANS.field(name) for name in [*KEYS, *DESCRIPTION]]
    schema = pa.schema([*keys, *[pa.field(name, pa.float32(), nullable=False) for name in names]])
    described = rows[[*KEYS, *DESCRIPTION]].reset_index(drop=True)
    write_table(described.join(pd.DataFrame(codes, columns=names)), path, schema)


def code_names(path: Path) -> list[str]:
    """The columns of a table of embeddings that hold the code: e000, e001, ..."""
    try:
        return [name for name in pq.read_schema(path).names if CODE.fullmatch(name)]
    except (OSError, pa.ArrowInvalid) as error:
        raise UserError(f"{path}: cannot be read as a Parquet table ({error})") from None


def read_embeddings(path: Path, rows: pd.DataFrame) -> NDArray[np.float32]:
    """Codes `(N, E)` of the scans of `rows`, in their order.

    Raises:
        UserError: the file is no table of embeddings, or lacks a scan.
    """
    try:
        table = pq.read_table(path).to_pandas()
    except (OSError, pa.ArrowInvalid) as error:
        raise UserError(f"{path}: cannot be read as a Parquet table ({error})") from None
    names = [name for name in table.columns if CODE.fullmatch(name)]
    if not names or not set(KEYS) <= set(table.columns):
        raise UserError(f"{path}: not a table of embeddings; remake it (ldae embed-scans)")
    wanted = pd.MultiIndex.from_frame(rows[KEYS])
    found = table.set_index(KEYS)[names]
    missing = wanted.difference(found.index)
    if len(missing):
        first = "/".join(map(str, missing[0]))
        raise UserError(
            f"{path}: no code for {first} and {len(missing) - 1} more scans; "
            "remake it (ldae embed-scans)"
        )
    return np.asarray(found.loc[wanted].to_numpy(np.float32))
