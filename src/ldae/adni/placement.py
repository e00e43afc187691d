"""To which session each T1-weighted image belongs, and which image of a session is tried first."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from ldae.adni.judgement import Judged
from ldae.adni.participants import Participant
from ldae.adni.ranking import Standing, rank
from ldae.adni.visits import Months, month_zero, months_at
from ldae.config import Selection
from ldae.parsing import roster_id


@dataclass(frozen=True, eq=False)
class Placed:
    """A T1-weighted image in its session."""

    scan: Judged
    acquired: datetime
    person: Participant
    months: Months
    rank: int | None  # 0 is tried first; None: left out
    standing: Standing | None


def place_images(
    judged: Iterable[Judged], people: Mapping[int, Participant], rule: Selection
) -> Iterator[Placed]:
    """The dated T1-weighted images by participant, session and rank, those left out at the end.

    Also images that are left out have a session: it may lose its scan by that.
    """
    by_subject: dict[str, list[Judged]] = defaultdict(list)
    for scan in judged:
        if scan.is_t1w and scan.acquired and scan.image.ptid:
            by_subject[scan.image.ptid].append(scan)
    for ptid, scans in sorted(by_subject.items()):
        person = people.get(roster_id(ptid) or 0, Participant())
        yield from _place_scans(_with_dates_of_originals(scans), person, rule)


def _place_scans(scans: list[Judged], person: Participant, rule: Selection) -> Iterator[Placed]:
    dated = [(scan, scan.acquired) for scan in scans if scan.acquired]
    first = month_zero([(acquired.date(), scan.visit) for scan, acquired in dated], person)
    sessions: dict[int, list[Placed]] = defaultdict(list)
    for scan, acquired in dated:
        months = months_at(acquired.date(), person, first_scan=first, visit=scan.visit)
        placed = Placed(scan, acquired, person, months, rank=None, standing=None)
        sessions[months.value].append(placed)
    for _, images in sorted(sessions.items()):
        candidates = {
            one.scan.as_candidate(one.acquired): one for one in images if not one.scan.exclusion
        }
        for place, (candidate, standing) in enumerate(rank(candidates, rule)):
            yield replace(candidates[candidate], rank=place, standing=standing)
        yield from (one for one in images if one.scan.exclusion)


def _with_dates_of_originals(scans: list[Judged]) -> list[Judged]:
    """Give images that the archive processed the date and visit of the original of their series id.

    So they are in its session, though their own files may know no date, or one a little off.
    """
    originals: dict[int, list[Judged]] = defaultdict(list)
    for scan in scans:
        if scan.kind == "original" and scan.series_id is not None:
            originals[scan.series_id].append(scan)
    return [
        _dated_like(scan, originals.get(scan.series_id or 0, []))
        if scan.kind == "processed"
        else scan
        for scan in scans
    ]


def _dated_like(scan: Judged, originals: list[Judged]) -> Judged:
    days = {original.acquired.date() for original in originals if original.acquired}
    if len(days) != 1:  # none known, or the series id is shared by mistake
        return scan
    original = originals[0]
    off = abs((next(iter(days)) - scan.acquired.date()).days) if scan.acquired else 0
    return replace(
        scan,
        acquired=original.acquired,
        acquired_source=original.acquired_source,
        visit=original.visit,
        flags=tuple({*scan.flags, *(("date_sources_differ",) if off > 1 else ())}),
    )
