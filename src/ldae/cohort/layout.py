"""Where the archive puts an image: both generations of its folders, and its file names.

`<root>/<participant>/<description>/<time>/<leaf>/<files>`; the leaf is `S<series id>` in older
downloads and `I<image id>` in newer ones.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from ldae.cohort.clinic import DIAGNOSES, FIRST_RID, Subject
from ldae.cohort.delivery import File
from ldae.cohort.exam import Series

OLD, NEW = "old", "new"  # collections: downloaded years ago, and now


@dataclass(frozen=True)
class Home:
    """One place for an image's files."""

    leaf: Literal["S", "I"] = "I"
    root: str = "ADNI"
    archive: str | None = None  # name of a zip; None: unpacked
    tail: bool = True  # file names end in _S<series id>_I<image id>


def collection_of(subject: Subject) -> str:
    """Which collection a participant's images came with: half of each diagnosis with either."""
    return OLD if _number(subject) % 4 < 2 else NEW


def home_of(series: Series) -> Home:
    """Where an image of the cohort lies: old ones in S leaves, new ones in I leaves, half in zips.

    The archive splits a collection without regard to participants: visits alternate between zips.
    """
    if collection_of(series.subject) == OLD:
        return Home(leaf="S")
    zipped = _number(series.subject) % 2 == 1
    return Home(archive=f"Synthetic{series.visit.index % 2 + 1}.zip" if zipped else None)


def lay_out(series: Series, contents: Iterable[bytes], home: Home) -> list[File]:
    """The files of an image under the names and in the folder of `home`."""
    folder = folder_of(series, home)
    return [
        File(f"{folder}/{file_name(series, number, tail=home.tail)}", content, home.archive)
        for number, content in enumerate(contents, start=1)
    ]


def folder_of(series: Series, home: Home) -> str:
    """The folder of an image, below the download or within its zip."""
    # since ADNI3 one time stamp serves all series of an exam
    time = series.exam_start if series.visit.phase in {"ADNI3", "ADNI4"} else series.start
    leaf = f"S{series.series_id}" if home.leaf == "S" else f"I{series.image_id}"
    name = sanitised(series.description)
    return f"{home.root}/{series.subject.ptid}/{name}/{time:%Y-%m-%d_%H_%M_%S}.0/{leaf}"


def file_name(series: Series, number: int, *, tail: bool = True) -> str:
    """The name of one file; its 17 digits say when the archive received it."""
    received = series.start + timedelta(hours=20, milliseconds=37 * number)
    stamp = f"{received:%Y%m%d%H%M%S}{received.microsecond // 1000:03d}"
    marks = f"br_raw_{stamp}_{number}" if series.kind == "Original" else f"Br_{stamp}"
    name = f"ADNI_{series.subject.ptid}_MR_{sanitised(series.description)}_{marks}"
    ids = f"_S{series.series_id}_I{series.image_id}" if tail else ""
    return f"{name}{ids}.{'dcm' if series.format == 'DICOM' else 'nii'}"


def sanitised(description: str) -> str:
    """A series description as folder and file names spell it."""
    return re.sub(r"[ /;*()<>:]", "_", description)


def _number(subject: Subject) -> int:
    """Which of its diagnosis a participant is, so that collections hold all diagnoses alike."""
    return (subject.rid - FIRST_RID) // len(DIAGNOSES)
