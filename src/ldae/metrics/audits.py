"""Does what is measured on edited scans follow the edit, and only the edit that should move it?"""

import numpy as np
import pandas as pd

from ldae.config import Bootstrap
from ldae.metrics.directions import follows, slopes
from ldae.metrics.summary import defined_mean, over_subjects

# What AD and age do to each measure; random directions are held to the same.
EXPECTED = {"probability": 1, "age": 1, "ventricle_ml": 1, "hippocampus_ml": -1}
CONTROL = "random"
NUMBERS = ("monotone", "slope", "slope_beyond_random")
COLUMNS = [
    *("direction", "measure", "expected"),
    *[f"{name}{end}" for name in NUMBERS for end in ("", "_low", "_high")],
    *("audit", "n_subjects"),
]


def audit(edited: pd.DataFrame, *, bootstrap: Bootstrap, seed: int) -> pd.DataFrame:
    """One row per direction and measure, `COLUMNS`.

    `monotone` is the share of subjects in whom every stronger edit moves the measure as expected,
    `slope` the mean of the subjects' least-squares slopes per unit of strength, and
    `slope_beyond_random` what it exceeds the slope along the same subject's random direction by.
    `audit` says where the slope's interval lies: as expected, against it, or open when it holds 0;
    of the control: flat when it holds 0, else moves.

    Args:
        edited: participant_id, direction, strength and the measures, one scan per subject, the
            same strengths for all.
        bootstrap: how intervals are drawn.
        seed: of the bootstrap.
    """
    lines: list[dict[str, object]] = []
    for measure, sign in EXPECTED.items():
        control = _by_strength(edited, CONTROL, measure)
        beside = slopes(control.columns.to_numpy(float), control.to_numpy(float))
        for direction in edited["direction"].unique():
            values = _by_strength(edited, direction, measure)
            slope = slopes(values.columns.to_numpy(float), values.to_numpy(float))
            undefined = np.isnan(slope)
            monotone = np.where(undefined, np.nan, follows(values.to_numpy(float), sign))
            beyond = np.full_like(slope, np.nan) if direction == CONTROL else slope - beside
            columns = dict(zip(NUMBERS, (monotone, slope, beyond), strict=True))
            numbers = over_subjects(
                {name: defined_mean(column) for name, column in columns.items()},
                values.reset_index(),
                bootstrap=bootstrap,
                seed=seed,
            )
            lines.append(
                {"direction": direction, "measure": measure}
                | {"expected": "rises" if sign > 0 else "falls"}
                | numbers
                | {"n_subjects": int((~undefined).sum())}
                | {
                    "audit": _judge(
                        direction, sign * numbers["slope_low"], sign * numbers["slope_high"]
                    )
                }
            )
    order = {name: place for place, name in enumerate(edited["direction"].unique())}
    return (
        pd.DataFrame(lines)
        .reindex(columns=COLUMNS)
        .sort_values(
            "direction", key=lambda names: names.map(order), kind="stable", ignore_index=True
        )
    )


def _by_strength(edited: pd.DataFrame, direction: str, measure: str) -> pd.DataFrame:
    """Subjects by rising strength."""
    along = edited[edited["direction"] == direction]
    return along.pivot(index="participant_id", columns="strength", values=measure)


def _judge(direction: str, one_end: float, other_end: float) -> str | None:
    low, high = sorted((one_end, other_end))
    if np.isnan(low) or np.isnan(high):
        return None
    if direction == CONTROL:
        return "flat" if low <= 0 <= high else "moves"
    if low > 0:
        return "as expected"
    return "against" if high < 0 else "open"
