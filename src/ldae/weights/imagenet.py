"""ImageNet weights for the slice encoder, from torchvision's files on this machine."""

from pathlib import Path

import torch
from torch import Tensor

from ldae.errors import UserError
from ldae.nets.semantic_encoder import SemanticEncoder, StandardisedEncoder
from ldae.nets.volumetric_encoder import VolumetricEncoder
from ldae.weights.folder import load_state

# torchvision's ConvNeXt models: (widths, depths) -> its file of IMAGENET1K_V1 weights
FILES: dict[tuple[tuple[int, ...], tuple[int, ...]], str] = {
    ((96, 192, 384, 768), (3, 3, 9, 3)): "convnext_tiny-983f1562.pth",
    ((96, 192, 384, 768), (3, 3, 27, 3)): "convnext_small-0c510722.pth",
    ((128, 256, 512, 1024), (3, 3, 27, 3)): "convnext_base-6075fbad.pth",
}
SOURCE = "https://download.pytorch.org/models/"


def load_imagenet(
    encoder: SemanticEncoder | VolumetricEncoder | StandardisedEncoder,
    *,
    widths: tuple[int, ...],
    depths: tuple[int, ...],
    pretrained: str | None,
) -> None:
    """Give the slice encoder of `encoder` the weights torchvision's ConvNeXt has from ImageNet.

    The first layer's three colours are summed to one grey channel; the classifier is left out.

    Raises:
        UserError: there is no such ConvNeXt, or the folder `pretrained` lacks its file.
    """
    name = FILES.get((widths, depths))
    if name is None:
        raise UserError(
            f"no ImageNet weights for a ConvNeXt of widths {widths} and depths {depths}; "
            "set ldae.semantic_encoder.initialise: random"
        )
    path = Path(pretrained or "") / name
    if pretrained is None or not path.is_file():
        raise UserError(
            f"{path} is missing: download {SOURCE}{name} into the folder `pretrained` names "
            "(ConvNeXt-Small and others' weights: `snakemake fetch_weights`), "
            "or set ldae.semantic_encoder.initialise: random"
        )
    stored = torch.load(path, map_location="cpu", weights_only=True)
    network = encoder.encoder if isinstance(encoder, StandardisedEncoder) else encoder
    if not isinstance(network, SemanticEncoder):
        raise TypeError("only the encoder by slices can start from ImageNet's weights")
    slices = network.slice_encoder
    load_state(slices.features, grey_features(stored), source=str(path))
    norm = {part: stored[f"classifier.0.{part}"] for part in ("weight", "bias")}
    if slices.norm.weight.shape == norm["weight"].shape:  # else pooled to more cells: starts fresh
        load_state(slices.norm, norm, source=str(path))


def grey_features(stored: dict[str, Tensor]) -> dict[str, Tensor]:
    """The stages of a torchvision ConvNeXt, the first layer (C, 3, 4, 4) summed to (C, 1, 4, 4)."""
    features = {
        key.removeprefix("features."): value
        for key, value in stored.items()
        if key.startswith("features.")
    }
    features["0.0.weight"] = features["0.0.weight"].sum(dim=1, keepdim=True)
    return features
