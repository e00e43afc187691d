"""What the original release calls our weights: one table per network, read in both directions.

A `Translation` names every weight of one of our networks as the original does. Reading it
backwards imports; nothing may be left over on either side.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor, nn

from ldae.errors import UserError
from ldae.weights.folder import require_fit

State = dict[str, Tensor]
Network = Literal["autoencoder", "noise_predictor", "shifted_noise_predictor", "semantic_encoder"]

LATENT_SCALE = 0.8730  # a constant of the original's code: 1 / std of its autoencoder's latents

# What the original computes with its weights and no weight shows, by our settings' names.
FIXED: dict[str, dict[str, Any]] = {
    "autoencoder.network": {"norm_groups": 32},
    "ldm.network": {"downsample": [1, 2, 2], "heads": 1, "norm_groups": 32},
    "ldae.semantic_encoder": {"pool": [1, 1], "heads": 8, "standardise": False},
    "diffusion": {"timesteps": 1000, "beta_start": 1e-4, "beta_end": 0.02},
}


@dataclass(frozen=True)
class Translation:
    """The original's names for the weights of one of our networks.

    `name(ours, all_of_ours)` gives its name for one of ours, or None where it has no such weight.
    """

    network: str  # what the original calls it
    name: Callable[[str, Collection[str]], str | None]

    def to_original(self, state: Mapping[str, Tensor]) -> State:
        """Our `state` as the original would hold it.

        Raises:
            UserError: the original's network has no place for a weight.
        """
        names = {ours: self.name(ours, state) for ours in state}
        homeless = [ours for ours, theirs in names.items() if theirs is None]
        if homeless:
            raise UserError(
                f"the original's {self.network} has no place for {len(homeless)} of these weights, "
                f"the first is {homeless[0]}"
            )
        # the original's attention projections are 1-D convolutions of width 1, ours linear maps
        return {
            theirs: state[ours][..., None] if _is_projection(ours) else state[ours]
            for ours, theirs in names.items()
            if theirs is not None
        }

    def from_original(
        self, state: Mapping[str, Tensor], module: nn.Module, *, source: str
    ) -> State:
        """The state of our `module` (which may lie on the meta device) from the original's.

        Raises:
            UserError: a weight is missing, unexpected or of another shape.
        """
        own = module.state_dict()
        require_fit(self.to_original(own), state, source=f"{source}: the original's {self.network}")
        names = {ours: str(self.name(ours, own)) for ours in own}
        return {ours: state[theirs].reshape(own[ours].shape) for ours, theirs in names.items()}


_PLACES = {
    "trunk.time_mlp.": "time_embed.",
    "trunk.stem.": "input_blocks.0.0.",
    "head.norm.": "out.0.",
    "head.conv.": "out.2.",
}
_LAYER = re.compile(
    r"(?P<layer>(?P<part>trunk\.layers|head\.middle|head\.layers)(?:\.(?P<index>\d+))?)"
    r"\.(?P<block>first|attention|last)\.(?P<inner>.+)\.(?P<leaf>weight|bias)"
)
_INNER = {
    "norm_in": "in_layers.0",
    "conv_in": "in_layers.2",
    "time.linear": "emb_layers.1",
    "semantic.linear": "emb_z_layers.1",
    "norm_out": "out_layers.0",
    "conv_out": "out_layers.3",
    "skip": "skip_connection",
    "norm": "norm",
    "qkv": "qkv",
    "project": "proj_out",
}


def _unet_name(ours: str, everything: Collection[str]) -> str | None:
    """Both U-Nets: the frozen one is `base` in ours, the estimator's head `shift_...` in theirs."""
    prefix = next((each for each in ("base.", "estimator.") if ours.startswith(each)), "")
    shift = "shift_" if prefix == "estimator." else ""
    own = ours.removeprefix(prefix)
    if own.startswith("condition."):
        return own.replace("condition.", "label_emb.", 1)
    for place, theirs in _PLACES.items():
        if own.startswith(place):
            return shift + theirs + own.removeprefix(place)
    match = _LAYER.fullmatch(own)
    if match is None or match["inner"] not in _INNER:
        return None
    layer = {
        "trunk.layers": f"input_blocks.{int(match['index'] or 0) + 1}",
        "head.middle": "middle_block",
        "head.layers": f"output_blocks.{match['index']}",
    }[match["part"]]
    attends = f"{prefix}{match['layer']}.attention.norm.weight" in everything
    slot = {"first": 0, "attention": 1, "last": 2 if attends else 1}[match["block"]]
    return f"{shift}{layer}.{slot}.{_INNER[match['inner']]}.{match['leaf']}"


def _is_projection(ours: str) -> bool:
    return ours.endswith((".attention.qkv.weight", ".attention.project.weight"))


_ENCODER_PLACES = {
    "slice_encoder.features.": "backbone.backbone.features.",
    "slice_encoder.norm.": "backbone.backbone.classifier.0.",
    "aggregate.score.": "soft_attention.linear.",
    "aggregate.query.": "query_projection.",
    "aggregate.key.": "key_projection.",
    "aggregate.value.": "value_projection.",
    "aggregate.attention.": "cross_attention.",
    "aggregate.norm.": "layer_norm_after_attention.",
}


def _encoder_name(ours: str, _: Collection[str]) -> str | None:
    for place, theirs in _ENCODER_PLACES.items():
        if ours.startswith(place):
            return theirs + ours.removeprefix(place)
    return None


def _autoencoder_name(ours: str, _: Collection[str]) -> str | None:
    theirs = ours.removeprefix("network.")
    return re.sub(r"^(decoder\.blocks\.\d+)\.postconv\.conv\.", r"\1.conv.conv.", theirs)


TRANSLATIONS: dict[Network, Translation] = {
    "autoencoder": Translation("AutoencoderKL", _autoencoder_name),
    "noise_predictor": Translation("UNet", _unet_name),
    "shifted_noise_predictor": Translation("ShiftUNet", _unet_name),
    "semantic_encoder": Translation("AttentionSemanticEncoder", _encoder_name),
}


def require_original_form(settings: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse networks whose weights would fit the original's, which yet compute otherwise.

    Args:
        settings: of the sections of `FIXED`, as JSON has them.

    Raises:
        UserError: naming each key that differs.
    """
    others = [
        f"{section}.{key} {theirs}, not {settings[section].get(key)}"
        for section, fixed in FIXED.items()
        for key, theirs in fixed.items()
        if settings[section].get(key) != theirs
    ]
    if others:
        raise UserError(
            f"the original's networks compute with {'; '.join(others)}: use config/original.yaml"
        )
