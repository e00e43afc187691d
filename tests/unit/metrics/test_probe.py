import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from scipy.stats import norm

from ldae.config import Probe
from ldae.errors import UserError
from ldae.metrics import probe as probing
from ldae.metrics.classification import class_statistics, two_class_statistics
from ldae.metrics.probe import (
    ClassProbe,
    Lesson,
    LinearProbe,
    TooFewSubjects,
    fit_age,
    fit_classes,
    fit_diagnosis,
)
from ldae.metrics.regression import error_statistics
from ldae.metrics.statistics import bootstrap_interval, subject_weights

SETTINGS = Probe(
    inverse_regularisation=(0.001, 0.01, 0.1, 1.0), ridge_penalty=(1.0, 10.0, 1000.0), folds=5
)
fit_three = partial(fit_classes, count=3)


def lesson(codes, target, subjects, **how):
    return Lesson(codes, target, subjects=subjects, settings=SETTINGS, **how)


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
    probe = fit_diagnosis(lesson(train, truth, subjects))
    test, positive, names = planted(300, seed=2)
    statistic = two_class_statistics(positive, probe.probability(test))["roc_auc"]
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
    probe = fit_age(lesson(codes, ages, np.arange(2000)))
    codes, ages = cohort(400)
    found = error_statistics(ages, probe.score(codes))
    weights = subject_weights([str(i) for i in range(400)], replicates=500, seed=0)
    mae, rmse = (bootstrap_interval(found[name], weights, 0.95) for name in ("mae", "rmse"))
    assert mae.low < 5 * np.sqrt(2 / np.pi) < mae.high
    assert rmse.low < 5 < rmse.high


def test_random_codes_have_no_auc():
    generator = np.random.default_rng(4)
    truth = np.arange(400) % 2 == 0
    probe = fit_diagnosis(lesson(generator.normal(size=(400, 5)), truth, np.arange(400)))
    test, positive = generator.normal(size=(400, 5)), np.arange(400) % 2 == 1
    auc = two_class_statistics(positive, probe.probability(test))["roc_auc"](np.ones((1, 400)))
    assert 0.42 < auc[0] < 0.58


def test_positive_direction_points_to_ad():
    codes, positive, subjects = planted(200, seed=5)
    probe = fit_diagnosis(lesson(codes, positive, subjects))
    direction = probe.direction()
    assert np.linalg.norm(direction) == pytest.approx(1)
    assert direction[0] > 0.9
    towards = codes[:1] + direction * probe.std
    assert probe.probability(towards) > probe.probability(codes[:1])


def test_visits_of_a_subject_never_face_each_other_in_cross_validation():
    """Codes that only identify subjects, labels by coin: grouped folds shrink most."""
    generator = np.random.default_rng(6)
    subjects = np.repeat(np.arange(60), 4)
    codes = generator.normal(size=(60, 80))[subjects]
    positive = (generator.permutation(60) < 30)[subjects]
    probe = fit_diagnosis(lesson(codes, positive, subjects))
    assert probe.regularisation == min(SETTINGS.inverse_regularisation)
    leaking = fit_diagnosis(lesson(codes, positive, np.arange(240)))
    assert leaking.regularisation > probe.regularisation
    ages = (generator.normal(70, 8, size=60))[subjects]
    assert fit_age(lesson(codes, ages, subjects)).regularisation == 1000.0
    assert fit_age(lesson(codes, ages, np.arange(240))).regularisation == 1.0


def test_constants_come_from_training_scans():
    codes, positive, subjects = planted(100, seed=7)
    probe = fit_diagnosis(lesson(codes, positive, subjects))
    np.testing.assert_allclose(probe.mean, codes.mean(axis=0))
    np.testing.assert_allclose(probe.std, codes.std(axis=0))


def test_a_probe_survives_its_file():
    codes, positive, subjects = planted(60, seed=8)
    probe = fit_diagnosis(lesson(codes, positive, subjects))
    assert LinearProbe.from_json(json.loads(json.dumps(probe.as_json()))) == probe


def test_too_few_subjects_is_said():
    codes = np.random.default_rng(0).normal(size=(6, 3))
    one_ad = np.array([True, True, False, False, False, False])
    with pytest.raises(TooFewSubjects, match="two training subjects"):
        fit_diagnosis(lesson(codes, one_ad, np.array(list("aabbcc"))))


@pytest.mark.parametrize("present", [(0, 2), (0, 1), (1, 2), (1,)])
def test_a_class_that_is_absent_is_said(present):
    codes = np.random.default_rng(0).normal(size=(6, 3))
    with pytest.raises(TooFewSubjects, match="found 0"):
        fit_three(lesson(codes, np.resize(present, 6), np.arange(6)))
    for only in (0, 1):
        with pytest.raises(TooFewSubjects, match="found 0"):
            fit_diagnosis(lesson(codes, np.full(6, only), np.arange(6)))


def test_planted_classes_are_told_apart_as_well_as_can_be():
    """Three Gaussians in a row, of which the best AUC of each against the rest is known."""
    generator = np.random.default_rng(20)

    def cohort(subjects):
        classes = np.repeat(generator.integers(0, 3, size=subjects), 2)
        codes = generator.normal(size=(2 * subjects, 4))
        codes[:, 2] += 2.0 * classes
        return 5 * codes - 3, classes, np.repeat(np.arange(subjects), 2)

    probe = fit_three(lesson(*cohort(600)))
    codes, truth, _ = cohort(2000)
    chances = probe.probabilities(codes)
    np.testing.assert_allclose(chances.sum(axis=1), 1)
    found = class_statistics(truth, chances)["roc_auc"](np.ones((1, len(truth))))
    near, far = norm.cdf(2 / np.sqrt(2)), norm.cdf(4 / np.sqrt(2))
    # An end against the middle and the other end; the middle by how near its own a code is.
    best = (2 * (near + far) / 2 + near**2 + (1 - near) ** 2) / 3
    assert found[0] == pytest.approx(best, abs=0.012)
    again = ClassProbe(**json.loads(json.dumps(probe.as_json())))
    np.testing.assert_allclose(again.probabilities(codes[:9]), chances[:9])


def test_a_seed_draws_other_folds_and_nothing_else():
    codes, positive, subjects = planted(60, seed=11, gap=0.8)
    for fit, target in ((fit_diagnosis, positive), (fit_age, 70.0 + positive + codes[:, 1])):
        plain = fit(lesson(codes, target, subjects))
        drawn = [fit(lesson(codes, target, subjects, seed=seed)) for seed in range(6)]
        assert drawn == [fit(lesson(codes, target, subjects, seed=seed)) for seed in range(6)]
        by_choice = {probe.regularisation: probe for probe in [plain, *drawn]}
        assert set(drawn) <= set(by_choice.values())  # equally regularised, equal throughout


def test_a_choice_that_was_fitted_before_is_not_fitted_again(monkeypatch):
    codes, positive, subjects = planted(60, seed=11, gap=0.8)
    classes = positive + 1 * (np.arange(len(codes)) % 4 == 0)
    for fit, target in (
        (fit_diagnosis, positive),
        (fit_age, 70.0 + positive),
        (fit_three, classes),
    ):
        first = fit(lesson(codes, target, subjects))
        with monkeypatch.context() as patched:
            patched.setattr(probing, "clone", lambda _: pytest.fail("fitted again"))
            assert fit(lesson(codes, target, subjects, fitted=[first])) is first
        other = replace(first, regularisation=-1.0)
        assert fit(lesson(codes, target, subjects, fitted=[other])) == first


def test_a_dead_code_has_no_direction():
    probe = LinearProbe(mean=(0.0,), std=(1.0,), weight=(0.0,), bias=0.0, regularisation=1.0)
    with pytest.raises(UserError, match="all zero"):
        probe.direction()
