"""What the names of the archive's folders and files say of the images in them.

The archive writes `<subject>/<description>/<date>/<leaf>/<files>`. The leaf is `S<series id>` in
older downloads and `I<image id>` in newer ones; file names end in `_S<series id>_I<image id>`, but
for some of 2025; merged downloads nest all that at any depth. So folders are known by their form.
"""

import re
from dataclasses import dataclass
from datetime import datetime

from ldae.imaging.storage import INSIDE
from ldae.parsing import parse_datetime, parse_ptid

_DATE_FOLDER = re.compile(r"\d{4}-\d{2}-\d{2}_\d{2}_\d{2}_\d{2}(?:\.\d+)?")
_LEAF = re.compile(r"([SI])(\d{1,12})", re.ASCII)
_TAIL = re.compile(r"_(?:S(\d{1,12})_)?I(\d{1,12})$", re.ASCII)
_ENDING = re.compile(
    r"\.[a-z]\w{0,5}(?:\.gz)?$", re.IGNORECASE
)  # not the number a bare UID ends in
_FILE_DESCRIPTION = re.compile(r"_(?:MR|PT)_(.+?)_+(?:br_raw|Br)_\d{17}")


@dataclass(frozen=True, slots=True)
class Place:
    """What a folder's path says; None where it says nothing."""

    ptid: str | None = None  # the nearest folder that names a subject, 002_S_0295
    description: str | None = None  # of the series: the folder above the date
    exam_time: datetime | None = None  # local wall time of the date folder
    series_id: int | None = None
    image_id: int | None = None

    @property
    def is_leaf(self) -> bool:
        """Whether the folder is made to hold the files of a series or an image."""
        return self.series_id is not None or self.image_id is not None


def read_place(folder: str) -> Place:
    """Read the path of a folder, real or inside a zip."""
    parts = folder.replace(INSIDE, "/").split("/")
    ptid = description = exam_time = None
    above = -1  # the last folder that cannot be a leaf
    for position, part in enumerate(parts):
        if subject := parse_ptid(part):
            ptid, above = subject, position
        if _DATE_FOLDER.fullmatch(part):
            description = parts[position - 1] if position else None
            exam_time, above = parse_datetime(part), position
    for part in reversed(parts[above + 1 :]):
        if match := _LEAF.fullmatch(part):
            number = int(match[2])
            series_id, image_id = (number, None) if match[1] == "S" else (None, number)
            return Place(ptid, description, exam_time, series_id, image_id)
    return Place(ptid, description, exam_time)


def split_ending(name: str) -> tuple[str, str]:
    """A file name without its extension, and that in lower case, empty if there is none."""
    match = _ENDING.search(name)
    return (name[: match.start()], match[0].lower()) if match else (name, "")


def read_tail(stem: str) -> tuple[int | None, int | None]:
    """Series id and image id at the end of a file name without its extension."""
    match = _TAIL.search(stem)
    return (int(match[1]) if match[1] else None, int(match[2])) if match else (None, None)


def description_in(name: str) -> str | None:
    """The series name in the middle of a file name."""
    match = _FILE_DESCRIPTION.search(name)
    return match[1] if match else None
