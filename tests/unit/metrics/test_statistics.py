import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldae.metrics.statistics import (
    bootstrap_interval,
    mean_of,
    ratio_of,
    subject_weights,
    summarise,
)


@given(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=20), st.integers(0, 2**31))
def test_scans_of_a_subject_are_drawn_together(subjects, seed):
    weights = subject_weights(subjects, replicates=7, seed=seed)
    assert weights.shape == (7, len(subjects))
    for name in set(subjects):
        mine = weights[:, [subject == name for subject in subjects]]
        assert (mine == mine[:, :1]).all()
    firsts = [subjects.index(name) for name in set(subjects)]
    assert (weights[:, firsts].sum(axis=1) == len(firsts)).all()


def test_same_seed_same_replicates_other_seed_other_ones():
    subjects = list("aabbcd")
    first, again, other = (
        subject_weights(subjects, replicates=50, seed=seed) for seed in (3, 3, 4)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_estimates_are_plain_means_and_ratios():
    values = [1.0, 2.0, 6.0]
    weights = subject_weights(list("abc"), replicates=100, seed=0)
    assert bootstrap_interval(mean_of(values), weights, 0.95).value == pytest.approx(3)
    ratio = ratio_of([1.0, 2.0, 3.0], [2.0, 4.0, 6.0])
    interval = bootstrap_interval(ratio, weights, 0.95)
    assert (interval.value, interval.low, interval.high) == pytest.approx((0.5, 0.5, 0.5))


def test_what_is_undefined_stays_undefined():
    weights = subject_weights(list("abc"), replicates=10, seed=0)
    columns = summarise({"lpips": mean_of([np.nan] * 3)}, weights, 0.95)
    assert list(columns) == ["lpips", "lpips_low", "lpips_high"]
    assert all(np.isnan(value) for value in columns.values())


def test_wider_confidence_wider_interval():
    scores = np.random.default_rng(0).normal(size=30)
    weights = subject_weights([str(i) for i in range(30)], replicates=500, seed=0)
    narrow, wide = (bootstrap_interval(mean_of(scores), weights, c) for c in (0.5, 0.95))
    assert wide.low < narrow.low < narrow.value < narrow.high < wide.high


def test_intervals_cover_the_truth_although_scans_of_a_subject_are_alike():
    """60 subjects with 1 to 4 correlated scans: 95 % intervals cover about 95 %."""
    generator = np.random.default_rng(5)
    covered = by_scan = 0
    for cohort in range(300):
        visits = generator.integers(1, 5, size=60)
        subjects = np.repeat(np.arange(60), visits)
        values = generator.normal(size=60)[subjects] + 0.3 * generator.normal(size=len(subjects))
        weights = subject_weights(subjects.astype(str).tolist(), replicates=400, seed=cohort)
        interval = bootstrap_interval(mean_of(values), weights, 0.95)
        covered += interval.low <= 0 <= interval.high
        each = [str(i) for i in range(len(subjects))]
        naive = subject_weights(each, replicates=400, seed=cohort)
        interval = bootstrap_interval(mean_of(values), naive, 0.95)
        by_scan += interval.low <= 0 <= interval.high
    assert 0.91 <= covered / 300 <= 0.98
    assert by_scan / 300 < 0.85  # resampling scans would promise too much
