"""Every key of the original's files has one place in our networks, at the size of the paper."""

import pytest
import torch
from torch import Tensor, nn

from ldae.weights.original import TRANSLATIONS
from ldae.weights.release import sort_networks, with_copies, without_copies

SLICES = 128


@pytest.mark.parametrize(
    ("file", "networks"),
    [
        ("aekl", ["autoencoder"]),
        ("unet", ["noise_predictor"]),
        ("shift_unet", ["shifted_noise_predictor"]),
        ("encoder", ["semantic_encoder"]),
        ("checkpoint_pretrain", ["autoencoder", "noise_predictor"]),
        (
            "checkpoint_repr_learn",
            ["autoencoder", "shifted_noise_predictor", "semantic_encoder"],
        ),
    ],
)
def test_every_key_has_a_place(
    oracle, paper: dict[str, nn.Module], file: str, networks: list[str]
) -> None:
    state = oracle.keys(file)
    found = sort_networks(state, source=file)
    assert list(found) == networks
    for network, part in found.items():
        theirs = without_copies(part, source=file) if network == "semantic_encoder" else part
        translation, module = TRANSLATIONS[network], paper[network]
        ours = translation.from_original(theirs, module, source=file)
        assert _shapes(ours) == _shapes(module.state_dict())
        back = translation.to_original(ours)
        if network == "semantic_encoder":
            back = with_copies(back, slices=SLICES)
        assert _shapes(back) == _shapes(part)


@pytest.mark.parametrize(
    ("network", "fixture"),
    [("shifted_noise_predictor", "shifted"), ("autoencoder", "autoencoder")],
)
def test_weights_come_back_bit_for_bit(
    oracle, request: pytest.FixtureRequest, network: str, fixture: str
) -> None:
    module = request.getfixturevalue(fixture)
    stored = oracle.state({"shifted": "shift_unet", "autoencoder": "aekl"}[fixture])
    _same(TRANSLATIONS[network].to_original(module.state_dict()), stored)


def test_the_encoder_comes_back_bit_for_bit(oracle, encoder: nn.Module) -> None:
    back = TRANSLATIONS["semantic_encoder"].to_original(encoder.state_dict())
    _same(back, oracle.encoder)
    whole = with_copies(back, slices=8)
    torch.testing.assert_close(
        whole["positional_encoding.pe"], oracle.arrays("encoder")["pe"], rtol=0, atol=1e-5
    )
    _same(without_copies(whole, source="fixture"), oracle.encoder)


def _shapes(state: dict[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {key: tuple(tensor.shape) for key, tensor in state.items()}


def _same(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> None:
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(tensor, theirs[key]) for key, tensor in ours.items())
