"""One batch can be learnt by heart: every part of the way from loss to weights works."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ldae.diffusion.schedule import NoiseSchedule
from ldae.nets.gradient_estimator import ShiftedNoisePredictor
from ldae.nets.semantic_encoder import SemanticEncoder
from ldae.nets.unet import NoisePredictor
from ldae.objectives import (
    NoiseObjective,
    RepresentationObjective,
    SupervisedObjective,
    VoxelObjective,
)

SCHEDULE = NoiseSchedule.linear(1000, 1e-4, 0.02)
GENERATOR = torch.Generator().manual_seed(3)
Z_0, NOISE = (torch.randn(4, 2, 4, 4, 4, generator=GENERATOR) for _ in range(2))
X = torch.randn(4, 1, 16, 16, 4, generator=GENERATOR)
T = torch.tensor([100, 300, 500, 700])


def noise_predictor(channels: int = 2, cond_dim: int | None = None) -> NoisePredictor:
    torch.manual_seed(0)
    return NoisePredictor(
        in_channels=channels,
        base_channels=16,
        multipliers=(1, 2),
        res_blocks=1,
        attention_at=(2,),
        heads=1,
        norm_groups=4,
        dropout=0.0,
        downsample=(2, 2, 2),
        cond_dim=cond_dim,
    )


def semantic_encoder() -> SemanticEncoder:
    torch.manual_seed(0)
    return SemanticEncoder(
        widths=(8,),
        depths=(2,),
        stochastic_depth=0.0,
        pool=(1, 1),
        embedding_dim=16,
        heads=2,
        dropout=0.0,
    )


def losses_of(objective: nn.Module, batch: dict[str, torch.Tensor], *, steps: int) -> list[float]:
    trained = [parameter for parameter in objective.parameters() if parameter.requires_grad]
    optimiser = torch.optim.Adam(trained, lr=3e-3)
    losses = []
    for _ in range(steps):
        optimiser.zero_grad()
        loss = objective(**batch).mean()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    return losses


def test_the_noise_predictor_learns_one_batch_by_heart() -> None:
    objective = NoiseObjective(noise_predictor(), SCHEDULE)
    losses = losses_of(objective, {"z_0": Z_0, "noise": NOISE, "t": T}, steps=80)
    assert losses[-1] < 0.1 * losses[0]


def test_encoder_and_gradient_estimator_learn_one_batch_by_heart() -> None:
    base = noise_predictor()
    frozen = [parameter.clone() for parameter in base.parameters()]
    encoder = semantic_encoder()
    start = encoder(X).detach()
    objective = RepresentationObjective(encoder, ShiftedNoisePredictor(base, 16), SCHEDULE, 0.1)
    batch = {"z_0": Z_0, "noise": NOISE, "t": T}
    without = float(objective.without_code(**batch).mean())
    losses = losses_of(objective, {"x": X, **batch}, steps=80)
    torch.testing.assert_close(torch.tensor(losses[0]), torch.tensor(without))  # G starts at 0
    assert losses[-1] < 0.2 * without
    assert all(torch.equal(a, b) for a, b in zip(frozen, base.parameters(), strict=True))
    assert not torch.allclose(encoder(X), start)  # gradients reach the encoder


def test_encoder_and_voxel_noise_predictor_learn_one_batch_by_heart() -> None:
    encoder = semantic_encoder()
    x = torch.rand(4, 1, 8, 8, 4, generator=GENERATOR)
    start = encoder(x).detach()
    objective = VoxelObjective(encoder, noise_predictor(channels=1, cond_dim=16), SCHEDULE)
    batch = {"x": x, "noise": torch.randn(x.shape, generator=GENERATOR), "t": T}
    losses = losses_of(objective, batch, steps=80)
    assert losses[-1] < 0.2 * losses[0]
    assert not torch.allclose(encoder(x), start)  # gradients reach the encoder
    code = encoder(x).detach()
    right, wrong = (objective.given_code(y, **batch).mean() for y in (code, code.roll(1, 0)))
    assert right < wrong


def test_voxels_are_diffused_on_the_scale_from_minus_one_to_one() -> None:
    seen = []

    def network(z: torch.Tensor, t: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        seen.append(z)
        return torch.zeros_like(z)

    objective = VoxelObjective(nn.Identity(), nn.Module(), SCHEDULE)
    objective.noise_predictor.forward = network
    x, t = torch.rand(1, 1, 4, 4, 4, generator=GENERATOR), torch.tensor([0])
    objective.given_code(x, x, torch.zeros_like(x), t)
    torch.testing.assert_close(seen[0], SCHEDULE.signal[0] * (2 * x - 1))


@pytest.mark.parametrize(
    ("criterion", "target"),
    [
        (F.binary_cross_entropy_with_logits, [0.0, 1.0, 1.0, 0.0]),
        (F.smooth_l1_loss, [-1.2, 0.3, 1.1, 0.4]),
    ],
)
def test_a_supervised_encoder_learns_one_batch_by_heart(criterion, target) -> None:
    network = nn.Sequential(semantic_encoder(), nn.Linear(16, 1), nn.Flatten(0))
    objective = SupervisedObjective(network, criterion)
    losses = losses_of(objective, {"x": X, "target": torch.tensor(target)}, steps=60)
    assert losses[-1] < 0.2 * losses[0]
