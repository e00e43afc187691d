from pathlib import Path

import pytest
import torch
from torchvision.models.convnext import CNBlockConfig, ConvNeXt

from ldae import config
from ldae.errors import UserError
from ldae.models.encoder import new_encoder
from ldae.nets.volumetric_encoder import VolumetricEncoder
from ldae.weights import convnext
from ldae.weights.imagenet import load_imagenet

WIDTHS, DEPTHS = (8, 12), (1, 1)
SHAPE = (16, 24, 4)


@pytest.fixture
def colour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ConvNeXt:
    """A small torchvision ConvNeXt, its weights saved where `load_imagenet` looks for them."""
    torch.manual_seed(0)
    network = ConvNeXt([CNBlockConfig(8, 12, 1), CNBlockConfig(12, None, 1)]).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    torch.save(network.state_dict(), tmp_path / "small.pth")
    monkeypatch.setattr(convnext, "FILES", {(WIDTHS, DEPTHS): "small.pth"})
    return network


def _form(pool: tuple[int, int] = (1, 1), depths: tuple[int, ...] = DEPTHS) -> config.Encoder:
    return config.SemanticEncoder(
        widths=WIDTHS,
        depths=depths,
        stochastic_depth=0,
        pool=pool,
        embedding_dim=12,
        heads=2,
        dropout=0,
        initialise="imagenet",
        standardise=pool != (1, 1),
    )


@torch.no_grad()
def test_a_grey_slice_is_seen_as_three_equal_colours(colour: ConvNeXt, tmp_path: Path) -> None:
    encoder = new_encoder(_form(), SHAPE, pretrained=str(tmp_path), name="ldae").eval()
    grey = torch.rand(2, 1, 16, 24)
    colour.classifier[2] = torch.nn.Identity()
    torch.testing.assert_close(encoder.slice_encoder(grey), colour(grey.expand(-1, 3, -1, -1)))


def test_more_cells_keep_a_fresh_norm(colour: ConvNeXt, tmp_path: Path) -> None:
    encoder = new_encoder(_form(pool=(2, 2)), SHAPE, pretrained=str(tmp_path), name="ldae")
    slices = encoder.encoder.slice_encoder
    assert torch.equal(slices.features[0][0].bias, colour.features[0][0].bias)
    assert (slices.norm.weight == 1).all()


def test_the_folder_may_be_in_the_users_home(
    colour: ConvNeXt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    encoder = new_encoder(_form(), SHAPE, pretrained="~", name="ldae")
    assert torch.equal(encoder.slice_encoder.features[0][0].bias, colour.features[0][0].bias)


@pytest.mark.parametrize("depths", [DEPTHS, (1, 2)])
@pytest.mark.parametrize("name", ["ldae", "ldae-volume", "supervised-age"])
def test_what_is_not_there_is_named(colour: ConvNeXt, depths: tuple[int, ...], name: str) -> None:
    key = f"set {name.replace('-', '_')}.semantic_encoder.initialise: random"
    with pytest.raises(UserError, match=key):
        new_encoder(_form(depths=depths), SHAPE, pretrained=None, name=name)


def test_whole_volumes_have_no_imagenet(colour: ConvNeXt, tmp_path: Path) -> None:
    encoder = VolumetricEncoder(
        widths=(4,), depths=(0,), norm_groups=2, pool=(2, 2, 2), embedding_dim=4, dropout=0.0
    )
    with pytest.raises(TypeError, match="only the encoder by slices"):
        load_imagenet(encoder, _form(), pretrained=str(tmp_path), section="ldae_volume")
