"""ImageNet weights for the slice encoder, from torchvision's files on this machine."""

import torch
from torch import Tensor

from ldae.config import SemanticEncoder as Form
from ldae.nets.semantic_encoder import SemanticEncoder, StandardisedEncoder
from ldae.nets.volumetric_encoder import VolumetricEncoder
from ldae.weights.convnext import require_convnext
from ldae.weights.folder import load_state


def load_imagenet(
    encoder: SemanticEncoder | VolumetricEncoder | StandardisedEncoder,
    form: Form,
    *,
    pretrained: str | None,
    section: str,
) -> None:
    """Give the slice encoder of `encoder` the weights torchvision's ConvNeXt has from ImageNet.

    The first layer's three colours are summed to one grey channel; the classifier is left out.

    Args:
        encoder: built as `form` says.
        form: its settings, of the part `section` of the configuration.
        pretrained: folder of torchvision's files.
        section: for messages.

    Raises:
        UserError: there is no such ConvNeXt, or the folder `pretrained` lacks its file.
    """
    path = require_convnext(form, pretrained=pretrained, section=section)
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
