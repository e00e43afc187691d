"""The words in which traps are written down."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from ldae.cohort.clinic import Diagnosis
from ldae.cohort.delivery import File
from ldae.cohort.exam import Series
from ldae.cohort.layout import Home, lay_out
from ldae.cohort.papers import Papers
from ldae.cohort.scanner import Scanner

Fault = Callable[[list[bytes]], list[bytes]]  # what is wrong with the files of an image, by slice
Placement = Callable[[Series, list[bytes]], list[File]]  # where they lie
Edit = Callable[[Papers, Sequence[Series]], None]  # what tables say otherwise of the participant


def unharmed(files: list[bytes]) -> list[bytes]:
    """No fault."""
    return files


def at_home(series: Series, contents: list[bytes]) -> list[File]:
    """In one I folder."""
    return lay_out(series, contents, Home())


AVANTO, SIGNA, INTERA, TRIO = 16, 41, 22, 23  # sites with these machines; the last has 3 tesla
NONE = "n/a"  # expected to be missing


@dataclass(frozen=True)
class Outcome:
    """What must become of an image; what is None is not asserted."""

    status: Literal["used", "excluded", "absent"]  # absent: no image of this participant at all
    reason: str | None = None
    months: int | None = None  # of the session; None for used images: as visited
    diagnosis: str | None = None  # None for used images: as diagnosed
    age: Callable[[Series], float] | None = None  # None for used images: as it is
    flags: tuple[str, ...] = ()
    unknown: Literal["image_id", "subject"] | None = None  # what nobody can tell of the image


@dataclass(frozen=True)
class Shot:
    """One image of a trap's participant."""

    description: str
    outcome: Outcome
    visit: int = 0
    days_later: int = 0  # than the visit's scan
    scanner: Scanner | None = None  # None: the site's own
    kind: Literal["Original", "Processed"] = "Original"
    format: Literal["DICOM", "NIfTI"] = "DICOM"
    version_of: int | None = None  # an earlier shot of the same acquisition
    same_id: bool = False  # even the same image: another copy of it
    fault: Fault = unharmed
    place: Placement = at_home


@dataclass(frozen=True)
class Trap:
    """One participant with something to stumble over."""

    name: str
    shots: tuple[Shot, ...]
    site: int = AVANTO
    phases: tuple[str, ...] = ("ADNI1",)  # of each visit
    months: tuple[int, ...] = (0,)  # of each visit
    diagnosis: Diagnosis = "CN"  # at every visit
    records: tuple[Edit, ...] = ()
    others: tuple[Outcome, ...] = ()  # of rows that belong to none of the images


def used(
    *,
    months: int | None = None,
    diagnosis: str | None = None,
    age: Callable[[Series], float] | None = None,
    flags: tuple[str, ...] = (),
) -> Outcome:
    """The image becomes the scan of its session, with the visit's diagnosis and age."""
    return Outcome("used", None, months, diagnosis, age, flags)


def excluded(reason: str, *, unknown: Literal["image_id", "subject"] | None = None) -> Outcome:
    """The image is left out for this reason."""
    return Outcome("excluded", reason, unknown=unknown)


def lost(criterion: str) -> Outcome:
    """Another image of the session is better by this criterion."""
    return Outcome("excluded", f"not_selected:{criterion}")
