"""Describe the converted scans as a BIDS dataset, and account for every image of the download."""

import json
import logging
from pathlib import Path

import pandas as pd

from ldae.config import Cohort, Ingestion, Section
from ldae.errors import UserError
from ldae.ingestion.attrition import count_attrition
from ldae.ingestion.buckets import forget_other_buckets
from ldae.ingestion.export import write_dataset
from ldae.ingestion.ledger import keep_ledger, name_of
from ldae.ingestion.scans import tabulate_scans
from ldae.tables import (
    CONVERTED,
    INGESTED,
    PLANNED,
    read_table,
    write_csv,
    write_table,
    write_tsv,
)

log = logging.getLogger(__name__)


class Settings(Section):
    """What the description of the dataset depends on."""

    cohort: Cohort
    ingestion: Ingestion


def export_bids(
    *,
    planned: Path,
    converted: list[Path],
    bids: Path,
    images: Path,
    ingested: Path,
    attrition: Path,
    settings: Settings,
) -> None:
    """Write the ledger of images, the tables of the BIDS dataset, and the table of scans.

    Args:
        planned: Parquet table with one row per image found.
        converted: Parquet tables of the images of which a conversion was tried; beside them, those
            of buckets that are no more are removed.
        bids: the dataset: images and sidecars are there, the rest is written; what no longer
            belongs is removed.
        images: TSV to write, one row per image found, used or the reason why not; written even if
            too many images failed, then beside it as `images_stopped.tsv` too, since a workflow
            removes the outputs of a failed job.
        ingested: Parquet table to write, one row per scan.
        attrition: CSV to write, what each step keeps and loses, by reason.
        settings: sections of the configuration.

    Raises:
        UserError: if too many images could not be converted, or the tables and images do not
            belong together.
    """
    found = read_table(planned, PLANNED)
    tables = [read_table(path, CONVERTED) for path in converted]
    tried = pd.concat([CONVERTED.empty_table().to_pandas(), *tables], ignore_index=True)
    ledger = keep_ledger(found, tried)
    stopped = images.with_name(f"{images.stem}_stopped.tsv")
    for table in (images, stopped):
        write_tsv(ledger, table)
    _refuse_heavy_loss(tried, settings.ingestion.max_failed_fraction, ledger=stopped)
    stopped.unlink()
    scans = tabulate_scans(found, tried)
    _require_images(scans, bids, tables=converted[0].parent)
    standing = found["standing"].dropna()
    forget_other_buckets(converted)  # first: a killed job must not leave tables without images
    write_dataset(
        bids,
        scans,
        ledger,
        source=settings.cohort.source,
        criteria=json.loads(standing.iloc[0]) if len(standing) else (),
    )
    flow = count_attrition(ledger)
    write_csv(flow, attrition)
    write_table(scans, ingested, INGESTED)
    log.info("%d images found, %d used:\n%s", len(ledger), len(scans), _as_text(flow))


def _refuse_heavy_loss(tried: pd.DataFrame, limit: float, *, ledger: Path) -> None:
    """Stop when too many T1-weighted images could not be converted, or all of them.

    A single one never stops a download, however small, unless nothing else is in it.
    """
    if tried.empty:
        raise UserError("the download holds no T1-weighted image (ldae doctor says what it holds)")
    failed = tried[tried["reason"].notna()]
    if len(failed) <= max(1, limit * len(tried)) and len(failed) < len(tried):
        return
    examples: dict[str, list[str]] = {}
    for image in failed.to_dict("records"):
        examples.setdefault(image["reason"], []).append(name_of(image))
    counts = "; ".join(
        f"{len(names)} {reason}, such as {' '.join(names[:5])}"
        for reason, names in sorted(examples.items(), key=lambda item: (-len(item[1]), item[0]))
    )
    log.error("images that could not be converted:\n%s", counts.replace("; ", "\n"))
    if len(failed) == len(tried):
        raise UserError(f"none of {len(tried)} T1-weighted images could be converted: {counts}")
    raise UserError(
        f"{len(failed)} of {len(tried)} T1-weighted images could not be converted, more than"
        f" ingestion.max_failed_fraction = {limit:g}: {counts}. Download these images again, or"
        f" raise that setting to go on without them. {ledger} has every image"
    )


def _require_images(scans: pd.DataFrame, bids: Path, *, tables: Path) -> None:
    gone = [image for image in scans["image"] if not (bids / image).is_file()]
    if gone:
        raise UserError(
            f"{len(gone)} of {len(scans)} images are gone, such as {bids / gone[0]}; to have them"
            f" converted anew, remove {tables} and run again"
        )


def _as_text(frame: pd.DataFrame) -> str:
    return frame.fillna("").to_string(index=False)
