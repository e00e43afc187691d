import numpy as np
import pytest
from scipy.stats import norm

from ldae.config import Probe
from ldae.metrics.classification import two_class_statistics
from ldae.metrics.paper_probe import fit_age_as_paper, fit_diagnosis_as_paper
from ldae.metrics.probe import Lesson, TooFewSubjects
from ldae.metrics.regression import error_statistics

UNUSED = Probe(inverse_regularisation=(1.0,), ridge_penalty=(1.0,), folds=2)


def lesson(codes, target, *, seed=None):
    subjects = np.zeros(len(codes))  # which the paper's code does not regard
    return Lesson(codes, target, subjects=subjects, settings=UNUSED, seed=seed)


def test_planted_classes_are_told_apart_as_well_as_can_be():
    generator = np.random.default_rng(0)

    def cohort(size):
        positive = generator.random(size) < 0.5
        codes = generator.normal(size=(size, 4))
        codes[:, 1] += 1.5 * positive
        return 10 * codes + 3, positive

    codes, positive = cohort(800)
    probe = fit_diagnosis_as_paper(lesson(codes, positive))
    codes, positive = cohort(4000)
    auc = two_class_statistics(positive, probe.probability(codes))["roc_auc"](np.ones((1, 4000)))
    assert auc[0] == pytest.approx(norm.cdf(1.5 / np.sqrt(2)), abs=0.015)


def test_planted_ages_are_found_as_well_as_can_be():
    generator = np.random.default_rng(1)

    def cohort(size):
        codes = generator.normal(size=(size, 3))
        return 4 * codes - 2, 72 + 5 * codes[:, 0] - 2 * codes[:, 2] + generator.normal(0, 4, size)

    codes, ages = cohort(800)
    probe = fit_age_as_paper(lesson(codes, ages))
    codes, ages = cohort(4000)
    mae = error_statistics(ages, probe.score(codes))["mae"](np.ones((1, 4000)))
    assert mae[0] == pytest.approx(4 * np.sqrt(2 / np.pi), rel=0.04)


def test_its_validation_is_by_scan_and_prefers_codes_that_know_subjects():
    """Codes that only identify subjects: held-out scans of known subjects look easy."""
    generator = np.random.default_rng(2)
    subjects = np.repeat(np.arange(40), 6)
    codes, positive = np.eye(40)[subjects], (generator.permutation(40) < 20)[subjects]
    probe = fit_diagnosis_as_paper(lesson(codes, positive))
    assert ((probe.probability(codes) > 0.5) == positive).mean() > 0.95


def test_same_seed_same_probe_other_seed_other_one():
    generator = np.random.default_rng(3)
    codes, positive = generator.normal(size=(50, 3)), generator.random(50) < 0.5
    plain, again, other = (
        fit_diagnosis_as_paper(lesson(codes, positive, seed=seed)) for seed in (42, None, 1)
    )
    assert plain == again
    assert plain != other


def test_a_constant_code_does_no_harm():
    codes = np.concatenate(
        [np.ones((40, 1)), np.random.default_rng(4).normal(size=(40, 2))], axis=1
    )
    probe = fit_age_as_paper(lesson(codes, 70 + codes[:, 1]))
    assert np.isfinite(probe.score(codes)).all()


def test_nothing_to_learn_is_said():
    codes = np.zeros((4, 2))
    with pytest.raises(TooFewSubjects, match="one class only"):
        fit_diagnosis_as_paper(lesson(codes, np.ones(4, bool)))
    with pytest.raises(TooFewSubjects, match="different ages"):
        fit_age_as_paper(lesson(codes, np.full(4, 70.0)))
