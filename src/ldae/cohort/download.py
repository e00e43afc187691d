"""A whole download: every exam's series, the archive's list of them, and the study's tables."""

import csv
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ldae.cohort import study_tables
from ldae.cohort.anatomy import brains
from ldae.cohort.archive import Series, damage, plan_exam, write_exam
from ldae.cohort.clinic import Subject, Visit
from ldae.cohort.template import load_template
from ldae.runtime import write_text

README = """Synthetic stand-in for an ADNI download.

Nobody was scanned: the heads are computed from the MNI152 template, the participants and their
findings are drawn at random. Layout, names and tables follow what the archive delivers.
"""


def write_download(
    root: Path, subjects: Sequence[Subject], *, voxel_mm: float, seed: int
) -> pd.DataFrame:
    """Write images and tables of `subjects` under `root` and return the truth about the images.

    One exam's T1-weighted series has a broken file, so that every run meets an image it has to
    leave out: the last exam of the first subject with several visits (or of the first subject).
    """
    template = load_template(voxel_mm)
    broken = _broken_visit(subjects)
    listed: list[Series] = []
    scans: list[tuple[Series, float]] = []
    for subject in subjects:
        for visit, brain in zip(subject.visits, brains(subject, seed=seed), strict=True):
            exam = plan_exam(subject, visit, seed=seed, may_repeat=visit is not broken)
            brain_ml = write_exam(
                root, exam, template=template, brain=brain, voxel_mm=voxel_mm, seed=seed
            )
            listed += exam
            scans += [(item, brain_ml) for item in exam if item.is_t1w]
    damaged = next(item for item, _ in scans if item.visit is broken)
    damage(root, damaged)
    _write_tables(root, subjects, listed)
    return study_tables.truth_table(scans, damaged)


def _broken_visit(subjects: Sequence[Subject]) -> Visit:
    several = (subject for subject in subjects if len(subject.visits) > 1)
    return next(several, subjects[0]).visits[-1]


def _write_tables(root: Path, subjects: Sequence[Subject], listed: Sequence[Series]) -> None:
    firsts = {
        (item.subject.rid, item.visit.index): item
        for item in listed
        if item.is_t1w and not item.is_repeat
    }
    for path, table in {
        study_tables.COLLECTION: study_tables.collection_table(listed),
        f"study_files/{study_tables.ADNIMERGE}": study_tables.adnimerge_table(subjects, firsts),
        f"study_files/{study_tables.DXSUM}": study_tables.dxsum_table(subjects),
    }.items():
        (root / path).parent.mkdir(exist_ok=True)
        table.to_csv(root / path, index=False, quoting=csv.QUOTE_ALL, lineterminator="\n")
    write_text(root / "README.txt", README)
