"""The two factors by which the gradient estimator's output moves the predicted noise.

Training fits the shift of the posterior mean q(z_{t-1} | z_t, y); DDIM follows the shifted score.
They agree but for the lowest noise levels (ratio 0 at t = 0, .86 at 10, .98 at 100); both are
PDAE's.
"""

from torch import Tensor

from ldae.diffusion.schedule import NoiseSchedule, at


def posterior_shift(schedule: NoiseSchedule, t: Tensor, like: Tensor) -> Tensor:
    """-sqrt(alpha_t) (1 - alpha_bar_{t-1}) / sqrt(1 - alpha_bar_t), to multiply `like` (B, ...)."""
    return at(schedule.posterior_shift, t, like)


def score_shift(schedule: NoiseSchedule, t: Tensor, like: Tensor) -> Tensor:
    """-sqrt(1 - alpha_bar_t), to multiply `like` (B, ...)."""
    return -at(schedule.sigma, t, like)
