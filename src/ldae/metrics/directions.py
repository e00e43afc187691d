"""Directions along which semantic codes are moved, and whether what is measured follows.

Directions are of standardised codes: unit vectors, so that a strength means the same length along
any of them.
"""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ldae.config import Probe
from ldae.errors import UserError
from ldae.metrics.probe import LinearProbe
from ldae.metrics.statistics import Array
from ldae.metrics.tasks import Task

SHORTEST = 1e-3  # of a random vector, after what it has of other directions is taken away


def fit_on(task: Task, rows: pd.DataFrame, codes: NDArray[Any], settings: Probe) -> LinearProbe:
    """The probe of `task`, fitted on those of the scans `rows`, of codes (N, E), it is about."""
    asked = task.eligible(rows).to_numpy(bool)
    subjects = rows["participant_id"].to_numpy()[asked]
    return task.fit(codes[asked], task.target(rows[asked]), subjects, settings)


def random_direction(dim: int, *, besides: list[Array], seeds: list[int]) -> Array:
    """A random unit vector `(dim,)` at right angles to the vectors `besides`: a control for them.

    Raises:
        UserError: there is no such direction in so few dimensions.
    """
    if dim <= len(besides):
        raise UserError(
            f"codes of {dim} dimensions have no direction at right angles to {len(besides)} "
            "others; enlarge ldae: semantic_encoder: embedding_dim"
        )
    basis, _ = np.linalg.qr(np.stack(besides, axis=1))
    generator, found = np.random.default_rng(seeds), np.zeros(dim)
    while not np.linalg.norm(found) > SHORTEST:
        drawn = generator.normal(size=dim)
        found = drawn - basis @ (basis.T @ drawn)
    found = found - basis @ (basis.T @ found)  # what rounding left
    return np.asarray(found / np.linalg.norm(found))


def move(codes: NDArray[Any], directions: Array, strength: float, probe: LinearProbe) -> Array:
    """Codes `(N, E)` moved by `strength · sqrt(E)` along unit vectors `(E,)` or `(N, E)`.

    In the standardised units of `probe`: `LinearProbe.move` along other directions than its own.
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
