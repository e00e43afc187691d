import numpy as np
import pandas as pd
import pytest
import torch

from ldae.config import Bootstrap, Ldae, Metrics, Reconstruction, Sampling
from ldae.data.batches import ScanBatches, load_batch, mean_volume, scan_noise
from ldae.data.choices import other_subject, take_split
from ldae.data.embeddings import write_embeddings
from ldae.errors import UserError
from ldae.models.ldae import load_ldae
from ldae.stages import evaluate_reconstruction as stage
from ldae.stages import evaluate_representation as representation

from .conftest import ENCODER

CPU = torch.device("cpu")
METRICS = ["ssim", "mse", "psnr", "ssim_brain", "mse_brain"]


def evaluate(run, folder, batch_size=3):
    stage.evaluate_reconstruction(
        scans=run.scans,
        derivatives=run.derivatives,
        models=run.models,
        per_scan=folder / "reconstruction.parquet",
        table=folder / "reconstruction.csv",
        figure=folder / "reconstruction.png",
        threads=1,
        settings=stage.Settings(
            seed=2,
            pretrained=None,
            sampling=Sampling(clip=None, batch_size=batch_size),
            metrics=Metrics(ssim_window=3),
            reconstruction=Reconstruction(steps=(4, 2)),
            bootstrap=Bootstrap(replicates=50, confidence=0.95),
        ),
    )
    return folder


@pytest.fixture(scope="module")
def results(run, tmp_path_factory):
    return evaluate(run, tmp_path_factory.mktemp("tables"))


def test_every_start_is_scored_for_every_test_scan(run, results):
    scored = pd.read_parquet(results / "reconstruction.parquet")
    test = take_split(run.rows, "test")
    keys = ["model", "start", "steps"]
    groups = set(scored[keys].itertuples(index=False, name=None))
    sampled = {
        ("ldae", "encoded"),
        ("ldae", "semantic"),
        ("ldae", "wrong-subject"),
        ("ldae", "zero"),
        ("lddim", "encoded"),
        ("ldm", "unconditional"),
    }
    assert groups == {("autoencoder", "bottleneck", 0), ("mean-brain", "mean-brain", 0)} | {
        (*start, steps) for start in sampled for steps in (2, 4)
    }
    assert len(scored) == len(groups) * len(test)
    assert not scored.duplicated([*keys, "participant_id", "session_id"]).any()
    assert scored[METRICS].notna().all(axis=None)


def test_the_table_holds_the_means_and_says_what_is_missing(results):
    scored = pd.read_parquet(results / "reconstruction.parquet")
    table = pd.read_csv(results / "reconstruction.csv").set_index(["model", "start", "steps"])
    means = scored.groupby(["model", "start", "steps"])[METRICS].mean()
    for name in METRICS:
        np.testing.assert_allclose(table[name], means.loc[table.index, name], rtol=1e-5)
        assert (table[f"{name}_low"] <= table[name] * (1 + 1e-5)).all()
        assert (table[f"{name}_high"] >= table[name] * (1 - 1e-5)).all()
    assert table[["lpips", "ms_ssim"]].isna().all(axis=None)
    said = table["not_computed"].iloc[0]
    assert "lpips: no squeezenet" in said
    assert "ms_ssim: 5 scales" in said
    assert (table["n_subjects"] == 4).all()


def test_controls_are_what_they_are_called(run, results):
    scored = pd.read_parquet(results / "reconstruction.parquet")
    test = take_split(run.rows, "test")
    batch = load_batch(test.iloc[:1], run.derivatives, CPU)
    model = load_ldae(run.models, device=CPU)
    first = scored[
        (scored["participant_id"] == test["participant_id"][0])
        & (scored["session_id"] == test["session_id"][0])
    ].set_index(["model", "start", "steps"])["mse"]

    def mse(volume):
        return float(((volume.clamp(0, 1) - batch.x) ** 2).mean())

    decoded = model.to_volume(model.to_latent(batch.x))
    assert first["autoencoder", "bottleneck", 0] == pytest.approx(mse(decoded), rel=1e-4)
    average = mean_volume(take_split(run.rows, "train"), run.derivatives)
    assert first["mean-brain", "mean-brain", 0] == pytest.approx(mse(average), rel=1e-4)
    other = model.encode(load_batch(test.iloc[[other_subject(test)[0]]], run.derivatives, CPU).x)
    noise = scan_noise(test.iloc[:1], model.latent_shape, 2, "z_T")
    wrong = model.to_volume(model.sample(noise, other, steps=4))
    assert first["ldae", "wrong-subject", 4] == pytest.approx(mse(wrong), rel=1e-4)
    own = model.to_volume(model.sample(noise, model.encode(batch.x), steps=4))
    assert first["ldae", "semantic", 4] == pytest.approx(mse(own), rel=1e-4)


def test_batch_size_changes_nothing_but_rounding(run, results, tmp_path):
    other = pd.read_parquet(evaluate(run, tmp_path, batch_size=16) / "reconstruction.parquet")
    scored = pd.read_parquet(results / "reconstruction.parquet")
    keys = ["model", "start", "steps", "participant_id", "session_id"]
    both = scored.merge(other, on=keys, suffixes=("", "_other"))
    assert len(both) == len(scored)
    np.testing.assert_allclose(both["ssim"], both["ssim_other"], rtol=1e-3, atol=1e-4)


def test_same_bytes_again(run, results, tmp_path):
    evaluate(run, tmp_path)
    for name in ("reconstruction.parquet", "reconstruction.csv", "reconstruction.png"):
        assert (results / name).read_bytes() == (tmp_path / name).read_bytes()


def test_the_other_subject_is_another_subject(run):
    test = take_split(run.rows, "test")
    partner = test.iloc[other_subject(test)]
    assert (partner["participant_id"].to_numpy() != test["participant_id"].to_numpy()).all()
    with pytest.raises(UserError, match="one test subject only"):
        other_subject(test[test["participant_id"] == test["participant_id"][0]])


def test_noise_belongs_to_the_scan_not_to_its_batch(run):
    test = take_split(run.rows, "test")
    together = scan_noise(test, (2, 3), 0, "z_T")
    assert torch.equal(scan_noise(test.iloc[2:3], (2, 3), 0, "z_T")[0], together[2])
    assert not torch.equal(together[0], together[1])
    assert not torch.equal(scan_noise(test, (2, 3), 0, "loss"), together)


def test_batches_hold_every_scan_once_and_start_over(run):
    test = take_split(run.rows, "test")
    batches = ScanBatches(test, run.derivatives, 4, CPU)
    for _ in range(2):
        assert pd.concat([batch.rows for batch in batches]).equals(test)
        assert max(len(batch.x) for batch in batches) == 4


def test_a_used_code_is_told_from_a_dead_one(run, results, tmp_path):
    generator = np.random.default_rng(0)
    alive = generator.normal(size=(len(run.rows), ENCODER.embedding_dim)).astype(np.float32)
    dead = np.outer(generator.normal(size=len(run.rows)), np.ones(5)).astype(np.float32) * 1e-3
    for name, codes in (("ldae", alive), ("random-init", dead)):
        write_embeddings(run.rows, codes, tmp_path / f"{name}.parquet")
    training = {
        "batch_size": 1, "accumulate": 1, "learning_rate": 1, "warmup_steps": 0,
        "schedule": "constant", "clip_norm": 1, "ema_decay": 0,
        "budget": {"amount": 1, "unit": "epochs"}, "validate_every": 1, "patience": None,
        "precision": "32-true", "activation_checkpointing": False,
    }  # fmt: skip
    ldae = Ldae.model_validate(
        {"semantic_encoder": ENCODER, "snr_exponent": 0.1, "training": training}
    )
    representation.evaluate_representation(
        scans=run.scans,
        derivatives=run.derivatives,
        models=run.models,
        embeddings=[tmp_path / "ldae.parquet", tmp_path / "random-init.parquet"],
        per_scan=results / "reconstruction.parquet",
        table=tmp_path / "representation.csv",
        threads=1,
        settings=representation.Settings(
            seed=1,
            ldae=ldae,
            sampling=Sampling(clip=None, batch_size=4),
            bootstrap=Bootstrap(replicates=50, confidence=0.95),
        ),
    )
    table = pd.read_csv(tmp_path / "representation.csv").set_index("encoder")
    assert list(table.reset_index().columns) == representation.COLUMNS
    test = take_split(run.rows, "test")
    assert (table["n_scans"] == len(test)).all()
    assert (table["n_subjects"] == test["participant_id"].nunique()).all()
    assert table.loc["ldae", "effective_rank"] > 3
    assert table.loc["ldae", "variance_per_dim"] > 0.5
    assert table.loc["random-init", "effective_rank"] == pytest.approx(1, abs=1e-3)
    assert table.loc["random-init", "variance_per_dim"] < 1e-5
    assert np.isfinite(table.loc["ldae", "shuffled_loss_ratio"])
    assert np.isnan(table.loc["random-init", "shuffled_loss_ratio"])
    scored = pd.read_parquet(results / "reconstruction.parquet").query("steps == 4")
    mean = scored.groupby("start")["ssim"].mean()
    margin = mean["semantic"] - mean["wrong-subject"]
    assert table.loc["ldae", "wrong_subject_margin"] == pytest.approx(margin, rel=1e-4)
