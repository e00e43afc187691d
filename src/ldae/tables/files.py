"""Tables on disk, read and written so that nothing but their columns passes.

Parquet tables are typed by an Arrow schema; TSV tables (BIDS, `images.tsv`) hold text, with `n/a`
for missing.
"""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ldae.errors import UserError
from ldae.runtime import atomic_path, note_read

KEYS = ["participant_id", "session_id"]


def scan_names(rows: pd.DataFrame) -> list[str]:
    """How messages call the scans of `rows`."""
    names: list[str] = rows[KEYS].agg("_".join, axis=1).tolist()
    return names


def read_table(path: Path, schema: pa.Schema) -> pd.DataFrame:
    """Read a Parquet table whose columns must be exactly those of `schema`."""
    note_read(path)
    try:
        table = pq.read_table(path)
        _require_columns(table.schema.names, schema.names, path)
        frame: pd.DataFrame = table.cast(schema).to_pandas()
    except (OSError, ValueError, pa.ArrowException) as error:
        raise UserError(f"{path}: cannot be read as the table it should be ({error})") from None
    return frame


def _require_columns(found: list[str], wanted: list[str], path: Path) -> None:
    if found != wanted:
        missing = [name for name in wanted if name not in found]
        extra = [name for name in found if name not in wanted]
        raise UserError(f"{path}: wrong columns (missing: {missing}; unknown: {extra}); remake it")


def write_table(frame: pd.DataFrame, path: Path, schema: pa.Schema) -> None:
    """Write `frame` as Parquet with exactly the columns and types of `schema`, atomically."""
    table = pa.Table.from_pandas(frame[schema.names], schema=schema, preserve_index=False)
    with atomic_path(path) as temporary:
        pq.write_table(table.replace_schema_metadata(None), temporary)


def read_tsv(path: Path) -> pd.DataFrame:
    """Read a BIDS-style TSV as text; `n/a` becomes missing."""
    note_read(path)
    try:
        return pd.read_csv(path, sep="\t", dtype=str, na_values=["n/a"], keep_default_na=False)
    except (OSError, ValueError) as error:  # pandas' own errors are kinds of ValueError
        raise UserError(f"{path}: cannot be read as a TSV table ({error})") from None


def write_tsv(frame: pd.DataFrame, path: Path) -> None:
    """Write a BIDS-style TSV, atomically; missing values become `n/a`."""
    with atomic_path(path) as temporary:
        frame.to_csv(temporary, sep="\t", index=False, na_rep="n/a", lineterminator="\n")


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write a result table, atomically; what could not be computed stays empty."""
    with atomic_path(path) as temporary:
        frame.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")
