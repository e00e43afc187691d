import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from ldae.nets.unet import NoisePredictor

SMALL = {
    "in_channels": 2,
    "base_channels": 8,
    "multipliers": (1, 2),
    "res_blocks": 1,
    "attention_at": (2,),
    "heads": 2,
    "norm_groups": 4,
    "dropout": 0.0,
    "downsample": (2, 2, 2),
}


def _awake(network: NoisePredictor) -> NoisePredictor:
    """The network with every zero-initialised weight drawn at random."""
    for parameter in network.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.1)
    return network.eval()


def _inputs(size: tuple[int, int, int] = (4, 4, 6)) -> tuple[Tensor, Tensor]:
    return torch.randn(2, 2, *size), torch.tensor([3, 700])


def test_predicts_zero_before_training() -> None:
    assert not NoisePredictor(**SMALL)(*_inputs()).any()


def test_every_parameter_takes_part() -> None:
    network = _awake(NoisePredictor(**SMALL, cond_dim=3))
    network(*_inputs(), torch.randn(2, 3)).square().sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


@settings(max_examples=12, deadline=None)
@given(
    downsample=st.sampled_from([(1, 2, 2), (2, 2, 2), (2, 1, 1)]),
    levels=st.integers(1, 3),
    res_blocks=st.integers(1, 2),
    cells=st.tuples(st.integers(1, 2), st.integers(1, 2), st.integers(1, 2)),
)
def test_output_has_the_size_of_the_input(
    downsample: tuple[int, int, int], levels: int, res_blocks: int, cells: tuple[int, int, int]
) -> None:
    form = SMALL | {
        "multipliers": (1, 2, 1)[:levels],
        "res_blocks": res_blocks,
        "attention_at": (),
        "downsample": downsample,
    }
    size = tuple(n * f ** (levels - 1) for n, f in zip(cells, downsample, strict=True))
    x, t = _inputs(size)
    assert _awake(NoisePredictor(**form))(x, t).shape == x.shape


def test_depends_on_time_and_on_the_code() -> None:
    network = _awake(NoisePredictor(**SMALL, cond_dim=3))
    (x, t), y = _inputs(), torch.randn(2, 3)
    eps = network(x, t, y)
    assert not torch.allclose(eps, network(x, t + 1, y), atol=1e-5)
    assert not torch.allclose(eps, network(x, t, y + 1), atol=1e-5)


def test_samples_of_a_batch_do_not_mix() -> None:
    network = _awake(NoisePredictor(**SMALL))
    x, t = _inputs()
    torch.testing.assert_close(network(x, t)[:1], network(x[:1], t[:1]))


def test_anisotropic_reduction_keeps_the_first_axis() -> None:
    x, t = _inputs((3, 4, 4))
    shapes = {}
    for downsample in ((1, 2, 2), (2, 2, 2)):
        network = NoisePredictor(**SMALL | {"downsample": downsample})
        features = network.trunk(torch.cat([x, x], dim=2)[:, :, :4], t)
        shapes[downsample] = tuple(features.skips[-1].shape[2:])
    assert shapes == {(1, 2, 2): (4, 2, 2), (2, 2, 2): (2, 2, 2)}


def test_a_size_that_does_not_halve_is_refused() -> None:
    x, t = _inputs((3, 4, 4))
    with pytest.raises(ValueError, match=r"\(3, 4, 4\): axes must be multiples of \[2, 2, 2\]"):
        NoisePredictor(**SMALL)(x, t)
    anisotropic = NoisePredictor(**SMALL | {"downsample": (1, 2, 2)})
    assert anisotropic(x, t).shape == x.shape


def test_a_code_is_given_exactly_where_it_is_used() -> None:
    (x, t), y = _inputs(), torch.randn(2, 3)
    with pytest.raises(ValueError, match="needed by a network with cond_dim"):
        NoisePredictor(**SMALL)(x, t, y)
    with pytest.raises(ValueError, match="needed by a network with cond_dim"):
        NoisePredictor(**SMALL, cond_dim=3)(x, t)


def test_attention_at_a_factor_without_a_level_is_refused() -> None:
    with pytest.raises(ValueError, match=r"attention_at \[4\]: the levels' factors are \[1, 2\]"):
        NoisePredictor(**SMALL | {"attention_at": (2, 4)})
