"""What a download holds: one `FoundImage` per image id, whatever the folder layout.

Files are grouped by the image id at the end of their names, else that of the leaf folder they are
in (see `layout`): one `S` leaf can hold several images, and the files of one image can be spread
over folders and zips. What stands where an image should, but is none (an empty folder, a format
that cannot be read, a zip that cannot be opened), is listed as well, with its fault.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from ldae.adni.images import (
    Format,
    FoundImage,
    assemble,
    distrust_shared_ids,
    in_order,
    join_path,
    split_path,
)
from ldae.adni.layout import Place, read_place, read_tail, split_ending
from ldae.imaging.storage import INSIDE, Storage
from ldae.parsing import parse_ptid

_FORMATS: dict[str, Format] = {".dcm": "DICOM", ".nii": "NIfTI", ".nii.gz": "NIfTI"}
_FIRST_GROUPS = (b"\x02\x00", b"\x08\x00")  # how a DICOM file without preamble starts


@dataclass(frozen=True)
class Inventory:
    """Everything in a download."""

    images: tuple[FoundImage, ...]  # by subject, id and place
    tables: tuple[str, ...]  # CSV files
    metadata: tuple[str, ...]  # XML files
    other: int  # files that are none of these, nor part of an image


class _Key(NamedTuple):
    """What the files of one image share."""

    image_id: int | None
    ptid: str | None
    format: Format
    folder: str  # where no id holds them together; else empty


def take_inventory(storage: Storage) -> Inventory:
    """Walk a download and group its image files; the result depends on names and bytes alone."""
    walk = _Walk(storage)
    for folder, names in storage.walk():
        walk.enter(folder)
        for name in names:
            walk.see(name)
    images = [
        assemble(
            files,
            storage=storage,
            image_id=key.image_id,
            ptid=key.ptid,
            image_format=key.format,
        )
        for key, files in _with_subjects(walk.groups()).items()
    ]
    odd = [*walk.archives, *walk.empty_folders()]
    return Inventory(
        images=in_order([*distrust_shared_ids(images), *odd]),
        tables=tuple(walk.tables),
        metadata=tuple(walk.metadata),
        other=walk.other,
    )


class _Walk:
    """What has been seen on the way through a download."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self.tables: list[str] = []
        self.metadata: list[str] = []
        self.archives: list[FoundImage] = []  # zips that cannot be entered
        self.other = 0
        self._images: dict[_Key, list[str]] = defaultdict(list)
        self._unknown: dict[_Key, list[str]] = defaultdict(list)  # perhaps images
        self._image_folders: set[str] = set()
        self._bare: dict[str, Place] = {}  # folders without a file of their own
        self._parents: set[str] = set()
        self._folder, self._place = "", Place()

    def enter(self, folder: str) -> None:
        """Go on to a folder."""
        self._folder, self._place = folder, read_place(folder)
        self._bare[folder] = self._place
        while folder and (folder := split_path(folder)[0]) not in self._parents:
            self._parents.add(folder)

    def see(self, name: str) -> None:
        """Put a file of this folder where it belongs."""
        self._bare.pop(self._folder, None)
        file = join_path(self._folder, name)
        stem, ending = split_ending(name)
        if ending in _FORMATS:
            self._add_image(self._key(stem, _FORMATS[ending]), file)
        elif ending == ".csv":
            self.tables.append(file)
        elif ending == ".xml":
            self.metadata.append(file)
        elif ending == ".zip":
            fault = "nested_archive" if INSIDE in self._folder else "unreadable_archive"
            self.archives.append(_nothing(self._folder, self._place, fault, (file,)))
        else:
            self._see_unknown(stem, file)

    def groups(self) -> dict[_Key, list[str]]:
        """The files of each image; of unknown files those that stand in the place of one."""
        groups = dict(self._images)
        for key, files in self._unknown.items():
            known = {key._replace(format=form) for form in _FORMATS.values()} & groups.keys()
            beside = key.image_id is None and key.folder in self._image_folders
            if known or beside:  # a note, or the like
                self.other += len(files)
            else:
                groups[key] = files
        return groups

    def empty_folders(self) -> Iterator[FoundImage]:
        """Folders with nothing in them where the archive puts images."""
        for folder, place in self._bare.items():
            if (place.ptid or place.is_leaf) and folder not in self._parents:
                yield _nothing(folder, place, "empty_folder", ())

    def _key(self, stem: str, image_format: Format) -> _Key:
        image_id = read_tail(stem)[1] or self._place.image_id
        ptid = self._place.ptid or parse_ptid(stem)
        return _Key(image_id, ptid, image_format, self._folder if image_id is None else "")

    def _add_image(self, key: _Key, file: str) -> None:
        self._images[key].append(file)
        self._image_folders.add(self._folder)

    def _see_unknown(self, stem: str, file: str) -> None:
        """A file of no known extension: DICOM often has none, and other formats have their own."""
        key = self._key(stem, "other")
        in_place = self._place.is_leaf or key.image_id is not None
        if (in_place or self._place.ptid) and _starts_like_dicom(self.storage, file):
            self._add_image(key._replace(format="DICOM"), file)
        elif in_place:
            self._unknown[key].append(file)
        else:
            self.other += 1


def _with_subjects(groups: Mapping[_Key, list[str]]) -> dict[_Key, list[str]]:
    """Files that name no subject, joined with those of the same image that do."""
    subjects = defaultdict(set)
    for key in groups:
        if key.image_id is not None and key.ptid:
            subjects[key.image_id].add(key.ptid)
    joined: dict[_Key, list[str]] = defaultdict(list)
    for key, files in groups.items():
        known = subjects.get(key.image_id, set()) if key.image_id is not None else set()
        unclear = key.ptid is None and len(known) == 1
        joined[key._replace(ptid=next(iter(known))) if unclear else key] += files
    return joined


def _nothing(folder: str, place: Place, fault: str, files: tuple[str, ...]) -> FoundImage:
    """What stands in the place of an image, or of many."""
    return FoundImage(
        image_id=place.image_id,
        series_id=place.series_id,
        ptid=place.ptid,
        description=place.description or "",
        exam_time=place.exam_time,
        format="other",
        folder=folder,
        files=files,
        fault=fault,
    )


def _starts_like_dicom(storage: Storage, file: str) -> bool:
    try:
        start = storage.read_start(file, 132)
    except OSError:
        return False
    return start[128:] == b"DICM" or start[:2] in _FIRST_GROUPS
