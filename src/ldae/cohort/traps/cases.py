"""Traps made real: who the participant is, which images there are, and what is expected."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np

from ldae.cohort.clinic import DAYS_PER_YEAR, FIRST_TRAP_RID, Subject, draw_subject
from ldae.cohort.exam import FIRST_T1W, Series, during_the_day, make_series
from ldae.cohort.layout import NEW
from ldae.cohort.papers import Papers, describe
from ldae.cohort.traps.broken import BROKEN
from ldae.cohort.traps.places import PLACES
from ldae.cohort.traps.records import RECORDS
from ldae.cohort.traps.trap import Outcome, Shot, Trap
from ldae.cohort.traps.twins import TWINS

TRAPS = (*TWINS, *BROKEN, *PLACES, *RECORDS)
SCREENING_DAYS = 41  # from the first scan to the baseline exam
COLUMNS = ["trap", "image_id", "subject", "status", "reason"]
COLUMNS += ["session_id", "diagnosis", "age", "flags"]
_FIVE_DIGITS = 1000  # added to the numbers of ADNI4's participants
_PROCESSED = 500  # added to the ids of processed images
_STREAM = 4  # of a subject's random numbers


@dataclass(frozen=True)
class Case:
    """A trap with its participant and images, one per shot."""

    trap: Trap
    subject: Subject
    images: tuple[Series, ...]

    def papers(self, *, voxel_mm: float) -> Papers:
        """What is written about the participant, with the trap's own turns."""
        distinct = list({image.image_id: image for image in reversed(self.images)}.values())[::-1]
        papers = describe(self.subject, distinct, collection=NEW, voxel_mm=voxel_mm)
        for edit in self.trap.records:
            edit(papers, distinct)
        return papers

    def expected(self) -> Iterator[dict[str, object]]:
        """Rows of the table of expectations."""
        for shot, image in zip(self.trap.shots, self.images, strict=True):
            yield self._row(shot.outcome, image)
        for outcome in self.trap.others:
            yield {"trap": self.trap.name, "status": outcome.status, "reason": outcome.reason}
        if not self.trap.shots:
            yield {"trap": self.trap.name, "subject": self.subject.ptid, "status": "absent"}

    def _row(self, outcome: Outcome, image: Series) -> dict[str, object]:
        row: dict[str, object] = {
            "trap": self.trap.name,
            "image_id": image.image_id,
            "subject": image.subject.ptid,
            "status": outcome.status,
            "reason": outcome.reason,
        }
        if outcome.unknown:
            row[outcome.unknown] = None
        if outcome.status != "used":
            return row
        months = image.visit.months if outcome.months is None else outcome.months
        return row | {
            "session_id": f"ses-M{months:03d}",
            "diagnosis": outcome.diagnosis or image.visit.diagnosis,
            "age": round(outcome.age(image) if outcome.age else image.visit.age, 2),
            "flags": "|".join(outcome.flags) or None,
        }


def set_traps(*, seed: int) -> list[Case]:
    """A case of every trap, with participants of its own."""
    return [_set(trap, rid=FIRST_TRAP_RID + number, seed=seed) for number, trap in enumerate(TRAPS)]


def _set(trap: Trap, *, rid: int, seed: int) -> Case:
    if trap.phases == ("ADNI4",):
        rid += _FIVE_DIGITS
    subject = _participant(trap, rid=rid, seed=seed)
    images: list[Series] = []
    for shot in trap.shots:
        images.append(_image(shot, subject, images, seed=seed))
    return Case(trap, subject, tuple(images))


def _participant(trap: Trap, *, rid: int, seed: int) -> Subject:
    """Somebody who comes on the day, always with the same diagnosis."""
    count = len(trap.months)
    drawn = draw_subject(
        rid, trap.diagnosis, visit_months=trap.months, visits=(count, count), seed=seed
    )
    baseline = drawn.visits[0].exam_date
    phases = trap.phases if len(trap.phases) == count else trap.phases * count
    visits = []
    for visit, phase in zip(drawn.visits, phases, strict=True):
        exam = baseline + timedelta(days=round(visit.months * DAYS_PER_YEAR / 12))
        scan = exam - timedelta(days=0 if visit.index else SCREENING_DAYS)
        years = (scan - baseline).days / DAYS_PER_YEAR
        visits.append(
            replace(
                visit,
                phase=phase,
                exam_date=exam,
                scan_date=scan,
                years=years,
                age=drawn.baseline_age + years,
                diagnosis=trap.diagnosis,
            )
        )
    return replace(drawn, site=trap.site, visits=tuple(visits))


def _image(shot: Shot, subject: Subject, earlier: list[Series], *, seed: int) -> Series:
    visit = subject.visits[shot.visit]
    rng = np.random.default_rng([seed, subject.rid, _STREAM, shot.visit])
    start = during_the_day(visit, rng) + timedelta(days=shot.days_later)
    image = make_series(
        subject,
        visit,
        number=FIRST_T1W + len(earlier),
        description=shot.description,
        exam_start=start,
    )
    image = replace(
        image,
        scanner=shot.scanner or image.scanner,
        format=shot.format,
        kind=shot.kind,
        image_id=image.image_id + (_PROCESSED if shot.kind == "Processed" else 0),
    )
    if shot.version_of is None:
        return image
    source = earlier[shot.version_of]
    image_id = source.image_id if shot.same_id else image.image_id
    return replace(
        image,
        number=source.number,
        exam_start=source.exam_start,
        series_id=source.series_id,
        image_id=image_id,
    )
