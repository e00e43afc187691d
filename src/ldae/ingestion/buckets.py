"""The images to convert, dealt to jobs by participant."""

import hashlib
import math
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from ldae.errors import UserError
from ldae.runtime import atomic_folder, record_path
from ldae.tables import CANDIDATES, KEYS, write_table

_BITS = 16  # of the hash, that a bucket's name of four hex digits can hold


def write_buckets(candidates: pd.DataFrame, folder: Path, *, scans_per_job: int) -> None:
    """Deal sessions to the files of `folder` by a hash of the participant.

    A new participant changes one file. A file is named by the first bits of the hash, with zeros up
    to four digits. When the sessions outgrow the files, these double: each keeps its name and gives
    about half of its participants to a new one. All jobs run again then, which costs a pass over
    their scans: a job leaves finished scans as they are.

    Args:
        candidates: the images to try for each session, with the columns of `CANDIDATES`.
        folder: appears as a whole, in place of the buckets of an earlier run.
        scans_per_job: about how many sessions a file holds.

    Raises:
        UserError: if `folder` holds anything but buckets.
    """
    sessions = len(candidates[KEYS].drop_duplicates())
    bits = min(_BITS, max(0, math.ceil(math.log2(max(1, sessions) / scans_per_job))))
    names = candidates["participant_id"].map(lambda who: _bucket_of(who, bits))
    _clear(folder)
    with atomic_folder(folder) as new:
        for name, chosen in candidates.groupby(names):
            write_table(chosen, new / f"{name}.parquet", CANDIDATES)


def forget_other_buckets(tables: Iterable[Path]) -> None:
    """Remove what stands beside `tables`, one per bucket, from buckets that are no more.

    The scans of these have left the dataset. Should their participants return, the buckets have the
    same name and bytes as before, and a table that is still there would pass for up to date.
    """
    tables = set(tables)
    for folder in {table.parent for table in tables}:
        for path in set(folder.iterdir()) - tables:
            if _is_of_bucket(path):
                path.unlink()
                record_path(path).unlink(missing_ok=True)


def _bucket_of(participant_id: str, bits: int) -> str:
    digits = hashlib.sha256(participant_id.encode()).hexdigest()[: _BITS // 4]
    rest = _BITS - bits
    return f"{int(digits, 16) >> rest << rest:04x}"


def _clear(folder: Path) -> None:
    if not folder.is_dir():
        return
    others = [path.name for path in folder.iterdir() if not _is_of_bucket(path)]
    if others:
        raise UserError(f"{folder}: holds {sorted(others)[0]}, which is no bucket; empty it first")
    shutil.rmtree(folder)


def _is_of_bucket(path: Path) -> bool:
    return re.fullmatch(r"[0-9a-f]{4}\.parquet", path.name) is not None
