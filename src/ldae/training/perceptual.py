"""Perceptual distance of volumes, slice by slice, as a loss."""

import torch
from torch import Tensor, nn


class SlicePerceptualLoss(nn.Module):
    """Distance of a random half of the slices along each axis, summed over the axes.

    `distance` is a network over images (B, 1, H, W) in [-1, 1], such as
    `ldae.weights.perceptual.load_lpips` loads.
    """

    def __init__(self, distance: nn.Module) -> None:
        super().__init__()
        self.distance = distance
        self.requires_grad_(False).eval()

    def forward(self, reconstruction: Tensor, x: Tensor) -> Tensor:
        """Distance () of volumes (B, 1, X, Y, Z) in [0, 1]."""
        axes = [self._along(axis, reconstruction, x) for axis in (2, 3, 4)]
        return torch.stack(axes).sum()

    def _along(self, axis: int, reconstruction: Tensor, x: Tensor) -> Tensor:
        slices, targets = (v.movedim(axis, 1).flatten(0, 1) for v in (reconstruction, x))
        half = torch.randperm(len(slices))[: max(1, len(slices) // 2)].to(x.device)
        distances: Tensor = self.distance(2 * slices[half] - 1, 2 * targets[half] - 1)
        return distances.mean()
