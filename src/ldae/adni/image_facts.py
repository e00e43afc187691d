"""What tables and metadata say of each image, gathered by its id.

Of several witnesses the nearest to the image is believed: its own metadata, then the archive's
lists of images, then the study's quality control (MRIQC), then a retired list (MPRAGEMETA). Ages
and dates are kept by witness, for how far each is believed depends on more. Ratings are kept
strictly: one that failed an image outweighs others that passed it.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, Literal, TypeVar

from ldae.adni.csv_table import Row
from ldae.adni.metadata import Metadata
from ldae.adni.participants import parse_group
from ldae.adni.tables import StudyTables
from ldae.parsing import (
    parse_datetime,
    parse_flag,
    parse_int,
    parse_manufacturer,
    parse_ptid,
    parse_sex,
    parse_tesla,
    parse_years,
)

Kind = Literal["original", "processed"]
Quality = Literal["pass", "fail"]
T = TypeVar("T")

# Visits are words in a search and may be mere numbers in a collection.
_LISTS = ("search", "images", "collection")
# What ratings mean; others say nothing.
_GRADES: dict[int | None, Quality] = {1: "pass", 2: "pass", 3: "pass", 4: "fail"}
_PASSES: dict[int | None, Quality] = {0: "fail", 1: "pass", 2: "fail", 3: "fail", 4: "fail"}

# Tables of quality control, with their columns of the id, the rating, and the preference.
_IMAGE_RATINGS = (
    ("MAYO_QC", "loni_image", "series_quality", "series_selected"),
    ("MAYO_QC_ADNI3", "LONI_IMAGE", "SERIES_QUALITY", "SERIES_SELECTED"),
    ("MRIQC", "image_id", "SeriesQC", ""),
)


@dataclass(frozen=True)
class ImageFacts:
    """What is known of one image before its files are opened; all of it may be missing."""

    subject: str | None = None  # 002_S_0295
    series_id: int | None = None
    description: str | None = None  # of the series, as the archive spells it
    kind: Kind | None = None
    visit: str | None = None  # as its witness spells it: words, a code, or a number
    sex: str | None = None  # F, M
    group: str | None = None  # of enrolment: CN, SMC, EMCI, LMCI, MCI, AD
    tesla: float | None = None
    manufacturer: str | None = None
    slices: int | None = None  # how many there must be
    slices_source: str | None = None
    quality: Quality | None = None  # by the archive's control; None: not rated
    quality_source: str | None = None
    selected: bool | None = None  # preferred in its exam by the archive's control
    ages: Mapping[str, float] = field(default_factory=dict)  # years at the scan, by witness
    dates: Mapping[str, datetime] = field(default_factory=dict)  # of the scan, by witness


_PLAIN = [entry.name for entry in fields(ImageFacts) if entry.name not in {"ages", "dates"}]
_BY_STRICTNESS = {"quality", "quality_source"}


@dataclass(frozen=True, eq=False)
class FactIndex(Mapping[int, ImageFacts]):
    """Facts by image id, put together when asked for."""

    metadata: Mapping[int, Metadata]
    lists: Mapping[int, list[Row]]
    mriqc: Mapping[int, list[Row]]
    mpragemeta: Mapping[int, list[Row]]
    ratings: Mapping[int, list[ImageFacts]]
    series_ratings: Mapping[int, list[ImageFacts]]  # by series id

    def of(self, image_id: int | None, series_id: int | None = None) -> ImageFacts:
        """What is known of an image, also through the series it belongs to; empty if nothing."""
        witnesses = [] if image_id is None else self._witnesses(image_id)
        series_id = series_id or next((one.series_id for one in witnesses if one.series_id), None)
        if series_id is not None:
            witnesses += self.series_ratings.get(series_id, [])
        return _merge(witnesses)

    def __getitem__(self, image_id: int) -> ImageFacts:
        if image_id not in self:
            raise KeyError(image_id)
        return self.of(image_id)

    def __contains__(self, image_id: object) -> bool:
        return any(image_id in known for known in self._by_image())

    def __iter__(self) -> Iterator[int]:
        return iter(sorted({image_id for known in self._by_image() for image_id in known}))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _by_image(self) -> tuple[Mapping[int, object], ...]:
        return self.metadata, self.lists, self.mriqc, self.mpragemeta, self.ratings

    def _witnesses(self, image_id: int) -> list[ImageFacts]:
        metadata = self.metadata.get(image_id)
        return [
            *([_from_metadata(metadata)] if metadata else []),
            *map(_from_list, self.lists.get(image_id, [])),
            *map(_from_mriqc, self.mriqc.get(image_id, [])),
            *map(_from_mpragemeta, self.mpragemeta.get(image_id, [])),
            *self.ratings.get(image_id, []),
        ]


def gather_facts(tables: StudyTables, metadata: Mapping[int, Metadata]) -> FactIndex:
    """Index what is said of images by their ids."""
    lists = sorted(tables["IMAGE_LIST"], key=lambda row: _LISTS.index(row["list"] or "images"))
    ratings: dict[int, list[ImageFacts]] = defaultdict(list)
    for table, number, rating, preferred in _IMAGE_RATINGS:
        for image_id, rows in _by_id(tables[table], number).items():
            for row in rows:
                quality = _GRADES.get(parse_int(row[rating]))
                selected = parse_flag(row.get(preferred))
                if quality or selected is not None:
                    ratings[image_id].append(_rated(table, quality, selected))
    series_ratings = {
        series_id: [_rated("MRIQUALITY", _PASSES.get(parse_int(row["PASS"]))) for row in rows]
        for series_id, rows in _by_id(tables["MRIQUALITY"], "LONIUID").items()
    }
    return FactIndex(
        metadata=metadata,
        lists=_by_id(lists, "image_id"),
        mriqc=_by_id(tables["MRIQC"], "image_id"),
        mpragemeta=_by_id(tables["MPRAGEMETA"], "image_id"),
        ratings=dict(ratings),
        series_ratings=series_ratings,
    )


def _by_id(rows: Iterable[Row], column: str) -> dict[int, list[Row]]:
    grouped: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        number = parse_int(row[column])
        if number is not None:
            grouped[number].append(row)
    return dict(grouped)


def _merge(witnesses: Sequence[ImageFacts]) -> ImageFacts:
    """The first word on everything, but the strictest on quality."""
    if len(witnesses) == 1:
        return witnesses[0]
    strictest = sorted(witnesses, key=lambda one: one.quality != "fail")
    first: dict[str, Any] = {}
    for name in _PLAIN:
        for one in strictest if name in _BY_STRICTNESS else witnesses:
            if (value := getattr(one, name)) is not None:
                first[name] = value
                break
    ages: dict[str, float] = {}
    dates: dict[str, datetime] = {}
    for one in reversed(witnesses):
        ages.update(one.ages)
        dates.update(one.dates)
    return ImageFacts(**first, ages=ages, dates=dates)


def _from_metadata(image: Metadata) -> ImageFacts:
    return ImageFacts(
        subject=image.subject,
        series_id=image.series_id,
        description=image.description,
        kind=image.kind,
        visit=image.visit,
        sex=image.sex,
        group=parse_group(image.group),
        tesla=image.tesla,
        manufacturer=image.manufacturer,
        slices=image.slices,
        slices_source="metadata" if image.slices else None,
        ages=_stated("metadata", image.age),
        dates=_stated("metadata", image.acquired),
    )


def _from_list(row: Row) -> ImageFacts:
    age = parse_years(row["age"]) if row["list"] in {"search", "collection"} else None
    return ImageFacts(
        subject=parse_ptid(row["subject"]),
        series_id=parse_int(row["series_id"]),
        description=row["description"],
        kind=_kind(row["type"]),
        visit=row["visit"],
        sex=parse_sex(row["sex"]),
        tesla=parse_tesla(row["tesla"]),
        manufacturer=parse_manufacturer(row["manufacturer"]),
        ages=_stated(f"{row['list']} list", age),
        dates=_stated("image list", parse_datetime(row["date"])),
    )


def _from_mriqc(row: Row) -> ImageFacts:
    slices = parse_int(row["SlicesPerVolume"])
    return ImageFacts(
        subject=parse_ptid(row["PTID"]),
        series_id=parse_int(row["LONISeries"]),
        description=row["SeriesDescription"],
        visit=row["VISCODE2"],
        tesla=parse_tesla(row["MagneticFieldStrength"]),
        manufacturer=parse_manufacturer(row["ScannerManufacturer"]),
        slices=slices if slices and slices > 1 else None,
        slices_source="MRIQC" if slices and slices > 1 else None,
        dates=_stated("MRIQC", parse_datetime(row["StudyDate"])),
    )


def _from_mpragemeta(row: Row) -> ImageFacts:
    return ImageFacts(
        subject=parse_ptid(row["subject"]),
        series_id=parse_int(row["series_id"]),
        description=row["sequence"],
        kind=_kind(row["kind"]),
        visit=row["visit"],
        tesla=parse_tesla(row["tesla"]),
        dates=_stated("MPRAGEMETA", parse_datetime(row["date"])),
    )


def _rated(table: str, quality: Quality | None, selected: bool | None = None) -> ImageFacts:
    return ImageFacts(quality=quality, quality_source=table if quality else None, selected=selected)


def _kind(text: str | None) -> Kind | None:
    """Original, or one of Processed, Pre-processed, Post-processed."""
    if text is None:
        return None
    return "original" if text.lower() == "original" else "processed"


def _stated(witness: str, value: T | None) -> dict[str, T]:
    return {} if value is None else {witness: value}
