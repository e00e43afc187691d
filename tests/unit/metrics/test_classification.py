import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from ldae.metrics.classification import class_statistics, two_class_statistics


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
    found = two_class_statistics(truth, probability)
    assert found.keys() == expected.keys()
    for name, reference in expected.items():
        np.testing.assert_allclose(found[name](weights), [reference(w) for w in weights])


@given(st.integers(0, 2**31))
def test_weighted_macro_metrics_are_those_of_scikit_learn(seed):
    generator = np.random.default_rng(seed)
    truth = np.concatenate([np.arange(3), generator.integers(0, 3, size=40)])
    chances = generator.dirichlet([0.7, 0.7, 0.7], size=len(truth))
    weights = generator.integers(1, 4, size=(3, len(truth))).astype(float)
    called = chances.argmax(axis=1)
    macro = {"average": "macro", "zero_division": 0}
    expected = {
        "accuracy": lambda w: sk.accuracy_score(truth, called, sample_weight=w),
        "precision": lambda w: sk.precision_score(truth, called, sample_weight=w, **macro),
        "recall": lambda w: sk.recall_score(truth, called, sample_weight=w, **macro),
        "f1": lambda w: sk.f1_score(truth, called, sample_weight=w, **macro),
        "roc_auc": lambda w: np.mean(
            [sk.roc_auc_score(truth == k, chances[:, k], sample_weight=w) for k in range(3)]
        ),
        "mcc": lambda w: sk.matthews_corrcoef(truth, called, sample_weight=w),
        "balanced_accuracy": lambda w: sk.balanced_accuracy_score(truth, called, sample_weight=w),
    }
    found = class_statistics(truth, chances)
    assert found.keys() == expected.keys()
    for name, reference in expected.items():
        np.testing.assert_allclose(
            found[name](weights), [reference(w) for w in weights], atol=1e-12
        )


def test_the_same_answers_of_two_classes_have_the_same_accuracy_either_way():
    generator = np.random.default_rng(1)
    truth, probability = generator.random(60) < 0.5, generator.random(60)
    weights = generator.integers(0, 3, size=(4, 60)).astype(float)
    both = np.stack([1 - probability, probability], axis=1)
    two, several = two_class_statistics(truth, probability), class_statistics(truth, both)
    for name in ("accuracy", "balanced_accuracy", "mcc", "roc_auc"):
        np.testing.assert_allclose(several[name](weights), two[name](weights))


def test_one_class_has_no_auc_and_silence_no_precision():
    ones = np.ones((1, 4))
    alone = two_class_statistics(np.ones(4, bool), np.full(4, 0.9))
    assert np.isnan(alone["roc_auc"](ones)).all()
    silent = two_class_statistics(np.array([True, False, True, False]), np.full(4, 0.1))
    assert np.isnan(silent["precision"](ones)).all()
    assert silent["recall"](ones) == 0


def test_a_class_without_scans_leaves_means_over_classes_undefined():
    found = class_statistics(np.array([0, 1, 0, 1]), np.eye(3)[[0, 1, 1, 1]])
    ones = np.ones((1, 4))
    assert found["accuracy"](ones) == pytest.approx(0.75)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in ("precision", "recall", "f1", "roc_auc", "balanced_accuracy"):
            assert np.isnan(found[name](ones)).all(), name
