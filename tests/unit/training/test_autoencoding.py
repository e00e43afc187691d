import pytest
import torch
from lightning.fabric import Fabric
from monai.losses import PatchAdversarialLoss
from torch import Tensor, nn

from ldae.nets.autoencoder import Autoencoder, build_discriminator
from ldae.training.autoencoding import (
    AdversarialStep,
    AutoencoderObjective,
    channel_kl,
    gaussian_kl,
)
from ldae.training.batches import Batch
from ldae.training.steps import Trained


def autoencoder() -> Autoencoder:
    torch.manual_seed(0)
    return Autoencoder(
        channels=(4, 4), latent_channels=2, res_blocks=1, norm_groups=2, initial_log_variance=-6.0
    )


def step(*, weight: float, after: int = 0) -> tuple[AdversarialStep, nn.Module]:
    model, fabric = autoencoder(), Fabric(accelerator="cpu", devices=1)
    critic = build_discriminator(channels=4, layers=1)
    objective = AutoencoderObjective(model, kl_weight=1e-6, perceptual=None, perceptual_weight=0)
    trained = [
        Trained(module, fabric=fabric, learning_rate=1e-3, clip_norm=1.0)
        for module in (objective, critic)
    ]
    adversarial = AdversarialStep(
        *trained,
        averaged=model,
        fabric=fabric,
        adversarial_loss=PatchAdversarialLoss(criterion="least_squares"),
        adversarial_weight=weight,
        adversarial_after=after,
    )
    return adversarial, critic


def batch(*, size: int = 2) -> Batch:
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(size, 1, 16, 16, 16, generator=generator)
    noise = torch.randn(size, 2, 8, 8, 8, generator=generator)
    return Batch({"x": x, "noise": noise}, [str(i) for i in range(size)])


def gradients(module: nn.Module) -> list[Tensor]:
    return [torch.zeros(()) if p.grad is None else p.grad.clone() for p in module.parameters()]


def test_the_divergence_is_that_of_two_gaussians() -> None:
    mean, std = torch.randn(3, 2, 2, 2, 2), torch.rand(3, 2, 2, 2, 2) + 0.1
    standard = torch.distributions.Normal(0.0, 1.0)
    expected = torch.distributions.kl_divergence(torch.distributions.Normal(mean, std), standard)
    torch.testing.assert_close(gaussian_kl(mean, std), expected.flatten(1).sum(1).mean())


def test_a_channel_that_is_its_prior_has_no_divergence() -> None:
    mean, std = torch.randn(2, 3, 4, 4, 4), torch.full((2, 3, 4, 4, 4), 0.1)
    mean[:, 1], std[:, 1] = 0, 1
    per_channel = channel_kl(mean, std)
    assert per_channel.shape == (3,)
    assert per_channel[1] == 0
    assert per_channel[[0, 2]].min() > 1
    torch.testing.assert_close(per_channel.sum() * 64, gaussian_kl(mean, std))


def test_the_discriminator_gets_the_gradients_of_its_own_loss_alone() -> None:
    adversarial, critic = step(weight=0.5)
    whole = batch()
    adversarial.gradients([whole], samples_seen=0)
    found = gradients(critic)

    critic.zero_grad()
    with torch.no_grad():
        fake, _, _ = adversarial.generator.module(**whole.tensors)
    loss = PatchAdversarialLoss(criterion="least_squares")
    alone = sum(
        0.25 * loss(critic(volumes)[-1], target_is_real=real, for_discriminator=True)
        for volumes, real in ((fake, False), (whole.tensors["x"], True))
    )
    alone.backward()
    for ours, expected in zip(found, gradients(critic), strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-7)


def test_the_discriminators_loss_leaves_nothing_in_the_autoencoder() -> None:
    adversarial, critic = step(weight=0.5)
    whole = batch()
    adversarial.gradients([whole], samples_seen=0)
    found = gradients(adversarial.averaged)

    adversarial.averaged.zero_grad()
    fake, loss, _ = adversarial.generator.module(**whole.tensors)
    fooled = PatchAdversarialLoss(criterion="least_squares")(
        critic(fake)[-1], target_is_real=True, for_discriminator=False
    )
    (loss + 0.5 * fooled).backward()
    for ours, expected in zip(found, gradients(adversarial.averaged), strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(("seen", "joined"), [(9, False), (10, True)])
def test_the_discriminator_joins_after_its_time(seen: int, joined: bool) -> None:
    adversarial, critic = step(weight=0.5, after=10)
    before = [p.detach().clone() for p in critic.parameters()]
    (reported,) = adversarial.gradients([batch()], samples_seen=seen)
    adversarial.update(1.0)
    moved = any(not torch.equal(a, b) for a, b in zip(before, critic.parameters(), strict=True))
    assert moved == joined
    assert ("discriminator" in reported) == joined


def test_without_finite_gradients_of_both_neither_is_changed() -> None:
    adversarial, critic = step(weight=0.5)
    adversarial.gradients([batch()], samples_seen=0)
    before = [p.detach().clone() for p in adversarial.averaged.parameters()]
    next(critic.parameters()).grad.fill_(torch.nan)
    with pytest.raises(FloatingPointError, match="gradient norm is nan"):
        adversarial.update(1.0)
    assert all(map(torch.equal, before, adversarial.averaged.parameters()))


def test_one_batch_can_be_learnt_by_heart() -> None:
    adversarial, _ = step(weight=0.0)
    losses = []
    for _ in range(60):
        losses.append(float(adversarial.gradients([batch(size=1)], samples_seen=0)[0]["l1"]))
        adversarial.update(10.0)
    assert losses[-1] < 0.5 * losses[0]
