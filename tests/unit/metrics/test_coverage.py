"""Intervals over subjects hold what they promise, where the truth is known in closed form."""

import numpy as np
import pytest
from scipy.stats import binom, norm

from ldae.metrics.classification import two_class_statistics
from ldae.metrics.regression import error_statistics
from ldae.metrics.statistics import (
    bootstrap_interval,
    difference_of,
    subject_weights,
)

COHORTS, CONFIDENCE = 200, 0.9
LOWEST, HIGHEST = binom.interval(0.999, COHORTS, CONFIDENCE)
WITHIN = 0.6  # share of the variance between scans that lies between subjects


def cohort(generator, subjects=60):
    """Subjects of 1 to 4 scans; a standard normal number per scan, alike within a subject."""
    visits = generator.integers(1, 5, size=subjects)
    names = np.repeat(np.arange(subjects), visits)
    shared, own = generator.normal(size=subjects)[names], generator.normal(size=len(names))
    return names, np.sqrt(WITHIN) * shared + np.sqrt(1 - WITHIN) * own


def auc_of_gaussians(generator):
    """Scores of AD and CN 1.2 standard deviations apart: AUC = Φ(1.2 / √2)."""
    names, noise = cohort(generator)
    positive = names % 2 == 0
    score = 1 / (1 + np.exp(-(noise + 1.2 * positive)))
    return names, two_class_statistics(positive, score)["roc_auc"], norm.cdf(1.2 / np.sqrt(2))


def mae_of_gaussians(generator):
    """Ages told with Gaussian errors of 5 years: MAE = 5 √(2/π)."""
    names, noise = cohort(generator)
    ages = generator.normal(72, 7, len(names))
    return names, error_statistics(ages, ages + 5 * noise)["mae"], 5 * np.sqrt(2 / np.pi)


def aucs_of_two(generator):
    """Two scores of which the one is 0.9 standard deviations better: a difference of AUCs."""
    names, noise = cohort(generator)
    positive = names % 2 == 0
    other = 0.8 * noise + 0.6 * cohort_like(names, generator)
    first, second = (
        two_class_statistics(positive, 1 / (1 + np.exp(-score)))["roc_auc"]
        for score in (noise + 1.5 * positive, other + 0.6 * positive)
    )
    truth = norm.cdf(1.5 / np.sqrt(2)) - norm.cdf(0.6 / np.sqrt(2))
    return names, difference_of(first, second), truth


def cohort_like(names, generator):
    shared = generator.normal(size=names.max() + 1)[names]
    return np.sqrt(WITHIN) * shared + np.sqrt(1 - WITHIN) * generator.normal(size=len(names))


@pytest.mark.parametrize("planted", [auc_of_gaussians, mae_of_gaussians, aucs_of_two])
def test_the_truth_is_within_as_often_as_promised(planted):
    generator = np.random.default_rng(17)
    covered = by_scan = 0
    widths = []
    for number in range(COHORTS):
        names, statistic, truth = planted(generator)
        each = np.arange(len(names))
        honest, naive = (
            bootstrap_interval(
                statistic,
                subject_weights(drawn.astype(str).tolist(), replicates=300, seed=number),
                CONFIDENCE,
            )
            for drawn in (names, each)
        )
        covered += honest.low <= truth <= honest.high
        by_scan += naive.low <= truth <= naive.high
        widths.append((honest.high - honest.low) / (naive.high - naive.low))
    assert LOWEST <= covered <= HIGHEST
    assert by_scan < covered  # scans drawn one by one promise too much
    assert np.mean(widths) > 1.15
