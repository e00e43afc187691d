"""The original release's weights under our names.

Each adapter takes the state dict of one of the original's networks and returns that of ours. A key
no rule knows is an error here; `folder.load_state` refuses what is missing.
"""

import re
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from ldae.errors import UserError

State = dict[str, Tensor]

_UNET_LAYER = re.compile(r"(input_blocks|middle_block|output_blocks)\.(?:(\d+)\.)?(\d)\.(.+)")
_UNET_PLACES = {
    "time_embed.0": "base.trunk.time_mlp.0",
    "time_embed.2": "base.trunk.time_mlp.2",
    "input_blocks.0.0": "base.trunk.stem",
    "out.0": "base.head.norm",
    "out.2": "base.head.conv",
    "label_emb": "estimator.condition",
    "shift_out.0": "estimator.head.norm",
    "shift_out.2": "estimator.head.conv",
}
_RESIDUAL = {
    "in_layers.0": "norm_in",
    "in_layers.2": "conv_in",
    "emb_layers.1": "time.linear",
    "emb_z_layers.1": "semantic.linear",
    "out_layers.0": "norm_out",
    "out_layers.3": "conv_out",
    "skip_connection": "skip",
}
_ATTENTION = {"norm": "norm", "qkv": "qkv", "proj_out": "project"}

_ENCODER_PLACES = {
    "backbone.backbone.features.": "slice_encoder.features.",
    "backbone.backbone.classifier.0.": "slice_encoder.norm.",
    "soft_attention.linear.": "aggregate.score.",
    "query_projection.": "aggregate.query.",
    "key_projection.": "aggregate.key.",
    "value_projection.": "aggregate.value.",
    "cross_attention.": "aggregate.attention.",
    "layer_norm_after_attention.": "aggregate.norm.",
}
_ENCODER_ALIAS = "slice_distributed.module."  # the same tensors as under `backbone.`
_ENCODER_POSITIONS = "positional_encoding.pe"  # a fixed table, computed anew in our network

_AUTOENCODER = re.compile(
    r"(encoder|decoder)\.blocks\.\d+\..+|(quant_conv_mu|quant_conv_log_sigma|post_quant_conv)\.conv\..+"
)


def noise_predictor(state: Mapping[str, Tensor]) -> State:
    """The state of our `NoisePredictor` from the original's UNet."""

    def rename(key: str) -> str | None:
        name = _unet_name(key)
        return name.removeprefix("base.") if name and name.startswith("base.") else None

    return _flat_attention(_renamed(state, rename, "the original's UNet"))


def shifted_noise_predictor(state: Mapping[str, Tensor]) -> State:
    """The state of our `ShiftedNoisePredictor`, base included, from the original's ShiftUNet."""
    return _flat_attention(_renamed(state, _unet_name, "the original's ShiftUNet"))


def semantic_encoder(state: Mapping[str, Tensor]) -> State:
    """The state of our `SemanticEncoder` from the original's, which lists its backbone twice."""
    own = {}
    for key, tensor in state.items():
        twin = key.replace(_ENCODER_ALIAS, "backbone.", 1)
        if key.startswith(_ENCODER_ALIAS) and twin in state:
            if not torch.equal(tensor, state[twin]):
                raise UserError(
                    f"the original's encoder: {key} differs from {twin}, its other name"
                )
        elif key != _ENCODER_POSITIONS:
            own[key] = tensor
    return _renamed(own, _encoder_name, "the original's encoder")


def autoencoder(state: Mapping[str, Tensor]) -> State:
    """The state of our `Autoencoder` from the original's AutoencoderKL (monai-generative)."""

    def rename(key: str) -> str | None:
        if not _AUTOENCODER.fullmatch(key):
            return None
        return "network." + re.sub(
            r"^(decoder\.blocks\.\d+)\.conv\.conv\.", r"\1.postconv.conv.", key
        )

    return _renamed(state, rename, "the original's AutoencoderKL")


def checkpoint_part(state: Mapping[str, Tensor], part: str) -> State:
    """One network of a training checkpoint: `vae`, `unet`, `decoder`, `encoder`, `ema_unet`, ..."""
    prefix = f"{part}."
    own = {
        key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)
    }
    if not own:
        parts = ", ".join(sorted({key.partition(".")[0] for key in state}))
        raise UserError(f"the original's checkpoint has no {part!r}, only: {parts}")
    return own


def _unet_name(key: str) -> str | None:
    place, _, leaf = key.rpartition(".")
    if place in _UNET_PLACES:
        return f"{_UNET_PLACES[place]}.{leaf}"
    match = _UNET_LAYER.fullmatch(place.removeprefix("shift_"))
    if match is None:
        return None
    part, index, slot, inner = match.groups()
    head = "estimator.head" if key.startswith("shift_") else "base.head"
    layer = {
        "input_blocks": f"base.trunk.layers.{int(index or 0) - 1}",
        "middle_block": f"{head}.middle",
        "output_blocks": f"{head}.layers.{index}",
    }[part]
    if inner in _ATTENTION:
        return f"{layer}.attention.{_ATTENTION[inner]}.{leaf}"
    if inner in _RESIDUAL:
        return f"{layer}.{'first' if slot == '0' else 'last'}.{_RESIDUAL[inner]}.{leaf}"
    return None


def _encoder_name(key: str) -> str | None:
    for place, ours in _ENCODER_PLACES.items():
        if key.startswith(place):
            return ours + key.removeprefix(place)
    return None


def _flat_attention(state: State) -> State:
    # The original's attention projections are 1-D convolutions of width 1, ours linear maps.
    return {
        name: tensor.flatten(1) if ".attention." in name and tensor.ndim == 3 else tensor
        for name, tensor in state.items()
    }


def _renamed(
    state: Mapping[str, Tensor], rename: Callable[[str], str | None], network: str
) -> State:
    names = {key: rename(key) for key in state}
    unknown = [key for key, name in names.items() if name is None]
    if unknown:
        raise UserError(f"{network}: {len(unknown)} unknown weights, the first is {unknown[0]}")
    return {name: state[key] for key, name in names.items() if name is not None}
