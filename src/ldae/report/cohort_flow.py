"""Who is in the run: from images found to scans that models read, and who the subjects are."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

DIAGNOSES = ("CN", "MCI", "AD")
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Step:
    """One stop of the flow, with what was lost before it, by reason, the most frequent first."""

    name: str
    scans: int
    subjects: int | None
    lost: tuple[tuple[str, int], ...]
    adds_up: bool


def attrition(
    images: pd.DataFrame, ingested: pd.DataFrame, excluded: pd.DataFrame, scans: pd.DataFrame
) -> list[Step]:
    """From images found through BIDS to what models read and each split, with every loss's reason.

    `images` has a row per image, `excluded` one per lost scan, both with `reason`; used: no reason.
    """
    unused = _reasons(images["reason"].dropna())
    failed = _reasons(excluded["reason"].fillna("no reason given"))
    kept = len(images) - sum(count for _, count in unused)
    passed = len(ingested) - sum(count for _, count in failed)
    return [
        Step("images found in the download", len(images), None, (), adds_up=True),
        _step("scans in BIDS", ingested, unused, expected=kept),
        _step("scans that models read", scans, failed, expected=passed),
        *[_step(f"{split} split", scans[scans["split"] == split], (), None) for split in SPLITS],
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


def _step(
    name: str, frame: pd.DataFrame, lost: tuple[tuple[str, int], ...], expected: int | None
) -> Step:
    return Step(
        name,
        len(frame),
        frame["participant_id"].nunique(),
        lost,
        adds_up=expected is None or expected == len(frame),
    )


def _reasons(reasons: "pd.Series[Any]") -> tuple[tuple[str, int], ...]:
    counts = reasons.value_counts()
    ordered = sorted(counts.items(), key=lambda item: (-int(item[1]), str(item[0])))
    return tuple((str(reason), int(count)) for reason, count in ordered)


def _mean_sd(ages: "pd.Series[Any]") -> str:
    spread = f" ({ages.std():.1f})" if ages.count() > 1 else ""
    return f"{ages.mean():.1f}{spread}" if ages.count() else "–"
