"""How unlike the training scans a scan is: by what it looks like, and by its semantic code.

Only summaries are kept of the training scans, no number of a single person. A scan's distance is
that of its look (numbers of `look`, in standard deviations) and that of its code (Mahalanobis, by
probabilistic principal components, Tipping and Bishop 1999), each in units of what is usual. Usual
is measured on training scans whose subject was left out of what they are compared with, since a
code of many dimensions lies near those it was fitted to. The score is the share of training scans
that lie less far out: of a scan like them, any number between 0 and 1 is as likely as any other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ldae.config import Section
from ldae.pretrained.look import NAMES, Look, correlation

Array = NDArray[np.float64]
FOLDS, LEAST_SUBJECTS = 5, 4
MOST_AXES = 16
STEPS = 101  # quantiles of the distances that are kept
UNLIKE = 0.99  # a score above is said aloud
ODD_DEVIATIONS, ODD_RATIO = 4.0, 2.0  # from where on a part is named as a reason
LIKENESS = "likeness to the mean training scan"
ALL_NAMES = (*NAMES.values(), LIKENESS)
TINY = 1e-9


class Shift(NamedTuple):
    """Score 0 … 1, distance (1: usual), and what stands out, in words."""

    score: float
    distance: float
    reasons: list[str]

    def as_json(self) -> dict[str, Any]:
        """Rounded, for people."""
        return {
            "score": round(self.score, 4),
            "distance": round(self.distance, 3),
            "reasons": self.reasons,
        }


@dataclass(frozen=True)
class _Usual:
    """Means and spreads of looks and codes."""

    blocks: Array  # (80,)
    means: Array  # of the numbers of a look, and of its likeness
    spreads: Array
    centre: Array  # of codes, (E,)
    axes: Array  # their principal components, (K, E)
    variances: Array  # along them, (K,)
    rest: float  # variance along each of the others

    def deviations(self, look: Look) -> Array:
        """Of its numbers, in standard deviations."""
        return np.asarray((_numbers(look, self.blocks) - self.means) / self.spreads)

    def squared(self, look: Look, code: NDArray[Any]) -> Array:
        """Distances of look and code, squared, each a mean over dimensions (2,)."""
        departure = np.asarray(code, np.float64) - self.centre
        along = self.axes @ departure
        beyond = max(float(departure @ departure - along @ along), 0.0)
        far = float((along**2 / self.variances).sum()) + beyond / self.rest
        return np.array([np.mean(self.deviations(look) ** 2), far / len(departure)])


class Familiar(Section):
    """What is usual among `scans` training scans of `subjects`."""

    scans: int
    subjects: int
    blocks: tuple[float, ...]
    means: tuple[float, ...]
    spreads: tuple[float, ...]
    centre: tuple[float, ...]
    axes: tuple[tuple[float, ...], ...]
    variances: tuple[float, ...]
    rest: float
    usual: tuple[float, float]  # median squared distance of looks, and of codes
    distances: tuple[float, ...]  # quantiles of the training scans' distances

    def judge(self, look: Look, code: NDArray[Any]) -> Shift:
        """How unlike the training scans a scan of this look and code (E,) is."""
        known = _Usual(
            *(np.array(each) for each in (self.blocks, self.means, self.spreads, self.centre)),
            axes=np.array(self.axes),
            variances=np.array(self.variances),
            rest=self.rest,
        )
        parts = known.squared(look, code) / np.array(self.usual)
        distance = float(np.sqrt(parts.mean()))
        score = float(np.interp(distance, self.distances, np.linspace(0, 1, len(self.distances))))
        found = zip(ALL_NAMES, _numbers(look, known.blocks), known.deviations(look), strict=True)
        order = sorted(found, key=lambda each: -abs(each[2]))
        reasons = [
            f"{name} {number:.3f} (training scans {mean:.3f} ± {spread:.3f})"
            for name, number, deviation in order
            if abs(deviation) > ODD_DEVIATIONS
            for mean, spread in [_of(name, self.means, self.spreads)]
        ]
        ratio = float(np.sqrt(parts[1]))
        if ratio > ODD_RATIO:
            reasons.append(f"semantic code {ratio:.1f} times as far from theirs as usual")
        return Shift(score, distance, reasons)


def fit_familiar(
    looks: Sequence[Look], codes: NDArray[Any], subjects: Sequence[str]
) -> Familiar | None:
    """What is usual among training scans of these looks, codes (N, E) and subjects.

    None for fewer than `LEAST_SUBJECTS` subjects: nothing can be left out then.
    """
    names = sorted(set(subjects))
    if len(names) < LEAST_SUBJECTS:
        return None
    fold = np.array([names.index(name) % min(FOLDS, len(names)) for name in subjects])
    squared = np.zeros((len(looks), 2))
    for number in np.unique(fold):
        known = _fit([look for look, f in zip(looks, fold, strict=True) if f != number],
                     codes[fold != number])  # fmt: skip
        for place in np.flatnonzero(fold == number):
            squared[place] = known.squared(looks[place], codes[place])
    usual = np.maximum(np.median(squared, axis=0), TINY)
    distances = np.sqrt((squared / usual).mean(axis=1))
    final = _fit(looks, codes)
    return Familiar(
        scans=len(looks),
        subjects=len(names),
        blocks=_plain(final.blocks),
        means=_plain(final.means),
        spreads=_plain(final.spreads),
        centre=_plain(final.centre),
        axes=tuple(_plain(axis) for axis in final.axes),
        variances=_plain(final.variances),
        rest=float(final.rest),
        usual=(float(usual[0]), float(usual[1])),
        distances=_plain(np.quantile(distances, np.linspace(0, 1, STEPS))),
    )


def _fit(looks: Sequence[Look], codes: NDArray[Any]) -> _Usual:
    blocks = np.mean([look.blocks for look in looks], axis=0)
    numbers = np.array([_numbers(look, blocks) for look in looks])
    means = numbers.mean(axis=0)
    centre = codes.mean(axis=0, dtype=np.float64)
    _, singular, axes = np.linalg.svd(codes - centre, full_matrices=False)
    variances = singular**2 / max(len(codes) - 1, 1)
    kept = max(1, min(MOST_AXES, len(codes) // 4, len(variances) - 1))
    dim = codes.shape[1]
    rest = float(variances[kept:].sum()) / max(dim - kept, 1)
    floor = max(float(variances.sum()) / dim, TINY) * 1e-3
    return _Usual(
        blocks=blocks,
        means=means,
        spreads=np.maximum(numbers.std(axis=0, ddof=1), 1e-3 * np.abs(means) + TINY),
        centre=centre,
        axes=axes[:kept],
        variances=np.maximum(variances[:kept], floor),
        rest=max(rest, floor),
    )


def _numbers(look: Look, blocks: Array) -> Array:
    return np.array([*look.numbers, correlation(look.blocks, blocks)])


def _of(name: str, *lists: tuple[float, ...]) -> tuple[float, ...]:
    place = ALL_NAMES.index(name)
    return tuple(each[place] for each in lists)


def _plain(values: NDArray[Any]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
