"""The original's names for our weights; its numbers are compared in tests/parity."""

import re

import pytest
import torch
from torch import nn

from ldae.errors import UserError
from ldae.nets.autoencoder import Autoencoder
from ldae.nets.semantic_encoder import SemanticEncoder
from ldae.nets.unet import NoisePredictor
from ldae.weights.original import FIXED, TRANSLATIONS, require_original_form

SHIFTED = TRANSLATIONS["shifted_noise_predictor"]
ONE = torch.ones(1)
UNET = {
    "in_channels": 2,
    "base_channels": 32,
    "multipliers": (1, 2),
    "res_blocks": 1,
    "attention_at": (2,),
    "heads": 1,
    "norm_groups": 32,
    "dropout": 0.0,
    "downsample": (1, 2, 2),
}
ENCODER = {
    "widths": (8, 12),
    "depths": (1, 1),
    "stochastic_depth": 0.0,
    "pool": (1, 1),
    "embedding_dim": 12,
    "heads": 2,
    "dropout": 0.0,
}


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("base.trunk.time_mlp.2.bias", "time_embed.2.bias"),
        ("base.trunk.stem.weight", "input_blocks.0.0.weight"),
        ("base.trunk.layers.2.first.conv_in.bias", "input_blocks.3.0.in_layers.2.bias"),
        ("base.head.middle.first.norm_in.bias", "middle_block.0.in_layers.0.bias"),
        ("base.head.layers.5.attention.norm.bias", "output_blocks.5.1.norm.bias"),
        ("base.head.layers.5.last.norm_in.bias", "output_blocks.5.1.in_layers.0.bias"),
        ("base.head.conv.bias", "out.2.bias"),
        ("estimator.condition.bias", "label_emb.bias"),
        ("estimator.head.middle.attention.qkv.bias", "shift_middle_block.1.qkv.bias"),
        (
            "estimator.head.layers.0.first.semantic.linear.bias",
            "shift_output_blocks.0.0.emb_z_layers.1.bias",
        ),
        ("estimator.head.norm.bias", "shift_out.0.bias"),
    ],
)
def test_names_of_the_u_net(ours: str, theirs: str) -> None:
    assert list(SHIFTED.to_original({ours: ONE})) == [theirs]


def test_a_block_after_attention_is_one_place_further() -> None:
    last, attention = (
        f"base.head.layers.5.{each}.weight" for each in ("last.norm_in", "attention.norm")
    )
    assert list(SHIFTED.to_original({last: ONE, attention: ONE})) == [
        "output_blocks.5.2.in_layers.0.weight",
        "output_blocks.5.1.norm.weight",
    ]


def _networks() -> dict[str, nn.Module]:
    return {
        "noise_predictor": NoisePredictor(**UNET),
        "semantic_encoder": SemanticEncoder(**ENCODER),
        "autoencoder": Autoencoder(
            channels=(4, 8),
            latent_channels=2,
            res_blocks=1,
            norm_groups=4,
            initial_log_variance=None,
        ),
    }


@pytest.mark.parametrize("name", ["noise_predictor", "semantic_encoder", "autoencoder"])
def test_there_and_back(name: str) -> None:
    module, translation = _networks()[name], TRANSLATIONS[name]
    ours = module.state_dict()
    theirs = translation.to_original(ours)
    assert len(theirs) == len(ours)
    back = translation.from_original(theirs, module.to("meta"), source="file")
    assert back.keys() == ours.keys()
    assert all(torch.equal(tensor, ours[key]) for key, tensor in back.items())


def test_linear_maps_become_one_dimensional_convolutions() -> None:
    ours = {"head.middle.attention.qkv.weight": torch.rand(6, 2)}
    theirs = TRANSLATIONS["noise_predictor"].to_original(ours)
    assert theirs["middle_block.1.qkv.weight"].shape == (6, 2, 1)


def test_the_autoencoders_upsampling_is_renamed_in_the_decoder_only() -> None:
    ours = {
        "network.decoder.blocks.3.postconv.conv.bias": ONE,
        "network.encoder.blocks.3.conv.conv.bias": ONE,
    }
    assert list(TRANSLATIONS["autoencoder"].to_original(ours)) == [
        "decoder.blocks.3.conv.conv.bias",
        "encoder.blocks.3.conv.conv.bias",
    ]


@pytest.mark.parametrize("name", ["noise_predictor", "semantic_encoder", "autoencoder"])
def test_what_does_not_fit_is_named_as_in_the_file(name: str) -> None:
    module, translation = _networks()[name], TRANSLATIONS[name]
    theirs = translation.to_original(module.state_dict())
    first, second, *_ = theirs
    theirs["mystery.weight"] = theirs.pop(first)
    theirs[second] = theirs[second].flatten()[:1]
    with pytest.raises(UserError) as error:
        translation.from_original(theirs, module, source="decoder.pth")
    message = str(error.value)
    assert message.startswith(f"decoder.pth: the original's {translation.network}: ")
    assert f"missing: {first}" in message
    assert "unexpected: mystery.weight" in message
    assert f"of another shape: {second}" in message


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("noise_predictor", "trunk.layers.0.first.mystery.weight"),
        ("semantic_encoder", "slice_encoder.project.weight"),
        ("semantic_encoder", "code_mean"),
    ],
)
def test_what_the_original_lacks_is_refused(name: str, ours: str) -> None:
    with pytest.raises(UserError, match=f"no place for 1 of these weights, the first is {ours}"):
        TRANSLATIONS[name].to_original({ours: ONE})


def _form(section: str = "", **changes: object) -> dict[str, dict[str, object]]:
    return {name: fixed | (changes if name == section else {}) for name, fixed in FIXED.items()}


def test_settings_of_the_originals_form_pass() -> None:
    require_original_form(_form())


@pytest.mark.parametrize(
    ("section", "change"),
    [
        ("autoencoder.network", {"norm_groups": 16}),
        ("ldm.network", {"downsample": [2, 2, 2]}),
        ("ldm.network", {"heads": 2}),
        ("ldm.network", {"norm_groups": 16}),
        ("ldae.semantic_encoder", {"pool": [2, 2]}),
        ("ldae.semantic_encoder", {"heads": 4}),
        ("ldae.semantic_encoder", {"standardise": True}),
        ("diffusion", {"timesteps": 500}),
        ("diffusion", {"beta_start": 1e-3}),
        ("diffusion", {"beta_end": 0.03}),
    ],
)
def test_another_form_that_no_weight_shows_is_refused(section: str, change: dict) -> None:
    [(key, value)] = change.items()
    message = f"{section}.{key} {FIXED[section][key]}, not {value}: use config/original.yaml"
    with pytest.raises(UserError, match=re.escape(message)):
        require_original_form(_form(section, **change))
