"""The times that training examples get: their probabilities, and what they cost the generator."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ldae import config
from ldae.data.examples import Times
from ldae.runtime import seeded_generator

DRAWS = 4000


def drawn(times: Times, seed: int = 0, count: int = DRAWS) -> torch.Tensor:
    generator = seeded_generator(seed, "times")
    return torch.stack([times.draw(generator) for _ in range(count)])


def focused(timesteps: int, focus: tuple[float, float], share: float) -> Times:
    return Times.focused(timesteps, config.Timesteps(focus=focus, share=share))


@pytest.mark.parametrize(
    ("focus", "share", "inside"),
    [
        ((0.2, 0.7), 0.75, 0.75 + 0.25 * 0.5),
        ((0.2, 0.7), 1.0, 1.0),
        ((0.2, 0.7), 0.0, 0.5),
        ((0.9, 1.0), 0.5, 0.5 + 0.5 * 0.1),
    ],
)
def test_times_in_the_focus_are_as_frequent_as_set(
    focus: tuple[float, float], share: float, inside: float
) -> None:
    t = drawn(focused(1000, focus, share))
    within = (t >= 1000 * focus[0]) & (t < 1000 * focus[1])
    deviation = (inside * (1 - inside) / DRAWS) ** 0.5
    assert float(within.float().mean()) == pytest.approx(inside, abs=4 * deviation + 1e-9)


def test_within_and_outside_the_focus_every_time_is_as_likely() -> None:
    """Chi-squared of eight equal parts: below 26 but once in 2,000 draws of seven degrees."""
    t = drawn(focused(800, (0.25, 0.75), 0.75))
    inner = t[(t >= 200) & (t < 600)] - 200
    outer = t[(t < 200) | (t >= 600)]
    outer = torch.where(outer < 200, outer, outer - 400)
    for side in (inner, outer):
        counts = torch.bincount(side * 8 // 400, minlength=8).float()
        expected = len(side) / 8
        assert float(((counts - expected) ** 2 / expected).sum()) < 26


@settings(max_examples=200, deadline=None)
@given(
    st.integers(1, 1000),
    st.floats(0, 1),
    st.floats(0, 1),
    st.floats(0, 1),
    st.integers(0, 2**31),
)
def test_times_are_of_the_schedule_and_follow_the_seed(
    timesteps: int, one: float, other: float, share: float, seed: int
) -> None:
    if one == other:
        return
    times = focused(timesteps, (min(one, other), max(one, other)), share)
    t = drawn(times, seed, 5)
    assert ((t >= 0) & (t < timesteps)).all()
    assert torch.equal(t, drawn(times, seed, 5))
    first, end = times.focus
    assert 0 <= first < end <= timesteps


def test_a_share_of_none_draws_as_if_there_were_no_focus() -> None:
    """Bit for bit, so that the paper's model trains as it always did."""
    one, other = (seeded_generator(1, "times") for _ in range(2))
    times = focused(1000, (0.2, 0.7), 0.0)
    for _ in range(20):
        assert times.draw(one) == torch.randint(1000, (), generator=other)
    assert torch.equal(one.get_state(), other.get_state())
    assert torch.equal(drawn(Times.uniform(1000), 3, 20), drawn(times, 3, 20))
