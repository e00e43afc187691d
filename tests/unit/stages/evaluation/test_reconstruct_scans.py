import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from ldae.config import Metrics, Sampling
from ldae.data.batches import ScanBatches, load_batch, mean_volume, scan_noise
from ldae.data.choices import other_subject, take_split
from ldae.errors import UserError
from ldae.models.dae import load_dae
from ldae.models.ldae import load_ldae
from ldae.models.reconstructions import Attempt
from ldae.report.examples import read_examples
from ldae.stages import reconstruct_scans as stage

from .test_invert_scans import invert

CPU = torch.device("cpu")
KEYS = ["model", "start", "steps"]
METRICS = ["ssim", "mse", "psnr", "ssim_brain", "mse_brain"]
PARTS = [("ldae", 2), ("ldae", 4), ("ldae", 5), ("lddim", 5), ("dae", 3), ("controls", 4)]
SETTINGS = {
    part: stage.Settings(
        seed=2,
        pretrained=None,
        sampling=Sampling(clip=1.0 if part == "dae" else None),
        metrics=Metrics(ssim_window=3),
    )
    for part in ("ldae", "lddim", "dae", "controls")
}


def reconstruct(run, folder, part, steps, *, settings=None, batch_size=3):
    """One part, with the inversions that it starts from."""
    chosen = settings or SETTINGS[part]
    model = "ldae" if part == "controls" else part
    invert(run, folder / "inversions", model, steps, chosen.sampling.clip)
    made = folder / "reconstructions" / part / f"T{steps}"
    stage.reconstruct_scans(
        scans=run.scans,
        derivatives=run.derivatives,
        models=run.models,
        inversions=folder / "inversions",
        part=part,
        steps=steps,
        folder=made,
        devices=0,
        threads=1,
        batch_size=batch_size,
        settings=chosen,
    )
    return made


def scores_of(*folders):
    return pd.concat([pd.read_parquet(folder / "scores.parquet") for folder in folders])


def groups_of(scored):
    return set(scored[KEYS].itertuples(index=False, name=None))


@pytest.fixture(scope="module")
def made(run, tmp_path_factory):
    """The folder of each part."""
    folder = tmp_path_factory.mktemp("parts")
    return {(part, steps): reconstruct(run, folder, part, steps) for part, steps in PARTS}


CONTROLS = {
    ("mean-brain", "mean-brain", 0),
    ("other-scan", "other-scan", 0),
    ("autoencoder", "bottleneck", 0),
    ("ldae", "wrong-subject", 4),
    ("ldae", "encoded-wrong-subject", 4),
    ("ldae", "encoded-without-code", 4),
    ("ldae", "zero", 4),
    *[("ldae", f"{start}-clamped", 4) for start in ("encoded", "semantic")],
    ("ldm", "unconditional", 4),
}


def test_every_start_of_a_part_is_scored_for_every_test_scan(run, made):
    test = take_split(run.rows, "test")
    expected = {("controls", 4): CONTROLS, ("lddim", 5): {("lddim", "encoded", 5)}}
    expected |= {("dae", 3): {("dae", "encoded", 3)}}
    for steps in (2, 4, 5):
        expected["ldae", steps] = {("ldae", start, steps) for start in ("encoded", "semantic")}
    for part, folder in made.items():
        scored = scores_of(folder)
        assert groups_of(scored) == expected[part]
        assert len(scored) == len(groups_of(scored)) * len(test)
        assert not scored.duplicated([*KEYS, "participant_id", "session_id"]).any()
        assert scored[METRICS].notna().all(axis=None)


def test_a_part_says_which_metrics_stay_empty(made):
    for folder in made.values():
        said = (folder / "not_computed.txt").read_text()
        assert "lpips: no" in said
        assert "ms_ssim: 5 scales" in said
        assert scores_of(folder)[["lpips", "ms_ssim"]].isna().all(axis=None)


def test_the_example_is_the_first_test_scan(run, made):
    first = take_split(run.rows, "test").iloc[:1]
    batch = load_batch(first, run.derivatives, CPU)
    for (_, steps), folder in made.items():
        example = read_examples([folder / "example.npz"])
        scan = " ".join(first[["participant_id", "session_id"]].iloc[0])
        assert example.name == f"{scan}, {steps} steps"
        np.testing.assert_array_equal(example.scan, batch.x[0, 0].numpy())
        np.testing.assert_array_equal(example.brain, batch.brain[0, 0].numpy())
        scored = scores_of(folder).groupby(["model", "start"], sort=False)["mse"].first()
        assert list(example.made) == list(scored.index)
        for key, volume in example.made.items():
            error = ((volume.clip(0, 1) - example.scan) ** 2).mean()
            assert error == pytest.approx(scored[key], rel=1e-4)


def test_inversions_that_are_missing_are_named(run, tmp_path):
    with pytest.raises(UserError, match=r"invert-scans --model ldae --steps 4`"):
        stage.reconstruct_scans(
            scans=run.scans,
            derivatives=run.derivatives,
            models=run.models,
            inversions=tmp_path,
            part="controls",
            steps=4,
            folder=tmp_path / "made",
            devices=0,
            threads=1,
            batch_size=3,
            settings=SETTINGS["controls"],
        )
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(("part", "needed"), [("lddim", ("autoencoder", "ldm")), ("dae", ("dae",))])
def test_a_part_needs_no_weights_but_its_own(run, made, tmp_path, part, needed):
    for name in needed:
        shutil.copytree(run.models / name, tmp_path / "models" / name)
    steps = dict(PARTS)[part]
    alone = reconstruct(replace(run, models=tmp_path / "models"), tmp_path, part, steps)
    assert contents(alone) == contents(made[part, steps])


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_controls_are_what_they_are_called(run, made):
    scored = scores_of(*made.values())
    test = take_split(run.rows, "test")
    batch = load_batch(test.iloc[:1], run.derivatives, CPU)
    model = load_ldae(run.models, device=CPU)
    first = scored[
        (scored["participant_id"] == test["participant_id"][0])
        & (scored["session_id"] == test["session_id"][0])
    ].set_index(KEYS)["mse"]

    def mse(volume):
        return pytest.approx(float(((volume.clamp(0, 1) - batch.x) ** 2).mean()), rel=1e-3)

    def sampled(z_T, code, by=model, steps=4):
        return mse(by.to_volume(by.sample(z_T, code, steps=steps)))

    z_0, y = model.to_latent(batch.x), model.encode(batch.x)
    assert first["autoencoder", "bottleneck", 0] == mse(model.to_volume(z_0))
    average = mean_volume(take_split(run.rows, "train"), run.derivatives)
    assert first["mean-brain", "mean-brain", 0] == mse(average)
    partner = load_batch(test.iloc[[other_subject(test)[0]]], run.derivatives, CPU)
    assert first["other-scan", "other-scan", 0] == mse(partner.x)
    other = model.encode(partner.x)
    noise = scan_noise(test.iloc[:1], model.latent_shape, 2, "z_T")
    assert first["ldae", "wrong-subject", 4] == sampled(noise, other)
    assert first["ldae", "semantic", 4] == sampled(noise, y)
    assert first["ldae", "zero", 4] == sampled(torch.zeros_like(noise), y)
    assert first["ldm", "unconditional", 4] == sampled(noise, None)
    z_T = model.invert(z_0, y, steps=4)
    assert first["ldae", "encoded", 4] == sampled(z_T, y)
    assert first["ldae", "encoded-wrong-subject", 4] == sampled(z_T, other)
    assert first["ldae", "encoded-without-code", 4] == sampled(z_T, None)
    z_T = model.invert(z_0, None, steps=5)
    assert first["lddim", "encoded", 5] == sampled(z_T, None, steps=5)
    clamped = load_ldae(run.models, clip=1.0, device=CPU)
    z_T = clamped.invert(z_0, y, steps=4)
    assert first["ldae", "encoded-clamped", 4] == sampled(z_T, y, by=clamped)
    assert first["ldae", "semantic-clamped", 4] == sampled(noise, y, by=clamped)
    dae = load_dae(run.models, clip=1.0, device=CPU)
    x_0, y = dae.to_latent(batch.x), dae.encode(batch.x)
    assert first["dae", "encoded", 3] == sampled(dae.invert(x_0, y, steps=3), y, by=dae, steps=3)


def means_of(*folders):
    return scores_of(*folders).groupby(KEYS)["mse"].mean()


def test_the_clamp_matters_where_latents_exceed_it(run, made):
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
    table = means_of(made["ldae", 4], made["controls", 4])
    for start in ("encoded", "semantic"):
        assert table["ldae", start, 4] != table["ldae", f"{start}-clamped", 4]


def test_of_a_clamped_run_the_control_is_without_clamp(run, made, tmp_path):
    clamped = SETTINGS["ldae"].model_copy(update={"sampling": Sampling(clip=1.0)})
    folders = [
        reconstruct(run, tmp_path, part, 4, settings=clamped) for part in ("ldae", "controls")
    ]
    one, other = means_of(made["ldae", 4], made["controls", 4]), means_of(*folders)
    for start in ("encoded", "semantic"):
        for here, there in ((start, f"{start}-clamped"), (f"{start}-unclamped", start)):
            assert other["ldae", here, 4] == pytest.approx(one["ldae", there, 4], rel=1e-5)


@pytest.mark.filterwarnings("ignore:divide by zero")
def test_a_perfect_reconstruction_scores_one(run, tmp_path, monkeypatch):
    monkeypatch.setattr(
        stage, "by_ldae", lambda _, x, **_given: iter([Attempt("ldae", "encoded", 4, x)])
    )
    scored = scores_of(reconstruct(run, tmp_path, "ldae", 4))
    for name, best in (("ssim", 1), ("ssim_brain", 1), ("mse", 0), ("mse_brain", 0)):
        assert scored[name].to_numpy() == pytest.approx(best, abs=1e-6)
    assert np.isinf(scored["psnr"]).all()


@pytest.mark.parametrize("part", [("ldae", 4), ("controls", 4)])
def test_batch_size_changes_nothing_but_rounding(run, made, tmp_path, part):
    other = scores_of(reconstruct(run, tmp_path, *part, batch_size=16))
    scored = scores_of(made[part])
    both = scored.merge(other, on=[*KEYS, "participant_id", "session_id"], suffixes=("", "_other"))
    assert len(both) == len(scored)
    np.testing.assert_allclose(both["ssim"], both["ssim_other"], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("part", PARTS)
def test_same_bytes_again(run, made, tmp_path, part):
    assert contents(reconstruct(run, tmp_path, *part)) == contents(made[part])


def test_a_killed_job_leaves_nothing(run, tmp_path, monkeypatch):
    score, scored = stage._scored, []

    def killed(*given):
        if len(scored) == 3:  # in the midst of the second batch
            raise KeyboardInterrupt
        scored.append(given)
        return score(*given)

    monkeypatch.setattr(stage, "_scored", killed)
    with pytest.raises(KeyboardInterrupt):
        reconstruct(run, tmp_path, "ldae", 4)
    assert not (tmp_path / "reconstructions").exists()


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
