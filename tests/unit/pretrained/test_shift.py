"""Shift scores: uniform for scans like the training scans, 1 for others, and no one's numbers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldae.pretrained.look import Look
from ldae.pretrained.shift import STEPS, fit_familiar


def drawn(count: int, seed: int, *, dim: int = 24) -> tuple[list[Look], np.ndarray]:
    """Looks and codes of scans of one kind: codes vary along few of their dimensions."""
    rng = np.random.default_rng(seed)
    axes = np.random.default_rng(0).normal(size=(4, dim))
    numbers = [0.3, 0.5, 0.2, 0.4, 0.9] + 0.01 * rng.normal(size=(count, 5))
    blocks = np.linspace(0, 1, 80) + 0.02 * rng.normal(size=(count, 80))
    looks = [Look(tuple(each), block) for each, block in zip(numbers, blocks, strict=True)]
    codes = rng.normal(size=(count, 4)) @ axes + 0.05 * rng.normal(size=(count, dim))
    return looks, codes


@pytest.fixture(scope="module")
def familiar():
    looks, codes = drawn(400, 1)
    return fit_familiar(looks, codes, [f"sub-{number // 2}" for number in range(400)])


def test_scores_of_scans_alike_are_spread_evenly(familiar):
    looks, codes = drawn(300, 2)
    scores = np.sort([familiar.judge(*each).score for each in zip(looks, codes, strict=True)])
    uniform = (np.arange(300) + 0.5) / 300
    assert np.abs(scores - uniform).max() < 0.15


def test_what_is_unlike_scores_one_and_is_named(familiar):
    (look, *_), (code, *_) = drawn(1, 3)
    near, far = familiar.judge(look, code), familiar.judge(look, code + 40)
    assert near.reasons == []
    assert far.score == 1
    assert far.distance > near.distance
    assert "semantic code" in far.reasons[0]
    lopsided = familiar.judge(Look((*look.numbers[:4], 0.1), look.blocks), code)
    assert lopsided.score == 1
    assert lopsided.reasons[0].startswith("left-right symmetry 0.100 (training scans 0.9")
    other = familiar.judge(Look(look.numbers, look.blocks[::-1]), code)
    assert other.score == 1
    assert other.reasons[0].startswith("large structures ")


@given(st.floats(0, 30), st.floats(0, 30))
def test_further_away_is_never_less_unlike(familiar, one, other):
    (look, *_), (code, *_) = drawn(1, 3)
    direction = np.random.default_rng(9).normal(size=code.size)
    centre = np.array(familiar.spread.codes.centre)
    nearer, further = sorted((one, other))
    scores = [familiar.judge(look, centre + by * direction).score for by in (nearer, further)]
    assert scores[0] <= scores[1]


def numbers_in(content: object) -> int:
    if isinstance(content, dict | tuple):
        inside = content.values() if isinstance(content, dict) else content
        return sum(map(numbers_in, inside))
    return 1


def test_nothing_kept_grows_with_the_number_of_scans():
    sizes = []
    for count in (80, 160):
        looks, codes = drawn(count, 1)
        kept = fit_familiar(looks, codes, [f"sub-{number}" for number in range(count)])
        sizes.append(numbers_in(kept.model_dump()))
        assert len(kept.distances) == STEPS
    assert sizes[0] == sizes[1]


def test_too_few_subjects_say_nothing_of_what_is_usual():
    looks, codes = drawn(12, 1)
    assert fit_familiar(looks, codes, ["a", "b", "c"] * 4) is None


def test_a_code_that_says_nothing_is_no_division_by_zero():
    looks, _ = drawn(12, 1)
    familiar = fit_familiar(looks, np.zeros((12, 6)), [str(number) for number in range(12)])
    assert 0 <= familiar.judge(looks[0], np.zeros(6)).score <= 1
    assert familiar.judge(looks[0], np.ones(6)).score == 1
