"""Principal components of voxels: the baseline that a learnt code has to beat.

Volumes are averaged over cubes of voxels first. Leading components of brains are smooth, so little
is lost, and all training volumes fit into memory: 12,000 of 128x160x128 voxels, four voxels
averaged along each axis, take 2 GB, and the components are exact but for the solver's tolerance.
Components fitted batch by batch at full resolution would need twice that for a single batch, and
depend on the order of the scans.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from sklearn.decomposition import PCA
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class VoxelPca:
    """The mean `(V,)` and components `(K, V)` of training volumes of V cubes of `pool`³ voxels."""

    mean: Tensor
    components: Tensor
    pool: int

    @classmethod
    def fit(cls, volumes: Sequence[Tensor], *, components: int, pool: int, seed: int) -> Self:
        """As many `components` as there are, at most one less than there are volumes (X, Y, Z).

        `seed` is of the randomised solver (Halko et al. 2011).
        """
        first = _cubes(volumes[0], pool)
        rows = np.empty((len(volumes), len(first)), np.float32)
        for index in range(len(volumes)):
            rows[index] = _cubes(volumes[index], pool).numpy()
        most = max(1, min(components, len(volumes) - 1, len(first)))
        solver = PCA(most, svd_solver="randomized", random_state=seed % 2**32, copy=False).fit(rows)
        return cls(
            torch.from_numpy(solver.mean_.astype(np.float32)),
            torch.from_numpy(solver.components_.astype(np.float32)),
            pool,
        )

    def encode(self, volume: Tensor) -> Tensor:
        """Scores `(K,)` of a volume (X, Y, Z) on the components, largest variance first."""
        return self.components @ (_cubes(volume, self.pool) - self.mean)


def _cubes(volume: Tensor, pool: int) -> Tensor:
    """Means of cubes of voxels, in one row; at the far edges of what is left of a cube."""
    pooled = F.avg_pool3d(volume[None, None], pool, ceil_mode=True, count_include_pad=False)
    return pooled.flatten()
