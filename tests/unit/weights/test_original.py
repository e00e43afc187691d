"""The adapters on names of the original's; its numbers are compared in tests/parity."""

import pytest
import torch

from ldae.errors import UserError
from ldae.weights import original

ONE = torch.ones(1)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("time_embed.2.bias", "base.trunk.time_mlp.2.bias"),
        ("input_blocks.0.0.weight", "base.trunk.stem.weight"),
        ("input_blocks.3.0.in_layers.2.bias", "base.trunk.layers.2.first.conv_in.bias"),
        ("middle_block.2.out_layers.3.bias", "base.head.middle.last.conv_out.bias"),
        ("output_blocks.5.1.norm.bias", "base.head.layers.5.attention.norm.bias"),
        ("output_blocks.5.1.in_layers.0.bias", "base.head.layers.5.last.norm_in.bias"),
        ("out.2.bias", "base.head.conv.bias"),
        ("label_emb.bias", "estimator.condition.bias"),
        ("shift_middle_block.1.qkv.bias", "estimator.head.middle.attention.qkv.bias"),
        (
            "shift_output_blocks.0.0.emb_z_layers.1.bias",
            "estimator.head.layers.0.first.semantic.linear.bias",
        ),
        ("shift_out.0.bias", "estimator.head.norm.bias"),
    ],
)
def test_names_of_the_u_net(theirs: str, ours: str) -> None:
    assert list(original.shifted_noise_predictor({theirs: ONE})) == [ours]


def test_one_dimensional_convolutions_become_linear_maps() -> None:
    given = {"middle_block.1.qkv.weight": torch.rand(6, 2, 1)}
    adapted = original.noise_predictor(given)
    assert torch.equal(
        adapted["head.middle.attention.qkv.weight"], given["middle_block.1.qkv.weight"][..., 0]
    )


def test_the_plain_u_net_has_no_shift() -> None:
    with pytest.raises(UserError, match="1 unknown weights, the first is shift_out"):
        original.noise_predictor({"out.0.bias": ONE, "shift_out.0.bias": ONE})


@pytest.mark.parametrize("key", ["input_blocks.1.0.mystery.weight", "input_blocks.1", "ema.decay"])
@pytest.mark.parametrize(
    "adapter",
    [
        original.noise_predictor,
        original.shifted_noise_predictor,
        original.semantic_encoder,
        original.autoencoder,
    ],
)
def test_an_unknown_name_is_refused(adapter, key: str) -> None:
    with pytest.raises(UserError, match=f"1 unknown weights, the first is {key}"):
        adapter({key: ONE})


def test_the_encoders_second_names_must_agree() -> None:
    alias = "slice_distributed.module.backbone.features.0.0.bias"
    given = {"backbone.backbone.features.0.0.bias": ONE, alias: ONE.clone()}
    assert list(original.semantic_encoder(given)) == ["slice_encoder.features.0.0.bias"]
    with pytest.raises(UserError, match="differs from backbone"):
        original.semantic_encoder(given | {alias: ONE + 1})
    with pytest.raises(UserError, match="unknown weights"):
        original.semantic_encoder({alias: ONE})


def test_the_autoencoders_upsampling_is_renamed_in_the_decoder_only() -> None:
    given = {"decoder.blocks.3.conv.conv.bias": ONE, "encoder.blocks.3.conv.conv.bias": ONE}
    assert list(original.autoencoder(given)) == [
        "network.decoder.blocks.3.postconv.conv.bias",
        "network.encoder.blocks.3.conv.conv.bias",
    ]


def test_parts_of_a_checkpoint() -> None:
    state = {"unet.out.0.bias": ONE, "ema_unet.out.0.bias": ONE + 1}
    assert original.checkpoint_part(state, "ema_unet") == {"out.0.bias": ONE + 1}
    with pytest.raises(UserError, match="no 'vae', only: ema_unet, unet"):
        original.checkpoint_part(state, "vae")
