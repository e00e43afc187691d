from pathlib import Path

import pytest
import torch
from monai.networks.nets import ResNetFeatures

from ldae.errors import UserError
from ldae.weights.medicalnet import load_medicalnet
from ldae.weights.public import MEDICALNET_RESNET10


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A file as its authors hand it out: a training's checkpoint, from several devices."""
    torch.manual_seed(0)
    state = ResNetFeatures("resnet10", pretrained=False).state_dict()
    stored = {"state_dict": {f"module.{name}": tensor for name, tensor in state.items()}}
    torch.save(stored, tmp_path / MEDICALNET_RESNET10.name)
    return tmp_path


def test_without_weights_there_is_none(tmp_path: Path) -> None:
    assert load_medicalnet(None) is None
    assert load_medicalnet(str(tmp_path)) is None


def test_features_are_of_each_volume_alone_and_of_its_contrast(weights: Path) -> None:
    network = load_medicalnet(str(weights))
    x = torch.rand((3, 1, 24, 32, 24), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        together, alone = network(x), network(x[1:2])
        brighter = network(0.5 * x + 0.3)
    assert together.shape == (3, 512)
    torch.testing.assert_close(together[1:2], alone, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(together, brighter, rtol=1e-3, atol=1e-4)
    assert torch.isfinite(network(torch.zeros(1, 1, 24, 32, 24))).all()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"weight": torch.zeros(1)}, "cannot be read as weights"),
        ({"state_dict": {"module.conv1.weight": torch.zeros(1)}}, "does not fit the network"),
    ],
)
def test_another_file_is_refused(tmp_path: Path, content: object, message: str) -> None:
    torch.save(content, tmp_path / MEDICALNET_RESNET10.name)
    with pytest.raises(UserError, match=message):
        load_medicalnet(str(tmp_path))
