from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from ldae.config import Bootstrap, Metrics, Reconstruction, Sampling
from ldae.data.batches import ScanBatches, load_batch, mean_volume, scan_noise
from ldae.data.choices import other_subject, take_split
from ldae.errors import UserError
from ldae.models.dae import load_dae
from ldae.models.ldae import load_ldae
from ldae.report.reconstruction import DRAWN
from ldae.stages import evaluate_reconstruction as stage

from .test_invert_scans import invert

CPU = torch.device("cpu")
KEYS = ["model", "start", "steps"]
METRICS = ["ssim", "mse", "psnr", "ssim_brain", "mse_brain"]


MADE = [("ldae", 2), ("ldae", 4), ("ldae", 5), ("lddim", 5), ("dae", 3)]
SETTINGS = stage.Settings(
    seed=2,
    pretrained=None,
    sampling=Sampling(clip=None),
    dae_sampling=Sampling(clip=1.0),
    metrics=Metrics(ssim_window=3),
    reconstruction=Reconstruction(steps=(4, 2, 5), control_steps=4, dae_steps=3),
    bootstrap=Bootstrap(replicates=50, confidence=0.95),
)


def evaluate(run, folder, *, made=MADE, settings=SETTINGS, batch_size=3):
    inversions = [
        invert(
            run,
            folder / "inversions",
            model,
            steps,
            (settings.dae_sampling if model == "dae" else settings.sampling).clip,
        )
        for model, steps in made
    ]
    stage.evaluate_reconstruction(
        scans=run.scans,
        derivatives=run.derivatives,
        models=run.models,
        inversions=inversions,
        per_scan=folder / "reconstruction.parquet",
        table=folder / "reconstruction.csv",
        figure=folder / "reconstruction.png",
        threads=1,
        batch_size=batch_size,
        settings=settings,
    )
    return folder


@pytest.fixture(scope="module")
def results(run, tmp_path_factory):
    return evaluate(run, tmp_path_factory.mktemp("tables"))


def groups_of(scored):
    return set(scored[KEYS].itertuples(index=False, name=None))


ALWAYS = {
    ("mean-brain", "mean-brain", 0),
    ("other-scan", "other-scan", 0),
    ("autoencoder", "bottleneck", 0),
    *[("ldae", start, steps) for start in ("encoded", "semantic") for steps in (2, 4, 5)],
    ("ldae", "wrong-subject", 4),
    ("ldae", "encoded-wrong-subject", 4),
    ("ldae", "encoded-without-code", 4),
    ("ldae", "zero", 4),
    *[("ldae", f"{start}-clamped", 4) for start in ("encoded", "semantic")],
    ("ldm", "unconditional", 4),
}


def test_every_start_is_scored_for_every_test_scan(run, results):
    scored = pd.read_parquet(results / "reconstruction.parquet")
    test = take_split(run.rows, "test")
    baselines = {("lddim", "encoded", 5), ("dae", "encoded", 3)}
    assert groups_of(scored) == ALWAYS | baselines
    assert len(scored) == len(groups_of(scored)) * len(test)
    assert not scored.duplicated([*KEYS, "participant_id", "session_id"]).any()
    assert scored[METRICS].notna().all(axis=None)


def test_without_baselines_the_table_is_whole(run, results, tmp_path):
    evaluate(run, tmp_path, made=MADE[:3])
    without = pd.read_csv(tmp_path / "reconstruction.csv")
    assert groups_of(without) == ALWAYS
    beside = pd.read_csv(results / "reconstruction.csv")
    assert without.equals(beside[~beside["model"].isin(["lddim", "dae"])].reset_index(drop=True))


def test_a_step_count_without_inversions_is_named(run, tmp_path):
    with pytest.raises(UserError, match=r"none of ldae with 4 steps \(T4\); make it with"):
        evaluate(run, tmp_path, made=MADE[:1] + MADE[2:])


def test_controls_without_a_counterpart_are_refused():
    with pytest.raises(ValueError, match="control_steps: 7 is not one of steps"):
        Reconstruction(steps=(4, 2), control_steps=7, dae_steps=3)


def test_inversions_are_known_by_their_folders(run, tmp_path):
    with pytest.raises(UserError, match=r"is not .../MODEL/T<steps>/index.parquet"):
        stage.evaluate_reconstruction(
            scans=run.scans,
            derivatives=run.derivatives,
            models=run.models,
            inversions=[tmp_path / "codes/index.parquet"],
            per_scan=tmp_path / "a",
            table=tmp_path / "b",
            figure=tmp_path / "c",
            threads=1,
            batch_size=3,
            settings=SETTINGS,
        )


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


def test_controls_are_what_they_are_called(run, results):
    scored = pd.read_parquet(results / "reconstruction.parquet")
    test = take_split(run.rows, "test")
    batch = load_batch(test.iloc[:1], run.derivatives, CPU)
    model = load_ldae(run.models, device=CPU)
    first = scored[
        (scored["participant_id"] == test["participant_id"][0])
        & (scored["session_id"] == test["session_id"][0])
    ].set_index(KEYS)["mse"]

    def mse(volume):
        return pytest.approx(float(((volume.clamp(0, 1) - batch.x) ** 2).mean()), rel=1e-3)

    def made(z_T, code, by=model, steps=4):
        return mse(by.to_volume(by.sample(z_T, code, steps=steps)))

    z_0, y = model.to_latent(batch.x), model.encode(batch.x)
    assert first["autoencoder", "bottleneck", 0] == mse(model.to_volume(z_0))
    average = mean_volume(take_split(run.rows, "train"), run.derivatives)
    assert first["mean-brain", "mean-brain", 0] == mse(average)
    partner = load_batch(test.iloc[[other_subject(test)[0]]], run.derivatives, CPU)
    assert first["other-scan", "other-scan", 0] == mse(partner.x)
    other = model.encode(partner.x)
    noise = scan_noise(test.iloc[:1], model.latent_shape, 2, "z_T")
    assert first["ldae", "wrong-subject", 4] == made(noise, other)
    assert first["ldae", "semantic", 4] == made(noise, y)
    assert first["ldae", "zero", 4] == made(torch.zeros_like(noise), y)
    assert first["ldm", "unconditional", 4] == made(noise, None)
    z_T = model.invert(z_0, y, steps=4)
    assert first["ldae", "encoded", 4] == made(z_T, y)
    assert first["ldae", "encoded-wrong-subject", 4] == made(z_T, other)
    assert first["ldae", "encoded-without-code", 4] == made(z_T, None)
    z_T = model.invert(z_0, None, steps=5)
    assert first["lddim", "encoded", 5] == made(z_T, None, steps=5)
    clamped = load_ldae(run.models, clip=1.0, device=CPU)
    z_T = clamped.invert(z_0, y, steps=4)
    assert first["ldae", "encoded-clamped", 4] == made(z_T, y, by=clamped)
    assert first["ldae", "semantic-clamped", 4] == made(noise, y, by=clamped)
    dae = load_dae(run.models, clip=1.0, device=CPU)
    x_0, y = dae.to_latent(batch.x), dae.encode(batch.x)
    assert first["dae", "encoded", 3] == made(dae.invert(x_0, y, steps=3), y, by=dae, steps=3)


def test_the_clamp_matters_where_latents_exceed_it(run, results):
    """Both ways it stores the excess in z_T, which returns it; from noise the excess is lost."""
    model, test = load_ldae(run.models, device=CPU), take_split(run.rows, "test")
    batch = load_batch(test, run.derivatives, CPU)
    z_0, y = model.to_latent(batch.x), model.encode(batch.x)
    assert (z_0.abs() > 1).any()
    clamped = replace(model, clip=1.0)
    z_T = clamped.invert(z_0, y, steps=4)
    assert z_T.abs().max() > 5 * model.invert(z_0, y, steps=4).abs().max()
    noise = scan_noise(test, model.latent_shape, 2, "z_T")
    assert clamped.sample(noise, y, steps=4).abs().max() < 1.1
    table = pd.read_csv(results / "reconstruction.csv").set_index(KEYS)["mse"]
    for start in ("encoded", "semantic"):
        assert table["ldae", start, 4] != table["ldae", f"{start}-clamped", 4]


def test_of_a_clamped_run_the_control_is_without_clamp(run, results, tmp_path):
    clamped = SETTINGS.model_copy(update={"sampling": Sampling(clip=1.0)})
    evaluate(run, tmp_path, made=MADE[:3], settings=clamped)
    one = pd.read_csv(results / "reconstruction.csv").set_index(KEYS)["mse"]
    other = pd.read_csv(tmp_path / "reconstruction.csv").set_index(KEYS)["mse"]
    for start in ("encoded", "semantic"):
        for here, there in ((start, f"{start}-clamped"), (f"{start}-unclamped", start)):
            assert other["ldae", here, 4] == pytest.approx(one["ldae", there, 4], rel=1e-5)


@pytest.mark.filterwarnings("ignore:invalid value")  # an infinite PSNR that is not drawn
def test_a_perfect_reconstruction_scores_one(run, tmp_path, monkeypatch):
    monkeypatch.setattr(stage, "_attempts", perfect)
    evaluate(run, tmp_path, made=MADE[:3])
    table = pd.read_csv(tmp_path / "reconstruction.csv").set_index(KEYS)
    for name, best in (("ssim", 1), ("ssim_brain", 1), ("mse", 0), ("mse_brain", 0)):
        for end in ("", "_low", "_high"):
            assert table[f"{name}{end}"].to_numpy() == pytest.approx(best, abs=1e-6)
    assert np.isinf(table["psnr"]).all()


def perfect(bench, batch, other, average):
    for key in DRAWN:
        yield stage.Attempt(*key, 4, batch.x)


def test_batch_size_changes_nothing_but_rounding(run, results, tmp_path):
    evaluate(run, tmp_path, batch_size=16)
    other = pd.read_parquet(tmp_path / "reconstruction.parquet")
    scored = pd.read_parquet(results / "reconstruction.parquet")
    both = scored.merge(other, on=[*KEYS, "participant_id", "session_id"], suffixes=("", "_other"))
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
