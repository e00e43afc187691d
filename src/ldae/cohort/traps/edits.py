"""Ways in which tables and lists differ from what happened."""

from collections.abc import Callable, Sequence
from datetime import date, timedelta

from ldae.cohort.exam import Series
from ldae.cohort.papers import METADATA, Papers
from ldae.cohort.study_tables import Row
from ldae.cohort.traps.trap import Edit


def without(*tables: str) -> Edit:
    """The participant is not in these tables."""

    def edit(papers: Papers, _: Sequence[Series]) -> None:
        for table in tables:
            papers[table] = []

    return edit


def unlisted(papers: Papers, _: Sequence[Series]) -> None:
    """No list, table or document knows the participant's images."""
    for table in ("COLLECTION_2026", "SEARCH", "MRIQC", METADATA):
        papers[table] = []


def only(*tables: str) -> Edit:
    """The participant is in no other table."""

    def edit(papers: Papers, _: Sequence[Series]) -> None:
        for table in papers.keys() - set(tables):
            papers[table] = []

    return edit


def cells(table: str, row: int, **values: object) -> Edit:
    """One row, of the visit or image of this number, has other values."""

    def edit(papers: Papers, _: Sequence[Series]) -> None:
        papers[table][row] = papers[table][row] | values

    return edit


def every_row(table: str, **values: object) -> Edit:
    """All rows have other values."""

    def edit(papers: Papers, _: Sequence[Series]) -> None:
        papers[table] = [row | values for row in papers[table]]

    return edit


def each_row(table: str, change: Callable[[Row], Row]) -> Edit:
    """All rows have other values, which depend on the row."""

    def edit(papers: Papers, _: Sequence[Series]) -> None:
        papers[table] = [row | change(row) for row in papers[table]]

    return edit


def without_row(row: int, *tables: str) -> Edit:
    """A visit or image is missing from these tables."""

    def edit(papers: Papers, _: Sequence[Series]) -> None:
        for table in tables:
            del papers[table][row]

    return edit


def exam_later(row: int, *, days: int) -> Edit:
    """The exam of a visit was that many days after its scan, in all tables."""

    def edit(papers: Papers, images: Sequence[Series]) -> None:
        visit = images[0].subject.visits[row]
        for table in ("ADNIMERGE", "DXSUM", "DXSUM_2025", "REGISTRY"):
            exam = visit.scan_date + timedelta(days=days)
            papers[table][row] = papers[table][row] | {"EXAMDATE": exam.isoformat()}

    return edit


def exam_dates_as(table: str, spellings: Sequence[str]) -> Edit:
    """Each row spells its date in another way."""

    def edit(papers: Papers, _: Sequence[Series]) -> None:
        for row, spelling in zip(papers[table], spellings, strict=True):
            exam = date.fromisoformat(str(row["EXAMDATE"]))
            row["EXAMDATE"] = f"{exam:{spelling}}"

    return edit


def listed_in(table: str, tell: Callable[[Series], Row]) -> Edit:
    """The participant's images are in this table, too."""

    def edit(papers: Papers, images: Sequence[Series]) -> None:
        papers[table] = [tell(series) for series in images]

    return edit


def retired_image_in(table: str, **ids: object) -> Edit:
    """The table knows an image, too, that the archive has withdrawn."""

    def edit(papers: Papers, _: Sequence[Series]) -> None:
        papers[table].append(papers[table][-1] | ids)

    return edit


def header_repeated(table: str) -> Edit:
    """The table was put together from two: the header stands in the middle, too."""

    def edit(papers: Papers, _: Sequence[Series]) -> None:
        papers[table].append({name: name for name in papers[table][0]})

    return edit
