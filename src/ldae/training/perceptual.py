"""Perceptual distance of volumes, slice by slice (LPIPS, Zhang et al. 2018)."""

from pathlib import Path

import torch
from lpips import LPIPS
from torch import Tensor, nn

WEIGHTS = "squeezenet1_1-b8a52dc0.pth"  # torchvision's name for its ImageNet SqueezeNet 1.1


class SlicePerceptualLoss(nn.Module):
    """LPIPS (SqueezeNet) of a random half of the slices along each axis, summed over the axes."""

    def __init__(self, weights: Path) -> None:
        super().__init__()
        self.distance = LPIPS(net="squeeze", pnet_rand=True, verbose=False)
        trunk = torch.load(weights, map_location="cpu", weights_only=True)
        layers = {
            number: layer
            for part in self.distance.net.children()
            for number, layer in part.named_children()
        }
        for number, layer in layers.items():
            prefix = f"features.{number}."
            layer.load_state_dict(
                {k.removeprefix(prefix): v for k, v in trunk.items() if k.startswith(prefix)}
            )
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


def perceptual_loss(pretrained: str | None) -> SlicePerceptualLoss | None:
    """The loss, or None when the folder `pretrained` does not hold its weights."""
    weights = Path(pretrained or "") / WEIGHTS
    return SlicePerceptualLoss(weights) if pretrained and weights.is_file() else None
