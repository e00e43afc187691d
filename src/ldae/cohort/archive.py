"""The archive's side of the cohort: exams as folders of series, named as in LONI's downloads."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from ldae.cohort.anatomy import Brain
from ldae.cohort.clinic import Subject, Visit
from ldae.cohort.dicom import Slice, localizer_slices, sagittal_slices, uid, write_series
from ldae.cohort.scanner import Scanner, acquire, lay_down, look, scanner_of, settle
from ldae.cohort.template import Template

LOCALIZER = "3-plane localizer"
REPEATED = 0.25  # fraction of exams with a second T1-weighted series
_PLAN, _SCAN = 2, 3  # streams of a subject's random numbers


@dataclass(frozen=True)
class Series:
    """One series of an exam, as the archive lists it."""

    subject: Subject
    visit: Visit
    number: int  # within the exam, from 1
    description: str
    exam_start: datetime

    @property
    def start(self) -> datetime:
        """When the scanner began."""
        return self.exam_start + timedelta(minutes=9 * (self.number - 1))

    @property
    def is_t1w(self) -> bool:
        """Whether this is a T1-weighted scan of the whole head."""
        return self.number > 1

    @property
    def is_repeat(self) -> bool:
        """Whether this is the exam's second T1-weighted scan."""
        return self.number > 2

    @property
    def image_id(self) -> int:
        """Unique in the archive; the same whoever else is in the cohort."""
        return 1000 * self.subject.rid + 10 * self.visit.index + self.number

    @property
    def series_id(self) -> int:
        """The archive's number of the acquisition, of which an image is one version."""
        return 5000 + self.image_id

    @property
    def folder(self) -> Path:
        """Where a download puts the files, below its root."""
        stamp = f"{self.start:%Y-%m-%d_%H_%M_%S}.0"
        name = _sanitised(self.description)
        return Path("ADNI", self.subject.ptid, name, stamp, f"I{self.image_id}")

    def file_name(self, number: int) -> str:
        """The name of one slice; its 17 digits say when the archive received it."""
        received = self.start + timedelta(hours=20, milliseconds=37 * number)
        stamp = f"{received:%Y%m%d%H%M%S}{received.microsecond // 1000:03d}"
        name = f"ADNI_{self.subject.ptid}_MR_{_sanitised(self.description)}_br_raw_{stamp}"
        return f"{name}_{number}_S{self.series_id}_I{self.image_id}.dcm"


def plan_exam(subject: Subject, visit: Visit, *, seed: int, may_repeat: bool) -> list[Series]:
    """The series of one exam: a localizer, a T1-weighted scan and perhaps a second one."""
    rng = np.random.default_rng([seed, subject.rid, _PLAN, visit.index])
    morning = datetime.combine(visit.scan_date, time(8))
    start = morning + timedelta(seconds=int(rng.integers(0, 8 * 3600)))
    name = scanner_of(subject.site).description
    names = [LOCALIZER, name]
    if may_repeat and rng.random() < REPEATED:
        names.append(f"{name} Repeat")
    return [
        Series(subject, visit, number, text, start) for number, text in enumerate(names, start=1)
    ]


def write_exam(
    root: Path,
    exam: Sequence[Series],
    *,
    template: Template,
    brain: Brain,
    voxel_mm: float,
    seed: int,
) -> float:
    """Scan `brain`, write its `exam` under `root`, and return the volume of grey and white (ml)."""
    first = exam[0]
    rng = np.random.default_rng([seed, first.subject.rid, _SCAN, first.visit.index])
    scanner = scanner_of(first.subject.site)
    pose = lay_down(rng)
    parts = look(template, brain, pose=pose, voxel_mm=voxel_mm)
    brain_ml = float((parts.grey + parts.white).sum()) * voxel_mm**3 / 1000
    for series in exam:
        if series.is_repeat:
            parts = look(template, brain, pose=settle(pose, rng), voxel_mm=voxel_mm)
        volume = acquire(rng, parts, brain=brain, scanner=scanner, voxel_mm=voxel_mm)
        cut = sagittal_slices if series.is_t1w else localizer_slices
        _write(root, series, cut(volume, voxel_mm), scanner=scanner, voxel_mm=voxel_mm, seed=seed)
    return brain_ml


def damage(root: Path, series: Series) -> None:
    """Cut the middle file of a written series short, as a broken transfer does."""
    files = sorted((root / series.folder).iterdir())
    victim = files[len(files) // 2]
    victim.write_bytes(victim.read_bytes()[: victim.stat().st_size // 2])


def _write(
    root: Path, series: Series, slices: list[Slice], *, scanner: Scanner, voxel_mm: float, seed: int
) -> None:
    folder = root / series.folder
    folder.mkdir(parents=True)
    write_series(
        _header(series, scanner, seed),
        slices,
        voxel_mm=voxel_mm,
        path_of=lambda number: folder / series.file_name(number),
    )


def _header(series: Series, scanner: Scanner, seed: int) -> Dataset:
    subject, header = series.subject, Dataset()
    begun, clock = f"{series.exam_start:%H%M%S}.000000", f"{series.start:%H%M%S}.000000"
    day = f"{series.start:%Y%m%d}"
    study = uid(seed, subject.rid, series.visit.index)
    header.StudyInstanceUID = study
    header.SeriesInstanceUID = uid(study, series.number)
    header.FrameOfReferenceUID = uid(study, "frame")
    header.StudyDate = header.SeriesDate = header.AcquisitionDate = header.ContentDate = day
    header.StudyTime, header.SeriesTime = begun, clock
    header.AcquisitionTime = header.ContentTime = clock
    header.StudyID = str(series.visit.index + 1)
    header.SeriesNumber = header.AcquisitionNumber = series.number
    header.Modality = "MR"
    header.PatientName = header.PatientID = subject.ptid
    header.PatientSex = subject.sex
    header.PatientAge = f"{int(series.visit.age):03d}Y"
    header.PatientPosition = "HFS"
    header.PatientIdentityRemoved = "YES"
    header.ImageComments = "Synthetic image of no person"
    header.SeriesDescription = header.ProtocolName = series.description
    header.Manufacturer, header.ManufacturerModelName = scanner.manufacturer, scanner.model
    header.MagneticFieldStrength = scanner.tesla
    header.ImageType = list(scanner.image_type)
    if scanner.slope is not None:
        header.RescaleSlope, header.RescaleIntercept, header.RescaleType = scanner.slope, 0, "US"
    if not series.is_t1w:
        header.MRAcquisitionType, header.ScanningSequence = "2D", "GR"
        header.SequenceVariant = "SP"
        header.RepetitionTime, header.EchoTime, header.FlipAngle = 20, 5, 40
        return header
    header.MRAcquisitionType = "3D"
    header.ScanningSequence = scanner.sequence
    header.SequenceVariant = list(scanner.variant)
    if scanner.sequence_name is not None:
        header.SequenceName = scanner.sequence_name
    header.RepetitionTime, header.EchoTime = scanner.repetition_ms, scanner.echo_ms
    if scanner.inversion_ms is not None:
        header.InversionTime = scanner.inversion_ms
    header.FlipAngle = scanner.flip_degrees
    return header


def _sanitised(description: str) -> str:
    return re.sub(r"[ /;*()<>:]", "_", description)
