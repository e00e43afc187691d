"""What a run's own numbers say against reading too much into them, in sentences."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from ldae.config import Results
from ldae.report.headline import interval, number
from ldae.report.representation import Vitality

PAPERS_SPACING_MM = 1.5
FEW_SUBJECTS = 50
Frames = Mapping[str, pd.DataFrame]
Record = dict[Hashable, Any]


def limits(
    settings: Results, frames: Frames, vital: Sequence[Vitality], *, test_subjects: int
) -> list[str]:
    """The gravest first."""
    return [
        *_of_data(settings, test_subjects),
        *[f"{state.encoder}: {state.statement}" for state in vital if not state.alive],
        *_of_probes(frames),
        *_of_volumes(settings, frames),
        *_of_design(settings),
    ]


def auc_words(frames: Frames) -> str:
    """How well AD is told from CN by the LDAE's code."""
    rows = _rows(frames, "downstream", encoder="ldae", task="ad_vs_cn")
    for row in rows:
        if pd.notna(row.get("roc_auc")):
            return f"ROC-AUC of AD against CN from y_sem: {_shown(row, 'roc_auc')}."
    return "AD against CN was not probed in this run."


def _of_data(settings: Results, test_subjects: int) -> Iterator[str]:
    if settings.cohort.source == "synthetic":
        yield (
            "Heads are computed and diagnoses simulated: nothing here is evidence about people, "
            "a disease or a scanner."
        )
    else:
        yield (
            "One source of data, split in parts: other scanners, protocols, countries and ages "
            "are untested."
        )
    if test_subjects < FEW_SUBJECTS:
        yield f"{test_subjects} test subjects: read the intervals, not the numbers before them."
    spacing = settings.preprocessing.grid.spacing_mm
    if spacing > PAPERS_SPACING_MM:
        yield (
            f"Voxels of {spacing:g} mm (the paper: {PAPERS_SPACING_MM:g} mm): nothing finer is "
            "seen or made."
        )


def _of_probes(frames: Frames) -> Iterator[str]:
    for row in _rows(frames, "downstream", encoder="ldae", task="ad_vs_cn"):
        if row.get("roc_auc_low", 1) <= 0.5:
            auc = _shown(row, "roc_auc")
            yield f"AD is not shown to be told from CN beyond chance: ROC-AUC {auc}."
    for row in _rows(frames, "downstream", encoder="ldae", task="age"):
        if row.get("r2_low", 1) <= 0:
            r2 = _shown(row, "r2")
            yield f"Age is not shown to be told better than by the mean age: R² {r2}."
    for row in _rows(frames, "downstream_compared", task="ad_vs_cn", reference="demographics"):
        if row["encoder"] == "ldae" and row.get("roc_auc_low", 1) <= 0:
            yield (
                "For AD against CN, y_sem is not shown to beat age and sex alone: difference in "
                f"ROC-AUC {_shown(row, 'roc_auc')}."
            )


def _of_volumes(settings: Results, frames: Frames) -> Iterator[str]:
    encoded = _rows(frames, "reconstruction", model="ldae", start="encoded")
    for mean in _rows(frames, "reconstruction", model="mean-brain"):
        for row in encoded[-1:]:
            if row["ssim"] <= mean["ssim"]:
                yield (
                    f"The mean training brain (SSIM {number(mean['ssim'])}) is more like a test "
                    f"scan than its reconstruction is (SSIM {number(row['ssim'])})."
                )
    yield (
        "SSIM over the whole volume, as the paper’s, counts empty background: “in brain” is the "
        "honest number."
    )
    if settings.pretrained is None:
        yield "No weights of others were at hand: LPIPS is empty, encoders start at random."


def _of_design(settings: Results) -> Iterator[str]:
    yield (
        f"Every model was trained once, with seed {settings.seed}: intervals hold the sampling of "
        "test subjects, not what another training would give."
    )
    yield (
        "Many numbers are compared, none is corrected for it: at "
        f"{100 * settings.bootstrap.confidence:g} %, one in "
        f"{round(1 / (1 - settings.bootstrap.confidence))} would stand out by chance."
    )
    yield (
        "Edited, interpolated and sampled volumes are made up. They are evidence of nothing in "
        "anyone, and not for any decision about a person."
    )


def _rows(frames: Frames, table: str, **wanted: str) -> list[Record]:
    if table not in frames or not {*wanted} <= {*frames[table].columns}:
        return []
    chosen = frames[table]
    for column, value in wanted.items():
        chosen = chosen[chosen[column] == value]
    return [dict(row) for row in chosen.to_dict("records")]


def _shown(row: Record, name: str) -> str:
    value = row[name]
    low, high = (row[key] if (key := f"{name}{end}") in row else value for end in ("_low", "_high"))
    return interval(value, low, high)
