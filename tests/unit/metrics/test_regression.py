import numpy as np
from sklearn import metrics as sk

from ldae.metrics.regression import error_statistics


def test_weighted_errors_are_those_of_scikit_learn():
    generator = np.random.default_rng(10)
    ages, predicted = generator.normal(70, 8, 50), generator.normal(70, 8, 50)
    weights = generator.integers(0, 4, size=(4, 50)).astype(float)
    found = error_statistics(ages, predicted)
    for name, reference in {
        "mae": sk.mean_absolute_error,
        "rmse": sk.root_mean_squared_error,
        "r2": sk.r2_score,
    }.items():
        expected = [reference(ages, predicted, sample_weight=w) for w in weights]
        np.testing.assert_allclose(found[name](weights), expected)


def test_scans_of_one_age_have_errors_but_no_r2():
    found = error_statistics(np.full(3, 70.0), np.array([69.0, 71.0, 74.0]))
    assert found["mae"](np.ones((1, 3))) == 2
    assert np.isnan(found["r2"](np.ones((1, 3)))).all()
