"""The archive's metadata: one XML file per image, the nearest witness of what the image is.

An original image is described under `imagingProtocol`, one that the archive made from it under
`derivedProduct`, with the protocol of the original under `originalRelatedImage`. Elements are known
by their names and those around them; order and number vary. The files are untrusted: entities are
refused, and so are files too large, too deep, or about several images.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from ldae.imaging.storage import Storage, StorageError
from ldae.parsing import (
    known,
    parse_datetime,
    parse_int,
    parse_manufacturer,
    parse_ptid,
    parse_sex,
    parse_tesla,
    parse_years,
)

_MAX_BYTES = 4_000_000  # of a file; real ones have some 10,000
_MAX_DEPTH = 64  # of elements; real ones have 9
_MAX_TEXT = 1000  # characters of one element; the longest that matters has some 100
_ADVICE = "download the metadata again"


log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Metadata:
    """What the archive says of one image; None where it says nothing."""

    subject: str | None = None  # 002_S_0295
    description: str | None = None  # of the series, or of how the image was made
    kind: Literal["original", "processed"] | None = None
    acquired: datetime | None = None  # local time
    visit: str | None = None  # in words: ADNI3 Initial Visit-Cont Pt
    age: float | None = None  # years at the scan
    sex: str | None = None  # F, M
    group: str | None = None  # diagnosis at enrolment
    slices: int | None = None  # of a sagittal 3D acquisition, as uploaded
    tesla: float | None = None
    manufacturer: str | None = None
    series_id: int | None = None


@dataclass(frozen=True)
class MetadataIndex(Mapping[int, Metadata]):
    """Metadata by image id, and the files that could not be used."""

    images: Mapping[int, Metadata] = field(default_factory=dict)
    problems: tuple[str, ...] = ()  # file, why, what to do

    def __getitem__(self, image_id: int) -> Metadata:
        return self.images[image_id]

    def __iter__(self) -> Iterator[int]:
        return iter(self.images)

    def __len__(self) -> int:
        return len(self.images)


class _RefusedError(Exception):
    """Why a file describes no image."""


def read_metadata(storage: Storage, files: Iterable[str]) -> MetadataIndex:
    """Read the archive's XML files; of two that differ on an image, the first by name counts."""
    images: dict[int, Metadata] = {}
    refused: dict[str, list[str]] = defaultdict(list)
    for file in sorted(set(files)):
        try:
            image_id, image = _read_image(storage, file)
        except _RefusedError as reason:
            refused[str(reason)].append(file)
            continue
        if images.setdefault(image_id, image) != image:
            refused[f"another file says otherwise of its image; {_ADVICE}"].append(file)
    problems = [
        files[0] + (f" and {len(files) - 1} more" if len(files) > 1 else "") + f": {reason}"
        for reason, files in refused.items()
    ]
    log.info("metadata: %d images", len(images))
    for problem in problems:
        log.warning("%s", problem)
    return MetadataIndex(images, tuple(problems))


class _Description:
    """Target of the parser: the text of each element, by its name and that around it."""

    def __init__(self) -> None:
        self.texts: dict[tuple[str, str], list[str]] = defaultdict(list)
        self.terms: dict[str, str] = {}  # of the imaging protocol
        self._open: list[str] = ["", ""]
        self._text: list[str] = []
        self._term: str | None = None

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if len(self._open) > _MAX_DEPTH:
            raise _RefusedError(f"its elements are nested too deeply; {_ADVICE}")
        self._open.append(tag.rpartition("}")[2])
        self._text.clear()
        self._term = attributes.get("term")

    def data(self, text: str) -> None:
        self._text.append(text)

    def end(self, _tag: str) -> None:
        tag = self._open.pop()
        text = known("".join(self._text))
        if text and len(text) <= _MAX_TEXT:
            if tag == "protocol" and self._term:
                self.terms.setdefault(self._term.lower(), text)
            else:
                self.texts[self._open[-1], tag].append(text)
        self._text.clear()

    def close(self) -> None:
        """Nothing is left to do."""

    def first(self, around: str, tag: str) -> str | None:
        """The text of the first such element within another."""
        return next(iter(self.texts.get((around, tag), [])), None)

    def ids(self, around: str, tag: str) -> list[int]:
        """The different numbers that such elements hold, in their order."""
        numbers = map(parse_int, self.texts.get((around, tag), []))
        return list(dict.fromkeys(number for number in numbers if number is not None))


def _read_image(storage: Storage, file: str) -> tuple[int, Metadata]:
    target = _Description()
    parser = DefusedXMLParser(target=target)
    try:
        if storage.size(file) > _MAX_BYTES:
            raise _RefusedError(f"larger than {_MAX_BYTES / 1e6:g} MB; {_ADVICE}")
        with storage.open(file) as content:
            parser.feed(content.read(_MAX_BYTES))
        parser.close()
    except DefusedXmlException:
        raise _RefusedError(
            "declares entities, as no file of the archive does; remove it"
        ) from None
    except (ParseError, ValueError, LookupError) as error:
        raise _RefusedError(f"no XML ({error}); {_ADVICE}") from None
    except StorageError as error:
        why = error.detail.removeprefix(f"{file}: ")
        raise _RefusedError(f"cannot be read ({why}); {_ADVICE}") from None
    return _describe(target)


def _describe(found: _Description) -> tuple[int, Metadata]:
    originals = found.ids("imagingProtocol", "imageUID")
    derived = found.ids("derivedProduct", "imageUID")
    ids = derived or originals
    if len(ids) != 1:
        raise _RefusedError(
            "describes several images" if ids else "describes no image of the archive"
        )
    terms = found.terms
    sagittal_3d = (
        "3d" in terms.get("acquisition type", "3D").lower()
        and "sagittal" in terms.get("acquisition plane", "sagittal").lower()
    )
    slices = None if derived or not sagittal_3d else parse_int(terms.get("matrix z"))
    in_years = (found.first("study", "ageQualifier") or "Y").upper().startswith("Y")
    return ids[0], Metadata(
        subject=parse_ptid(found.first("subject", "subjectIdentifier")),
        description=(
            found.first("derivedProduct", "processedDataLabel")
            if derived
            else found.first("imagingProtocol", "description")
        ),
        kind="processed" if derived else "original",
        acquired=parse_datetime(found.first("series", "dateAcquired")),
        visit=found.first("visit", "visitIdentifier"),
        age=parse_years(found.first("study", "subjectAge")) if in_years else None,
        sex=parse_sex(found.first("subject", "subjectSex")),
        group=found.first("subject", "researchGroup"),
        slices=slices if slices and slices > 1 else None,
        tesla=parse_tesla(terms.get("field strength")),
        manufacturer=parse_manufacturer(terms.get("manufacturer")),
        series_id=parse_int(found.first("series", "seriesIdentifier")),
    )
