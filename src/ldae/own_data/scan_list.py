"""A CSV of the user's scans: subject, path, diagnosis, session, age, and if known sex."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

from ldae.errors import UserError
from ldae.imaging.plausibility import Exclusion
from ldae.own_data.plan import OwnImage, OwnPlan, Told, make_plan
from ldae.own_data.rows import Row, read_rows
from ldae.own_data.words import months_of, session_name, subject_name
from ldae.parsing import parse_sex

log = logging.getLogger(__name__)

NEEDED = ("subject", "path")
USED = (*NEEDED, "session", "diagnosis", "age", "sex")


def plan_scan_list(path: Path) -> OwnPlan:
    """Plan the scans of a CSV; paths in it are relative to its folder, or absolute.

    A row that cannot be used becomes a row of the plan, with its reason and line.

    Raises:
        UserError: if the file is no table with the columns `subject` and `path`.
    """
    rows = read_rows(path)
    columns = {column for _, row in rows for column in row}
    missing = [name for name in NEEDED if name not in columns]
    if missing:
        raise UserError(
            f"{path}: {'no rows' if not rows else 'no column ' + ' and '.join(missing)}; a list of"
            f" scans has the columns {', '.join(USED)}"
        )
    root = Path(os.path.abspath(path.parent))  # links stay what they are
    images = list(_images(rows, path.name, root))
    bad = sum(image.exclusion is not None for image in images)
    if bad:
        log.warning("%s: %d of %d rows cannot be used", path, bad, len(images))
    return make_plan(images, root)


def _images(rows: list[tuple[int, Row]], name: str, root: Path) -> Iterator[OwnImage]:
    listed: dict[str, int] = {}
    for line, row in rows:
        place = _place(row.get("path"), root)
        fault = _fault(row, place, root)
        if not fault and listed.setdefault(place, line) != line:
            fault = Exclusion("listed_twice", f"as in line {listed[place]}")
        where = f"{name} line {line}"
        detail = f"{where}: {fault.detail}" if fault and fault.detail else where
        subject, session = row.get("subject"), row.get("session")
        yield OwnImage(
            place=where if fault else place,
            subject=subject_name(subject) if subject else None,
            session=session_name(session) if session else None,
            exclusion=Exclusion(fault.reason, detail) if fault else None,
            subject_id=subject,
            months=months_of(session),
            age=Told(row.get("age"), name),
            sex=Told(parse_sex(row.get("sex")), name),
            diagnosis=Told(row.get("diagnosis"), name),
        )


def _place(path: str | None, root: Path) -> str:
    """The path below `root` as the plan spells it; absolute if it leads elsewhere."""
    full = Path(os.path.normpath(root / (path or "")))
    return full.relative_to(root).as_posix() if full.is_relative_to(root) else full.as_posix()


def _fault(row: Row, place: str, root: Path) -> Exclusion | None:
    if "" in row:
        return Exclusion("malformed_row", f"more cells than columns ({row['']})")
    if not row.get("subject"):
        return Exclusion("no_subject")
    if not row.get("path"):
        return Exclusion("no_path")
    if not place.lower().endswith((".nii", ".nii.gz")):
        return Exclusion("unknown_format", f"{place} is no NIfTI file (.nii, .nii.gz)")
    if not os.path.isfile(root / place):
        return Exclusion("missing_file", f"there is no file {place}")
    return None
