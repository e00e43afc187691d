"""How unlike the training scans a scan is: by what it looks like, and by its semantic code.

Only summaries are kept of the training scans, no number of a single person. A scan has three
squared distances: of its numbers (`look.NAMES`, in standard deviations), of its large structures
(mean intensities of blocks) and of its code (both Mahalanobis, `Gaussian`). Each is put in units of
what is usual, and their mean is the scan's. Usual is measured on training scans whose subject was
left out of what they are compared with, since in many dimensions all lie near what was fitted to
them. The score is the share of training scans that lie less far out: of a scan like them, any
number between 0 and 1 is as likely as any other.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from ldae.config import Section
from ldae.pretrained.gaussian import TINY, Gaussian, plain
from ldae.pretrained.look import NAMES, Look

FOLDS, LEAST_SUBJECTS = 5, 4
STEPS = 101  # quantiles of the distances that are kept
UNLIKE = 0.99  # a score above is said aloud
ODD_DEVIATIONS, ODD_RATIO = 4.0, 2.0  # from where on a part is named as a reason
PARTS = ("numbers", "large structures", "semantic code")


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


class Spread(Section):
    """Where looks and codes of scans lie, and how far from there."""

    means: tuple[float, ...]  # of the numbers of a look
    deviations: tuple[float, ...]
    blocks: Gaussian
    codes: Gaussian

    @classmethod
    def fit(cls, looks: Sequence[Look], codes: NDArray[Any]) -> Self:
        """To scans of these looks and codes (N, E)."""
        numbers = np.array([look.numbers for look in looks])
        means = numbers.mean(axis=0)
        smallest = 1e-3 * np.abs(means) + TINY
        return cls(
            means=plain(means),
            deviations=plain(np.maximum(numbers.std(axis=0, ddof=1), smallest)),
            blocks=Gaussian.fit(np.stack([look.blocks for look in looks])),
            codes=Gaussian.fit(codes),
        )

    def off(self, look: Look) -> NDArray[np.float64]:
        """How far its numbers are off, in standard deviations."""
        departure = np.array(look.numbers) - np.array(self.means)
        return np.asarray(departure / np.array(self.deviations))

    def squared(self, look: Look, code: NDArray[Any]) -> NDArray[np.float64]:
        """Squared distances of `PARTS` (3,), each a mean over dimensions."""
        parts = [np.mean(self.off(look) ** 2), self.blocks.squared(look.blocks)]
        return np.array([*parts, self.codes.squared(code)])


class Familiar(Section):
    """What is usual among `scans` training scans of `subjects`."""

    scans: int
    subjects: int
    spread: Spread
    usual: tuple[float, ...]  # median squared distance of each of `PARTS`
    distances: tuple[float, ...]  # quantiles of the training scans' distances

    def judge(self, look: Look, code: NDArray[Any]) -> Shift:
        """How unlike the training scans a scan of this look and code (E,) is."""
        parts = self.spread.squared(look, code) / np.array(self.usual)
        distance = float(np.sqrt(parts.mean()))
        score = float(np.interp(distance, self.distances, np.linspace(0, 1, len(self.distances))))
        known = zip(
            NAMES.values(), look.numbers, self.spread.means, self.spread.deviations, strict=True
        )
        off = np.abs(self.spread.off(look))
        lines = [
            f"{name} {number:.3f} (training scans {mean:.3f} ± {deviation:.3f})"
            for name, number, mean, deviation in known
        ]
        reasons = [lines[place] for place in np.argsort(-off) if off[place] > ODD_DEVIATIONS]
        reasons += [
            f"{name} {ratio:.1f} times as far from theirs as usual"
            for name, ratio in zip(PARTS[1:], np.sqrt(parts[1:]), strict=True)
            if ratio > ODD_RATIO
        ]
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
    fold = np.array([names.index(name) % FOLDS for name in subjects])
    squared = np.zeros((len(looks), len(PARTS)))
    for number in np.unique(fold):
        others = [look for look, own in zip(looks, fold, strict=True) if own != number]
        spread = Spread.fit(others, codes[fold != number])
        for place in np.flatnonzero(fold == number):
            squared[place] = spread.squared(looks[place], codes[place])
    usual = np.maximum(np.median(squared, axis=0), TINY)
    distances = np.sqrt((squared / usual).mean(axis=1))
    return Familiar(
        scans=len(looks),
        subjects=len(names),
        spread=Spread.fit(looks, codes),
        usual=plain(usual),
        distances=plain(np.quantile(distances, np.linspace(0, 1, STEPS))),
    )
