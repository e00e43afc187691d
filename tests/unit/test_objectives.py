"""One batch can be learnt by heart: every part of the way from loss to weights works."""

import torch
from torch import nn

from ldae.diffusion.schedule import NoiseSchedule
from ldae.nets.gradient_estimator import ShiftedNoisePredictor
from ldae.nets.semantic_encoder import SemanticEncoder
from ldae.nets.unet import NoisePredictor
from ldae.objectives import NoiseObjective, RepresentationObjective

SCHEDULE = NoiseSchedule.linear(1000, 1e-4, 0.02)
GENERATOR = torch.Generator().manual_seed(3)
Z_0, NOISE = (torch.randn(4, 2, 4, 4, 4, generator=GENERATOR) for _ in range(2))
X = torch.randn(4, 1, 16, 16, 4, generator=GENERATOR)
T = torch.tensor([100, 300, 500, 700])


def noise_predictor() -> NoisePredictor:
    torch.manual_seed(0)
    return NoisePredictor(
        in_channels=2,
        base_channels=16,
        multipliers=(1, 2),
        res_blocks=1,
        attention_at=(2,),
        heads=1,
        norm_groups=4,
        dropout=0.0,
        downsample=(2, 2, 2),
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
    encoder = SemanticEncoder(
        widths=(8,),
        depths=(2,),
        stochastic_depth=0.0,
        pool=(1, 1),
        embedding_dim=16,
        heads=2,
        dropout=0.0,
    )
    start = encoder(X).detach()
    objective = RepresentationObjective(encoder, ShiftedNoisePredictor(base, 16), SCHEDULE, 0.1)
    batch = {"z_0": Z_0, "noise": NOISE, "t": T}
    without = float(objective.without_code(**batch).mean())
    losses = losses_of(objective, {"x": X, **batch}, steps=80)
    torch.testing.assert_close(torch.tensor(losses[0]), torch.tensor(without))  # G starts at 0
    assert losses[-1] < 0.2 * without
    assert all(torch.equal(a, b) for a, b in zip(frozen, base.parameters(), strict=True))
    assert not torch.allclose(encoder(X), start)  # gradients reach the encoder
