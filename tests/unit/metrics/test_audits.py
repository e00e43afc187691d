import numpy as np
import pandas as pd
import pytest

from ldae.config import Bootstrap
from ldae.metrics.audits import COLUMNS, EXPECTED, audit
from ldae.metrics.summary import means_by

BOOTSTRAP = Bootstrap(replicates=300, confidence=0.95)
STRENGTHS = (-0.4, -0.2, 0.0, 0.2, 0.4)


def edited(slopes, subjects=20, noise=0.0, seed=0, either_way=()):
    """Measures that move by `slopes[direction][measure]` per strength, in every subject alike.

    Along directions `either_way` every second subject moves the other way.
    """
    generator = np.random.default_rng(seed)
    rows = [
        {"participant_id": f"sub-{subject:02d}", "direction": direction, "strength": strength}
        | {
            measure: 10 + subject + slopes[direction].get(measure, 0) * strength
            * (-1 if direction in either_way and subject % 2 else 1)
            + generator.normal(0, noise)
            for measure in EXPECTED
        }
        for subject in range(subjects)
        for direction in slopes
        for strength in STRENGTHS
    ]  # fmt: skip
    return pd.DataFrame(rows)


def judged(frame):
    table = audit(frame, bootstrap=BOOTSTRAP, seed=1)
    assert list(table.columns) == COLUMNS
    assert not table.duplicated(["direction", "measure"]).any()
    return table.set_index(["direction", "measure"])


def test_what_moves_as_it_should_is_told_from_what_stays():
    moving = {"probability": 2.0, "age": 5.0, "ventricle_ml": 20.0, "hippocampus_ml": -1.0}
    table = judged(edited({"ad_vs_cn": moving, "random": {}}, noise=0.01))
    for measure, slope in moving.items():
        row = table.loc["ad_vs_cn", measure]
        assert row["audit"] == "as expected"
        assert row["slope"] == pytest.approx(slope, abs=0.05)
        assert row["slope_low"] <= row["slope"] <= row["slope_high"]
        assert row["slope_beyond_random"] == pytest.approx(abs(slope), abs=0.1)
        assert row["slope_size"] == pytest.approx(abs(slope), abs=0.05)
        assert row["monotone"] == 1
        assert table.loc["random", measure]["monotone"] < 0.3
        assert table.loc["random", measure]["audit"] == "flat"
    for column in ("slope_beyond_random", "slope_beyond_permuted"):
        assert table.loc["random", column].isna().all()
    assert table.loc["ad_vs_cn", ["size_of_probes", "slope_beyond_permuted"]].isna().all(axis=None)


def test_a_control_that_moves_is_found_out():
    table = judged(edited({"age": {"age": 5.0}, "random": {"age": 5.0}}, noise=0.01))
    assert table.loc["random", "age"]["audit"] == "moves"
    beyond = table.loc["age", "age"]
    assert beyond["slope_beyond_random_low"] <= 0 <= beyond["slope_beyond_random_high"]


@pytest.mark.parametrize("control", ["random", "permuted"])
def test_a_control_that_moves_subjects_either_way_is_not_flat(control):
    """Signed slopes cancel over subjects; their sizes do not."""
    moving = {"ad_vs_cn": {"ventricle_ml": 20.0}, "age": {"ventricle_ml": 10.0}}
    table = judged(edited(moving | {control: {"ventricle_ml": 4.0}}, either_way=[control]))
    row = table.loc[control, "ventricle_ml"]
    assert row["slope"] == pytest.approx(0, abs=1e-9)
    assert row["slope_size"] == pytest.approx(4)
    assert row["size_of_probes"] == pytest.approx(4 / 20)
    assert row["audit"] == "moves"
    assert table.loc["age", "ventricle_ml"][f"slope_beyond_{control}"] == pytest.approx(10 - 4)


def test_a_control_is_flat_below_a_tenth_of_the_probes_size():
    slopes = {"age": {"hippocampus_ml": -10.0}, "random": {"hippocampus_ml": 0.5}}
    table = judged(edited(slopes, either_way=["random"]))
    assert table.loc["random", "hippocampus_ml"]["audit"] == "flat"
    beyond = table.loc["age", "hippocampus_ml"]["slope_beyond_random"]
    assert beyond == pytest.approx(10 - 0.5)


def test_the_wrong_way_is_against():
    table = judged(edited({"ad_vs_cn": {"hippocampus_ml": 1.0}, "random": {}}, noise=1e-3))
    assert table.loc["ad_vs_cn", "hippocampus_ml"]["audit"] == "against"
    assert table.loc["ad_vs_cn", "hippocampus_ml"]["monotone"] == 0


def test_noise_alone_is_open_and_proves_no_control_flat():
    verdicts = [
        judged(edited({"ad_vs_cn": {}, "random": {}}, noise=1.0, seed=seed))["audit"]
        for seed in range(8)
    ]
    assert (pd.concat([each.loc["ad_vs_cn"] for each in verdicts]) == "open").mean() > 0.8
    assert not (pd.concat([each.loc["random"] for each in verdicts]) == "flat").any()


def test_what_cannot_be_measured_is_left_empty():
    frame = edited({"ad_vs_cn": {"age": 1.0}, "random": {}})
    frame["ventricle_ml"] = np.nan
    row = judged(frame).loc["ad_vs_cn", "ventricle_ml"]
    assert row[["monotone", "slope", "audit"]].isna().all()
    assert row["n_subjects"] == 0


def test_means_have_one_row_per_key_over_what_is_defined():
    frame = edited({"ad_vs_cn": {"age": 1.0}, "random": {}}, subjects=4)
    frame.loc[frame["participant_id"] == "sub-00", "probability"] = np.nan
    table = means_by(
        frame, ["direction", "strength"], ["age", "probability"], bootstrap=BOOTSTRAP, seed=0
    )
    assert len(table) == 10
    assert not table.duplicated(["direction", "strength"]).any()
    at = table.set_index(["direction", "strength"]).loc["ad_vs_cn", 0.4]
    assert at["age"] == pytest.approx(10 + 1.5 + 0.4)
    assert at["probability"] == pytest.approx(10 + 2)
    assert at["n_subjects"] == 4
