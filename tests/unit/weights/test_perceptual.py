from pathlib import Path

import numpy as np
import pytest
import torch

from ldae.errors import UserError
from ldae.training.perceptual import SlicePerceptualLoss
from ldae.weights.perceptual import load_lpips, load_perceptual
from ldae.weights.public import SQUEEZENET

CPU = torch.device("cpu")


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    from torchvision.models import squeezenet1_1

    torch.manual_seed(0)
    torch.save(squeezenet1_1().state_dict(), tmp_path / SQUEEZENET.name)
    return tmp_path


def test_without_weights_there_is_none(tmp_path: Path) -> None:
    assert load_perceptual(None, CPU) is None
    assert load_perceptual(tmp_path, CPU) is None


def test_weights_are_used_when_there(weights: Path) -> None:
    perceptual = load_perceptual(weights, CPU)
    assert perceptual is not None
    a, b = torch.rand((2, 3, 2, 24, 32), generator=torch.Generator().manual_seed(2)).unbind(2)
    with torch.inference_mode():
        np.testing.assert_allclose(perceptual(a, a), 0, atol=1e-6)
        assert (perceptual(a, b) > 0).all()
        assert perceptual(a, b).shape == (2,)


def test_the_trunk_is_the_files(weights: Path) -> None:
    network = load_lpips(weights)
    stored = torch.load(weights / SQUEEZENET.name)
    for name, tensor in network.net.state_dict().items():
        assert torch.equal(tensor, stored["features." + name.split(".", 1)[1]])
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_as_a_loss_it_sees_slices_and_passes_gradients_on(weights: Path) -> None:
    loss = SlicePerceptualLoss(load_lpips(weights))
    x = torch.rand((2, 1, 24, 24, 24), generator=torch.Generator().manual_seed(3))
    other = x.roll(1, dims=0).requires_grad_()
    assert float(loss(x, x)) == pytest.approx(0, abs=1e-6)
    loss(other, x).backward()
    assert other.grad.abs().sum() > 0


def test_foreign_weights_are_refused(tmp_path: Path) -> None:
    torch.save({"conv.weight": torch.zeros(1)}, tmp_path / SQUEEZENET.name)
    with pytest.raises(UserError, match=r"not torchvision's SqueezeNet"):
        load_perceptual(tmp_path, CPU)
