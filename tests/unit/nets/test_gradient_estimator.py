import pytest
import torch
from torch import Tensor, nn

from ldae.nets.gradient_estimator import ShiftedNoisePredictor
from ldae.nets.unet import NoisePredictor

COND = 5


def _base(cond_dim: int | None = None) -> NoisePredictor:
    base = NoisePredictor(
        in_channels=2,
        base_channels=8,
        multipliers=(1, 2),
        res_blocks=1,
        attention_at=(2,),
        heads=1,
        norm_groups=4,
        dropout=0.5,
        downsample=(1, 2, 2),
        cond_dim=cond_dim,
    )
    for parameter in base.parameters():
        nn.init.normal_(parameter, std=0.1)
    return base


@pytest.fixture
def inputs() -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    return torch.randn(2, 2, 3, 4, 4), torch.tensor([3, 700]), torch.randn(2, COND)


def test_the_gradient_is_exactly_zero_at_first(inputs: tuple[Tensor, ...]) -> None:
    for mode in (True, False):
        _, gradient = ShiftedNoisePredictor(_base(), COND).train(mode)(*inputs)
        assert not gradient.any()


def test_the_noise_is_the_frozen_base_bit_for_bit(inputs: tuple[Tensor, ...]) -> None:
    base = _base().eval()
    expected = base(*inputs[:2])
    for mode in (True, False):  # the base's dropout of one half would show
        eps, _ = ShiftedNoisePredictor(base, COND).train(mode)(*inputs)
        assert torch.equal(eps, expected)


def test_training_mode_stops_at_the_base() -> None:
    shifted = ShiftedNoisePredictor(_base().train(), COND).train()
    assert shifted.estimator.head.training
    assert not any(module.training for module in shifted.base.modules())


def test_only_the_estimator_learns(inputs: tuple[Tensor, ...]) -> None:
    shifted = ShiftedNoisePredictor(_base(), COND).train()
    before = {name: tensor.clone() for name, tensor in shifted.state_dict().items()}
    optimiser = torch.optim.SGD([p for p in shifted.parameters() if p.requires_grad], lr=0.1)
    for _ in range(3):
        optimiser.zero_grad()
        eps, gradient = shifted(*inputs)
        (eps + gradient).square().sum().backward()
        optimiser.step()
    trained = {f"estimator.{name}" for name, _ in shifted.estimator.named_parameters()}
    with_gradient = {name for name, p in shifted.named_parameters() if p.grad is not None}
    changed = {
        n for n, tensor in shifted.state_dict().items() if not torch.equal(tensor, before[n])
    }
    assert with_gradient == trained
    assert "estimator.condition.weight" in changed
    assert changed <= trained


def test_the_code_gets_a_gradient_once_the_output_has_moved(inputs: tuple[Tensor, ...]) -> None:
    shifted = ShiftedNoisePredictor(_base(), COND)
    z_t, t, y = inputs
    y.requires_grad_()
    shifted(z_t, t, y)[1].sum().backward()
    assert not y.grad.any()
    for parameter in shifted.estimator.parameters():
        nn.init.normal_(parameter, std=0.1)
    shifted(z_t, t, y)[1].sum().backward()
    assert y.grad.any()


def test_a_conditional_base_is_refused() -> None:
    with pytest.raises(ValueError, match="must be unconditional"):
        ShiftedNoisePredictor(_base(cond_dim=3), COND)
