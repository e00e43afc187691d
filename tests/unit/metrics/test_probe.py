import json

import numpy as np
import pytest
from scipy.stats import norm
from sklearn import metrics as sk

from ldae.config import Probe
from ldae.errors import UserError
from ldae.metrics.probe import (
    LinearProbe,
    age_statistics,
    diagnosis_statistics,
    fit_age,
    fit_diagnosis,
)
from ldae.metrics.statistics import bootstrap_interval, subject_weights

SETTINGS = Probe(
    inverse_regularisation=(0.001, 0.01, 0.1, 1.0), ridge_penalty=(1.0, 10.0, 1000.0), folds=5
)


def planted(subjects: int, seed: int, gap: float = 1.8, dims: int = 8):
    """Codes whose first axis separates AD from CN by `gap` standard deviations; two visits each."""
    generator = np.random.default_rng(seed)
    positive = generator.random(subjects) < 0.5
    codes = generator.normal(size=(subjects, dims))
    codes[:, 0] += gap * positive
    codes = codes * 3 + 7
    names = np.array([f"sub-{i}" for i in range(subjects)])
    return np.repeat(codes, 2, axis=0), np.repeat(positive, 2), np.repeat(names, 2)


def test_planted_auc_is_found_within_the_interval():
    train, truth, subjects = planted(1000, seed=1)
    probe = fit_diagnosis(train, truth, subjects, SETTINGS)
    test, positive, names = planted(300, seed=2)
    statistic = diagnosis_statistics(positive, probe.probability(test))["roc_auc"]
    weights = subject_weights(names.tolist(), replicates=500, seed=0)
    interval = bootstrap_interval(statistic, weights, 0.95)
    assert interval.low < norm.cdf(1.8 / np.sqrt(2)) < interval.high
    assert interval.high - interval.low < 0.1


def test_planted_mae_is_found_within_the_interval():
    generator = np.random.default_rng(3)

    def cohort(size):
        codes = generator.normal(size=(size, 6))
        return codes, 70 + 4 * codes[:, 0] - 3 * codes[:, 1] + generator.normal(0, 5, size)

    codes, ages = cohort(2000)
    probe = fit_age(codes, ages, np.arange(2000), SETTINGS)
    codes, ages = cohort(400)
    found = age_statistics(ages, probe.score(codes))
    weights = subject_weights([str(i) for i in range(400)], replicates=500, seed=0)
    mae, rmse = (bootstrap_interval(found[name], weights, 0.95) for name in ("mae", "rmse"))
    assert mae.low < 5 * np.sqrt(2 / np.pi) < mae.high
    assert rmse.low < 5 < rmse.high


def test_random_codes_have_no_auc():
    generator = np.random.default_rng(4)
    truth = np.arange(400) % 2 == 0
    probe = fit_diagnosis(generator.normal(size=(400, 5)), truth, np.arange(400), SETTINGS)
    test, positive = generator.normal(size=(400, 5)), np.arange(400) % 2 == 1
    auc = diagnosis_statistics(positive, probe.probability(test))["roc_auc"](np.ones((1, 400)))
    assert 0.42 < auc[0] < 0.58


def test_positive_direction_points_to_ad():
    codes, positive, subjects = planted(200, seed=5)
    probe = fit_diagnosis(codes, positive, subjects, SETTINGS)
    direction = probe.direction()
    assert np.linalg.norm(direction) == pytest.approx(1)
    assert direction[0] > 0.9
    towards = probe.move(codes[:1], 0.5)
    assert probe.probability(towards) > probe.probability(codes[:1])
    moved = (towards - codes[:1]) / np.asarray(probe.std)
    assert np.linalg.norm(moved) == pytest.approx(0.5 * np.sqrt(8))


def test_visits_of_a_subject_never_face_each_other_in_cross_validation():
    """Codes that only identify subjects, labels by coin: grouped folds shrink most."""
    generator = np.random.default_rng(6)
    subjects = np.repeat(np.arange(60), 4)
    codes = generator.normal(size=(60, 80))[subjects]
    positive = (generator.permutation(60) < 30)[subjects]
    probe = fit_diagnosis(codes, positive, subjects, SETTINGS)
    assert probe.regularisation == min(SETTINGS.inverse_regularisation)
    leaking = fit_diagnosis(codes, positive, np.arange(240), SETTINGS)
    assert leaking.regularisation > probe.regularisation
    ages = (generator.normal(70, 8, size=60))[subjects]
    assert fit_age(codes, ages, subjects, SETTINGS).regularisation == 1000.0
    assert fit_age(codes, ages, np.arange(240), SETTINGS).regularisation == 1.0


def test_constants_come_from_training_scans():
    codes, positive, subjects = planted(100, seed=7)
    probe = fit_diagnosis(codes, positive, subjects, SETTINGS)
    np.testing.assert_allclose(probe.mean, codes.mean(axis=0))
    np.testing.assert_allclose(probe.std, codes.std(axis=0))


def test_a_probe_survives_its_file():
    codes, positive, subjects = planted(60, seed=8)
    probe = fit_diagnosis(codes, positive, subjects, SETTINGS)
    assert LinearProbe.from_json(json.loads(json.dumps(probe.as_json()))) == probe


def test_too_few_subjects_is_said():
    codes = np.random.default_rng(0).normal(size=(6, 3))
    one_ad = np.array([True, True, False, False, False, False])
    with pytest.raises(UserError, match="two training subjects"):
        fit_diagnosis(codes, one_ad, np.array(list("aabbcc")), SETTINGS)


def test_a_dead_code_has_no_direction():
    probe = LinearProbe(mean=(0.0,), std=(1.0,), weight=(0.0,), bias=0.0, regularisation=1.0)
    with pytest.raises(UserError, match="all zero"):
        probe.direction()


def test_weighted_metrics_are_those_of_scikit_learn():
    generator = np.random.default_rng(9)
    truth = generator.random(80) < 0.4
    probability = np.round(np.clip(0.3 * truth + generator.random(80) * 0.7, 0, 1), 1)  # with ties
    weights = generator.integers(0, 4, size=(5, 80)).astype(float)
    called = probability >= 0.5
    expected = {
        "accuracy": lambda w: sk.accuracy_score(truth, called, sample_weight=w),
        "precision": lambda w: sk.precision_score(truth, called, sample_weight=w),
        "recall": lambda w: sk.recall_score(truth, called, sample_weight=w),
        "f1": lambda w: sk.f1_score(truth, called, sample_weight=w),
        "roc_auc": lambda w: sk.roc_auc_score(truth, probability, sample_weight=w),
        "mcc": lambda w: sk.matthews_corrcoef(truth, called, sample_weight=w),
        "balanced_accuracy": lambda w: sk.balanced_accuracy_score(truth, called, sample_weight=w),
    }
    found = diagnosis_statistics(truth, probability)
    assert found.keys() == expected.keys()
    for name, reference in expected.items():
        np.testing.assert_allclose(found[name](weights), [reference(w) for w in weights])


def test_weighted_errors_are_those_of_scikit_learn():
    generator = np.random.default_rng(10)
    ages, predicted = generator.normal(70, 8, 50), generator.normal(70, 8, 50)
    weights = generator.integers(0, 4, size=(4, 50)).astype(float)
    found = age_statistics(ages, predicted)
    for name, reference in {
        "mae": sk.mean_absolute_error,
        "rmse": sk.root_mean_squared_error,
        "r2": sk.r2_score,
    }.items():
        expected = [reference(ages, predicted, sample_weight=w) for w in weights]
        np.testing.assert_allclose(found[name](weights), expected)


def test_one_class_has_no_auc_and_silence_no_precision():
    ones = np.ones((1, 4))
    alone = diagnosis_statistics(np.ones(4, bool), np.full(4, 0.9))
    assert np.isnan(alone["roc_auc"](ones)).all()
    silent = diagnosis_statistics(np.array([True, False, True, False]), np.full(4, 0.1))
    assert np.isnan(silent["precision"](ones)).all()
    assert silent["recall"](ones) == 0
