"""Similarity of volumes to the scans they should equal, one number per scan.

Predictions are clamped to [0, 1], the range of a preprocessed scan, before anything is measured.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache

import torch
from monai.metrics.regression import compute_ms_ssim, compute_ssim_and_cs
from torch import Tensor

METRICS = ("ssim", "ms_ssim", "lpips", "mse", "psnr", "ssim_brain", "mse_brain")
SIGMA = 1.5  # voxels; of the Gaussian window of SSIM (Wang et al., 2004), cut at the window's edge
SCALES = 5  # of MS-SSIM, with the weights of Wang et al. (2003)
SLICES_AT_ONCE = 32

Perceptual = Callable[[Tensor, Tensor], Tensor]
"""Distance of images `(B, 3, H, W)` to others of the same shape, `(B,)`."""


@dataclass(frozen=True)
class ImageScorer:
    """Every metric of `METRICS` with one choice of window (voxels) and perceptual distance."""

    window: int
    perceptual: Perceptual | None

    def score(
        self,
        prediction: Tensor,
        target: Tensor,
        brain: Tensor,
        *,
        metrics: Collection[str] = METRICS,
    ) -> dict[str, Tensor]:
        """Those `metrics` `(B,)` of predictions against targets in [0, 1], `(B, 1, X, Y, Z)`.

        `ssim`, `ms_ssim`, `lpips`, `mse` and `psnr` (dB) cover the whole volume, as the paper's do;
        `ssim_brain` and `mse_brain` average the same maps inside `brain` (bool). What cannot be
        computed is NaN; `not_computed` says why.
        """
        prediction = prediction.clamp(0, 1)
        squared = (prediction - target) ** 2
        mse = squared.flatten(1).mean(dim=1)
        similarity = cache(lambda: ssim_map(prediction, target, window=self.window))
        scores: dict[str, Callable[[], Tensor]] = {
            "ssim": lambda: similarity().flatten(1).mean(dim=1),
            "ms_ssim": lambda: self._ms_ssim(prediction, target),
            "lpips": lambda: self._lpips(prediction, target),
            "mse": lambda: mse,
            "psnr": lambda: -10 * torch.log10(mse),
            "ssim_brain": lambda: masked_mean(similarity(), _window_centres(brain, self.window)),
            "mse_brain": lambda: masked_mean(squared, brain),
        }
        return {name: scores[name]() for name in metrics}

    def not_computed(self, target: Tensor) -> str:
        """Why a metric of volumes shaped like `target` stays empty; nothing when none does."""
        reasons = []
        if not self._fits(target):
            smallest = 2 ** (SCALES - 1) * self.window
            reasons.append(f"ms_ssim: {SCALES} scales need {smallest} voxels along every axis")
        if self.perceptual is None:
            reasons.append("lpips: no SqueezeNet in the folder `pretrained`")
        return "; ".join(reasons)

    def _fits(self, target: Tensor) -> bool:
        return bool(min(target.shape[2:]) // 2 ** (SCALES - 1) >= self.window)

    def _lpips(self, prediction: Tensor, target: Tensor) -> Tensor:
        if self.perceptual is None:
            return _undefined(target)
        return slice_distance(prediction, target, self.perceptual)

    def _ms_ssim(self, prediction: Tensor, target: Tensor) -> Tensor:
        if not self._fits(target):
            return _undefined(target)
        similarity: Tensor = compute_ms_ssim(
            prediction, target, spatial_dims=3, kernel_size=self.window, kernel_sigma=SIGMA
        )
        return similarity.flatten()


def ssim_map(prediction: Tensor, target: Tensor, *, window: int) -> Tensor:
    """Structural similarity around every voxel whose whole window lies inside, data range 1.

    For volumes `(B, 1, X, Y, Z)` the map is `(B, 1, X-w+1, Y-w+1, Z-w+1)` (Wang et al., 2004).
    """
    similarity: Tensor = compute_ssim_and_cs(
        prediction, target, spatial_dims=3, kernel_size=[window] * 3, kernel_sigma=[SIGMA] * 3
    )[0]
    return similarity


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of `values` inside `mask` for each volume of the batch; NaN where a mask is empty."""
    inside = mask.to(values.dtype)
    return (values * inside).flatten(1).sum(dim=1) / inside.flatten(1).sum(dim=1)


def slice_distance(prediction: Tensor, target: Tensor, perceptual: Perceptual) -> Tensor:
    """Perceptual distance over all slices of `(B, 1, X, Y, Z)`: means per axis, summed over axes.

    The paper's LPIPS sums the three axes' means over a random half of the slices, in [0, 1]; this
    is the same number over every slice, hence the same at every run.
    """
    totals = []
    for one, other in zip(prediction, target, strict=True):
        total = torch.zeros((), device=target.device)
        for axis in (1, 2, 3):
            pairs = zip(
                one.movedim(axis, 0).split(SLICES_AT_ONCE),
                other.movedim(axis, 0).split(SLICES_AT_ONCE),
                strict=True,
            )
            distances = [perceptual(_rgb(a), _rgb(b)) for a, b in pairs]
            total = total + torch.cat(distances).mean()
        totals.append(total)
    return torch.stack(totals)


def _undefined(target: Tensor) -> Tensor:
    return torch.full((len(target),), float("nan"), device=target.device)


def _rgb(slices: Tensor) -> Tensor:
    return slices.expand(-1, 3, -1, -1)


def _window_centres(mask: Tensor, window: int) -> Tensor:
    """The part of a mask that lines up with `ssim_map`."""
    before, after = (window - 1) // 2, window // 2
    ends = [size - after for size in mask.shape[2:]]
    return mask[:, :, before : ends[0], before : ends[1], before : ends[2]]
