"""One bucket of sessions: the best image of each that converts, as NIfTI in the dataset."""

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from ldae.bids import sidecar_path, t1w_path
from ldae.config import Cohort, Section, Selection
from ldae.errors import UserError
from ldae.imaging.conversion import RawImage, compress, convert_image, link, scratch_of
from ldae.imaging.failure import ConversionError
from ldae.imaging.storage import Storage
from ldae.parsing import parse_manufacturer, parse_tesla
from ldae.progress import Tally
from ldae.tables import CANDIDATES, CONVERTED, KEYS, read_table, write_table

log = logging.getLogger(__name__)


class Settings(Section):
    """What conversion depends on."""

    cohort: Cohort
    selection: Selection


def convert_images(
    *, bucket: Path, download: Path, bids: Path, table: Path, settings: Settings
) -> None:
    """Convert the first image of each session that can be; what stands there already is kept.

    An image that cannot be converted becomes a row with its reason, and the next one is tried.

    Args:
        bucket: Parquet table of the images to try for each session, best first.
        download: where these are: a folder, or the CSV of scans beside which they stand.
        bids: the raw dataset, shared by all buckets.
        table: Parquet table to write, one row per image tried.
        settings: sections of the configuration.

    Raises:
        UserError: if the bucket is no such table, or the dataset cannot be written.
    """
    candidates = read_table(bucket, CANDIDATES).sort_values([*KEYS, "rank"])
    if not download.exists():
        raise UserError(f"{download}: not there any more; bring it back or index it again")
    rows: list[dict[str, Any]] = []
    tally = Tally(f"bucket {bucket.stem}", len(candidates[KEYS].drop_duplicates()))
    root = download if download.is_dir() else download.parent
    with Storage(root) as storage, scratch_of(table) as scratch:
        for (participant, session), images in candidates.groupby(KEYS, sort=True):
            target = bids / t1w_path(str(participant), str(session))
            rows += _convert_session(
                images.to_dict("records"),
                target,
                storage=storage,
                scratch=scratch,
                settings=settings,
            )
            if rows[-1]["reason"] is None:
                rows[-1]["image"] = target.relative_to(bids).as_posix()
            else:
                _remove(target)
            tally.add()
    write_table(pd.DataFrame(rows, columns=CONVERTED.names), table, CONVERTED)


def _convert_session(
    images: Iterable[dict[Any, Any]],
    target: Path,
    *,
    storage: Storage,
    scratch: Path,
    settings: Settings,
) -> list[dict[str, Any]]:
    """A row for each image up to the first that converts."""
    rows = []
    for image in images:
        row = dict.fromkeys(CONVERTED.names) | {
            name: image[name] for name in (*KEYS, "image_id", "place")
        }
        rows.append(row)
        try:
            made = convert_image(
                RawImage(
                    files=tuple(image["files"]),
                    format=image["format"],
                    slices=None if pd.isna(image["slices"]) else int(image["slices"]),
                    slices_source=image["slices_source"],
                ),
                target,
                storage=storage,
                limits=settings.selection,
                max_bytes=int(settings.selection.max_image_mb * 1e6),
                scratch=scratch,
                # The user's own data stay where they are; a download can go when all is converted.
                deliver=link if settings.cohort.source == "bids" else compress,
            )
        except ConversionError as error:
            row["reason"], row["detail"] = error.exclusion.reason, error.exclusion.detail
            log.warning("%s: %s (%s)", image["place"], *error.args)
            continue
        row["image_sha256"] = made.sha256
        row["field_strength"] = parse_tesla(str(made.sidecar.get("MagneticFieldStrength")))
        maker = made.sidecar.get("Manufacturer")
        row["manufacturer"] = parse_manufacturer(maker) if isinstance(maker, str) else None
        log.info("%s: %s", image["place"], target.name)
        break
    return rows


def _remove(target: Path) -> None:
    """Take away the image of a session that has none any more, sidecar first."""
    sidecar_path(target).unlink(missing_ok=True)
    target.unlink(missing_ok=True)
