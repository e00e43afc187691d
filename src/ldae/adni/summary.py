"""What a download holds, what it lacks, and what would come out: plain text for a terminal."""

import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator

import pandas as pd

from ldae.adni.catalog import CATALOG
from ldae.adni.images import FoundImage
from ldae.adni.layout import read_place
from ldae.adni.participants import describe_participants
from ldae.adni.plan import DownloadPlan
from ldae.imaging.storage import INSIDE
from ldae.parsing import roster_id

WIDTH = 80
EXAMPLES = 12  # reasons, problems and the like at most
CLASSES = ("CN", "MCI", "AD")
METADATA = (
    "metadata",
    "exact ages and times of scans, visit names, how many slices an image must have",
    "Download → Image Collections → your collection → Advanced Download → metadata",
)
HOW_TO_GET_ADNI = """\
How to get the data
  1. Apply for access: https://adni.loni.usc.edu/data-samples/adni-data/
  2. Images: https://ida.loni.usc.edu, ADNI, Search → Advanced Image Search:
     modality MRI, weighting T1, description MPRAGE or SPGR, Original. Add them
     to a collection; download it (DICOM or NIfTI) with its CSV and metadata.
  3. Tables: Download → Study Files: DXSUM, ADNIMERGE, PTDEMOG, MRIQC.
  4. Put all of it into one folder; zips stay as they are.
"""


def summarise(plan: DownloadPlan) -> str:
    """Everything about a download in at most 80 columns: sections of lines."""
    sections = {
        "What is there": _inventory(plan),
        "What is missing, what that costs, and where it is": _missing(plan),
        "What could not be used": _problems(plan),
        "What would come out": _outcome(plan.planned),
        "Why images are left out": _reasons(plan.planned),
        "What deserves a look (flags of scans that come out)": _flags(plan.planned),
    }
    texts = {title: "\n".join(lines) for title, lines in sections.items()}
    return "\n\n".join(f"{title}\n{text}" for title, text in texts.items() if text) + "\n"


def advise(plan: DownloadPlan) -> str:
    """What to do about a download of which nothing would come out."""
    images = plan.planned
    if images["session_id"].isna().all():
        return f"There is no T1-weighted image of a known subject here.\n\n{HOW_TO_GET_ADNI}"
    return (
        "There are T1-weighted images, but none passes: see the reasons above. Sizes\n"
        "are held against the settings (--settings, section selection).\n"
    )


def _inventory(plan: DownloadPlan) -> Iterator[str]:
    images = plan.inventory.images
    zips = {file.partition(INSIDE)[0] for file in _files(plan) if INSIDE in file}
    inside = sum(INSIDE in image.place for image in images)
    if not images:
        yield from _entry("images", "none")
    else:
        yield from _entry("images", f"{len(images):,}: {_counts(one.format for one in images)}")
        yield from _entry("folders", _counts(_layout(image) for image in images))
    if zips:
        yield from _entry("zips", f"{len(zips):,}, with {inside:,} of the images")
    years = sorted(set(plan.planned["acquired"].dropna().str[:4]))
    if years:
        yield from _entry("scanned", " to ".join(dict.fromkeys((years[0], years[-1]))))
    if any(image.ptid for image in images):
        yield from _entry("subjects", _phases(plan))
    yield from _entry("metadata", f"{len(plan.inventory.metadata):,} XML files")
    for kind in CATALOG:
        if file := plan.tables.chosen.get(kind.name):
            yield from _entry(kind.name, file)
        for older in plan.tables.passed_over.get(kind.name, ()):
            yield from _entry("", f"passed over: {older}")
    if plan.inventory.other:
        yield from _entry("other files", f"{plan.inventory.other:,}")


def _missing(plan: DownloadPlan) -> Iterator[str]:
    lacking = [
        (kind.name, kind.costs, kind.page)
        for kind in CATALOG
        if kind.name not in plan.tables.chosen and kind.page
    ]
    if not plan.inventory.metadata:
        lacking.append(METADATA)
    for name, costs, page in lacking:
        yield from _entry(name, costs)
        yield from _entry("", f"at: {page}")


def _problems(plan: DownloadPlan) -> Iterator[str]:
    for problem in plan.problems[:EXAMPLES]:
        yield from _wrapped("- ", problem)
    if rest := plan.problems[EXAMPLES:]:
        yield f"  and {len(rest):,} more"


def _outcome(planned: pd.DataFrame) -> Iterator[str]:
    scans = planned[planned["rank"] == 0]
    if scans.empty:
        yield "  nothing: no image here can be the T1-weighted scan of a session"
        return
    yield f"  {'':12}{'subjects':>10}{'scans':>10}   (one scan per session)"
    for diagnosis in CLASSES:
        yield _row(diagnosis, scans[scans["diagnosis"] == diagnosis])
    yield _row("not known", scans[scans["diagnosis"].isna()])
    yield _row("all", scans)
    yield "  A subject whose diagnosis changes counts in each class."
    yield "  Conversion may still lose some: an image is read as a whole only then."
    for column, what in {"age": "age", "sex": "sex"}.items():
        if unknown := int(scans[column].isna().sum()):
            yield f"  {unknown:,} scans are of unknown {what}."


def _row(name: str, scans: pd.DataFrame) -> str:
    return f"  {name:12}{scans['participant_id'].nunique():>10,}{len(scans):>10,}"


def _reasons(planned: pd.DataFrame) -> Iterator[str]:
    reserve = planned[planned["rank"] > 0].assign(reason="not_selected", detail=None)
    lost = pd.concat([planned[planned["reason"].notna()], reserve])
    counts = Counter(lost["reason"])
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    for reason, count in ordered[:EXAMPLES]:
        example = lost[lost["reason"] == reason].iloc[0]
        number, detail = example["image_id"], example["detail"]
        known = [
            f"I{number:.0f}" if pd.notna(number) else None,
            example["subject"] if isinstance(example["subject"], str) else None,
            example["description"] or example["place"],
            f"({detail})" if isinstance(detail, str) else None,
        ]
        yield from _wrapped(
            f"{count:>8,}  {reason:<24} ", f"such as {' '.join(word for word in known if word)}"
        )
    if rest := ordered[EXAMPLES:]:
        yield f"  {sum(count for _, count in rest):>8,}  for {len(rest)} other reasons"
    if len(reserve):
        yield "  (not_selected: another image of the session is preferred)"


def _flags(planned: pd.DataFrame) -> Iterator[str]:
    flags = planned.loc[planned["rank"] == 0, "flags"].dropna()
    counts = Counter(flag for joined in flags for flag in joined.split("|"))
    for flag, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        yield f"{count:>10,}  {flag}"


def _files(plan: DownloadPlan) -> Iterator[str]:
    yield from plan.inventory.tables
    yield from plan.inventory.metadata
    for image in plan.inventory.images:
        yield from (image.place, *image.copies)


def _layout(image: FoundImage) -> str:
    place = read_place(image.folder)
    if place.image_id is not None:
        return "I… (newer layout)"
    return "S… (older layout)" if place.series_id is not None else "other"


def _phases(plan: DownloadPlan) -> str:
    """Subjects by the phase they entered the study in."""
    people = describe_participants(plan.tables)
    phases = []
    subjects = {image.ptid for image in plan.inventory.images if image.ptid}
    for subject in subjects:
        number = roster_id(subject) or 0
        entered = people[number].entered if number in people else None
        # Numbers of five digits were given from the fourth phase on.
        phases.append(entered or ("ADNI4" if number >= 10_000 else "phase not known"))
    return f"{len(subjects):,}: {_counts(phases)}"


def _counts(kinds: Iterable[str]) -> str:
    return ", ".join(f"{count:,} {kind}" for kind, count in sorted(Counter(kinds).items()))


def _entry(name: str, text: str) -> list[str]:
    return _wrapped(f"{name:14}", text)


def _wrapped(start: str, text: str) -> list[str]:
    """Lines of at most `WIDTH`; of words that are longer, as paths can be, the end is shown."""
    indent = min(len(start) + 2, 16)
    room = WIDTH - max(indent, 20)
    words = [word if len(word) <= room else f"…{word[1 - room :]}" for word in text.split()]
    return textwrap.wrap(
        " ".join(words),
        WIDTH,
        initial_indent=f"  {start}",
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
