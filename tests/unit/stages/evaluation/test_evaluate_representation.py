import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import mean_absolute_error, roc_auc_score

from ldae.config import Bootstrap, Ldae, Metrics, Reconstruction, Sampling
from ldae.data.batches import load_batch, scan_noise
from ldae.data.choices import other_subject, take_split
from ldae.data.embeddings import read_embeddings, write_embeddings
from ldae.metrics.image import ssim_map
from ldae.models.dae import load_dae
from ldae.models.ldae import load_ldae
from ldae.stages import evaluate_representation as stage
from ldae.tables import KEYS, RECONSTRUCTED, SUPERVISED_PREDICTIONS, write_table

from .conftest import ENCODER, VOLUMETRIC

TRAINING = {
    "batch_size": 1, "accumulate": 1, "learning_rate": 1, "warmup_steps": 0,
    "schedule": "constant", "clip_norm": 1, "ema_decay": 0,
    "budget": {"amount": 1, "unit": "epochs"}, "validate_every": 1, "patience": None,
    "precision": "32-true", "activation_checkpointing": False,
}  # fmt: skip


def ldae(encoder):
    return Ldae.model_validate(
        {
            "semantic_encoder": encoder,
            "snr_exponent": 0.1,
            "timesteps": {"focus": (0, 1), "share": 0},
            "training": TRAINING,
        }
    )


SETTINGS = stage.Settings(
    seed=1,
    ldae=ldae(ENCODER),
    ldae_volume=ldae(VOLUMETRIC),
    sampling=Sampling(clip=None),
    metrics=Metrics(ssim_window=3),
    reconstruction=Reconstruction(steps=(2, 3), control_steps=3, dae_steps=2),
    bootstrap=Bootstrap(replicates=50, confidence=0.95),
)


@pytest.fixture(scope="module")
def evaluated(run, tmp_path_factory):
    """Codes that are alive or dead, reconstructions of the LDAE alone, and supervised networks."""
    folder = tmp_path_factory.mktemp("representation")
    generator = np.random.default_rng(0)
    alive = generator.normal(size=(len(run.rows), ENCODER.embedding_dim)).astype(np.float32)
    dead = np.outer(generator.normal(size=len(run.rows)), np.ones(5)).astype(np.float32) * 1e-3
    codes = {"ldae": alive, "ldae-volume": alive, "random-init": dead, "voxel-pca": alive[:, :4]}
    codes["dae"] = alive * 1e-3
    for name, of in codes.items():
        write_embeddings(run.rows, of, folder / f"{name}.parquet")
    ages = run.rows["age"] + 2 * generator.normal(size=len(run.rows))
    chance = generator.random(len(run.rows))
    told = {"supervised-diagnosis": chance, "supervised-age": ages}
    for name, prediction in told.items():
        table = run.rows[KEYS].assign(prediction=prediction)
        write_table(table, folder / f"{name}.parquet", SUPERVISED_PREDICTIONS)
    test = take_split(run.rows, "test")
    scored = pd.concat(
        test[KEYS].assign(model="ldae", start=start, steps=steps, ssim=generator.random(len(test)))
        for start in ("semantic", "wrong-subject", "encoded")
        for steps in (2, 3)
    )
    write_table(
        scored.reindex(columns=RECONSTRUCTED.names), folder / "scored.parquet", RECONSTRUCTED
    )
    stage.evaluate_representation(
        scans=run.scans,
        derivatives=run.derivatives,
        models=run.models,
        embeddings=[folder / f"{name}.parquet" for name in codes],
        supervised=[folder / f"{name}.parquet" for name in told],
        per_scan=folder / "scored.parquet",
        table=folder / "representation.csv",
        by_time=folder / "representation_by_time.csv",
        devices=0,
        threads=1,
        batch_size=4,
        settings=SETTINGS,
    )
    tables = [pd.read_csv(folder / f"representation{end}.csv") for end in ("", "_by_time")]
    return folder, test, scored, *tables


def test_a_living_code_is_told_from_a_dead_one(evaluated):
    _, test, _, table, _ = evaluated
    assert list(table) == stage.COLUMNS
    table = table.set_index("encoder")
    assert (table["n_scans"] == len(test)).all()
    assert (table["n_subjects"] == test["participant_id"].nunique()).all()
    assert table["n_dims"].tolist() == [6, 6, 5, 4, 6]
    assert table["collapsed"].tolist() == [False, False, True, False, True]
    assert table.loc["ldae", "effective_rank"] > 3
    assert table.loc["ldae", "variance_per_dim"] > 0.5
    assert table.loc["random-init", "effective_rank"] == pytest.approx(1, abs=1e-3)
    assert table.loc["random-init", "variance_per_dim"] < 1e-5


def test_what_cannot_be_measured_of_an_encoder_says_why(evaluated):
    table = evaluated[3].set_index("encoder")
    named = [*stage.MEASURES, *[f"supervised_{name}" for name in stage.CEILINGS.values()]]
    for _, row in table.fillna({"not_computed": ""}).iterrows():
        said = {part.partition(": ")[0] for part in row["not_computed"].split("; ") if part}
        assert said == {name for name in named if np.isnan(row[name])}
    assert np.isfinite(table.loc[["ldae", "ldae-volume"], stage.MEASURES]).all(axis=None)


def test_the_margin_is_that_of_reconstruction_where_it_is_scored(evaluated):
    _, _, scored, table, _ = evaluated
    mean = scored[scored["steps"] == 3].groupby("start")["ssim"].mean()
    margin = table.set_index("encoder").loc["ldae", "wrong_subject_margin"]
    assert margin == pytest.approx(mean["semantic"] - mean["wrong-subject"], rel=1e-4)


def test_and_sampled_in_the_same_way_where_it_is_not(run, evaluated):
    _, test, _, table, _ = evaluated
    model = load_ldae(run.models, name="ldae-volume")
    x = load_batch(test, run.derivatives, torch.device("cpu")).x
    y = torch.tensor(read_embeddings(evaluated[0] / "ldae-volume.parquet", test))
    z_T = scan_noise(test, model.latent_shape, SETTINGS.seed, "z_T")

    def similarity(codes):
        volumes = model.to_volume(model.sample(z_T, codes, steps=3)).clamp(0, 1)
        return float(ssim_map(volumes, x, window=3).mean())

    expected = similarity(y) - similarity(y[other_subject(test)])
    margin = table.set_index("encoder").loc["ldae-volume", "wrong_subject_margin"]
    assert margin == pytest.approx(expected, rel=1e-3, abs=1e-6)


def test_losses_by_time_make_up_the_ratio(evaluated):
    _, test, _, table, by_time = evaluated
    assert list(by_time) == stage.TIME_COLUMNS
    assert not by_time.duplicated(["encoder", "t"]).any()
    assert by_time.loc[by_time["encoder"] == "ldae", "t"].tolist() == list(range(50, 1000, 100))
    for encoder in ("ldae", "ldae-volume"):
        mine = by_time[by_time["encoder"] == encoder]
        each = mine["loss_wrong"] / mine["loss_right"]
        np.testing.assert_allclose(mine["shuffled_loss_ratio"], each, rtol=1e-4)
        gain = (mine["loss_wrong"] - mine["loss_right"]) / mine["loss_without"]
        np.testing.assert_allclose(mine["gain"], gain, rtol=1e-2, atol=2e-6)
        total = mine["loss_wrong"].sum() / mine["loss_right"].sum()
        ratio = table.set_index("encoder").loc[encoder, "shuffled_loss_ratio"]
        assert ratio == pytest.approx(total, rel=1e-4)
    assert (by_time["n_scans"] == len(test)).all()


def test_of_the_dae_the_loss_is_measured_and_why_not_the_margin_is_said(run, evaluated):
    folder, test, _, table, by_time = evaluated
    row = table.set_index("encoder").loc["dae"]
    assert np.isfinite(row["shuffled_loss_ratio"])
    assert "wrong_subject_margin: measured of latent" in row["not_computed"]
    mine = by_time[by_time["encoder"] == "dae"].set_index("t")
    assert mine[["loss_without", "gain"]].isna().all(axis=None)
    model = load_dae(run.models)
    x = load_batch(test, run.derivatives, torch.device("cpu")).x
    y = torch.tensor(read_embeddings(folder / "dae.parquet", test))
    noise = scan_noise(test, model.latent_shape, SETTINGS.seed, "loss")
    t = torch.full((len(test),), 450)
    with torch.inference_mode():
        z_t = model.schedule.add_noise(model.to_latent(x), noise, t)
        losses = [
            float((noise - model.noise_predictor(z_t, t, codes)).square().mean())
            for codes in (y, y[other_subject(test)])
        ]
    found = mine.loc[450, ["loss_right", "loss_wrong"]].tolist()
    assert found == pytest.approx(losses, rel=1e-4)


def test_the_ceiling_is_what_supervised_networks_reach(run, evaluated):
    folder, test, _, table, _ = evaluated
    told = {
        name: test.merge(pd.read_parquet(folder / f"supervised-{name}.parquet"), on=KEYS)
        for name in ("diagnosis", "age")
    }
    auc = roc_auc_score(told["diagnosis"]["diagnosis"] == "AD", told["diagnosis"]["prediction"])
    mae = mean_absolute_error(told["age"]["age"], told["age"]["prediction"])
    for encoder in ("ldae", "random-init"):
        row = table.set_index("encoder").loc[encoder]
        assert row["supervised_roc_auc"] == pytest.approx(auc, rel=1e-4)
        assert row["supervised_mae"] == pytest.approx(mae, rel=1e-4)


def test_without_baselines_there_is_no_ceiling(run, evaluated, tmp_path):
    folder = evaluated[0]
    stage.evaluate_representation(
        scans=run.scans,
        derivatives=run.derivatives,
        models=run.models,
        embeddings=[folder / "random-init.parquet"],
        supervised=[],
        per_scan=folder / "scored.parquet",
        table=tmp_path / "representation.csv",
        by_time=tmp_path / "representation_by_time.csv",
        devices=0,
        threads=1,
        batch_size=4,
        settings=SETTINGS,
    )
    row = pd.read_csv(tmp_path / "representation.csv").iloc[0]
    assert "supervised_mae: no network" in row["not_computed"]
    assert list(pd.read_csv(tmp_path / "representation_by_time.csv")) == stage.TIME_COLUMNS
