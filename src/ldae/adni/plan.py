"""From a download to what is done with each of its images: the plan of ingestion."""

import json
import logging
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
import pyarrow as pa

from ldae.adni.identification import identify
from ldae.adni.image_facts import gather_facts
from ldae.adni.images import FoundImage
from ldae.adni.inventory import Inventory, take_inventory
from ldae.adni.judgement import Judged, judge_image
from ldae.adni.metadata import read_metadata
from ldae.adni.participants import describe_participants
from ldae.adni.placement import Placed, place_images
from ldae.adni.tables import StudyTables, read_study_tables
from ldae.adni.visits import age_at, diagnosis_at
from ldae.bids import participant_label, session_label
from ldae.config import Matching, Selection
from ldae.imaging.storage import Storage
from ldae.progress import Tally
from ldae.tables import CANDIDATES, PLANNED

log = logging.getLogger(__name__)
_READERS = 8  # threads that wait for disks, or a server, when headers are read

Row = dict[str, Any]


@dataclass(frozen=True)
class DownloadPlan:
    """What is to be done with each image, and what was found on the way."""

    planned: pd.DataFrame  # with the columns of `PLANNED`, by subject, image id and place
    candidates: pd.DataFrame  # with the columns of `CANDIDATES`, by session and rank
    tables: StudyTables
    inventory: Inventory
    problems: tuple[str, ...]  # tables and metadata that cannot be used: file, why, what to do


def plan_download(storage: Storage, *, selection: Selection, matching: Matching) -> DownloadPlan:
    """Look at everything in a download, and decide which images can be the scan of which session.

    Of files, only names, tables, metadata and the headers of T1-weighted images are read.

    Raises:
        UserError: if a folder cannot be listed.
    """
    inventory = take_inventory(storage)
    log.info(
        "%d images, %d tables and %d files of metadata found",
        *(len(inventory.images), len(inventory.tables), len(inventory.metadata)),
    )
    tables = read_study_tables(storage, inventory.tables)
    metadata = read_metadata(storage, inventory.metadata)
    facts = gather_facts(tables, metadata)
    inventory = replace(inventory, images=identify(inventory.images, facts, storage))

    def judge(image: FoundImage) -> Judged:
        known = facts.of(image.image_id, image.series_id)
        return judge_image(image, known, storage=storage, rule=selection)

    with ThreadPoolExecutor(_READERS) as pool:
        looked_at = pool.map(judge, inventory.images)
        judged = list(Tally("headers", len(inventory.images), unit="images").over(looked_at))
    placed = list(place_images(judged, describe_participants(tables), selection))
    in_sessions = {one.scan.image: _in_session(one, matching) for one in placed}
    rows = [_describe(one) | in_sessions.get(one.image, {}) for one in judged]
    return DownloadPlan(
        planned=pa.Table.from_pylist(rows, schema=PLANNED).to_pandas(),
        candidates=_list_candidates(placed),
        tables=tables,
        inventory=inventory,
        problems=(*tables.problems, *metadata.problems),
    )


def _describe(judged: Judged) -> Row:
    """What is known of an image without its session."""
    image, exclusion = judged.image, judged.exclusion
    return {
        "image_id": image.image_id,
        "series_id": judged.series_id,
        "subject": image.ptid,
        "participant_id": participant_label(image.ptid) if image.ptid else None,
        "reason": exclusion.reason if exclusion else None,
        "detail": exclusion.detail if exclusion else None,
        "description": judged.facts.description or image.description,
        "kind": judged.kind if image.format != "other" else None,
        "format": image.format,
        "files": len(image.files),
        "place": image.place,
        "copies": "|".join(image.copies) or None,
        "acquired": judged.acquired.isoformat() if judged.acquired else None,
        "acquired_source": judged.acquired_source,
        "field_strength": judged.tesla,
        "manufacturer": judged.manufacturer,
        "flags": "|".join(judged.flags) or None,
    }


def _in_session(placed: Placed, matching: Matching) -> Row:
    """What is known of a T1-weighted image, and of its participant, on its day."""
    scan, person, day = placed.scan, placed.person, placed.acquired.date()
    header = scan.header
    stated = dict(scan.facts.ages)
    if header and header.age is not None:
        stated["image header"] = header.age
    age = age_at(day, person, stated=stated)
    diagnosis = diagnosis_at(day, person, matching)
    sexes = [
        (person.sex, person.sex_source),
        (scan.facts.sex, "metadata"),
        (header.sex if header else None, "image header"),
    ]
    sex, sex_source = next(((sex, source) for sex, source in sexes if sex), (None, None))
    flags = {*scan.flags, *placed.months.flags, *age.flags, *diagnosis.flags}
    return {
        "session_id": session_label(placed.months.value),
        "months": placed.months.value,
        "rank": placed.rank,
        "standing": json.dumps(placed.standing) if placed.standing else None,
        "acquired": placed.acquired.isoformat(),
        "acquired_source": scan.acquired_source,
        "age": age.value,
        "age_source": age.source,
        "age_offset_days": age.offset_days,
        "sex": sex,
        "sex_source": sex_source,
        "diagnosis": diagnosis.value,
        "diagnosis_source": diagnosis.source,
        "diagnosis_offset_days": diagnosis.offset_days,
        "diagnosis_raw": diagnosis.raw,
        "diagnosis_baseline": diagnosis.baseline or scan.facts.group,
        "flags": "|".join(sorted(flags)) or None,
    }


def _list_candidates(placed: Iterable[Placed]) -> pd.DataFrame:
    """The images to try, with all their files."""
    ranked = [one for one in placed if one.rank is not None]
    images = [one.scan.image for one in ranked]
    columns = {
        "participant_id": [participant_label(image.ptid or "") for image in images],
        "session_id": [session_label(one.months.value) for one in ranked],
        "rank": [one.rank for one in ranked],
        "image_id": [image.image_id for image in images],
        "place": [image.place for image in images],
        "format": [image.format for image in images],
        "files": pd.Series([image.files for image in images], dtype=object),
        "slices": pd.array([one.scan.facts.slices for one in ranked], dtype="Int64"),
        "slices_source": [one.scan.facts.slices_source for one in ranked],
    }
    return pd.DataFrame(columns, columns=CANDIDATES.names)
