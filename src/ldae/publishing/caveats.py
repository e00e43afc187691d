"""What a run's own numbers say against using its models, in sentences."""

from collections.abc import Iterator

import pandas as pd

from ldae.publishing.facts import Facts
from ldae.publishing.numbers import encoded, matching, shown

PAPER_SPACING_MM = 1.5
FEW_SUBJECTS = 50


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
                "The decoder does as well with another person's code as with the right one (its "
                f"loss is {row['shuffled_loss_ratio']:.5f} times as large): the code steers little."
            )
    for row in matching(tables, "downstream", encoder="ldae", task="ad_vs_cn"):
        if row["roc_auc_low"] <= 0.5:
            yield f"AD is not told from CN beyond chance (ROC-AUC {shown(row, 'roc_auc')})."
    for row in matching(tables, "downstream", encoder="ldae", task="age"):
        if row["r2_low"] <= 0:
            yield f"Age is not told better than by the mean age (R² {shown(row, 'r2')})."


def _of_reconstructions(tables: dict[str, pd.DataFrame]) -> Iterator[str]:
    for mean in matching(tables, "reconstruction", model="mean-brain"):
        for row in encoded(tables):
            if row["ssim"] <= mean["ssim"]:
                yield (
                    f"A reconstruction is less like its scan (SSIM {shown(row, 'ssim')}) than the "
                    f"mean training brain is (SSIM {shown(mean, 'ssim')})."
                )
    between, nearest = (
        [row["ssim"] for row in matching(tables, "interpolation", method=method)]
        for method in ("ldae", "nearest")
    )
    if between and nearest and max(between) <= min(nearest):
        yield (
            "An interpolated session is less like the real one than the nearer of the two scans "
            "it was made from."
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
