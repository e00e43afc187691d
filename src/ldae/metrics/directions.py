"""Directions along which semantic codes are moved, and whether what is measured follows.

Directions are of standardised codes: unit vectors, so that a strength means the same length along
any of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ldae.config import Probe
from ldae.errors import UserError
from ldae.metrics.probe import Lesson, LinearProbe, TooFewSubjects
from ldae.metrics.statistics import Array
from ldae.metrics.tasks import AD_VS_CN, AGE, POSITIVE, Task

PERMUTATIONS = 10  # of the diagnoses, each a control of its own
NEEDED = "its probes need two training subjects with AD, two with CN, and ages"
SHORTEST = 1e-3  # of a vector, after what it has of other directions is taken away
TRIES = 20


@dataclass(frozen=True)
class EditProbes:
    """Probes of diagnosis and age, and `PERMUTATIONS` directions (E,) of permuted diagnoses."""

    diagnosis: LinearProbe
    age: LinearProbe
    permuted: tuple[Array, ...]

    def directions(self) -> dict[str, Array]:
        """Unit vectors `(E,)` along which the probes' scores grow, by task."""
        return {AD_VS_CN.name: self.diagnosis.direction(), AGE.name: self.age.direction()}


def fit_probes(
    rows: pd.DataFrame, codes: NDArray[Any], settings: Probe, *, seed: int
) -> EditProbes:
    """What `EditProbes` names, fitted on the training scans `rows` of codes (N, E).

    Raises:
        TooFewSubjects: of AD, of CN or of known age.
    """
    diagnosis, age = (fit_on(task, rows, codes, settings) for task in (AD_VS_CN, AGE))
    permuted = [
        permuted_direction(
            rows,
            codes,
            diagnosis,
            besides=[diagnosis.direction(), age.direction()],
            seeds=[seed, 0x9E2, number],
        )
        for number in range(PERMUTATIONS)
    ]
    return EditProbes(diagnosis, age, tuple(permuted))


def fit_on(task: Task, rows: pd.DataFrame, codes: NDArray[Any], settings: Probe) -> LinearProbe:
    """The probe of `task`, fitted on those of the scans `rows`, of codes (N, E), it is about.

    Raises:
        TooFewSubjects: there are not enough of them.
    """
    asked = task.eligible(rows).to_numpy(bool)
    if not asked.any():
        raise TooFewSubjects(f"{task.name}: no training scan to fit its probe on")
    subjects = rows["participant_id"].to_numpy()[asked]
    target = task.target(rows[asked])
    return task.fit(Lesson(codes[asked], target, subjects=subjects, settings=settings))


def random_direction(dim: int, *, besides: list[Array], seeds: list[int]) -> Array:
    """A random unit vector `(dim,)` at right angles to the vectors `besides`: a control for them.

    It is of all dimensions alike: where codes vary along few, most of its length is where none is.

    Raises:
        UserError: there is no such direction in so few dimensions.
    """
    generator = np.random.default_rng(seeds)
    return _upright(lambda: generator.normal(size=dim), besides)


def permuted_direction(
    rows: pd.DataFrame,
    codes: NDArray[Any],
    probe: LinearProbe,
    *,
    besides: list[Array],
    seeds: list[int],
) -> Array:
    """A unit vector `(E,)` at right angles to `besides` that lies where codes vary: a control.

    From the mean code of CN to that of AD among the training scans `rows` of codes (N, E), in the
    units of `probe`, after subjects have swapped diagnoses: where a logistic regression points that
    finds nothing and hence is regularised ever more.

    Raises:
        UserError: there is no such direction in so few dimensions.
    """
    told = AD_VS_CN.eligible(rows).to_numpy(bool)
    standardised = (codes[told] - np.asarray(probe.mean)) / np.asarray(probe.std)
    subjects = rows.loc[told, "participant_id"]
    positive = rows[told].groupby("participant_id")["diagnosis"].last() == POSITIVE
    generator = np.random.default_rng(seeds)

    def draw() -> Array:
        swapped = pd.Series(generator.permutation(positive.to_numpy()), index=positive.index)
        given = subjects.map(swapped).to_numpy(bool)
        return np.asarray(standardised[given].mean(axis=0) - standardised[~given].mean(axis=0))

    return _upright(draw, besides)


def _upright(draw: Callable[[], Array], besides: list[Array]) -> Array:
    """What `draw` gives, less its part along `besides`, as a unit vector."""
    basis, _ = np.linalg.qr(np.stack(besides, axis=1))
    for _ in range(TRIES if len(basis) > len(besides) else 0):
        drawn = draw()
        left = drawn - basis @ (basis.T @ drawn)
        if np.linalg.norm(left) > SHORTEST:
            left = left - basis @ (basis.T @ left)  # what rounding left
            return np.asarray(left / np.linalg.norm(left))
    raise UserError(
        f"codes of {len(basis)} dimensions have no direction at right angles to {len(besides)} "
        "others; enlarge ldae: semantic_encoder: embedding_dim"
    )


def move(codes: NDArray[Any], directions: Array, strength: float, probe: LinearProbe) -> Array:
    """Codes `(N, E)` moved by `strength · sqrt(E)` along unit vectors `(E,)` or `(N, E)`.

    In the standardised units of `probe`. The factor sqrt(E) makes a strength mean the same share of
    a code's length at any E, as in the manipulation of diffusion autoencoders (Preechakul et al.,
    2022).
    """
    step = strength * np.sqrt(codes.shape[1]) * directions
    return np.asarray(codes + step * np.asarray(probe.std))


def slopes(strengths: NDArray[Any], values: NDArray[Any]) -> Array:
    """Least-squares slope of every row of `values` (N, S) over the strengths (S,)."""
    centred = strengths - strengths.mean()
    return np.asarray(values @ centred / (centred @ centred))


def follows(values: NDArray[Any], sign: int) -> NDArray[np.bool_]:
    """Which rows of `values` (N, S), by strength, rise (sign 1) or fall (-1) at every step."""
    return np.asarray((sign * np.diff(values, axis=1) > 0).all(axis=1))
