"""The one table every model reads: scans that passed, with their side of the split."""

import logging
from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
from pydantic import Field

from ldae.config import Quality, Section, Split
from ldae.data.split import assign_split
from ldae.errors import UserError
from ldae.ingestion.buckets import forget_other_buckets
from ldae.preprocessing.outputs import remove_strangers
from ldae.preprocessing.verdict import faults
from ldae.tables import INGESTED, KEYS, PREPROCESSED, SCANS, read_table, write_table, write_tsv

log = logging.getLogger(__name__)

FIGURES = [name for name in PREPROCESSED.names if name.startswith("qc_")]


class Settings(Section):
    """What decides which scans count, and where."""

    seed: Annotated[int, Field(ge=0)]
    quality: Quality
    split: Split


def gather_scans(
    *,
    ingested: Path,
    preprocessed: list[Path],
    derivatives: Path,
    scans: Path,
    excluded: Path,
    settings: Settings,
) -> None:
    """Join what is known of every scan, exclude what failed or looks wrong, and split subjects.

    Derivatives of sessions that are in the dataset no more are removed, and what stands beside
    `preprocessed` of buckets that are no more.

    Args:
        ingested: Parquet table of scans in BIDS.
        preprocessed: Parquet tables of the buckets.
        derivatives: the derivative dataset.
        scans: Parquet table to write, sorted by participant and months.
        excluded: TSV to write, one row per scan that is not in `scans`: `reason` is the same
            text for scans of the same fate, `detail` is what was found; then its figures.
        settings: sections of the configuration.

    Raises:
        UserError: if the tables do not hold the same scans, or nothing is left to train on.
    """
    joined = _join(read_table(ingested, INGESTED), preprocessed)
    fates = [list(_faults(row, settings.quality)) for row in joined.to_dict("records")]
    bad = pd.Series([bool(fate) for fate in fates], index=joined.index, dtype=bool)
    lost = joined.loc[bad, [*KEYS, *FIGURES]]
    lost.insert(2, "reason", ["; ".join(reason for reason, _ in fate) for fate in fates if fate])
    lost.insert(3, "detail", ["; ".join(detail for _, detail in fate) for fate in fates if fate])
    log.info("%d of %d scans passed", (~bad).sum(), len(joined))
    passed = joined[~bad].sort_values(["participant_id", "months", "session_id"])
    if passed.empty:
        raise UserError(
            f"none of {len(joined)} scans passed preprocessing; most frequent reason: "
            f"{lost['reason'].mode().iloc[0] if len(lost) else 'no scans'} (settings: quality)"
        )
    split = assign_split(passed, settings.split, seed=settings.seed)
    forget_other_buckets(preprocessed)
    gone = remove_strangers(derivatives, set(zip(*(joined[key] for key in KEYS), strict=True)))
    if gone:
        log.info("%d derivative files of sessions that are no more were removed", gone)
    write_tsv(lost.sort_values(KEYS), excluded)
    write_table(passed.assign(split=split), scans, SCANS)


def _join(ingested: pd.DataFrame, tables: list[Path]) -> pd.DataFrame:
    """One row per scan with the columns of both, or the reason why that cannot be."""
    results = pd.concat([read_table(path, PREPROCESSED) for path in tables], ignore_index=True)
    twice = results[results.duplicated(KEYS)]
    if len(twice):
        raise UserError(
            f"{_name(twice)} in more than one preprocessed table; remove the stale ones"
        )
    joined = ingested.merge(results, on=KEYS, how="outer", indicator=True)
    for side, words in (("left_only", "not preprocessed"), ("right_only", "not ingested")):
        odd = joined[joined["_merge"] == side]
        if len(odd):
            raise UserError(f"{_name(odd)} and {len(odd) - 1} more: {words}; run that stage again")
    return joined.drop(columns="_merge")


def _name(frame: pd.DataFrame) -> str:
    return " ".join(frame.iloc[0][KEYS])


def _faults(row: dict[Hashable, Any], quality: Quality) -> Iterator[tuple[str, str]]:
    """Why a scan does not count: general reason and what was found; none for a good scan."""
    if isinstance(row["failure"], str):
        reason, _, words = row["failure"].partition(": ")
        yield reason, words or reason
        return
    yield from faults({name.removeprefix("qc_"): row[name] for name in FIGURES}, quality)
