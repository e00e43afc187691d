"""The volumetric encoder keeps where things are, and is itself moved as the volume is."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from ldae.nets.semantic_encoder import StandardisedEncoder
from ldae.nets.volumetric_encoder import VolumetricEncoder

SHAPE = (32, 48, 32)
CELL = 8  # voxels: three stages, each halving every axis, and as many cells as places
SMALL = {
    "widths": (4, 6, 8),
    "depths": (0, 1, 1),
    "norm_groups": 2,
    "pool": (4, 6, 4),
    "embedding_dim": 10,
    "dropout": 0.0,
}


def encoder(**changes: object) -> VolumetricEncoder:
    torch.manual_seed(0)
    return VolumetricEncoder(**SMALL | changes).eval()


def blob(*centre: float, shape: tuple[int, int, int] = SHAPE) -> Tensor:
    """A ball of 3 voxels' radius in a volume (1, 1, X, Y, Z) of zeros."""
    axes = torch.meshgrid(*[torch.arange(n, dtype=torch.float32) for n in shape], indexing="ij")
    squared = sum((axis - at) ** 2 for axis, at in zip(axes, centre, strict=True))
    return torch.clamp(1 - squared / 9, min=0)[None, None]


@pytest.mark.parametrize("shape", [SHAPE, (24, 32, 24), (9, 17, 31)])
def test_volumes_of_any_size_become_codes(shape: tuple[int, int, int]) -> None:
    network = encoder(pool=(2, 3, 2))
    x = torch.rand(2, 1, *shape)
    assert network.features(x).shape == (2, 8, 2, 3, 2)
    assert network(x).shape == (2, 10)
    assert network.embedding_dim == 10


def without_background(network: VolumetricEncoder) -> VolumetricEncoder:
    """Without biases, and norms that look at the whole volume: what is empty stays exactly so."""
    for stage in network.stages:
        nn.init.zeros_(stage.reduce.bias)
        stage.norm = nn.Identity()
    return network


@settings(max_examples=12, deadline=None)
@given(st.tuples(*[st.integers(-1, 1)] * 3))
def test_a_shift_by_whole_cells_shifts_the_features_by_as_many(cells: tuple[int, int, int]) -> None:
    shape, here = (48, 64, 48), (24.0, 32.0, 24.0)
    network = without_background(encoder(depths=(0, 0, 0), pool=tuple(n // CELL for n in shape)))
    there = tuple(at + CELL * by for at, by in zip(here, cells, strict=True))
    with torch.no_grad():
        before, after = (network.features(blob(*at, shape=shape)) for at in (here, there))
    assert before.abs().sum() > 0
    torch.testing.assert_close(after, torch.roll(before, cells, dims=(2, 3, 4)))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2), st.integers(1, 6))
def test_the_same_blob_elsewhere_has_another_code(axis: int, voxels: int) -> None:
    here = [16.0, 24.0, 16.0]
    there = list(here)
    there[axis] += voxels
    x = torch.cat([blob(*here), blob(*there), torch.zeros(1, 1, *SHAPE)])
    with torch.no_grad():
        kept = encoder()(x)
        averaged = encoder(pool=(1, 1, 1))(x)

    def told_apart(codes: Tensor) -> float:
        """The change by the shift, over that by the blob's being there at all."""
        return float((codes[0] - codes[1]).norm() / (codes[0] - codes[2]).norm())

    assert told_apart(kept) > 0.02 * voxels
    assert told_apart(kept) > told_apart(averaged)


def test_volumes_of_a_batch_do_not_mix() -> None:
    network, x = encoder(), torch.rand(3, 1, *SHAPE)
    with torch.no_grad():
        alone = torch.cat([network(each) for each in x.split(1)])
        torch.testing.assert_close(network(x), alone)


def test_dropout_acts_in_training_alone() -> None:
    network, x = encoder(dropout=0.5), torch.rand(1, 1, *SHAPE)
    assert torch.equal(network(x), network(x))
    network.train()
    assert not torch.equal(network(x), network(x))


def test_every_weight_gets_a_gradient() -> None:
    network = encoder().train()
    network(torch.rand(2, 1, *SHAPE)).square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in network.parameters())


def test_other_than_one_channel_is_refused() -> None:
    with pytest.raises(ValueError, match="one channel, not 2"):
        encoder()(torch.zeros(1, 2, *SHAPE))


def test_each_stage_needs_a_depth() -> None:
    with pytest.raises(ValueError, match="zip"):
        encoder(depths=(0, 1))


def test_its_codes_are_standardised_as_those_by_slices() -> None:
    torch.manual_seed(1)
    volumes = [blob(*centre)[0] for centre in (torch.rand(12, 3) * 8 + 12).tolist()]
    network = StandardisedEncoder(encoder(), SHAPE)
    network.standardise(volumes)
    with torch.no_grad():
        codes = network(torch.stack(volumes))
    torch.testing.assert_close(codes.mean(0), torch.zeros(10), atol=1e-4, rtol=0)
    torch.testing.assert_close(codes.std(0, correction=0), torch.ones(10), atol=1e-3, rtol=0)
    assert network.blocks == network.encoder.blocks
