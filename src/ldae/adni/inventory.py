"""What a download holds: one `FoundImage` per image id, whatever the folder layout.

The archive writes `<subject>/<description>/<date>/<leaf>/<files>`. The leaf is `S<series id>` in
older downloads and `I<image id>` in newer ones; file names end in `_S<series id>_I<image id>`, but
for some of 2025; merged downloads nest all that at any depth; one `S` leaf can hold several images.
So files are grouped by image id (end of file name, else leaf), and folders are known by their form.
"""

import filecmp
import os
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Literal

Format = Literal["DICOM", "NIfTI"]

_FORMATS: dict[str, Format] = {".dcm": "DICOM", ".nii": "NIfTI", ".nii.gz": "NIfTI"}
_EXTENSION = re.compile(r"(\.dcm|\.nii|\.nii\.gz)$", re.IGNORECASE)
_PTID = re.compile(r"(?<!\d)(\d{3}_S_\d{4,5})(?!\d)")
_DATE_FOLDER = re.compile(r"(\d{4}-\d{2}-\d{2}_\d{2}_\d{2}_\d{2})(?:\.\d+)?")
_FILE_TAIL = re.compile(r"(?:_S(\d+))?_I(\d+)$")
_LEAF = re.compile(r"I(\d+)")
_FILE_DESCRIPTION = re.compile(r"_(?:MR|PT)_(.+?)_+(?:br_raw|Br)_\d{17}")


@dataclass(frozen=True, eq=False)
class FoundImage:
    """The files of one image; `files` are relative to the download, in name order."""

    image_id: int | None
    series_id: int | None
    ptid: str | None  # the archive's subject id, 002_S_0295
    description: str  # of the series, as folder and file names spell it
    exam_time: datetime | None  # local wall time of the date folder
    format: Format
    files: tuple[str, ...]
    postprocessed: bool  # file names say that the archive processed the image
    fault: str | None = None  # why the image cannot be used, whatever it shows

    @property
    def folder(self) -> str:
        """The folder of the first file, relative to the download."""
        return str(PurePosixPath(self.files[0]).parent)


@dataclass(frozen=True)
class Inventory:
    """Everything below a download folder that matters here."""

    images: tuple[FoundImage, ...]
    tables: tuple[Path, ...]  # CSV files
    archives: tuple[Path, ...]  # zip files, whose content is not seen


def take_inventory(download: Path) -> Inventory:
    """Walk `download` and group its image files; the order depends on names alone."""
    tables, archives = [], []
    groups: dict[tuple[str, int | None, str | None, Format], list[str]] = defaultdict(list)
    for folder, names in _walk(download):
        subject, leaf = _subject_folder(folder), _LEAF.fullmatch(PurePosixPath(folder).name)
        for name in names:
            file = f"{folder}/{name}" if folder else name
            lower = name.lower()
            if lower.endswith(".csv"):
                tables.append(download / file)
            elif lower.endswith(".zip"):
                archives.append(download / file)
            elif extension := _EXTENSION.search(lower):
                tail = _FILE_TAIL.search(name, 0, extension.start())
                image_id = int(tail[2]) if tail else int(leaf[1]) if leaf else None
                # Without an id, the folder is all that holds the files of an image together.
                place = folder if image_id is None else ""
                ptid = subject or _subject_in(name)
                groups[(place, image_id, ptid, _FORMATS[extension[1]])].append(file)
    images = [
        _found(files, image_id=image_id, ptid=ptid, image_format=image_format, download=download)
        for (_, image_id, ptid, image_format), files in groups.items()
    ]
    images.sort(key=lambda image: (image.ptid or "", image.image_id or 0, image.files))
    return Inventory(tuple(_mark_shared_ids(images)), tuple(tables), tuple(archives))


def _walk(download: Path) -> Iterator[tuple[str, list[str]]]:
    """Folders below `download` with their files, sorted, hidden ones left out.

    Links to folders are followed after all real folders, and no folder is visited twice: so links
    in a circle come to an end, and a linked folder that is itself in the download keeps its place.
    """
    visited: set[tuple[int, int]] = set()
    roots = [download]
    for root in roots:  # grows by the links found on the way
        for folder, subfolders, files in os.walk(root):
            here = Path(folder)
            status = here.stat()
            if (status.st_dev, status.st_ino) in visited:
                subfolders.clear()
                continue
            visited.add((status.st_dev, status.st_ino))
            shown = sorted(name for name in subfolders if not name.startswith("."))
            roots += [here / name for name in shown if (here / name).is_symlink()]
            subfolders[:] = [name for name in shown if not (here / name).is_symlink()]
            place = here.relative_to(download).as_posix()
            yield ("" if place == "." else place), sorted(n for n in files if not n.startswith("."))


def _found(
    files: list[str],
    *,
    image_id: int | None,
    ptid: str | None,
    image_format: Format,
    download: Path,
) -> FoundImage:
    fault = None
    if image_id is None:
        fault = "no_image_id"
    elif ptid is None:
        fault = "no_subject_id"
    kept, differing = _without_copies(files, download)
    if differing:
        fault = "conflicting_copies"
    first = PurePosixPath(kept[0])
    date = _date_folder(first)
    tail = _FILE_TAIL.search(_EXTENSION.sub("", first.name))
    return FoundImage(
        image_id=image_id,
        series_id=int(tail[1]) if tail and tail[1] else None,
        ptid=ptid,
        description=_description(first),
        exam_time=date[1] if date else None,
        format=image_format,
        files=tuple(kept),
        postprocessed="_Br_" in first.name,
        fault=fault,
    )


def _without_copies(files: list[str], download: Path) -> tuple[list[str], bool]:
    """One file per name, and whether files of one name differ, as after a broken download."""
    by_name: dict[str, str] = {}
    differing = False
    for file in files:
        name = file.rpartition("/")[2]
        kept = by_name.setdefault(name, file)
        if kept != file:
            differing |= not _same(download / kept, download / file)
    return [by_name[name] for name in sorted(by_name)], differing


def _same(one: Path, other: Path) -> bool:
    """Whether two files have the same bytes; one that cannot be read, as a dead link, has not."""
    try:
        return filecmp.cmp(one, other, shallow=False)
    except OSError:
        return False


def _mark_shared_ids(images: list[FoundImage]) -> list[FoundImage]:
    """An image id found under two subjects is trusted for neither."""
    subjects = defaultdict(set)
    for image in images:
        subjects[image.image_id].add(image.ptid)
    return [
        replace(image, fault="conflicting_subjects")
        if image.fault is None and len(subjects[image.image_id]) > 1
        else image
        for image in images
    ]


def _subject_folder(folder: str) -> str | None:
    """The nearest folder named like a subject."""
    for name in reversed(PurePosixPath(folder).parts):
        if match := _PTID.fullmatch(name):
            return match[1]
    return None


def _subject_in(name: str) -> str | None:
    match = _PTID.search(name)
    return match[1] if match else None


def _date_folder(path: PurePosixPath) -> tuple[int, datetime] | None:
    """Position and time of the date folder."""
    for position, folder in enumerate(path.parent.parts):
        if match := _DATE_FOLDER.fullmatch(folder):
            try:
                return position, datetime.strptime(match[1], "%Y-%m-%d_%H_%M_%S")
            except ValueError:
                return None
    return None


def _description(path: PurePosixPath) -> str:
    """The series name: the folder above the date folder, else the middle of the file name."""
    date = _date_folder(path)
    if date and date[0] > 0:
        return path.parent.parts[date[0] - 1]
    name = _FILE_DESCRIPTION.search(path.name)
    return name[1] if name else path.parent.name
