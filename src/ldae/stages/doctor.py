"""A dry run of ingestion: what a download holds, what it lacks, and what would come out."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ldae.adni.plan import plan_download
from ldae.adni.summary import HOW_TO_GET_ADNI, advise, summarise
from ldae.config import Matching, Section, Selection
from ldae.errors import UserError
from ldae.imaging.storage import Storage
from ldae.own_data.bids_tree import plan_bids_tree
from ldae.own_data.plan import OwnPlan
from ldae.own_data.scan_list import plan_scan_list


class Settings(Section):
    """What would come out depends on these."""

    selection: Selection
    matching: Matching


# As in config/config.yaml, which an installed package does not carry; a test compares them.
PAPER = Settings(
    selection=Selection(
        prefer="original",
        prefer_tesla=1.5,
        archive_quality="require",
        min_slices=120,
        max_voxel_mm=2.0,
        min_extent_mm=150.0,
        max_image_mb=1024.0,
    ),
    matching=Matching(near_days=90, distant_days=183, bracket_days=400),
)


def doctor(
    *,
    adni: Path,
    settings: Annotated[Settings, Parameter(show_default=False)] = PAPER,
) -> None:
    """Say what an ADNI download holds, what it lacks, and what would come out; change nothing.

    Ends with exit status 1 if nothing would come out.

    Args:
        adni: folder of the download: images, zips, tables and metadata in any arrangement.
        settings: JSON or YAML with the sections `selection` and `matching`; the paper's if not
            given.
    """
    report, fine = _examine(adni, settings)
    sys.stdout.write(report)
    if not fine:
        raise SystemExit(1)


def _examine(adni: Path, settings: Settings) -> tuple[str, bool]:
    """The report, and whether anything would come out."""
    if not adni.exists():
        return f"There is no {adni}.\n{_neighbours(adni)}\n{HOW_TO_GET_ADNI}", False
    if adni.is_file():
        return _about_file(adni), False
    with _quiet(), Storage(adni) as storage:
        plan = plan_download(storage, selection=settings.selection, matching=settings.matching)
    if (plan.planned["rank"] == 0).any():
        return f"ADNI download at {adni}\n\n{summarise(plan)}", True
    if own := _own_dataset(adni):
        return own, False
    if not plan.inventory.images and not plan.tables.chosen:
        other = f"only {plan.inventory.other} other files" if plan.inventory.other else "no file"
        return f"{adni} holds no image and no study table, {other}.\n\n{HOW_TO_GET_ADNI}", False
    return f"ADNI download at {adni}\n\n{summarise(plan)}\n{advise(plan)}", False


def _neighbours(path: Path) -> str:
    """What is where the path stops to exist, for those who mistyped it."""
    there = next(parent for parent in path.absolute().parents if parent.exists())
    wanted = path.absolute().relative_to(there).parts[0]
    try:
        names = sorted(entry.name for entry in there.iterdir())
    except OSError:  # perhaps it may not be looked into
        names = []
    if close := get_close_matches(wanted, names):
        return f"Did you mean {' or '.join(str(there / name) for name in close)}?\n"
    return f"{there} is there, but holds no {wanted}.\n"


def _about_file(path: Path) -> str:
    if path.suffix.lower() == ".csv":
        with _quiet():
            try:
                return _about_own(plan_scan_list(path), path, "a CSV of scans")
            except UserError:
                pass  # some other table
    return (
        f"{path} is a file.\nGive the folder that holds it; zips are read where they are, tables"
        " beside them:\n"
        f"  ldae doctor --adni {path.parent}\n"
    )


def _own_dataset(folder: Path) -> str | None:
    """What to do with a BIDS dataset, if the folder is one."""
    with _quiet():
        try:
            return _about_own(plan_bids_tree(folder), folder, "a BIDS dataset")
        except UserError:
            return None


def _about_own(plan: OwnPlan, place: Path, what: str) -> str:
    scans = plan.planned[plan.planned["rank"] == 0]
    return (
        f"{place} is no ADNI download but {what},\nwith T1-weighted scans of"
        f" {scans['participant_id'].nunique()} subjects in {len(scans)} sessions. Set in the"
        f" configuration:\n\n  cohort: {{source: bids, download: {place}}}\n"
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """The report says what the log would."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
