"""What one image is, when it was acquired, and whether it can be the scan of a session.

Steps 2 to 5 of the rule in `selection`. Dates are believed in the order of `DATE_SOURCES` (the
stamp in file names is when the archive received the image, and never used); where two sources are
more than a day apart, the image has the flag `date_sources_differ`.
"""

import logging
from dataclasses import dataclass
from datetime import datetime

from ldae.adni.image_facts import ImageFacts
from ldae.adni.images import FoundImage
from ldae.adni.ranking import Candidate
from ldae.adni.selection import Kind, judge_series, kind_by_name, normalise
from ldae.config import Selection
from ldae.imaging.headers import Header, read_header
from ldae.imaging.plausibility import Exclusion, judge_size
from ldae.imaging.storage import Storage

DATE_SOURCES = ("metadata", "image header", "date folder", "image list", "MRIQC", "MPRAGEMETA")

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Judged:
    """An image with what is known of it, and why it is left out, if it is."""

    image: FoundImage
    facts: ImageFacts
    name: str  # normalised, of the series
    kind: Kind
    exclusion: Exclusion | None
    is_t1w: bool  # of a head, or at least by its name
    header: Header | None  # read of T1-weighted images only; None also if it cannot be read
    acquired: datetime | None  # local time
    acquired_source: str | None
    visit: str | None  # its name in the archive's records
    flags: tuple[str, ...]

    @property
    def series_id(self) -> int | None:
        """The acquisition it is of, or was made from."""
        return self.image.series_id or self.facts.series_id

    @property
    def tesla(self) -> float | None:
        """Field strength as listed, else as the scanner says."""
        return self.facts.tesla or (self.header.tesla if self.header else None)

    @property
    def manufacturer(self) -> str | None:
        """Of the scanner, as listed, else as it says."""
        return self.facts.manufacturer or (self.header.manufacturer if self.header else None)

    def as_candidate(self, acquired: datetime) -> Candidate:
        """What its rank in a session depends on."""
        return Candidate(
            image=self.image,
            name=self.name,
            kind=self.kind,
            day=acquired.date(),
            tesla=self.tesla,
            quality=self.facts.quality,
            selected=self.facts.selected,
            series_number=self.header.series_number if self.header else 0,
        )


def judge_image(
    image: FoundImage, facts: ImageFacts, *, storage: Storage, rule: Selection
) -> Judged:
    """Judge one image by its names, by what `facts` say of it and by its first file's header."""
    name = normalise(facts.description or image.description)
    fault = Exclusion(image.fault, image.detail) if image.fault else judge_series(name)
    header = None
    if fault is None and image.format != "other":
        header = read_header(storage, image.files, image.format)
    acquired, source, differ = _date(image, facts, header)
    exclusion = fault or _implausible(image, facts, header, rule) or _failed(facts, rule)
    if exclusion is None and acquired is None:
        exclusion = Exclusion("no_acquisition_date")
    return Judged(
        image=image,
        facts=facts,
        name=name,
        kind=facts.kind or kind_by_name(name, postprocessed=image.postprocessed),
        exclusion=exclusion,
        is_t1w=fault is None,
        header=header,
        acquired=acquired,
        acquired_source=source,
        visit=facts.visit,
        flags=("date_sources_differ",) if differ else (),
    )


def _implausible(
    image: FoundImage, facts: ImageFacts, header: Header | None, rule: Selection
) -> Exclusion | None:
    """Why the image cannot be of a head; of one that is not whole, conversion says."""
    if header is None:
        return None
    expected = facts.slices if image.format == "DICOM" else None
    if expected is not None and len(header.shape) > 2 and header.shape[2] < expected:
        return None
    return judge_size(header.shape, header.spacing_mm, rule)


def _failed(facts: ImageFacts, rule: Selection) -> Exclusion | None:
    if facts.quality == "fail" and rule.archive_quality == "require":
        return Exclusion("failed_archive_quality", f"by {facts.quality_source}")
    return None


def _date(
    image: FoundImage, facts: ImageFacts, header: Header | None
) -> tuple[datetime | None, str | None, bool]:
    """When the image was acquired, who says so, and whether another source says otherwise."""
    told = {
        **facts.dates,
        "image header": header.acquired if header else None,
        "date folder": image.exam_time,
    }
    dates = [(date, source) for source in DATE_SOURCES if (date := told.get(source))]
    if not dates:
        return None, None, False
    days = [date.date() for date, _ in dates]
    differ = (max(days) - min(days)).days > 1
    if differ:
        said = ", ".join(f"{date:%Y-%m-%d} by its {source}" for date, source in dates)
        log.info("I%s: acquired %s; the first is used", image.image_id, said)
    return *dates[0], differ
