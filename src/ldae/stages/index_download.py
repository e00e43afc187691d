"""Look at everything in a download and decide what to convert; nothing is converted yet."""

import logging
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd

from ldae.adni.plan import plan_download
from ldae.config import Cohort, Matching, Section, Selection
from ldae.errors import UserError
from ldae.imaging.storage import Storage, StorageError
from ldae.ingestion.buckets import write_buckets
from ldae.ingestion.source import note_source, require_same_source
from ldae.own_data.bids_tree import plan_bids_tree
from ldae.own_data.scan_list import plan_scan_list
from ldae.progress import Tally
from ldae.tables import PLANNED, write_table

_READERS = 8  # threads that wait for disks, or a server, when files are looked at

log = logging.getLogger(__name__)


class Settings(Section):
    """What the choice of images depends on; which download is read, the command line says."""

    cohort: Cohort
    selection: Selection
    matching: Matching


def index_download(
    *,
    download: Path,
    planned: Path,
    buckets: Path,
    scans_per_job: int,
    settings: Settings,
) -> None:
    """Find the images of a download, and rank those that can be the scan of a session.

    Args:
        download: folder of the archive's images and study tables, in any arrangement, also in zips;
            for `cohort.source: bids` a BIDS folder or a CSV of scans.
        planned: Parquet table to write, one row per image found; `source.json` goes beside it.
        buckets: folder to make, with one Parquet table of images to convert per job; an earlier
            one is replaced.
        scans_per_job: about how many sessions a bucket holds.
        settings: sections of the configuration.

    Raises:
        UserError: if there is no download, or no T1-weighted image in it, or `buckets` holds
            something else, or the run is of other data.
    """
    require_same_source(planned.parent, settings.cohort)
    if not download.exists():
        raise UserError(f"{download}: not there; give the folder of your download")
    plan = _plan_own if settings.cohort.source == "bids" else _plan_archive
    images, candidates = plan(download, settings)
    _require_scans(images, download)
    write_buckets(candidates, buckets, scans_per_job=scans_per_job)
    note_source(planned.parent, settings.cohort)
    write_table(images, planned, PLANNED)
    log.info(
        "%s: %d images; %d of them can be the scan of one of %d sessions of %d participants",
        download,
        len(images),
        len(candidates),
        int((images["rank"] == 0).sum()),
        candidates["participant_id"].nunique(),
    )


def _plan_own(data: Path, _: Settings) -> tuple[pd.DataFrame, pd.DataFrame]:
    plan = plan_bids_tree(data) if data.is_dir() else plan_scan_list(data)
    with Storage(plan.root) as storage:
        return plan.planned, _with_fingerprints(plan.candidates, storage)


def _plan_archive(download: Path, settings: Settings) -> tuple[pd.DataFrame, pd.DataFrame]:
    if not download.is_dir():
        raise UserError(f"{download}: not a folder; give the folder that holds your zips or images")
    with Storage(download) as storage:
        plan = plan_download(storage, selection=settings.selection, matching=settings.matching)
        return plan.planned, _with_fingerprints(plan.candidates, storage)


def _with_fingerprints(candidates: pd.DataFrame, storage: Storage) -> pd.DataFrame:
    def look(files: Iterable[str]) -> str | None:
        try:
            return storage.fingerprint(files)
        except StorageError:  # conversion will say why
            return None

    with ThreadPoolExecutor(_READERS) as pool:
        looked_at = pool.map(look, candidates["files"].tolist())
        marks = list(Tally("fingerprints", len(candidates), unit="images").over(looked_at))
    return candidates.assign(fingerprint=pd.Series(marks, candidates.index, dtype=object))


def _require_scans(images: pd.DataFrame, download: Path) -> None:
    if images.empty:
        raise UserError(
            f"{download}: no image found; `ldae doctor --adni {download}` says what is there and"
            " how to get the data"
        )
    if images["rank"].notna().any():
        return
    reasons = images["reason"].value_counts(sort=False).sort_index()
    raise UserError(
        f"{download}: none of {len(images)} images can be used"
        f" ({', '.join(f'{n} {why}' for why, n in reasons.items())}); T1-weighted images (MPRAGE,"
        " IR-SPGR) are needed, within the limits in the settings under selection"
    )
