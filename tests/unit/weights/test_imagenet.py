from pathlib import Path

import pytest
import torch
from torchvision.models.convnext import CNBlockConfig, ConvNeXt

from ldae.errors import UserError
from ldae.nets.semantic_encoder import SemanticEncoder, StandardisedEncoder
from ldae.nets.volumetric_encoder import VolumetricEncoder
from ldae.weights import imagenet

WIDTHS, DEPTHS = (8, 12), (1, 1)


@pytest.fixture
def colour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ConvNeXt:
    """A small torchvision ConvNeXt, its weights saved where `load_imagenet` looks for them."""
    torch.manual_seed(0)
    network = ConvNeXt([CNBlockConfig(8, 12, 1), CNBlockConfig(12, None, 1)]).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    torch.save(network.state_dict(), tmp_path / "small.pth")
    monkeypatch.setattr(imagenet, "FILES", {(WIDTHS, DEPTHS): "small.pth"})
    return network


def _encoder(pool: tuple[int, int]) -> SemanticEncoder:
    return SemanticEncoder(
        widths=WIDTHS,
        depths=DEPTHS,
        stochastic_depth=0,
        pool=pool,
        embedding_dim=12,
        heads=2,
        dropout=0,
    ).eval()


@torch.no_grad()
def test_a_grey_slice_is_seen_as_three_equal_colours(colour: ConvNeXt, tmp_path: Path) -> None:
    encoder = _encoder(pool=(1, 1))
    imagenet.load_imagenet(encoder, widths=WIDTHS, depths=DEPTHS, pretrained=str(tmp_path))
    grey = torch.rand(2, 1, 16, 24)
    colour.classifier[2] = torch.nn.Identity()
    torch.testing.assert_close(encoder.slice_encoder(grey), colour(grey.expand(-1, 3, -1, -1)))


def test_more_cells_keep_a_fresh_norm(colour: ConvNeXt, tmp_path: Path) -> None:
    encoder = StandardisedEncoder(_encoder(pool=(2, 2)), (16, 24, 4))
    imagenet.load_imagenet(encoder, widths=WIDTHS, depths=DEPTHS, pretrained=str(tmp_path))
    slices = encoder.encoder.slice_encoder
    assert torch.equal(slices.features[0][0].bias, colour.features[0][0].bias)
    assert (slices.norm.weight == 1).all()


@pytest.mark.parametrize("depths", [DEPTHS, (1, 2)])
def test_what_is_not_there_is_named(colour: ConvNeXt, depths: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match="initialise: random"):
        imagenet.load_imagenet(_encoder((1, 1)), widths=WIDTHS, depths=depths, pretrained=None)


def test_whole_volumes_have_no_imagenet(colour: ConvNeXt, tmp_path: Path) -> None:
    encoder = VolumetricEncoder(
        widths=(4,), depths=(0,), norm_groups=2, pool=(2, 2, 2), embedding_dim=4, dropout=0.0
    )
    with pytest.raises(TypeError, match="only the encoder by slices"):
        imagenet.load_imagenet(encoder, widths=WIDTHS, depths=DEPTHS, pretrained=str(tmp_path))
