import pytest
import torch

from ldae.metrics.gain import gain_by_time


def test_the_gain_is_what_the_right_code_removes_beyond_a_wrong_one() -> None:
    t = torch.tensor([0, 150, 199, 200, 999])
    gains = gain_by_time(
        right=torch.tensor([1.0, 1.0, 1.0, 0.2, 0.5]),
        wrong=torch.tensor([1.0, 2.0, 3.0, 0.7, 0.5]),
        without=torch.tensor([4.0, 4.0, 4.0, 1.0, 0.5]),
        t=t,
        timesteps=1000,
    )
    assert gains == pytest.approx({"gain_t000_199": 0.25, "gain_t200_399": 0.5, "gain_t800_999": 0})


def test_the_parts_of_any_schedule_cover_it_without_gap() -> None:
    timesteps = 13
    losses = torch.ones(timesteps)
    gains = gain_by_time(
        right=losses, wrong=losses, without=losses, t=torch.arange(timesteps), timesteps=timesteps
    )
    edges = [tuple(map(int, name.removeprefix("gain_t").split("_"))) for name in gains]
    covered = [time for first, last in edges for time in range(first, last + 1)]
    assert covered == list(range(timesteps))
