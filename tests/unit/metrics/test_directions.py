import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldae.config import Probe
from ldae.errors import UserError
from ldae.metrics.directions import (
    PERMUTATIONS,
    fit_on,
    fit_probes,
    follows,
    move,
    random_direction,
    slopes,
)
from ldae.metrics.probe import LinearProbe, TooFewSubjects
from ldae.metrics.tasks import AD_VS_CN, AGE

SETTINGS = Probe(inverse_regularisation=(0.1, 1.0), ridge_penalty=(1.0, 10.0), folds=3)


def unit(dim, seed):
    drawn = np.random.default_rng(seed).normal(size=dim)
    return drawn / np.linalg.norm(drawn)


@given(dim=st.integers(3, 64), seed=st.integers(0, 1000))
def test_a_random_direction_is_as_long_and_at_right_angles(dim, seed):
    besides = [unit(dim, seed), unit(dim, seed + 1)]
    drawn = random_direction(dim, besides=besides, seeds=[seed])
    assert np.linalg.norm(drawn) == pytest.approx(1)
    assert np.abs(np.stack(besides) @ drawn).max() < 1e-9


def test_every_subject_has_its_own_random_direction():
    besides = [unit(32, 0)]
    one, again, other = (
        random_direction(32, besides=besides, seeds=[1, *name.encode()])
        for name in ("sub-1", "sub-1", "sub-2")
    )
    assert (one == again).all()
    assert abs(one @ other) < 0.7


def test_too_few_dimensions_are_refused():
    with pytest.raises(UserError, match="embedding_dim"):
        random_direction(2, besides=[unit(2, 0), unit(2, 1)], seeds=[0])


def probe(dim=5, seed=0):
    generator = np.random.default_rng(seed)
    mean, std, weight = generator.normal(size=(3, dim))
    return LinearProbe(tuple(mean), tuple(np.abs(std) + 0.1), tuple(weight), 0.3, 1.0)


def test_along_a_probes_own_direction_its_score_grows_by_what_its_weights_say():
    one, codes = probe(), np.random.default_rng(1).normal(size=(4, 5))
    moved = move(codes, one.direction(), 0.3, one)
    gained = 0.3 * np.sqrt(5) * np.linalg.norm(one.weight)
    np.testing.assert_allclose(one.score(moved), one.score(codes) + gained)


def test_codes_go_equally_far_along_any_direction():
    one, codes = probe(), np.random.default_rng(1).normal(size=(2, 5))
    own = np.stack([random_direction(5, besides=[one.direction()], seeds=[i]) for i in range(2)])
    for directions in (one.direction(), own):
        step = (move(codes, directions, -0.3, one) - codes) / np.asarray(one.std)
        np.testing.assert_allclose(np.linalg.norm(step, axis=1), 0.3 * np.sqrt(5))
    np.testing.assert_allclose(one.score(move(codes, own, 0.3, one)), one.score(codes))


def test_probes_are_fitted_on_the_scans_they_are_about():
    generator = np.random.default_rng(0)
    rows = pd.DataFrame(
        {
            "participant_id": [f"sub-{i}" for i in range(40)],
            "diagnosis": ["CN", "AD", "MCI", None] * 10,
            "age": generator.normal(75, 5, 40),
        }
    )
    rows.loc[3, "age"] = None
    codes = generator.normal(size=(40, 4))
    told = rows["diagnosis"].isin(["CN", "AD"]).to_numpy()
    fitted = fit_on(AD_VS_CN, rows, codes, SETTINGS)
    np.testing.assert_allclose(fitted.mean, codes[told].mean(axis=0))
    known = rows["age"].notna().to_numpy()
    np.testing.assert_allclose(fit_on(AGE, rows, codes, SETTINGS).mean, codes[known].mean(axis=0))


def cohort(subjects=120, dim=40, rank=4):
    """Scans of two visits, codes that vary along the first `rank` of `dim` dimensions of them."""
    generator = np.random.default_rng(3)
    rows = pd.DataFrame(
        {
            "participant_id": np.repeat([f"sub-{i:03d}" for i in range(subjects)], 2),
            "diagnosis": np.repeat(["CN", "AD"] * (subjects // 2), 2),
            "age": generator.uniform(60, 90, 2 * subjects),
        }
    )
    axes, _ = np.linalg.qr(generator.normal(size=(dim, dim)))
    along = generator.normal(size=(2 * subjects, rank))
    along[:, 0] += 2.0 * (rows["diagnosis"] == "AD")
    along[:, 1] += (rows["age"] - 75) / 8
    noise = 0.02 * generator.normal(size=(2 * subjects, dim))
    return rows, along @ axes[:, :rank].T + noise


def test_a_permuted_direction_lies_where_codes_vary_and_a_random_one_hardly_does():
    rows, codes = cohort()
    probes = fit_probes(rows, codes, SETTINGS, seed=1)
    besides = [*probes.directions().values()]
    standardised = (codes - probes.diagnosis.mean) / np.asarray(probes.diagnosis.std)
    assert len(probes.permuted) == PERMUTATIONS
    drawn = [random_direction(40, besides=besides, seeds=[i]) for i in range(PERMUTATIONS)]
    for direction in [*probes.permuted, *drawn]:
        assert np.linalg.norm(direction) == pytest.approx(1)
        assert np.abs(np.stack(besides) @ direction).max() < 1e-9
    spread = [np.mean([(standardised @ each).std() for each in some])
              for some in (probes.permuted, drawn)]  # fmt: skip
    assert spread[0] > 2 * spread[1]


def test_permutations_differ_and_the_same_seed_gives_the_same_ones():
    rows, codes = cohort(subjects=20, dim=6)
    one, again = (fit_probes(rows, codes, SETTINGS, seed=5).permuted for _ in range(2))
    np.testing.assert_array_equal(one, again)
    assert abs(one[0] @ one[1]) < 0.999


@pytest.mark.parametrize("diagnosis", ["MCI", "CN", None])
def test_a_cohort_without_the_diagnoses_is_said_to_have_too_few_subjects(diagnosis):
    rows, codes = cohort(subjects=8, dim=6)
    with pytest.raises(TooFewSubjects):
        fit_probes(rows.assign(diagnosis=diagnosis), codes, SETTINGS, seed=0)


@given(st.lists(st.integers(-50, 50), min_size=2, max_size=6, unique=True), st.floats(-9, 9))
def test_a_straight_line_has_its_slope(tenths, slope):
    strengths = np.array(tenths) / 10
    found = slopes(strengths, strengths[None] * slope + 3)
    assert found[0] == pytest.approx(slope, abs=1e-9)


def test_only_what_moves_at_every_step_follows():
    values = np.array([[1, 2, 3], [1, 2, 2], [3, 2, 1], [1, 3, 2], [1, np.nan, 2]])
    assert follows(values, 1).tolist() == [True, False, False, False, False]
    assert follows(values, -1).tolist() == [False, False, True, False, False]
