"""The tables that stages exchange: their columns, and reading and writing them."""

from ldae.tables.cohort import CANDIDATES, CONVERTED, INGESTED, PLANNED
from ldae.tables.evaluation import (
    INTERPOLATED,
    MANIPULATED,
    PREDICTED,
    RECONSTRUCTED,
    SUPERVISED_PREDICTIONS,
    VARIED,
)
from ldae.tables.files import (
    KEYS,
    read_table,
    read_tsv,
    scan_names,
    write_csv,
    write_table,
    write_tsv,
)
from ldae.tables.preprocessing import PREPROCESSED, SCANS

__all__ = [
    "CANDIDATES",
    "CONVERTED",
    "INGESTED",
    "INTERPOLATED",
    "KEYS",
    "MANIPULATED",
    "PLANNED",
    "PREDICTED",
    "PREPROCESSED",
    "RECONSTRUCTED",
    "SCANS",
    "SUPERVISED_PREDICTIONS",
    "VARIED",
    "read_table",
    "read_tsv",
    "scan_names",
    "write_csv",
    "write_table",
    "write_tsv",
]
