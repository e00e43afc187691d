"""Exams: which series are made on a day, of what, and on which scanner."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Literal

import numpy as np

from ldae.cohort.anatomy import Brain
from ldae.cohort.clinic import Subject, Visit
from ldae.cohort.dicom import Pixels
from ldae.cohort.scanner import Scanner, acquire, lay_down, look, scanner_of, settle
from ldae.cohort.template import Template

LOCALIZER = "3-plane localizer"
REPEATED = 0.25  # fraction of exams with a second T1-weighted series
FIRST_T1W = 2  # number of the series; the localizer is the first
_SERIES = 5000  # ids of series are those of their original images plus this
_PLAN, _SCAN = 2, 3  # streams of a subject's random numbers


@dataclass(frozen=True)
class Series:
    """One image of the archive: a series as scanned, or what the archive made of it."""

    subject: Subject
    visit: Visit
    number: int  # within the exam, from 1
    description: str
    exam_start: datetime
    scanner: Scanner
    image_id: int  # unique in the archive; the same whoever else is in the cohort
    series_id: int  # the archive's number of the acquisition, of which an image is one version
    format: Literal["DICOM", "NIfTI"]
    kind: Literal["Original", "Processed"]

    @property
    def start(self) -> datetime:
        """When the scanner began."""
        return self.exam_start + timedelta(minutes=9 * (self.number - 1))

    @property
    def original_id(self) -> int:
        """The image as scanned, of which this is a version."""
        return self.series_id - _SERIES

    @property
    def is_t1w(self) -> bool:
        """Whether this is a T1-weighted scan of the whole head."""
        return self.number >= FIRST_T1W

    @property
    def is_repeat(self) -> bool:
        """Whether this exam had a T1-weighted scan already."""
        return self.number > FIRST_T1W


@dataclass(frozen=True)
class Scan:
    """What a scanner stored of one series."""

    series: Series
    volume: Pixels  # (X, Y, Z), RAS
    brain_ml: float  # grey and white matter in the field of view


def make_series(
    subject: Subject, visit: Visit, *, number: int, description: str, exam_start: datetime
) -> Series:
    """An original DICOM series of the site's own scanner, with the archive's next numbers."""
    image_id = 1000 * subject.rid + 10 * visit.index + number
    return Series(
        subject=subject,
        visit=visit,
        number=number,
        description=description,
        exam_start=exam_start,
        scanner=scanner_of(subject.site),
        image_id=image_id,
        series_id=_SERIES + image_id,
        format="DICOM",
        kind="Original",
    )


def plan_exam(subject: Subject, visit: Visit, *, seed: int, may_repeat: bool) -> list[Series]:
    """The series of one exam: a localizer, a T1-weighted scan and perhaps a second one."""
    rng = np.random.default_rng([seed, subject.rid, _PLAN, visit.index])
    start = during_the_day(visit, rng)
    name = scanner_of(subject.site).description
    names = [LOCALIZER, name]
    if may_repeat and rng.random() < REPEATED:
        names.append(f"{name} Repeat")
    return [
        make_series(subject, visit, number=number, description=text, exam_start=start)
        for number, text in enumerate(names, start=1)
    ]


def during_the_day(visit: Visit, rng: np.random.Generator) -> datetime:
    """Draw when the exam of `visit` begins."""
    morning = datetime.combine(visit.scan_date, time(8))
    return morning + timedelta(seconds=int(rng.integers(0, 8 * 3600)))


def scan(
    exam: Sequence[Series], *, template: Template, brain: Brain, voxel_mm: float, seed: int
) -> Iterator[Scan]:
    """Scan `brain` once per series of one exam; the head moves before each repeat."""
    first = exam[0]
    rng = np.random.default_rng([seed, first.subject.rid, _SCAN, first.visit.index])
    pose = lay_down(rng)
    parts = look(template, brain, pose=pose, voxel_mm=voxel_mm)
    brain_ml = float((parts.grey + parts.white).sum()) * voxel_mm**3 / 1000
    for series in exam:
        if series.is_repeat:
            parts = look(template, brain, pose=settle(pose, rng), voxel_mm=voxel_mm)
        volume = acquire(rng, parts, brain=brain, scanner=series.scanner, voxel_mm=voxel_mm)
        yield Scan(series, volume, brain_ml)
