"""The T1-weighted images of a BIDS dataset, Clinica's included, with what its tables say."""

import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path, PurePosixPath

from ldae.errors import UserError
from ldae.imaging.plausibility import Exclusion
from ldae.imaging.sidecars import read_beside
from ldae.imaging.storage import Storage, StorageError
from ldae.own_data.plan import OwnImage, OwnPlan, Told, make_plan
from ldae.own_data.rows import Row, read_rows
from ldae.own_data.words import months_of, session_name, subject_name
from ldae.parsing import parse_date, parse_int, parse_manufacturer, parse_sex, parse_tesla

log = logging.getLogger(__name__)

_NIFTI = re.compile(r"(?:.*_)?([0-9A-Za-z]+)\.nii(?:\.gz)?", re.IGNORECASE)


@dataclass(frozen=True)
class _Tables:
    """Rows of a dataset's tables by what they are about."""

    participants: Mapping[str, Row]  # by name of the subject
    sessions: dict[tuple[str, str], Row] = field(default_factory=dict)  # and of the session
    scans: dict[str, Row] = field(default_factory=dict)  # by place of the image


def plan_bids_tree(root: Path) -> OwnPlan:
    """Plan the T1-weighted images below the `sub-` folders of `root`, with or without sessions.

    Read where they are: participants, sessions and scans tables (of Clinica `diagnosis`, `age`,
    `examination_date`, `sex`, `age_bl`, `diagnosis_sc`, `alternative_id_1`, `scan_id`, `mri_field`)
    and sidecars. Everything outside the `sub-` folders, as derivatives, is left alone.

    Raises:
        UserError: if there are no `sub-` folders.
    """
    subjects = sorted(path for path in root.glob("sub-*") if path.is_dir())
    if not subjects:
        raise UserError(
            f"{root}: no sub- folders; give the folder of the BIDS dataset that holds"
            " dataset_description.json, or a CSV of scans"
        )
    people = {
        subject_name(who): row
        for row in _rows(root / "participants.tsv")
        if (who := row.get("participant_id"))
    }
    with Storage(root) as storage:
        images = [
            image for subject in subjects for image in _images_of(subject, _Tables(people), storage)
        ]
    return make_plan(images, root)


def _images_of(subject: Path, tables: _Tables, storage: Storage) -> Iterator[OwnImage]:
    name = subject_name(subject.name)
    found = []
    with Storage(subject) as inside:
        for folder, files in inside.walk():
            below = PurePosixPath(subject.name, folder)
            found += [below / file for file in files if _NIFTI.fullmatch(file)]
            _read_tables(subject.parent / below, files, name, tables)
    for path in found:
        yield _image(path, name, tables, storage)


def _read_tables(folder: Path, files: list[str], subject: str, tables: _Tables) -> None:
    for file in files:
        if file.endswith("_sessions.tsv"):
            for row in _rows(folder / file):
                if session := row.get("session_id"):
                    tables.sessions.setdefault((subject, session_name(session)), row)
        elif file.endswith("_scans.tsv"):
            for row in _rows(folder / file):
                if image := row.get("filename"):
                    tables.scans[f"{folder}/{image}"] = row


def _image(path: PurePosixPath, subject: str, tables: _Tables, storage: Storage) -> OwnImage:
    place = path.as_posix()
    labels = [part for part in path.parts[1:-1] if part.startswith("ses-")]
    session = session_name(labels[0]) if labels else None
    exclusion = _fault(path, storage)
    person = tables.participants.get(subject, {})
    visit = tables.sessions.get((subject, session or ""), {})
    scan = tables.scans.get(f"{storage.root}/{place}", {})
    day = parse_date(_first(visit, "examination_date", "acq_time", "date"))
    acquired = _time(scan.get("acq_time"))
    offset = (day - acquired.date()).days if day and acquired else None
    header = {} if exclusion else read_beside(place, storage)
    maker = header.get("Manufacturer")
    months = parse_int(visit.get("months"))
    return OwnImage(
        place=place,
        subject=subject,
        session=session,
        exclusion=exclusion,
        subject_id=_first(person, "alternative_id_1", "archive_id"),
        image_id=parse_int(_first(scan, "scan_id", "image_id")),
        months=months if months is not None else months_of(session),
        day=(acquired.date() if acquired else None) or day,
        acquired=acquired.isoformat() if acquired else None,
        age=Told(visit.get("age"), "sessions.tsv", offset),
        sex=Told(parse_sex(_first(person, "sex", "gender")), "participants.tsv"),
        diagnosis=Told(_first(visit, "diagnosis", "dx"), "sessions.tsv", offset),
        first_age=Told(_first(person, "age_bl", "age"), "participants.tsv"),
        first_diagnosis=Told(_first(person, "diagnosis", "dx", "group"), "participants.tsv"),
        baseline=_first(person, "diagnosis_sc", "diagnosis_bl", "dx_bl", "diagnosis_baseline"),
        field_strength=parse_tesla(str(header.get("MagneticFieldStrength")))
        or parse_tesla(_first(scan, "mri_field", "field_strength")),
        manufacturer=parse_manufacturer(maker if isinstance(maker, str) else None)
        or parse_manufacturer(scan.get("manufacturer")),
    )


def _fault(path: PurePosixPath, storage: Storage) -> Exclusion | None:
    suffix = _NIFTI.fullmatch(path.name)
    if path.parent.name != "anat" or not suffix or suffix[1] != "T1w":
        return Exclusion("not_t1w", f"{suffix[1] if suffix else path.name} in {path.parent.name}")
    try:
        storage.size(path.as_posix())
    except StorageError as error:
        return Exclusion("missing_file", f"{error.detail}; if it is a link, fetch its content")
    return None


def _rows(path: Path) -> list[Row]:
    """The rows of a table; none if it is not there, or cannot be read, which the log says."""
    if not path.is_file():
        return []
    try:
        return [row for _, row in read_rows(path)]
    except UserError as error:
        log.warning("left out: %s", error)
        return []


def _first(row: Row, *columns: str) -> str | None:
    """The first of these columns that says something."""
    return next((value for column in columns if (value := row.get(column))), None)


def _time(text: str | None) -> datetime | None:
    try:
        time = datetime.fromisoformat(text or "").replace(tzinfo=None)
    except ValueError:
        return None
    return time if "T" in (text or "") and time.year > 1990 else None
