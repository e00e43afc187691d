import argparse
import io
import os
import pickle
from pathlib import Path

import pytest
import torch
from torch import Tensor

from ldae.errors import UserError
from ldae.nets.semantic_encoder import slice_positions
from ldae.weights.release import read_networks, sort_networks, with_copies, without_copies

UNET = {"time_embed.0.weight": torch.rand(2, 3), "out.0.bias": torch.rand(4)}
AUTOENCODER = {"quant_conv_mu.conv.weight": torch.rand(1)}
ENCODER = {
    "soft_attention.linear.weight": torch.rand(1, 4),
    "backbone.backbone.features.0.0.bias": torch.rand(3),
    "layer_norm_after_attention.weight": torch.rand(4),
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "weights.pth"


def _checkpoint(**parts: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        f"{part}.{name}": tensor for part, state in parts.items() for name, tensor in state.items()
    }


@pytest.mark.parametrize(
    ("state", "network"),
    [
        (AUTOENCODER, "autoencoder"),
        (UNET, "noise_predictor"),
        (UNET | {"shift_out.2.weight": torch.rand(1)}, "shifted_noise_predictor"),
        (ENCODER, "semantic_encoder"),
    ],
)
def test_a_bare_state_dict_is_known_by_its_weights(
    file: Path, state: dict[str, Tensor], network: str
) -> None:
    torch.save(state, file)
    (found,) = read_networks(file).items()
    assert found[0] == network
    assert all(torch.equal(tensor, state[name]) for name, tensor in found[1].items())


@pytest.mark.parametrize("new_format", [True, False])
def test_a_checkpoint_gives_its_averages(file: Path, new_format: bool) -> None:
    average = {name: tensor + 1 for name, tensor in UNET.items()}
    state = _checkpoint(vae=AUTOENCODER, unet=UNET, ema_unet=average)
    content = {"epoch": 3, "hyper_parameters": {"lr": 1e-4}, "state_dict": state}
    torch.save(content, file, _use_new_zipfile_serialization=new_format)
    networks = read_networks(file)
    assert list(networks) == ["autoencoder", "noise_predictor"]
    assert torch.equal(networks["noise_predictor"]["out.0.bias"], average["out.0.bias"])


def test_what_a_checkpoint_should_not_hold_is_named() -> None:
    with pytest.raises(UserError, match=r"file: not weights of the original's .* it holds lpips"):
        sort_networks(_checkpoint(vae=AUTOENCODER, lpips=UNET), source="file")
    with pytest.raises(UserError, match="it holds nothing"):
        sort_networks({}, source="file")


@pytest.mark.parametrize("kept", ["unet", "ema_unet"])
def test_an_average_and_what_it_averages_have_the_same_weights(kept: str) -> None:
    parts = {"unet": UNET, "ema_unet": UNET} | {kept: {"out.0.bias": UNET["out.0.bias"]}}
    with pytest.raises(UserError, match="ema_unet and unet list other weights"):
        sort_networks(_checkpoint(**parts), source="file")
    with pytest.raises(UserError, match="ema_unet and unet list other weights"):
        sort_networks(_checkpoint(ema_unet=UNET), source="file")


def test_the_encoders_second_names_and_positions_come_and_go() -> None:
    whole = with_copies(ENCODER, slices=6)
    again = "slice_distributed.module.backbone.features.0.0.bias"
    assert whole.keys() - ENCODER.keys() == {again, "positional_encoding.pe"}
    assert whole["positional_encoding.pe"].shape == (1, 6, 4)
    assert without_copies(whole, source="file") == ENCODER
    assert without_copies(ENCODER, source="file") == ENCODER


def test_the_encoders_second_names_must_agree() -> None:
    whole = with_copies(ENCODER, slices=6)
    again = "slice_distributed.module.backbone.features.0.0.bias"
    with pytest.raises(UserError, match=r"differs from backbone\.backbone"):
        without_copies(whole | {again: whole[again] + 1}, source="file")
    del whole["backbone.backbone.features.0.0.bias"]
    assert again in without_copies(whole, source="file")  # for the strict accounting to refuse


@pytest.mark.parametrize(
    "positions", [torch.rand(1, 6, 4), torch.rand(6, 4), slice_positions(6, 4, torch.device("cpu"))]
)
def test_other_positions_are_refused(positions: Tensor) -> None:
    with pytest.raises(UserError, match="pe is not the table of sines"):
        without_copies(ENCODER | {"positional_encoding.pe": positions}, source="file")


def test_a_missing_file_is_named(file: Path) -> None:
    with pytest.raises(UserError, match=r"weights\.pth: no such file"):
        read_networks(file)


def _saved(content: object, *, new_format: bool) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=new_format)
    return buffer.getvalue()


@pytest.mark.parametrize("new_format", [True, False])
def test_a_file_cut_short_is_refused_wherever_it_ends(file: Path, new_format: bool) -> None:
    whole = _saved(UNET, new_format=new_format)
    for length in range(0, len(whole) - 1, 61):
        file.write_bytes(whole[:length])
        with pytest.raises(UserError, match=r"weights\.pth: "):
            read_networks(file)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
        b"<!DOCTYPE html><html>",
        b"\x93NUMPY",
    ],
)
def test_what_is_no_weights_file_is_refused(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(UserError, match="cannot be read as weights"):
        read_networks(file)


@pytest.mark.parametrize("content", [[1, 2], {"a": 1}, {"a": torch.ones(2, dtype=torch.long)}])
def test_other_content_is_refused(file: Path, content: object) -> None:
    torch.save(content, file)
    with pytest.raises(UserError, match="not a state dict"):
        read_networks(file)


def test_weights_that_are_not_finite_are_refused(file: Path) -> None:
    torch.save(UNET | {"out.0.bias": torch.tensor([1.0, float("nan")])}, file)
    with pytest.raises(UserError, match=r"1 weights not finite, out\.0\.bias first"):
        read_networks(file)


class Trap:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("trapped",)


def test_code_in_a_file_is_named_and_never_run(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": UNET, "trap": Trap()}, file)
    with pytest.raises(UserError, match=r"holds posix\.mkdir beside weights and, for safety"):
        read_networks(file)
    file.write_bytes(pickle.dumps(Trap(), protocol=2))
    with pytest.raises(UserError, match=r"weights\.pth: "):
        read_networks(file)
    assert not (tmp_path / "trapped").exists()


def test_harmless_objects_beside_weights_are_named_too(file: Path) -> None:
    torch.save({"state_dict": UNET, "hyper_parameters": argparse.Namespace(lr=1)}, file)
    with pytest.raises(UserError, match=r"holds argparse\.Namespace beside weights"):
        read_networks(file)
