"""What a run's own numbers say against using its models, in sentences."""

from collections.abc import Iterator

import pandas as pd

from ldae.publishing.facts import Facts
from ldae.publishing.numbers import METHODS, PROBED, encoded, matching, shown

PAPER_SPACING_MM = 1.5
FEW_SUBJECTS = 50
WITHOUT_TRAINING = ("random-init", "voxel-pca", "demographics")  # rivals of the code
READ = {  # task: what a probe does, its measure, and whether more of it is better
    "ad_vs_cn": ("tell AD from CN", "roc_auc", True),
    "age": ("tell age", "mae", False),
}
UNITS = {"roc_auc": "ROC-AUC {}", "mae": "MAE {} years"}


def caveats(facts: Facts) -> list[str]:
    """Each a sentence or two, the gravest first."""
    return [
        *_of_the_cohort(facts),
        *_of_the_code(facts.tables),
        *_of_reconstructions(facts.tables),
        *_of_the_size(facts),
    ]


def _of_the_cohort(facts: Facts) -> Iterator[str]:
    if facts.settings.cohort.source == "synthetic":
        yield (
            "The heads it was trained and measured on are synthetic. Nothing it says of a real "
            "head, a diagnosis or an age has been tested, and no number here carries over to "
            "patients."
        )
    else:
        yield (
            "It was measured on people of the same study that it was trained on. Other scanners, "
            "protocols, countries and age ranges are untested."
        )


def _of_the_code(tables: dict[str, pd.DataFrame]) -> Iterator[str]:
    for row in matching(tables, "representation", encoder="ldae"):
        if row["collapsed"]:
            yield "The semantic code is (nearly) the same for every scan: it tells nothing."
        elif row["shuffled_loss_ratio_low"] <= 1:
            yield (
                "The decoder is not shown to need the right code: with another person's its loss "
                f"is {row['shuffled_loss_ratio']:.5f} times as large."
            )
    for row in matching(tables, "downstream", encoder="ldae", task="ad_vs_cn"):
        if row["roc_auc_low"] <= 0.5:
            auc = shown(row, "roc_auc")
            yield f"It is not shown to tell AD from CN beyond chance (ROC-AUC {auc})."
    for row in matching(tables, "downstream", encoder="ldae", task="age"):
        if row["r2_low"] <= 0:
            r2 = shown(row, "r2")
            yield f"It is not shown to tell age better than the mean age does (R² {r2})."
    for task in READ:
        yield from _of_rivals(tables, task)


def _of_rivals(tables: dict[str, pd.DataFrame], task: str) -> Iterator[str]:
    """The best of what needs no training of this kind, where the code is no better."""
    does, metric, more = READ[task]
    rows = {row["encoder"]: row for row in matching(tables, "downstream", task=task)}
    rows = {name: row for name, row in rows.items() if pd.notna(row[metric])}
    rivals = [rows[name] for name in WITHOUT_TRAINING if name in rows]
    if "ldae" not in rows or not rivals:
        return
    best = (max if more else min)(rivals, key=lambda row: float(row[metric]))
    if (best[metric] >= rows["ldae"][metric]) if more else (best[metric] <= rows["ldae"][metric]):
        found, own = (UNITS[metric].format(shown(row, metric)) for row in (best, rows["ldae"]))
        rival = PROBED[best["encoder"]].removeprefix("control: ")
        yield (
            f"Something simpler does at least as well to {does}: {rival}, {found}; the code, {own}."
        )


def _of_reconstructions(tables: dict[str, pd.DataFrame]) -> Iterator[str]:
    for mean in matching(tables, "reconstruction", model="mean-brain"):
        for row in encoded(tables):
            if row["ssim"] <= mean["ssim"]:
                yield (
                    f"A reconstruction is less like its scan (SSIM {shown(row, 'ssim')}) than the "
                    f"mean training brain is (SSIM {shown(mean, 'ssim')})."
                )
    for row in matching(tables, "interpolation", method="ldae"):
        same = [
            other
            for method in ("nearest", "voxel-average")
            for other in matching(tables, "interpolation", method=method)
            if other["gap_months"] == row["gap_months"]
        ]
        best = max(same, key=lambda other: float(other["ssim"]), default=None)
        if best is not None and best["ssim"] >= row["ssim"]:
            rival = METHODS[best["method"]].removeprefix("control: ")
            yield (
                f"Over {row['gap_months']} months an interpolated session is no more like the real "
                f"one (SSIM {shown(row, 'ssim')}) than {rival} (SSIM {shown(best, 'ssim')})."
            )


def _of_the_size(facts: Facts) -> Iterator[str]:
    spacing = facts.settings.preprocessing.grid.spacing_mm
    if spacing > PAPER_SPACING_MM:
        yield (
            f"It works at {spacing:g} mm; the paper at {PAPER_SPACING_MM:g} mm. Nothing finer than "
            "a voxel can come back."
        )
    subjects = {side.name: side.subjects for side in facts.sides}
    if subjects["test"] < FEW_SUBJECTS:
        yield (
            f"It was measured on {subjects['test']} people: read the intervals, not the numbers "
            "before them."
        )
