"""The parts of the test set that are scored for themselves; their bounds come from training."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray


class Group(NamedTuple):
    """Some test scans: which `(N,)`, and the values of `visits`, `group`, `level` they go by."""

    scans: NDArray[np.bool_]
    named: dict[str, str]


def age_tertiles(train: pd.DataFrame) -> tuple[float, float]:
    """The two ages (years) that part training subjects, at their first scan, into three thirds."""
    first = train.sort_values("months").groupby("participant_id")["age"].first().dropna()
    if first.empty:
        return float("nan"), float("nan")
    low, high = np.round(np.quantile(first, [1 / 3, 2 / 3]), 1).tolist()
    return low, high


def groups_of(rows: pd.DataFrame, tertiles: tuple[float, float]) -> Iterator[Group]:
    """Baseline visits; then, of all visits, each sex, age tertile and field strength there is.

    A scan of which something is not known is in no group of it.
    """
    first = (rows["months"] == 0).to_numpy(bool)
    yield Group(first, {"visits": "baseline", "group": "all", "level": "all"})
    low, high = tertiles
    ages = [
        (f"below {low:g}", rows["age"] < low),
        (f"{low:g} to {high:g}", rows["age"].between(low, high, inclusive="left")),
        (f"from {high:g}", rows["age"] >= high),
    ]
    teslas = (rows["field_strength"].astype(float) * 2).round() / 2  # 2.89 T is sold as 3 T
    parts = {
        "sex": [(level, rows["sex"] == level) for level in ("F", "M")],
        "age_tertile": ages,
        "field_strength": [
            (f"{tesla:g} T", teslas == tesla) for tesla in sorted(teslas.dropna().unique())
        ],
    }
    for group, levels in parts.items():
        for level, scans in levels:
            if scans.any():
                named = {"visits": "all", "group": group, "level": level}
                yield Group(scans.to_numpy(bool), named)
