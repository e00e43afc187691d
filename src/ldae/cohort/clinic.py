"""Synthetic subjects: who they are, when they come, and how ill their brains are on that day."""

from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from typing import Literal

import numpy as np

from ldae.config import Synthetic
from ldae.errors import UserError

Diagnosis = Literal["CN", "MCI", "AD"]

DIAGNOSES: tuple[Diagnosis, ...] = ("CN", "MCI", "AD")
SITES = (2, 5, 7, 11, 13, 16, 18, 21, 22, 23, 27, 29, 31, 33, 35, 41, 52, 57)
FIRST_RID = 1
FIRST_TRAP_RID = 9001  # from here on: the participants of `ldae.cohort.traps`
PHASE = "ADNI1"
DAYS_PER_YEAR = 365.25

MEAN_SEVERITY = {"CN": 0.0, "MCI": 0.5, "AD": 1.0}  # at baseline; the spread is SEVERITY_SD
SEVERITY_SD = 0.38
PROGRESSION = {"CN": 0.04, "MCI": 0.14, "AD": 0.28}  # severity per year, on average
CONVERSION = 1.0  # severity at which a subject enrolled with MCI is found to have AD
APOE4_COPIES = {"CN": (0.72, 0.25, 0.03), "MCI": (0.5, 0.38, 0.12), "AD": (0.33, 0.47, 0.2)}


@dataclass(frozen=True)
class Visit:
    """One visit: the clinic's findings and the state of the brain."""

    index: int
    phase: str  # of the study: ADNI1, ADNI2, ADNI3, ADNI4
    months: int  # of the visit plan
    exam_date: date
    scan_date: date
    years: float  # from the baseline exam to the scan
    age: float  # years, at the scan
    diagnosis: str  # CN, MCI, AD
    mmse: int
    severity: float  # 0: none; 1: mild dementia
    ventricle_push: float  # mm
    cortical_loss: float  # fractions
    hippocampal_loss: float
    white_signal: float


@dataclass(frozen=True)
class Subject:
    """One participant; everything about one depends on the seed and on `rid` alone."""

    rid: int
    site: int
    enrolled_as: str  # CN, MCI, AD
    sex: str  # F, M
    baseline_age: float  # years, one decimal
    education: int  # years
    apoe4: int
    visits: tuple[Visit, ...]

    @property
    def ptid(self) -> str:
        """The study's participant code."""
        return f"{self.site:03d}_S_{self.rid:04d}"


def enrol(settings: Synthetic, *, seed: int) -> list[Subject]:
    """Draw the cohort, in order of RID.

    A subject is known by diagnosis and number within it, never by its place in the cohort: more
    subjects leave those that were there as they were. One enrolled with MCI is found to have AD at
    a later visit whose severity exceeds `CONVERSION`; other diagnoses stay.

    Raises:
        UserError: if the settings ask for no subject, or for visits that cannot be.
    """
    _check(settings)
    subjects = [
        draw_subject(
            FIRST_RID + len(DIAGNOSES) * number + order,
            diagnosis,
            visit_months=settings.visit_months,
            visits=settings.visits_per_subject,
            seed=seed,
        )
        for order, diagnosis in enumerate(DIAGNOSES)
        for number in range(settings.subjects.get(diagnosis, 0))
    ]
    return sorted(subjects, key=lambda subject: subject.rid)


def _check(settings: Synthetic) -> None:
    months = settings.visit_months
    if not sum(settings.subjects.values()):
        raise UserError("synthetic.subjects: no subjects; ask for at least one CN, MCI or AD")
    if months[0] != 0 or any(later <= earlier for earlier, later in pairwise(months)):
        raise UserError(f"synthetic.visit_months: {list(months)} must start at 0 and increase")
    most = (FIRST_TRAP_RID - FIRST_RID) // len(DIAGNOSES)
    if max(settings.subjects.values()) > most:
        raise UserError(f"synthetic.subjects: at most {most} of each diagnosis")


def draw_subject(
    rid: int,
    diagnosis: str,
    *,
    visit_months: tuple[int, ...],
    visits: tuple[int, int],
    seed: int,
) -> Subject:
    """Draw one participant with between `visits` visits, the first of those at `visit_months`."""
    rng = np.random.default_rng([seed, rid])
    fewest, most = visits
    count = int(rng.integers(fewest, most + 1))
    age = round(float(np.clip(rng.normal(74, 7.5), 55, 92)), 1)
    return Subject(
        rid=rid,
        site=int(rng.choice(SITES)),
        enrolled_as=diagnosis,
        sex=str(rng.choice(["F", "M"])),
        baseline_age=age,
        education=int(np.clip(round(rng.normal(16, 2.8)), 6, 20)),
        apoe4=int(rng.choice(3, p=APOE4_COPIES[diagnosis])),
        visits=_visits(rng, diagnosis=diagnosis, age=age, months=visit_months[:count]),
    )


def _visits(
    rng: np.random.Generator, *, diagnosis: str, age: float, months: tuple[int, ...]
) -> tuple[Visit, ...]:
    baseline = date(2005, 9, 1) + timedelta(days=int(rng.integers(0, 720)))
    start = MEAN_SEVERITY[diagnosis] + rng.normal(0, SEVERITY_SD)
    rate = PROGRESSION[diagnosis] * rng.uniform(0.5, 1.5)
    # how much of each change this person shows whatever the disease says; it wanders over time
    own = rng.normal(0, [0.5, 0.04, 0.08])
    own_white = rng.normal(0, 0.01)
    visits: list[Visit] = []
    for index, month in enumerate(months):
        planned = timedelta(days=round(month * DAYS_PER_YEAR / 12))
        delay = np.clip(rng.normal(0, 8, 2), -20, 20).round().astype(int)
        exam = baseline + planned + timedelta(days=int(delay[0]) if index else 0)
        # the first scan belongs to screening, some weeks before the baseline exam
        scan = exam + timedelta(days=int(delay[1]) if index else -int(rng.integers(5, 60)))
        years = (scan - baseline).days / DAYS_PER_YEAR
        if visits:
            gap = years - visits[-1].years
            own = own + rng.normal(0, [0.15, 0.012, 0.02]) * np.sqrt(max(gap, 0))
        severity = float(start + rate * years)
        decades = (age + years - 74) / 10
        converted = diagnosis == "MCI" and index > 0 and severity > CONVERSION
        visits.append(
            Visit(
                index=index,
                phase=PHASE,
                months=month,
                exam_date=exam,
                scan_date=scan,
                years=years,
                age=age + years,
                diagnosis="AD" if converted else diagnosis,
                mmse=int(np.clip(round(29.2 - 5.5 * severity + rng.normal(0, 1)), 0, 30)),
                severity=severity,
                ventricle_push=float(
                    np.clip(1.0 + 0.9 * decades + 2.4 * severity + own[0], -1.5, 6.5)
                ),
                cortical_loss=float(
                    np.clip(0.14 + 0.11 * decades + 0.22 * severity + own[1], 0, 0.7)
                ),
                hippocampal_loss=float(
                    np.clip(0.12 + 0.04 * decades + 0.36 * severity + own[2], 0, 0.85)
                ),
                white_signal=float(0.87 - 0.025 * decades + own_white + rng.normal(0, 0.007)),
            )
        )
    return tuple(visits)
