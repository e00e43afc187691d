"""Who is in the run: from images found to scans that models read, and who the subjects are."""

from itertools import pairwise
from typing import Any

import pandas as pd

DIAGNOSES = ("CN", "MCI", "AD")
SPLITS = ("train", "validation", "test")
COUNTS = ["images", "sessions", "subjects"]


def cohort_flow(
    attrition: pd.DataFrame, excluded: pd.DataFrame, scans: pd.DataFrame
) -> pd.DataFrame:
    """What each step from the download to the models keeps and loses, by reason.

    Columns: step, reason, images, sessions, subjects. A row without a reason says what the step
    keeps; the rows before it say what it loses, the most frequent reason first.

    Args:
        attrition: the steps up to the BIDS dataset, in these columns.
        excluded: one row per scan that preprocessing lost, with `reason`.
        scans: the scans that models read.
    """
    lost = excluded.assign(reason=excluded["reason"].fillna("no reason given"))
    subjects = lost["participant_id"]
    gone = ~subjects.isin(scans["participant_id"]) & ~subjects.duplicated()
    rows = [
        _row(reason, count, int(gone[lost["reason"] == reason].sum()))
        for reason, count in _by_weight(lost["reason"])
    ]
    rows.append(_row(None, len(scans), scans["participant_id"].nunique()))
    return pd.concat([attrition, pd.DataFrame(rows)], ignore_index=True)


def faults_of(flow: pd.DataFrame) -> list[str]:
    """Steps of `cohort_flow` that do not keep and lose what they got."""
    kept = flow[flow["reason"].isna()].set_index("step")
    lost = flow[flow["reason"].notna()].groupby("step")[COUNTS].sum()
    lost = lost.reindex(kept.index, fill_value=0)
    return [
        str(step)
        for before, step in pairwise(kept.index)
        if not (kept.loc[before, COUNTS] == kept.loc[step, COUNTS] + lost.loc[step]).all()
    ]


def demographics(scans: pd.DataFrame) -> pd.DataFrame:
    """One row per split and diagnosis at the first scan, and one per split for all of it."""
    first = scans.sort_values(["participant_id", "months"]).groupby("participant_id").first()
    of_subject = scans["participant_id"].map(first["diagnosis"])
    rows = []
    for split in SPLITS:
        for diagnosis in (*DIAGNOSES, "all"):
            there = (scans["split"] == split) & ((of_subject == diagnosis) | (diagnosis == "all"))
            chosen = scans[there]
            if chosen.empty:
                continue
            subjects = first.loc[chosen["participant_id"].unique()]
            female = int((subjects["sex"] == "F").sum())
            rows.append(
                {
                    "split": split,
                    "diagnosis": diagnosis,
                    "subjects": len(subjects),
                    "scans": len(chosen),
                    "age, mean (SD)": _mean_sd(subjects["age"]),
                    "female": f"{female} ({100 * female / len(subjects):.0f} %)",
                    "follow-up, median months": chosen.groupby("participant_id")["months"]
                    .max()
                    .median(),
                    "field strength": " / ".join(
                        f"{tesla:g} T"
                        for tesla in sorted(chosen["field_strength"].dropna().unique())
                    ),
                }
            )
    return pd.DataFrame(rows)


def _row(reason: str | None, scans: int, subjects: int) -> dict[str, object]:
    return {
        "step": "preprocessed",
        "reason": reason,
        "images": scans,
        "sessions": scans,
        "subjects": subjects,
    }


def _by_weight(reasons: "pd.Series[Any]") -> list[tuple[str, int]]:
    counts = [(str(reason), int(count)) for reason, count in reasons.value_counts().items()]
    return sorted(counts, key=lambda item: (-item[1], item[0]))


def _mean_sd(ages: "pd.Series[Any]") -> str:
    spread = f" ({ages.std():.1f})" if ages.count() > 1 else ""
    return f"{ages.mean():.1f}{spread}" if ages.count() else "–"
