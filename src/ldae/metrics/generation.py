"""Codes to sample with; are samples like scans, and are they copies?

Volumes are (N, 1, X, Y, Z) in [0, 1].
"""

from typing import Any

import numpy as np
import torch
from monai.metrics import FIDMetric
from numpy.typing import NDArray
from sklearn.covariance import LedoitWolf
from sklearn.preprocessing import StandardScaler
from torch import Tensor
from torch.nn import functional as F

BLOCKS = (4, 5, 4)  # of 48 mm on the paper's grid
POOLED = f"mean intensities of {BLOCKS[0]}x{BLOCKS[1]}x{BLOCKS[2]} blocks"


def draw_codes(codes: NDArray[Any], count: int, *, seeds: list[int]) -> NDArray[np.float32]:
    """New codes (count, E) from a Gaussian fitted to `codes` (N, E), N at least 2.

    Its covariance is that of the standardised codes, shrunk as by Ledoit and Wolf (2004) since
    there may be fewer codes than dimensions. The first codes do not depend on `count`.
    """
    scaler = StandardScaler().fit(codes)
    covariance = LedoitWolf(assume_centered=True).fit(scaler.transform(codes)).covariance_
    variance, axes = np.linalg.eigh(covariance)
    drawn = np.random.default_rng(seeds).standard_normal((count, codes.shape[1]))
    spread = (drawn * np.sqrt(variance.clip(min=0))) @ axes.T
    return np.asarray(scaler.inverse_transform(spread), np.float32)


def pooled_features(x: Tensor) -> Tensor:
    """Mean intensity in each of `BLOCKS` equal blocks, (N, 80).

    Features of no network: nothing trained chose them, so they favour no model. They see size,
    place and brightness of large structures, and neither blur nor texture.
    """
    return F.adaptive_avg_pool3d(x, BLOCKS).flatten(1)


def frechet_distance(one: Tensor, other: Tensor) -> float:
    """Fréchet distance of Gaussians fitted to features (N, F) and (M, F); 0 for equal sets.

    It grows as sets get smaller, so distances compare only at equal N. NaN for fewer than two
    volumes, and where rounding leaves the square root of the covariances undefined.
    """
    if min(len(one), len(other)) < 2:
        return float("nan")
    try:
        distance = float(FIDMetric()(one.cpu(), other.cpu()))
    except ValueError:  # MONAI's, of a root that is not real
        return float("nan")
    return max(distance, 0.0)


def root_mean_square_differences(one: Tensor, other: Tensor) -> Tensor:
    """Between every volume of `one` and every volume of `other`, (N, M)."""
    return _differences(one, other, mean_squares(one))


def mean_squares(volumes: Tensor) -> Tensor:
    """Mean squared intensity of each volume, (N,); no copy of the volumes is made."""
    flat = volumes.flatten(1)
    lengths: Tensor = torch.linalg.vector_norm(flat, dim=1)
    return lengths.square() / flat.shape[1]


def _differences(one: Tensor, other: Tensor, of_one: Tensor) -> Tensor:
    a, b = one.flatten(1), other.flatten(1)
    squared = of_one[:, None] + mean_squares(other) - 2 * (a @ b.T) / a.shape[1]
    return squared.clamp_min(0).sqrt()


class Nearest:
    """The nearest of many volumes to each of a few, the many seen in batches."""

    def __init__(self, volumes: Tensor) -> None:
        self.volumes = volumes
        self.distance = torch.full((len(volumes),), torch.inf, device=volumes.device)
        self.position = torch.full((len(volumes),), -1, device=volumes.device)
        self._mean_squares = mean_squares(volumes)
        self._seen = 0

    def see(self, batch: Tensor) -> None:
        """Compare with the next volumes, which are numbered on."""
        differences = _differences(self.volumes, batch, self._mean_squares)
        distance, position = differences.min(dim=1)
        nearer = distance < self.distance
        self.position = torch.where(nearer, position + self._seen, self.position)
        self.distance = torch.where(nearer, distance, self.distance)
        self._seen += len(batch)
