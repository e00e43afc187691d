import numpy as np
import pandas as pd
import pytest

from ldae.config import Interpolation, Manipulation, Metrics, Probe, Sampling, Variation
from ldae.data.choices import pick_triplet
from ldae.data.embeddings import write_embeddings
from ldae.errors import UserError
from ldae.stages import draw_interpolation, draw_manipulation, draw_variation
from ldae.tables import SCANS, write_table

from .conftest import ENCODER

SAMPLING = Sampling(clip=None, batch_size=4)
METRICS = Metrics(ssim_window=3)


def paths(run, folder):
    return {
        "scans": run.scans,
        "derivatives": run.derivatives,
        "models": run.models,
        "figure": folder / "figure.png",
        "table": folder / "table.csv",
        "threads": 1,
    }


def is_png(path):
    return path.read_bytes().startswith(b"\x89PNG")


def interpolate(run, folder, **changed):
    settings = draw_interpolation.Settings(
        sampling=SAMPLING,
        interpolation=Interpolation(steps=2, fractions=(0.0, 0.5, 1.0)),
        metrics=METRICS,
    )
    draw_interpolation.draw_interpolation(**(paths(run, folder) | changed), settings=settings)
    return pd.read_csv(folder / "table.csv")


def test_interpolation_is_scored_beside_trivial_answers(run, tmp_path):
    table = interpolate(run, tmp_path)
    assert is_png(tmp_path / "figure.png")
    assert list(table.columns) == draw_interpolation.COLUMNS
    assert set(table["method"]) == {"ldae", "nearest", "voxel-average", "latent-average"}
    assert (table["gap_months"] == 24).all()
    assert table["ssim"].notna().all()


def test_two_sessions_are_drawn_without_scores(run, tmp_path):
    two = run.rows[run.rows["months"] < 24]
    write_table(two, tmp_path / "scans.parquet", SCANS)
    table = interpolate(run, tmp_path, scans=tmp_path / "scans.parquet")
    assert table.empty
    assert list(table.columns) == draw_interpolation.COLUMNS
    assert is_png(tmp_path / "figure.png")


def test_the_triplet_is_of_a_test_subject_if_one_has_three_visits(run):
    triplet = pick_triplet(run.rows)
    assert triplet.start["split"] == "test"
    assert triplet.fraction == 0.5
    assert triplet.start["participant_id"] == triplet.end["participant_id"]
    without = run.rows[~((run.rows["split"] == "test") & (run.rows["months"] == 24))]
    assert pick_triplet(without).start["split"] in {"validation", "test"}
    with pytest.raises(UserError, match="two sessions"):
        pick_triplet(run.rows[run.rows["months"] == 0])


def test_the_middle_is_the_visit_nearest_half_way(run):
    rows = run.rows.iloc[[0] * 4].assign(months=[0, 6, 36, 48], split="test")
    triplet = pick_triplet(rows)
    assert triplet.middle["months"] == 36
    assert triplet.fraction == pytest.approx(0.75)


def manipulate(run, folder, **changed):
    codes = folder / "codes.parquet"
    generator = np.random.default_rng(0)
    drawn = generator.normal(size=(len(run.rows), ENCODER.embedding_dim))
    write_embeddings(run.rows, drawn.astype(np.float32), codes)
    probe = Probe(inverse_regularisation=(1.0,), ridge_penalty=(1.0,), folds=2)
    draw_manipulation.draw_manipulation(
        **(paths(run, folder) | changed),
        embeddings=codes,
        settings=draw_manipulation.Settings(
            sampling=SAMPLING,
            manipulation=Manipulation(steps=2, strengths=(-1.0, 0.5, 1.0), probe=probe),
        ),
    )
    return pd.read_csv(folder / "table.csv")


def test_probability_rises_with_the_strength(run, tmp_path):
    table = manipulate(run, tmp_path)
    assert is_png(tmp_path / "figure.png")
    assert set(table["diagnosis"]) == {"CN", "AD"}
    for _, scan in table.groupby("diagnosis"):
        assert scan["strength"].tolist() == [-1.0, 0.0, 0.5, 1.0]
        assert scan["probability"].is_monotonic_increasing


def test_one_diagnosis_is_drawn_alone_and_none_is_an_error(run, tmp_path):
    scans = tmp_path / "scans.parquet"
    for_testing = run.rows["split"] == "test"
    write_table(run.rows[~(for_testing & (run.rows["diagnosis"] == "AD"))], scans, SCANS)
    table = manipulate(run, tmp_path, scans=scans)
    assert set(table["diagnosis"]) == {"CN"}
    assert is_png(tmp_path / "figure.png")
    all_mci = run.rows["diagnosis"].mask(for_testing, "MCI")
    write_table(run.rows.assign(diagnosis=all_mci), scans, SCANS)
    with pytest.raises(UserError, match="no test scan is CN or AD"):
        manipulate(run, tmp_path, scans=scans)


def vary(run, folder):
    folder.mkdir()
    draw_variation.draw_variation(
        **paths(run, folder),
        settings=draw_variation.Settings(
            seed=1,
            sampling=SAMPLING,
            variation=Variation(steps=2, samples=3),
            metrics=METRICS,
        ),
    )
    return pd.read_csv(folder / "table.csv", dtype={"sample": str})


def test_samples_of_one_code_differ(run, tmp_path):
    table = vary(run, tmp_path / "a")
    assert table["sample"].tolist() == ["1", "2", "3", "mean"]
    assert table["mse"].nunique() == 4
    assert table["sd_brain"].iloc[-1] > 0
    vary(run, tmp_path / "b")
    for name in ("figure.png", "table.csv"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
