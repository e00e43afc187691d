"""Turn a download of the ADNI archive into BIDS and a table of scans."""

import hashlib
import logging
import math
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd

from ldae.adni.conversion import Converted, convert_session
from ldae.adni.export import write_dataset
from ldae.adni.inventory import Inventory, take_inventory
from ldae.adni.ledger import keep_ledger
from ldae.adni.participants import describe_participants
from ldae.adni.scans import tabulate_scans
from ldae.adni.selection import Candidate
from ldae.adni.sessions import Plan, plan_sessions
from ldae.adni.tables import read_study_tables
from ldae.bids import session_label, t1w_path
from ldae.config import Cohort, Section, Selection
from ldae.errors import UserError
from ldae.runtime import atomic_folder
from ldae.tables import INGESTED, write_table, write_tsv

log = logging.getLogger(__name__)


class Settings(Section):
    """What ingestion depends on; which download is read, the command line says."""

    cohort: Cohort
    selection: Selection


def ingest(
    *,
    download: Path,
    bids: Path,
    images: Path,
    ingested: Path,
    buckets: Path,
    scans_per_job: int,
    workers: int,
    settings: Settings,
) -> None:
    """Find the images of a download, choose one T1-weighted scan per session, and convert it.

    Args:
        download: folder of the archive's images and study tables, in any arrangement.
        bids: the BIDS dataset to make; it appears as a whole.
        images: TSV with one row per image found, used or the reason why not; written even if too
            many sessions are lost.
        ingested: Parquet table with one row per scan.
        buckets: folder to make, with one TSV of scans per preprocessing job.
        scans_per_job: about how many scans a bucket holds.
        workers: conversions at a time.
        settings: sections of the configuration.

    Raises:
        UserError: if the download holds no T1-weighted image, too many sessions are lost because
            no image of theirs converts, or `bids` or `buckets` hold something already.
    """
    inventory = _look_into(download)
    tables = read_study_tables(inventory.tables)
    participants = describe_participants(tables)
    rule = settings.selection
    plan = plan_sessions(inventory.images, tables, participants, download=download, rule=rule)
    if not plan.sessions:
        raise UserError(
            f"{download}: none of {len(inventory.images)} images is a T1-weighted head scan"
            f" ({_count_reasons(plan)}); download MPRAGE or IR-SPGR series, or see the limits in"
            " the settings under selection"
        )
    with atomic_folder(bids) as tree, atomic_folder(buckets) as jobs:
        converted = _convert(plan, tree, download=download, workers=workers, rule=rule)
        ledger = keep_ledger(inventory.images, plan, converted, rule)
        write_tsv(ledger, images)
        _refuse_heavy_loss(converted, settings.cohort.max_failed_fraction)
        scans = tabulate_scans(converted, participants)
        write_dataset(tree, scans, converted, source=settings.cohort.source)
        _write_buckets(scans, jobs, scans_per_job)
    write_table(scans, ingested, INGESTED)
    log.info(
        "%d images found: %d used, %s",
        len(ledger),
        len(scans),
        ", ".join(f"{n} {why}" for why, n in ledger["reason"].value_counts().sort_index().items()),
    )


def _look_into(download: Path) -> Inventory:
    if not download.is_dir():
        raise UserError(f"{download}: no such folder; give the folder of your ADNI download")
    inventory = take_inventory(download)
    if inventory.archives:
        log.warning("%d zip files are not read: unpack them", len(inventory.archives))
    if not any(image.image_id for image in inventory.images):
        zips = f"; unpack the {len(inventory.archives)} zip files" if inventory.archives else ""
        raise UserError(
            f"{download}: no image of the archive found (.dcm or .nii files named ..._I<image id>,"
            f" or in folders I<image id>){zips}"
        )
    log.info("%s: %d images", download, len(inventory.images))
    return inventory


def _convert(
    plan: Plan, tree: Path, *, download: Path, workers: int, rule: Selection
) -> list[Converted]:
    def convert(ranked: Sequence[Candidate]) -> Converted:
        first = ranked[0]
        target = tree / t1w_path(first.participant_id, session_label(first.months))
        return convert_session(ranked, target, download=download, limits=rule)

    with ThreadPoolExecutor(workers) as pool:  # the work is in dcm2niix and zlib, not in Python
        converted = list(pool.map(convert, plan.sessions))
    for result in converted:
        for scan, why in result.failures:
            log.warning("I%s: %s (%s)", scan.image.image_id, why.reason, why.detail)
    return converted


def _refuse_heavy_loss(converted: Sequence[Converted], limit: float) -> None:
    """Stop when too many sessions have no scan; those whose repeat could be used are not lost.

    A single one never stops a download, however small, unless nothing else is in it. Every image
    that failed is in the log already, with its reason.
    """
    lost = [result for result in converted if result.scan is None]
    if len(lost) <= max(1, limit * len(converted)) and len(lost) < len(converted):
        return
    by_reason = Counter(why.reason for result in lost for _, why in result.failures)
    examples = [f"I{scan.image.image_id}" for result in lost for scan, _ in result.failures][:5]
    raise UserError(
        f"{len(lost)} of {len(converted)} sessions have no image that converts"
        f" ({', '.join(f'{n} {why}' for why, n in sorted(by_reason.items()))}; such as"
        f" {', '.join(examples)}); download these images again, or, where other sessions convert,"
        f" raise cohort.max_failed_fraction above {limit:g}"
    )


def _count_reasons(plan: Plan) -> str:
    reasons = Counter(exclusion.reason for exclusion in plan.exclusions.values())
    return ", ".join(f"{n} {why}" for why, n in sorted(reasons.items()))


def _write_buckets(scans: pd.DataFrame, folder: Path, scans_per_job: int) -> None:
    """Deal scans to files by a hash of the participant: a new one changes one file.

    A file is named by the first bits of the hash, with zeros up to four digits. When the scans
    outgrow the files, these double: each keeps its name and gives about half of its participants
    to a new one. All jobs run again then, which costs a pass over their scans: a job leaves
    finished scans as they are.
    """
    bits = min(16, max(0, math.ceil(math.log2(len(scans) / scans_per_job))))
    rest = 16 - bits
    digests = scans["participant_id"].map(lambda who: hashlib.sha256(who.encode()).hexdigest())
    names = digests.map(lambda digest: f"{int(digest[:4], 16) >> rest << rest:04x}")
    columns = ["participant_id", "session_id", "image", "image_sha256"]
    for name, chosen in scans[columns].groupby(names):
        write_tsv(chosen, folder / f"{name}.tsv")
