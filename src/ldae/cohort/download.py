"""A whole download: every exam's images, and everything written about them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import pandas as pd

from ldae.cohort.anatomy import brains
from ldae.cohort.clinic import Subject, Visit
from ldae.cohort.delivery import Delivery
from ldae.cohort.encode import encode
from ldae.cohort.exam import Scan, Series, plan_exam, scan
from ldae.cohort.layout import collection_of, home_of, lay_out
from ldae.cohort.papers import Papers, describe, file_papers
from ldae.cohort.template import Template, load_template
from ldae.cohort.traps.cases import COLUMNS, Case, set_traps
from ldae.cohort.traps.faults import cut_short
from ldae.progress import Tally
from ldae.runtime import write_text

README = """Synthetic stand-in for an ADNI download.

Nobody was scanned: the heads are computed from the MNI152 template, the participants and their
findings are drawn at random. Layout, names and tables follow what the archive delivers:

  ADNI/                   images; folders S<series id> as in older downloads, I<image id> as now
  Synthetic<n>.zip        part of the images, as the archive splits a collection
  Synthetic_metadata.zip  one XML document per image of the newer collection
  Synthetic_<date>.csv    the archive's lists of both collections' images, in their generations'
  idaSearch_<date>.csv    spellings
  study_files/            the study's tables; of DXSUM the newer version holds

Where the settings ask for traps (synthetic.traps), participants from number 9001 on have one fault
of real downloads each. What must become of their images is in the table of expectations beside the
download.
"""


@dataclass(frozen=True)
class Studio:
    """What all scans share."""

    template: Template
    voxel_mm: float
    seed: int

    def scan(self, subject: Subject, exams: Mapping[int, Sequence[Series]]) -> Iterator[Scan]:
        """Scan a participant: `exams` are series by the index of the visit."""
        heads = brains(subject, seed=self.seed)
        for visit, brain in zip(subject.visits, heads, strict=True):
            if exam := exams.get(visit.index):
                yield from scan(
                    exam,
                    template=self.template,
                    brain=brain,
                    voxel_mm=self.voxel_mm,
                    seed=self.seed,
                )

    def encode(self, scanned: Scan) -> list[bytes]:
        """The files of one image."""
        return encode(scanned, voxel_mm=self.voxel_mm, seed=self.seed)


def write_download(
    root: Path, subjects: Sequence[Subject], *, voxel_mm: float, seed: int, traps: bool
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Write images and tables of `subjects` under `root`; with `traps`, those of theirs too.

    One exam's T1-weighted series has a broken file, so that every run meets an image it has to
    leave out: the last exam of the first subject with several visits (or of the first subject).

    Returns:
        The truth about the T1-weighted images of `subjects`, and what must become of the broken
        one and of the traps' images.
    """
    studio = Studio(load_template(voxel_mm), voxel_mm, seed)
    broken = _broken_visit(subjects)
    truth: list[dict[str, object]] = []
    cases = set_traps(seed=seed) if traps else []
    tally = Tally("download", len(subjects) + len(cases), unit="participants")
    with Delivery(root) as delivery:
        papers = [
            _deliver(subject, studio, delivery, broken=broken, truth=truth)
            for subject in tally.over(subjects)
        ]
        papers += [_deliver_case(case, studio, delivery) for case in tally.over(cases)]
        delivery.put(file_papers(papers))
    write_text(root / "README.txt", README)
    expected = [_expect_broken(row) for row in truth if row["damaged"]]
    expected += [row for case in cases for row in case.expected()]
    return pd.DataFrame(truth), pd.DataFrame(expected, columns=COLUMNS).astype(
        {"image_id": "Int64"}
    )


def _broken_visit(subjects: Sequence[Subject]) -> Visit:
    several = (subject for subject in subjects if len(subject.visits) > 1)
    return next(several, subjects[0]).visits[-1]


def _deliver(
    subject: Subject,
    studio: Studio,
    delivery: Delivery,
    *,
    broken: Visit,
    truth: list[dict[str, object]],
) -> Papers:
    exams = {
        visit.index: plan_exam(subject, visit, seed=studio.seed, may_repeat=visit is not broken)
        for visit in subject.visits
    }
    for scanned in studio.scan(subject, exams):
        series, files = scanned.series, studio.encode(scanned)
        damaged = series.is_t1w and series.visit is broken
        if series.is_t1w:
            truth.append(_truth(scanned, damaged=damaged))
        delivery.put(lay_out(series, cut_short(files) if damaged else files, home_of(series)))
    images = [series for exam in exams.values() for series in exam]
    collection = collection_of(subject)
    return describe(subject, images, collection=collection, voxel_mm=studio.voxel_mm)


def _deliver_case(case: Case, studio: Studio, delivery: Delivery) -> Papers:
    exams = {
        index: list(exam) for index, exam in groupby(case.images, lambda image: image.visit.index)
    }
    for shot, scanned in zip(case.trap.shots, studio.scan(case.subject, exams), strict=True):
        files = shot.fault(studio.encode(scanned))
        delivery.put(shot.place(scanned.series, files))
    return case.papers(voxel_mm=studio.voxel_mm)


def _truth(scanned: Scan, *, damaged: bool) -> dict[str, object]:
    series, visit = scanned.series, scanned.series.visit
    return {
        "image_id": series.image_id,
        "PTID": series.subject.ptid,
        "months": visit.months,
        "age": round(visit.age, 4),
        "sex": series.subject.sex,
        "diagnosis": visit.diagnosis,
        "severity": visit.severity,
        "ventricle_push_mm": visit.ventricle_push,
        "cortical_loss": visit.cortical_loss,
        "hippocampal_loss": visit.hippocampal_loss,
        "white_signal": visit.white_signal,
        "brain_ml": round(scanned.brain_ml, 1),
        "description": series.description,
        "damaged": damaged,
    }


def _expect_broken(truth: dict[str, object]) -> dict[str, object]:
    return {
        "trap": "a file of a series is cut short",
        "image_id": truth["image_id"],
        "subject": truth["PTID"],
        "status": "excluded",
        "reason": "unreadable_dicom",
    }
