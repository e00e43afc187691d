"""The cohort's flow as a figure: a column of what is kept, and beside it what is lost, and why."""

from collections.abc import Iterator
from html import escape

import pandas as pd

from ldae.report.cohort_flow import SPLITS

NAMES = {
    "found": "images in the download",
    "identified": "images of a known subject",
    "t1w": "T1-weighted images",
    "plausible": "plausible as heads",
    "placed": "placed in a session",
    "selected": "chosen for their session",
    "converted": "scans in BIDS",
    "preprocessed": "scans that models read",
}
ALWAYS = {"found", "converted", "preprocessed"}  # other steps are drawn where they lose something
REASONS = 8  # at most per step; the rest is summed up
LETTERS = 58
WIDTH, LEFT, BOX, TALL, GAP, LINE = 760, 10, 300, 46, 30, 16


def draw_flow(flow: pd.DataFrame, scans: pd.DataFrame) -> str:
    """An SVG of `cohort_flow`, with the sides of the split below.

    Args:
        flow: what each step keeps and loses.
        scans: the scans that models read, with `split`.
    """
    parts: list[str] = []
    top = LEFT
    for step, part in flow.groupby("step", sort=False):
        kept = part[part["reason"].isna()].iloc[0]
        losses = list(_losses(part[part["reason"].notna()]))
        if step not in ALWAYS and not losses:
            continue
        if parts:
            top += TALL
            height = max(GAP, LINE * len(losses) + 14)
            parts += _arrow(top, height)
            parts += _beside(top, height, losses)
            top += height
        parts += _box(LEFT, top, BOX, f"{kept['images']:,} {NAMES.get(str(step), str(step))}",
                      _people(kept["sessions"], kept["subjects"]))  # fmt: skip
    top += TALL
    width = (BOX * 2 - 2 * LEFT) // len(SPLITS)
    parts += _arrow(top, GAP)
    for place, split in enumerate(SPLITS):
        there = scans[scans["split"] == split]
        subjects = _count(there["participant_id"].nunique(), "subject")
        x = LEFT + place * (width + LEFT)
        parts += _box(x, top + GAP, width, f"{len(there):,} in {split}", subjects)
    height = top + GAP + TALL + LEFT
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}"'
        f' height="{height}" font-family="Helvetica, Arial, sans-serif" font-size="12">\n'
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _losses(lost: pd.DataFrame) -> Iterator[str]:
    rows = list(zip(lost["images"], lost["reason"], strict=True))
    for images, reason in rows[:REASONS]:
        words = str(reason).replace("_", " ").replace(":", ": ")
        yield f"\u2212{images:,} {words if len(words) <= LETTERS else words[: LETTERS - 1] + '…'}"
    if rest := rows[REASONS:]:
        yield f"\u2212{sum(images for images, _ in rest):,} for {len(rest)} other reasons"


def _people(sessions: int, subjects: int) -> str:
    of_sessions = f"{_count(sessions, 'session')}, " if sessions else ""
    return of_sessions + _count(subjects, "subject")


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _box(x: float, y: float, width: float, first: str, second: str) -> list[str]:
    return [
        f'<rect x="{x}" y="{y}" width="{width}" height="{TALL}" rx="6" fill="#e6edfc"'
        ' stroke="#2456c9"/>',
        f'<text x="{x + 10}" y="{y + 19}" font-weight="bold" fill="#1b2330">{escape(first)}</text>',
        f'<text x="{x + 10}" y="{y + 36}" fill="#5a6576">{escape(second)}</text>',
    ]


def _arrow(y: float, height: float) -> list[str]:
    x, end = LEFT + BOX / 2, y + height
    return [
        f'<path d="M{x},{y}V{end - 6}" fill="none" stroke="#5a6576"/>',
        f'<path d="M{x - 4},{end - 7}h8l-4,7z" fill="#5a6576"/>',
    ]


def _beside(y: float, height: float, losses: list[str]) -> list[str]:
    if not losses:
        return []
    x, middle = LEFT + BOX / 2, y + height / 2
    first = middle - LINE * len(losses) / 2 + 12
    return [
        f'<path d="M{x},{middle}H{LEFT + BOX + 10}" fill="none" stroke="#5a6576"/>',
        *[
            f'<text x="{LEFT + BOX + 18}" y="{first + LINE * place}" fill="#1b2330">'
            f"{escape(loss)}</text>"
            for place, loss in enumerate(losses)
        ],
    ]
