"""One image of a download: its files, where else they are, and whether they can be trusted."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from ldae.adni.layout import description_in, read_place, read_tail, split_ending
from ldae.imaging.storage import INSIDE, Storage
from ldae.parsing import parse_ptid

Format = Literal["DICOM", "NIfTI", "other"]


@dataclass(frozen=True, eq=False, slots=True)
class FoundImage:
    """The files of one image, in the spelling of `Storage` and in order of their names."""

    image_id: int | None
    series_id: int | None
    ptid: str | None  # the archive's subject id, 002_S_0295
    description: str  # of the series, as folder and file names spell it
    exam_time: datetime | None  # local wall time of the date folder
    format: Format
    folder: str  # of the first file, or the empty one
    files: tuple[str, ...]
    postprocessed: bool = False  # file names say that the archive processed the image
    copies: tuple[str, ...] = ()  # other folders with the same bytes
    fault: str | None = None  # why the image cannot be used, whatever it shows
    detail: str | None = None  # more on the fault

    @property
    def place(self) -> str:
        """What identifies the image: its first file, or the empty folder."""
        return self.files[0] if self.files else self.folder


def assemble(
    files: Sequence[str],
    *,
    storage: Storage,
    image_id: int | None,
    ptid: str | None,
    image_format: Format,
) -> FoundImage:
    """The image that consists of `files`, which may be several times in the download."""
    kept, copies, conflict = _without_copies(files, storage)
    folder, name = split_path(kept[0])
    place = read_place(folder)
    image = FoundImage(
        image_id=image_id,
        series_id=read_tail(split_ending(name)[0])[0] or place.series_id,
        ptid=ptid,
        description=description_in(name) or place.description or split_path(folder)[1],
        exam_time=place.exam_time,
        format=image_format,
        folder=folder,
        files=tuple(kept),
        postprocessed="_Br_" in name,
        copies=tuple(sorted(copies - {folder})),
    )
    named = {subject for file in kept if (subject := parse_ptid(split_path(file)[1]))} - {ptid}
    if conflict:
        return replace(image, fault="conflicting_copies", detail=conflict)
    if image_format == "other":
        endings = sorted({split_ending(split_path(file)[1])[1] for file in kept})
        detail = ", ".join(ending or "no extension" for ending in endings)
        return replace(image, fault="unknown_format", detail=detail)
    if image_id is None:
        return replace(image, fault="no_image_id")
    if ptid is None:
        return replace(image, fault="no_subject_id")
    if named:
        detail = f"in a folder of {ptid}, file names say {', '.join(sorted(named))}"
        return replace(image, fault="conflicting_subjects", detail=detail)
    return image


def distrust_shared_ids(images: Iterable[FoundImage]) -> list[FoundImage]:
    """Mark images whose id is found under two subjects: it is trusted for neither."""
    images = list(images)
    subjects = defaultdict(set)
    for image in images:
        if image.image_id is not None and image.files:
            subjects[image.image_id].add(image.ptid)
    marked = []
    for image in images:
        others = subjects[image.image_id] - {image.ptid} if image.image_id is not None else set()
        if others and image.fault is None:
            detail = f"also found under {', '.join(sorted(map(str, others)))}"
            marked.append(replace(image, fault="conflicting_subjects", detail=detail))
        else:
            marked.append(image)
    return marked


def in_order(images: Iterable[FoundImage]) -> tuple[FoundImage, ...]:
    """Images by subject, id and place."""
    return tuple(sorted(images, key=lambda one: (one.ptid or "", one.image_id or 0, one.place)))


def join_path(folder: str, name: str) -> str:
    """The file `name` of a folder, in the spelling of `Storage`."""
    return f"{folder}/{name}" if folder and not folder.endswith(INSIDE) else f"{folder}{name}"


def split_path(path: str) -> tuple[str, str]:
    """Folder and name of a file or folder, in the spelling of `Storage`."""
    slash, inside = path.rfind("/"), path.removesuffix(INSIDE).rfind(INSIDE)
    if inside > slash:
        return path[: inside + len(INSIDE)], path[inside + len(INSIDE) :]
    return path[: max(slash, 0)], path[slash + 1 :]


def _without_copies(files: Sequence[str], storage: Storage) -> tuple[list[str], set[str], str]:
    """One file per name, the folders of their copies, and a pair that differs.

    Files of one name differ after a broken download; which of them is whole, nobody knows. Unpacked
    files are kept before those in zips: they are quicker to read, and a checksum vouches for them.
    """
    by_name: dict[str, str] = {}
    copies: set[str] = set()
    conflict = ""
    for file in sorted(files, key=lambda file: INSIDE in file):
        folder, name = split_path(file)
        kept = by_name.setdefault(name, file)
        if kept == file:
            continue
        if storage.same(kept, file):
            copies |= {folder, split_path(kept)[0]}
        else:
            conflict = conflict or f"{kept} and {file} differ"
    return [by_name[name] for name in sorted(by_name)], copies, conflict
