import pytest
import torch
from torch import Tensor

from ldae.nets.semantic_encoder import SemanticEncoder, StandardisedEncoder, slice_positions

SHAPE = (16, 24, 6)
SMALL = {
    "widths": (8, 12),
    "depths": (1, 1),
    "stochastic_depth": 0.0,
    "pool": (2, 2),
    "embedding_dim": 10,
    "heads": 2,
    "dropout": 0.0,
}


@pytest.fixture
def volumes() -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    brain = torch.rand(SHAPE, generator=generator)
    return [
        (0.9 * brain + 0.1 * torch.rand(SHAPE, generator=generator)).clamp(0, 1) for _ in range(9)
    ]


@pytest.fixture
def encoder() -> SemanticEncoder:
    torch.manual_seed(0)
    return SemanticEncoder(**SMALL).eval()


@pytest.mark.parametrize(
    ("pool", "embedding_dim", "projects"),
    [((1, 1), 12, False), ((1, 1), 10, True), ((2, 3), 12, True), ((2, 3), 72, False)],
)
def test_pooled_slices_are_projected_where_their_width_differs(
    pool: tuple[int, int], embedding_dim: int, projects: bool
) -> None:
    encoder = SemanticEncoder(**SMALL | {"pool": pool, "embedding_dim": embedding_dim})
    assert bool(list(encoder.slice_encoder.project.parameters())) == projects
    assert encoder(torch.rand(2, 1, *SHAPE)).shape == (2, embedding_dim)


def test_slices_are_axial_and_keep_their_x_and_y(encoder: SemanticEncoder) -> None:
    x = torch.rand(2, 1, *SHAPE)
    seen = []
    encoder.slice_encoder.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    encoder(x)
    slices = seen[0]
    assert slices.shape == (12, 1, 16, 24)
    assert torch.equal(slices[1, 0], x[0, 0, :, :, 1])
    assert torch.equal(slices[6, 0], x[1, 0, :, :, 0])


def test_the_order_of_slices_matters(encoder: SemanticEncoder, volumes: list[Tensor]) -> None:
    x = volumes[0][None, None]
    assert not torch.allclose(encoder(x), encoder(x.flip(-1)), atol=1e-5)


def test_volumes_of_a_batch_do_not_mix(encoder: SemanticEncoder, volumes: list[Tensor]) -> None:
    x = torch.stack(volumes[:3])[:, None]
    torch.testing.assert_close(encoder(x)[1:2], encoder(x[1:2]))


def test_positions_are_sines_and_cosines_in_turn() -> None:
    positions = slice_positions(4, 5, torch.device("cpu"))
    assert positions[0].tolist() == [0, 1, 0, 1, 0]
    torch.testing.assert_close(positions[:, 0], torch.arange(4.0).sin())
    torch.testing.assert_close(positions[:, 1], torch.arange(4.0).cos())


def test_stochastic_depth_acts_in_training_only(volumes: list[Tensor]) -> None:
    encoder = SemanticEncoder(**SMALL | {"stochastic_depth": 0.5})
    for name, parameter in encoder.named_parameters():
        if name.endswith("layer_scale"):
            torch.nn.init.ones_(parameter)
    x = volumes[0][None, None]
    assert torch.equal(encoder.eval()(x), encoder(x))
    encoder.train()
    torch.manual_seed(0)
    assert not torch.equal(encoder(x), encoder(x))


def test_other_than_one_channel_is_refused(encoder: SemanticEncoder) -> None:
    with pytest.raises(ValueError, match="one channel, not 2"):
        encoder(torch.rand(1, 2, *SHAPE))


def test_widths_and_depths_must_pair() -> None:
    with pytest.raises(ValueError, match="one each per stage"):
        SemanticEncoder(**SMALL | {"depths": (1,)})


def test_standardised_codes_have_zero_mean_and_unit_variance(
    encoder: SemanticEncoder, volumes: list[Tensor]
) -> None:
    standardised = StandardisedEncoder(encoder, SHAPE).eval()
    standardised.standardise(volumes)
    codes = standardised(torch.stack(volumes)[:, None])
    torch.testing.assert_close(codes.mean(0), torch.zeros(10), atol=1e-4, rtol=0)
    torch.testing.assert_close(codes.std(0, correction=0), torch.ones(10), atol=1e-4, rtol=0)


def test_the_encoder_sees_deviations_of_unit_scale(
    encoder: SemanticEncoder, volumes: list[Tensor]
) -> None:
    standardised = StandardisedEncoder(encoder, SHAPE)
    standardised.standardise([volume[None] for volume in volumes])
    seen = []
    encoder.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    x = torch.stack(volumes)[:, None]
    standardised(x)
    torch.testing.assert_close(seen[0].mean(0), torch.zeros(1, *SHAPE), atol=1e-5, rtol=0)
    torch.testing.assert_close(seen[0].square().mean(), torch.tensor(1.0))
    torch.testing.assert_close(standardised.mean_volume, x.mean((0, 1)))


def test_standardising_spreads_what_registered_brains_share(
    encoder: SemanticEncoder, volumes: list[Tensor]
) -> None:
    x = torch.stack(volumes)[:, None]
    assert encoder(x).var(0).mean() < 0.05
    standardised = StandardisedEncoder(encoder, SHAPE)
    standardised.standardise(volumes)
    assert standardised.eval()(x).var(0).mean() > 0.9


def test_standardising_twice_is_standardising_once(
    encoder: SemanticEncoder, volumes: list[Tensor]
) -> None:
    standardised = StandardisedEncoder(encoder, SHAPE).train()
    standardised.standardise(volumes)
    first = {name: buffer.clone() for name, buffer in standardised.named_buffers()}
    standardised.standardise(volumes)
    assert all(torch.equal(first[name], buffer) for name, buffer in standardised.named_buffers())
    assert standardised.training
    assert {"mean_volume", "volume_scale", "code_mean", "code_std"} <= first.keys()


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_volumes_to_standardise(
    encoder: SemanticEncoder, volumes: list[Tensor], count: int
) -> None:
    with pytest.raises(ValueError, match=f"{count} volumes without variance"):
        StandardisedEncoder(encoder, SHAPE).standardise(volumes[:count])


def test_a_volume_of_another_shape_is_refused(encoder: SemanticEncoder) -> None:
    with pytest.raises(ValueError, match=r"\(24, 16, 6\), expected \(16, 24, 6\)"):
        StandardisedEncoder(encoder, SHAPE).standardise([torch.rand(24, 16, 6)] * 2)
