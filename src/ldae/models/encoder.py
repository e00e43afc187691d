"""The semantic encoder by itself: as trainings begin with it, and as they leave it."""

import logging
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

from ldae import config
from ldae.models.build import SemanticNetwork, Shape, build_semantic_encoder
from ldae.models.stored import frozen, stored_encoder
from ldae.nets.semantic_encoder import StandardisedEncoder
from ldae.weights.convnext import FILES
from ldae.weights.folder import load_model_config, load_part
from ldae.weights.imagenet import load_imagenet


def new_encoder(
    encoder: config.Encoder, volume_shape: Shape, *, pretrained: str | None, name: str
) -> SemanticNetwork:
    """A semantic encoder with the weights it shall start from: random, or ImageNet's.

    Raises:
        UserError: ImageNet's are asked for and are not in the folder `pretrained`; it says where
            the model `name` is configured.
    """
    network = build_semantic_encoder(encoder, volume_shape)
    if encoder.kind == "slices" and encoder.initialise == "imagenet":
        load_imagenet(network, encoder, pretrained=pretrained, section=name.replace("-", "_"))
    return network


def load_encoder(folder: Path, volume_shape: Shape, *, device: torch.device) -> SemanticNetwork:
    """The trained encoder of the diffusion autoencoder in `folder`, without its other networks.

    Raises:
        UserError: the folder is incomplete, or its encoder is not of volumes of `volume_shape`.
    """
    encoder = stored_encoder(load_model_config(folder), folder)
    network = build_semantic_encoder(encoder, volume_shape)
    load_part(folder, network, name="semantic_encoder")
    return frozen(network, device)


def imagenet_name(encoder: config.Encoder) -> str | None:
    """The file of ImageNet weights that `new_encoder` starts from; None: it starts at random."""
    if encoder.kind == "slices" and encoder.initialise == "imagenet":
        return FILES.get((encoder.widths, encoder.depths))
    return None


def standardise(network: SemanticNetwork, volumes: Iterable[Tensor], *, name: str) -> None:
    """Fit the statistics of an encoder that has some to training volumes (X, Y, Z)."""
    if isinstance(network, StandardisedEncoder):
        logging.info("%s: standardising the semantic encoder on the training volumes", name)
        network.standardise(volumes)
