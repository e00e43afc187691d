"""What a MONAI bundle runs beside its network: checks of what comes in, the loop, codes on disk."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from torch import Tensor

from ldae.errors import UserError
from ldae.publishing.network import BundledLdae
from ldae.runtime import atomic_path

SPACING_TOLERANCE = 0.01
Item = dict[str, Any]


class RequirePreprocessed:
    """Transform: refuse a volume (1, X, Y, Z) off the model's grid or not within [0, 1]."""

    def __init__(self, key: str, *, shape: Sequence[int], spacing_mm: Sequence[float]) -> None:
        self.key = key
        self.shape = tuple(shape)
        self.spacing_mm = tuple(spacing_mm)

    def __call__(self, data: Item) -> Item:
        """`data` as it is.

        Raises:
            UserError: naming the file, and what is wrong with it.
        """
        image = data[self.key]
        name = Path(image.meta["filename_or_obj"]).name
        found, spacing = tuple(image.shape[1:]), tuple(float(size) for size in image.pixdim)
        if found != self.shape or not np.allclose(spacing, self.spacing_mm, SPACING_TOLERANCE, 0):
            raise UserError(
                f"{name}: {_times(found)} voxels of {_times(spacing)} mm, but the network reads "
                f"{_times(self.shape)} of {_times(self.spacing_mm)} mm; preprocess it (docs/README)"
            )
        low, high = float(image.min()), float(image.max())
        if not 0 <= low < high <= 1:
            raise UserError(
                f"{name}: intensities from {low:g} to {high:g}, expected within [0, 1]; preprocess "
                "it (docs/README)"
            )
        return data


class EncodeInferer:
    """Where MONAI's own inferers call the network, this one asks it for semantic codes."""

    def __call__(self, inputs: Tensor, network: BundledLdae) -> Tensor:
        """Codes (B, E) of volumes (B, 1, X, Y, Z)."""
        return network.encode(inputs)


class SaveCode:
    """Transform: write a code (E,) as `{scan}_code.npy`."""

    def __init__(self, key: str, *, output_dir: str) -> None:
        self.key = key
        self.output_dir = Path(output_dir)

    def __call__(self, data: Item) -> Item:
        """`data` as it is."""
        code = data[self.key]
        scan = Path(code.meta["filename_or_obj"]).name.split(".nii")[0]
        with atomic_path(self.output_dir / f"{scan}_code.npy") as temporary:
            np.save(temporary, code.numpy())
        return data


class Evaluator:
    """Takes one scan after the other through network and post-processing; MONAI's need Ignite."""

    def __init__(
        self,
        *,
        dataset: Sequence[Item],
        network: BundledLdae,
        checkpoint: str,
        inferer: Callable[..., Tensor],
        postprocessing: Callable[[Item], Item],
        device: torch.device,
    ) -> None:
        self.dataset = dataset
        self.network = network
        self.checkpoint = checkpoint
        self.inferer = inferer
        self.postprocessing = postprocessing
        self.device = device

    def run(self) -> int:
        """Load the weights, then go through the data set; how many scans there were.

        Raises:
            UserError: there is no scan, or one that is not preprocessed.
        """
        if not len(self.dataset):
            raise UserError("dataset_dir: no *_T1w.nii.gz below it; put preprocessed scans there")
        state = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
        self.network.load_state_dict(state)
        self.network.to(self.device).eval()
        for item in self.dataset:
            image = item["image"]
            with torch.inference_mode():
                plain = image.as_tensor()[None].to(self.device)
                pred = self.inferer(inputs=plain, network=self.network)[0].cpu()
            self.postprocessing({**item, "pred": MetaTensor(pred, meta=image.meta)})
            logging.info("%s", Path(image.meta["filename_or_obj"]).name)
        return len(self.dataset)


def _times(sizes: Sequence[float]) -> str:
    return " x ".join(f"{size:g}" for size in sizes)
