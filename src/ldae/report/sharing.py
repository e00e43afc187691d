"""What may leave the house: tables about groups, no name of a person, no path of a machine."""

import base64
import os
import re
from collections.abc import Iterable
from typing import Any

import pandas as pd

LEAST_SUBJECTS = 5  # fewer make a row about persons; a common limit of summary statistics
# Tables known to hold means over subjects; what is not named here stays in the house.
GROUP_TABLES = {
    "paper", "reconstruction", "models", "representation", "representation_by_time",
    "downstream", "downstream_by_group", "downstream_compared",
    "interpolation", "manipulation", "manipulation_audits", "variation",
    "generation", "throughput",
}  # fmt: skip
LEFT_OUT = "left out"
DESCRIBED = ("age, mean (SD)", "female", "follow-up, median months", "field strength")
LABELS = re.compile(r"(?:sub|ses)-[A-Za-z0-9]+")
WORDS = re.compile(r"[A-Za-z0-9]+")
TEXT = re.compile(r"data:(?:text|image/svg)[^,\"]*;base64,([A-Za-z0-9+/=]+)")
BITMAPS = re.compile(r"data:image/(?!svg)[\w.+-]*")
LETTERS = 6


def group_rows(frame: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """The rows about enough subjects, and a sentence about the others (empty: there are none)."""
    if "n_subjects" not in frame:
        return frame, ""
    few = frame["n_subjects"].fillna(0) < LEAST_SUBJECTS
    if not few.any():
        return frame, ""
    said = f"{few.sum()} of {len(frame)} rows are about fewer than {LEAST_SUBJECTS} subjects"
    return frame[~few].reset_index(drop=True), f"{LEFT_OUT} of this build: {said}"


def group_demographics(rows: pd.DataFrame) -> pd.DataFrame:
    """The counts of every group; its description only where it is about enough subjects."""
    few = rows["subjects"] < LEAST_SUBJECTS
    described = [name for name in DESCRIBED if name in rows]
    shown = rows.astype({name: "object" for name in described})
    shown.loc[few, described] = f"{LEFT_OUT}: few"
    return shown


def without_small_groups(comparison: pd.DataFrame, subjects: "pd.Series[float]") -> pd.DataFrame:
    """The comparison with the paper, without this run's numbers about few `subjects`."""
    few = subjects.fillna(LEAST_SUBJECTS) < LEAST_SUBJECTS
    shown = comparison.copy()
    shown.loc[few, ["this_run", "low", "high"]] = float("nan")
    shown.loc[few, "verdict"] = "not computed"
    shown.loc[few, "cause"] = f"{LEFT_OUT} of this build, as about too few subjects"
    return shown


def without_paths(value: Any) -> Any:
    """Settings, nested, with every path of this machine replaced by words."""
    if isinstance(value, dict):
        return {name: without_paths(each) for name, each in value.items()}
    if isinstance(value, list):
        return [without_paths(each) for each in value]
    if isinstance(value, str) and (os.sep in value or value.startswith("~")):
        return "(a folder, not told in this build)"
    return value


def individual_marks(page: str, labels: Iterable[str]) -> list[str]:
    """What in a page tells of single persons: `labels` of subjects and sessions, bitmaps.

    Embedded tables and drawings are read too. Labels count without their prefix as well where they
    are long enough not to be a word or a number of another sense.
    """
    text = "\n".join([TEXT.sub("", page), *_embedded(page)])
    known = set(labels)
    bare = {name.partition("-")[2] for name in known}
    found = known & set(LABELS.findall(text))
    found |= {name for name in bare if len(name) >= LETTERS} & set(WORDS.findall(text))
    return [*sorted(found), *BITMAPS.findall(page)]


def _embedded(page: str) -> list[str]:
    return [base64.b64decode(part).decode("utf-8", "replace") for part in TEXT.findall(page)]
