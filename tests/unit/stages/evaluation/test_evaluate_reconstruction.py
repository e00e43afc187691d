import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from ldae.config import Bootstrap, Reconstruction
from ldae.errors import UserError
from ldae.stages import evaluate_reconstruction as stage
from ldae.tables import RECONSTRUCTED, write_table

from .test_reconstruct_scans import CONTROLS, KEYS, METRICS, PARTS, reconstruct

SCAN = ["participant_id", "session_id"]
SETTINGS = stage.Settings(seed=2, bootstrap=Bootstrap(replicates=50, confidence=0.95))
DRAWN = [("ldae", 4), ("controls", 4)]


def gather(parts, folder, *, drawn=DRAWN):
    """The tables and the figure of `parts`, a folder by name and steps."""
    stage.evaluate_reconstruction(
        parts=list(parts.values()),
        examples=[parts[each] / "example.npz" for each in drawn],
        per_scan=folder / "reconstruction.parquet",
        table=folder / "reconstruction.csv",
        figure=folder / "reconstruction.png",
        settings=SETTINGS,
    )
    return folder


def evaluate(run, folder):
    """Everything, from the inversions on."""
    return gather({each: reconstruct(run, folder, *each) for each in PARTS}, folder)


@pytest.fixture(scope="module")
def parts(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("parts")
    return {each: reconstruct(run, folder, *each) for each in PARTS}


@pytest.fixture(scope="module")
def results(parts, tmp_path_factory):
    return gather(parts, tmp_path_factory.mktemp("tables"))


def test_every_part_is_in_the_tables(parts, results):
    scored = pd.read_parquet(results / "reconstruction.parquet")
    made = pd.concat([pd.read_parquet(folder / "scores.parquet") for folder in parts.values()])
    keys = [*KEYS, *SCAN]
    pd.testing.assert_frame_equal(
        scored.sort_values(keys, ignore_index=True), made.sort_values(keys, ignore_index=True)
    )
    assert not scored.duplicated(keys).any()


def test_rows_come_by_model_and_steps(parts, results, tmp_path):
    table = pd.read_csv(results / "reconstruction.csv")
    assert table["model"].drop_duplicates().tolist() == stage.MODELS
    assert list(zip(table["model"], table["start"], table["steps"], strict=True))[:5] == [
        ("mean-brain", "mean-brain", 0),
        ("other-scan", "other-scan", 0),
        ("autoencoder", "bottleneck", 0),
        ("ldae", "encoded", 2),
        ("ldae", "semantic", 2),
    ]
    assert table.loc[table["model"] == "ldae", "steps"].is_monotonic_increasing
    assert table["ssim"].notna().all()
    scored = pd.read_parquet(results / "reconstruction.parquet")
    order = scored[KEYS].drop_duplicates(ignore_index=True)
    assert order.equals(table[KEYS])
    assert (scored.groupby(KEYS, sort=False).ngroup().diff().fillna(0) >= 0).all()


def test_without_baselines_the_table_is_whole(parts, results, tmp_path):
    some = {each: folder for each, folder in parts.items() if each[0] in ("ldae", "controls")}
    without = pd.read_csv(gather(some, tmp_path) / "reconstruction.csv")
    beside = pd.read_csv(results / "reconstruction.csv")
    assert set(without[KEYS].itertuples(index=False, name=None)) == CONTROLS | {
        ("ldae", start, steps) for start in ("encoded", "semantic") for steps in (2, 4, 5)
    }
    assert without.equals(beside[~beside["model"].isin(["lddim", "dae"])].reset_index(drop=True))


def test_controls_without_a_counterpart_are_refused():
    with pytest.raises(ValueError, match="control_steps: 7 is not one of steps"):
        Reconstruction(steps=(4, 2), control_steps=7, dae_steps=3)


def test_a_part_given_twice_is_refused(parts, tmp_path):
    with pytest.raises(UserError, match="--parts: lddim encoded with 5 steps is there twice"):
        gather(parts | {"again": parts["lddim", 5]}, tmp_path)
    assert not list(tmp_path.iterdir())


def test_examples_of_other_numbers_of_steps_are_refused(parts, tmp_path):
    with pytest.raises(UserError, match=r"4 steps, but .* of .*, 2 steps; name alike"):
        gather(parts, tmp_path, drawn=[("ldae", 2), ("controls", 4)])
    assert not list(tmp_path.iterdir())


def test_a_figure_without_the_controls_is_refused(parts, tmp_path):
    with pytest.raises(UserError, match="no autoencoder bottleneck, ldm unconditional; give"):
        gather(parts, tmp_path, drawn=[("ldae", 4)])


def test_a_damaged_example_is_named(parts, tmp_path):
    path = tmp_path / "example.npz"
    path.write_bytes((parts["ldae", 4] / "example.npz").read_bytes()[:100])
    with pytest.raises(UserError, match=r"cannot be read as an example .*run reconstruct-scans"):
        stage.read_examples([path])


def test_the_table_holds_the_means_and_says_what_is_missing(results):
    scored = pd.read_parquet(results / "reconstruction.parquet")
    table = pd.read_csv(results / "reconstruction.csv").set_index(KEYS)
    assert table.index.is_unique
    means = scored.groupby(KEYS)[METRICS].mean()
    for name in METRICS:
        np.testing.assert_allclose(table[name], means.loc[table.index, name], rtol=1e-5)
        assert (table[f"{name}_low"] <= table[name] * (1 + 1e-5)).all()
        assert (table[f"{name}_high"] >= table[name] * (1 - 1e-5)).all()
    assert table[["lpips", "ms_ssim"]].isna().all(axis=None)
    said = table["not_computed"].iloc[0]
    assert "lpips: no" in said
    assert "ms_ssim: 5 scales" in said
    assert (table["n_subjects"] == 4).all()


def test_an_interval_is_of_subjects(results):
    """The bounds are percentiles of the mean over scans of subjects drawn with replacement."""
    scored = pd.read_parquet(results / "reconstruction.parquet")
    group = scored.set_index(KEYS).loc[("ldae", "encoded", 4)].reset_index(drop=True)
    by_subject = group.groupby("participant_id")["ssim"].agg(["sum", "count"]).to_numpy()
    generator = np.random.default_rng(0)
    draws = by_subject[generator.integers(0, len(by_subject), (4000, len(by_subject)))].sum(axis=1)
    low, high = np.percentile(draws[:, 0] / draws[:, 1], [2.5, 97.5])
    row = pd.read_csv(results / "reconstruction.csv").set_index(KEYS).loc[("ldae", "encoded", 4)]
    assert row["ssim_low"] == pytest.approx(low, abs=0.3 * (high - low))
    assert row["ssim_high"] == pytest.approx(high, abs=0.3 * (high - low))


def test_reasons_are_of_the_part_they_came_with(parts, tmp_path):
    other = tmp_path / "dae/T3"
    other.mkdir(parents=True)
    for name in ("scores.parquet", "example.npz"):
        (other / name).write_bytes((parts["dae", 3] / name).read_bytes())
    (other / "not_computed.txt").write_text("")
    table = pd.read_csv(gather(parts | {("dae", 3): other}, tmp_path) / "reconstruction.csv")
    empty = table["not_computed"].isna()
    assert table.loc[empty, "model"].tolist() == ["dae"]


@pytest.mark.filterwarnings("ignore:invalid value")  # of an infinite PSNR that is not drawn
def test_a_perfect_score_has_an_interval_without_width(parts, tmp_path):
    scored = pd.read_parquet(parts["lddim", 5] / "scores.parquet")
    write_table(scored.assign(ssim=1.0, psnr=np.inf), tmp_path / "scores.parquet", RECONSTRUCTED)
    (tmp_path / "not_computed.txt").write_text("")
    gather(parts | {("lddim", 5): tmp_path}, tmp_path)
    table = pd.read_csv(tmp_path / "reconstruction.csv").set_index(KEYS)
    row = table.loc[("lddim", "encoded", 5)]
    assert (row[["ssim", "ssim_low", "ssim_high"]] == 1).all()
    assert np.isinf(row[["psnr", "psnr_low", "psnr_high"]].astype(float)).all()


def test_same_bytes_again(parts, results, tmp_path):
    gather(parts, tmp_path)
    for name in ("reconstruction.parquet", "reconstruction.csv", "reconstruction.png"):
        assert (results / name).read_bytes() == (tmp_path / name).read_bytes()


def test_gathering_starts_without_torch():
    code = (
        "import sys, ldae.stages.evaluate_reconstruction;"
        "print(sorted({'torch', 'monai'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
