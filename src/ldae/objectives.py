"""What the trainings minimise: networks and losses joined, one number per sample."""

from collections.abc import Callable

from torch import Tensor, nn

from ldae.diffusion.losses import noise_loss, representation_loss, snr_weight
from ldae.diffusion.schedule import NoiseSchedule
from ldae.diffusion.voxels import to_signed
from ldae.nets.gradient_estimator import ShiftedNoisePredictor


class NoiseObjective(nn.Module):
    """Losses (B,) of a noise predictor on given latents, noise and times."""

    def __init__(self, noise_predictor: nn.Module, schedule: NoiseSchedule) -> None:
        super().__init__()
        self.noise_predictor = noise_predictor
        self.schedule = schedule

    def forward(self, z_0: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """For z_0 and noise (B, C, X, Y, Z) and t (B,)."""
        return noise_loss(self.noise_predictor, self.schedule, z_0=z_0, noise=noise, t=t)


class RepresentationObjective(nn.Module):
    """Losses (B,) of a semantic encoder and the gradient estimator that reads its codes."""

    def __init__(
        self,
        semantic_encoder: nn.Module,
        shifted: ShiftedNoisePredictor,
        schedule: NoiseSchedule,
        snr_exponent: float,
    ) -> None:
        super().__init__()
        self.semantic_encoder = semantic_encoder
        self.shifted = shifted
        self.schedule = schedule
        self.snr_exponent = snr_exponent

    def forward(self, x: Tensor, z_0: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """For volumes x (B, 1, X, Y, Z), z_0 and noise (B, C, X', Y', Z'), t (B,)."""
        return self.given_code(self.semantic_encoder(x), z_0, noise, t)

    def given_code(self, y: Tensor, z_0: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """The same for codes y (B, E) already at hand."""
        return representation_loss(
            self.shifted,
            self.schedule,
            z_0=z_0,
            noise=noise,
            t=t,
            y=y,
            snr_exponent=self.snr_exponent,
        )

    def without_code(self, z_0: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """The same of the frozen model alone."""
        losses = noise_loss(self.shifted.base, self.schedule, z_0=z_0, noise=noise, t=t)
        return snr_weight(self.schedule, t, self.snr_exponent) * losses


class VoxelObjective(nn.Module):
    """Losses (B,) of a noise predictor on voxels and the semantic encoder whose codes it reads.

    The two train together, by the noise alone (Preechakul et al. 2022).
    """

    def __init__(
        self, semantic_encoder: nn.Module, noise_predictor: nn.Module, schedule: NoiseSchedule
    ) -> None:
        super().__init__()
        self.semantic_encoder = semantic_encoder
        self.noise_predictor = noise_predictor
        self.schedule = schedule

    def forward(self, x: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """For volumes x (B, 1, X, Y, Z) in [0, 1], noise alike and t (B,)."""
        return self.given_code(self.semantic_encoder(x), x, noise, t)

    def given_code(self, y: Tensor, x: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """The same for codes y (B, E) already at hand."""

        def conditioned(z_t: Tensor, t: Tensor) -> Tensor:
            eps: Tensor = self.noise_predictor(z_t, t, y)
            return eps

        return noise_loss(conditioned, self.schedule, z_0=to_signed(x), noise=noise, t=t)


class SupervisedObjective(nn.Module):
    """Losses (B,) of a network that gives one score per volume, against what is known of it."""

    def __init__(self, network: nn.Module, criterion: Callable[..., Tensor]) -> None:
        super().__init__()
        self.network = network
        self.criterion = criterion

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        """For volumes x (B, 1, X, Y, Z) and targets (B,)."""
        return self.criterion(self.network(x), target, reduction="none")
