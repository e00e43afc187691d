"""Are samples like scans, and are they copies? Distances between sets of volumes.

Volumes are (N, 1, X, Y, Z) in [0, 1].
"""

import torch
from monai.metrics import FIDMetric
from torch import Tensor
from torch.nn import functional as F

BLOCKS = (4, 5, 4)  # of 48 mm on the paper's grid
POOLED = f"mean intensities of {BLOCKS[0]}x{BLOCKS[1]}x{BLOCKS[2]} blocks"


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
    a, b = one.flatten(1), other.flatten(1)
    squared = a.square().mean(1)[:, None] + b.square().mean(1) - 2 * (a @ b.T) / a.shape[1]
    return squared.clamp_min(0).sqrt()


class Nearest:
    """The nearest of many volumes to each of a few, the many seen in batches."""

    def __init__(self, volumes: Tensor) -> None:
        self.volumes = volumes
        self.distance = torch.full((len(volumes),), torch.inf, device=volumes.device)
        self.position = torch.full((len(volumes),), -1, device=volumes.device)
        self._seen = 0

    def see(self, batch: Tensor) -> None:
        """Compare with the next volumes, which are numbered on."""
        distance, position = root_mean_square_differences(self.volumes, batch).min(dim=1)
        nearer = distance < self.distance
        self.position = torch.where(nearer, position + self._seen, self.position)
        self.distance = torch.where(nearer, distance, self.distance)
        self._seen += len(batch)
