"""Does what is measured on edited scans follow the edit, and only the edit that should move it?"""

import numpy as np
import pandas as pd

from ldae.config import Bootstrap
from ldae.metrics.directions import follows, slopes
from ldae.metrics.statistics import Array, Statistic, ratio_of
from ldae.metrics.summary import defined_mean, over_subjects

# What AD and age do to each measure; controls are held to the same.
EXPECTED = {"probability": 1, "age": 1, "ventricle_ml": 1, "hippocampus_ml": -1}
RANDOM, PERMUTED = "random", "permuted"
CONTROLS = (RANDOM, PERMUTED)
FLAT = 0.1  # of the size of the probes' slope: what a control may move and still be flat
NUMBERS = (
    *("monotone", "slope", "slope_size"),
    *[f"slope_beyond_{control}" for control in CONTROLS],
    "size_of_probes",
)
COLUMNS = [
    *("direction", "measure", "expected"),
    *[f"{name}{end}" for name in NUMBERS for end in ("", "_low", "_high")],
    *("audit", "n_subjects"),
]


def audit(edited: pd.DataFrame, *, bootstrap: Bootstrap, seed: int) -> pd.DataFrame:
    """One row per direction and measure, `COLUMNS`.

    `monotone` is the share of subjects in whom every stronger edit moves the measure as expected,
    `slope` the mean of the subjects' least-squares slopes per unit of strength, `slope_size` that
    of their magnitudes: subjects' controls point to either side, so that the mean of signed slopes
    is near 0 however much they move. `slope_beyond_random` and `slope_beyond_permuted` are what the
    slope, positive when as expected, exceeds the magnitude of the same subject's control by;
    `size_of_probes` is a control's `slope_size` over that of the probe's direction that moves the
    measure most.

    `audit` says where the slope's interval lies: as expected, against it, or open when it holds 0;
    of a control where that of `size_of_probes` does: flat up to `FLAT`, moves beyond, else open.

    Args:
        edited: participant_id, direction, strength and the measures, one scan per subject, the
            same strengths for all.
        bootstrap: how intervals are drawn.
        seed: of the bootstrap.
    """
    directions = list(edited["direction"].unique())
    lines: list[dict[str, object]] = []
    for measure, sign in EXPECTED.items():
        values = {name: _by_strength(edited, name, measure) for name in directions}
        found = {name: _slopes(moved) for name, moved in values.items()}
        strongest = _strongest([found[name] for name in directions if name not in CONTROLS])
        for name in directions:
            numbers = over_subjects(
                _statistics(values[name], found, strongest, name=name, sign=sign),
                values[name].reset_index(),
                bootstrap=bootstrap,
                seed=seed,
            )
            lines.append(
                {"direction": name, "measure": measure}
                | {"expected": "rises" if sign > 0 else "falls"}
                | numbers
                | {"n_subjects": int(np.isfinite(found[name]).sum())}
                | {"audit": _judge(name, numbers, sign)}
            )
    order = {name: place for place, name in enumerate(directions)}
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


def _slopes(values: pd.DataFrame) -> Array:
    return slopes(values.columns.to_numpy(float), values.to_numpy(float))


def _strongest(probes: list[Array]) -> Array:
    """The magnitudes (N,) of the slopes along the direction where their mean is largest."""
    return max((np.abs(each) for each in probes), key=lambda sizes: float(np.nansum(sizes)))


def _statistics(
    values: pd.DataFrame, found: dict[str, Array], strongest: Array, *, name: str, sign: int
) -> dict[str, Statistic]:
    """The numbers of `NUMBERS` that are defined for a direction, of subjects' slopes (N,)."""
    slope = found[name]
    undefined = np.isnan(slope)
    statistics = {
        "monotone": defined_mean(
            np.where(undefined, np.nan, follows(values.to_numpy(float), sign))
        ),
        "slope": defined_mean(slope),
        "slope_size": defined_mean(np.abs(slope)),
    }
    if name in CONTROLS:
        both = ~undefined & ~np.isnan(strongest)
        own, probes = (np.where(both, each, 0) for each in (np.abs(slope), strongest))
        return statistics | {"size_of_probes": ratio_of(own, probes)}
    beyond = {
        f"slope_beyond_{control}": defined_mean(sign * slope - np.abs(found[control]))
        for control in CONTROLS
        if control in found
    }
    return statistics | beyond


def _judge(direction: str, numbers: dict[str, float], sign: int) -> str | None:
    if direction in CONTROLS:
        low, high = numbers["size_of_probes_low"], numbers["size_of_probes_high"]
        bound, below, above = FLAT, "flat", "moves"
    else:
        low, high = sorted((sign * numbers["slope_low"], sign * numbers["slope_high"]))
        bound, below, above = 0.0, "against", "as expected"
    if np.isnan(low) or np.isnan(high):
        return None
    if low > bound:
        return above
    return below if high < bound else "open"
