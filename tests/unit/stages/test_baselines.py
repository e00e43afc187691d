"""The baselines' training stages on blobs, the models they leave, and what these predict."""

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from ldae.data.volumes import load_volume
from ldae.diffusion.schedule import NoiseSchedule
from ldae.errors import UserError
from ldae.models.dae import load_dae
from ldae.models.supervised import load_supervised
from ldae.stages import predict_supervised, train_dae, train_supervised
from ldae.tables import SCANS, SUPERVISED_PREDICTIONS, read_table, write_table

CPU = torch.device("cpu")
MODELS = ("dae", "supervised-diagnosis", "supervised-age")


@dataclass(frozen=True)
class Workplace:
    scans: Path
    derivatives: Path
    run: Path
    settings: dict

    def train(self, name: str) -> None:
        kind, _, task = name.partition("-")
        stage, module = {
            "dae": (train_dae.train_dae, train_dae),
            "supervised": (train_supervised.train_supervised, train_supervised),
        }[kind]
        fields = module.Settings.model_fields
        stage(
            scans=self.scans,
            derivatives=self.derivatives,
            model=self.run / "models" / name,
            state=self.run / "state" / name,
            devices=0,
            threads=1,
            settings=module.Settings.model_validate(
                {key: value for key, value in self.settings.items() if key in fields}
            ),
            **({"task": task} if task else {}),
        )

    def config(self, name: str) -> dict:
        return json.loads((self.run / "models" / name / "config.json").read_text())

    def validations(self, name: str) -> list[dict[str, float]]:
        lines = (self.run / "models" / name / "train.jsonl").read_text().splitlines()
        return [found for line in lines if "validation_loss" in (found := json.loads(line))]


@pytest.fixture(scope="module")
def trained(blob_scans, tiny_training, tmp_path_factory) -> Workplace:
    """Trained where the volumes of test subjects cannot be read."""
    folder = tmp_path_factory.mktemp("baselines")
    shutil.copytree(blob_scans / "derivatives", folder / "derivatives")
    rows = read_table(blob_scans / "scans.parquet", SCANS)
    for name in rows.loc[rows["split"] == "test", "volume"]:
        (folder / "derivatives" / name).write_bytes(b"not to be opened")
    place = Workplace(blob_scans / "scans.parquet", folder / "derivatives", folder, tiny_training)
    for name in MODELS:
        place.train(name)
    return place


@pytest.fixture(scope="module")
def volumes(blob_scans) -> Tensor:
    names = read_table(blob_scans / "scans.parquet", SCANS)["volume"][:3]
    return torch.stack([load_volume(blob_scans / "derivatives" / name) for name in names])[:, None]


def changed(trained: Workplace, folder: Path, rows: pd.DataFrame) -> Workplace:
    write_table(rows, folder / "scans.parquet", SCANS)
    return replace(trained, scans=folder / "scans.parquet", run=folder)


@pytest.mark.parametrize("name", MODELS)
def test_baselines_learn_without_opening_a_test_scan(trained, name) -> None:
    losses = [found["validation_loss"] for found in trained.validations(name)]
    assert min(losses) < losses[0] or name == "supervised-diagnosis"
    assert trained.config(name)["training"]["steps"] > 0
    assert trained.config(name)["model"] == name


def test_the_code_of_the_dae_is_watched(trained) -> None:
    last = trained.validations("dae")[-1]
    watched = {"code_variance", "code_effective_rank", "shuffled_loss_ratio", "gain_t000_199"}
    assert {f"validation_{name}" for name in watched} <= set(last)
    assert last["validation_code_variance"] > 0.01


@pytest.mark.parametrize(
    ("name", "measure", "best"),
    [
        ("supervised-diagnosis", "validation_mcc", max),
        ("supervised-age", "validation_mae", min),
    ],
)
def test_the_weights_kept_are_those_of_the_measure_watched(trained, name, measure, best) -> None:
    found = trained.validations(name)
    first_best = next(f for f in found if f[measure] == best(f[measure] for f in found))
    training = trained.config(name)["training"]
    assert training["best_step"] == first_best["step"]
    assert training["best_validation_loss"] == first_best["validation_loss"]


def without_learning(trained: Workplace, run: Path, *, watch: str) -> Workplace:
    """A training of the same diagnosis, after which nothing has changed."""
    section = trained.settings["supervised_diagnosis"]
    training = section["training"] | {"patience": 1, "validate_every": 1, "learning_rate": 1e-12}
    changed = section | {"training": training, "watch": watch}
    return replace(trained, run=run, settings=trained.settings | {"supervised_diagnosis": changed})


def test_training_stops_when_the_measure_watched_no_longer_improves(trained, tmp_path) -> None:
    place = without_learning(trained, tmp_path, watch="loss")
    place.train("supervised-diagnosis")
    training = place.config("supervised-diagnosis")["training"]
    assert training["steps"] == training["best_step"] + 1 < 30
    assert len(place.validations("supervised-diagnosis")) == training["steps"]


def test_patience_waits_while_all_predictions_are_one_class(trained, tmp_path, caplog) -> None:
    place = without_learning(trained, tmp_path, watch="mcc")
    place.train("supervised-diagnosis")
    found = place.validations("supervised-diagnosis")
    assert {each["validation_predicted_classes"] for each in found} == {1}
    assert place.config("supervised-diagnosis")["training"]["steps"] == len(found) == 30
    assert caplog.text.count("all predictions are one class: patience waits") == 1


def test_ages_are_scaled_by_training_scans_alone(trained) -> None:
    rows = read_table(trained.scans, SCANS).query("split == 'train'")
    stored = trained.config("supervised-age")
    assert stored["target_mean"] == pytest.approx(rows["age"].mean())
    assert stored["target_std"] == pytest.approx(rows["age"].std(ddof=0))


def test_a_head_that_says_nothing_predicts_chance_and_the_mean_age(trained, volumes) -> None:
    for task, expected in (
        ("diagnosis", 0.5),
        ("age", trained.config("supervised-age")["target_mean"]),
    ):
        model = load_supervised(trained.run / "models" / f"supervised-{task}", device=CPU)
        for parameter in model.network.head.parameters():
            parameter.zero_()
        torch.testing.assert_close(model.predict(volumes), torch.full((3,), expected))


@pytest.mark.parametrize("task", ["diagnosis", "age"])
def test_every_scan_gets_one_prediction(trained, blob_scans, volumes, task) -> None:
    path = trained.run / "predictions" / f"supervised-{task}.parquet"
    predict_supervised.predict_supervised(
        scans=trained.scans,
        derivatives=blob_scans / "derivatives",
        model=trained.run / "models" / f"supervised-{task}",
        predictions=path,
        devices=0,
        threads=1,
        batch_size=5,
    )
    found = read_table(path, SUPERVISED_PREDICTIONS)
    rows = read_table(trained.scans, SCANS)
    keys = ["participant_id", "session_id"]
    assert len(found) == len(rows) == len(found.merge(rows, on=keys, validate="one_to_one"))
    low, high = {"diagnosis": (0, 1), "age": (30, 130)}[task]
    assert found["prediction"].between(low, high).all()
    model = load_supervised(trained.run / "models" / f"supervised-{task}", device=CPU)
    expected = rows[keys].head(3).assign(expected=model.predict(volumes).numpy())
    both = found.merge(expected, on=keys)
    np.testing.assert_allclose(both["prediction"], both["expected"], rtol=1e-4)


@pytest.mark.parametrize("side", ["train", "validation"])
def test_scans_of_one_diagnosis_are_refused(trained, tmp_path, side) -> None:
    rows = read_table(trained.scans, SCANS)
    rows.loc[(rows["split"] == side) & (rows["diagnosis"] == "AD"), "diagnosis"] = "MCI"
    with pytest.raises(UserError, match=f"{side} scans have a diagnosis of AD or CN, 1 different"):
        changed(trained, tmp_path, rows).train("supervised-diagnosis")


def test_scans_without_an_age_are_refused(trained, tmp_path) -> None:
    rows = read_table(trained.scans, SCANS).assign(age=None)
    with pytest.raises(UserError, match="0 train scans have an age"):
        changed(trained, tmp_path, rows).train("supervised-age")


def test_a_changed_diagnosis_trains_anew(trained, tmp_path, caplog) -> None:
    shutil.copytree(trained.run / "state", tmp_path / "state")
    rows = read_table(trained.scans, SCANS)
    rows.loc[rows["participant_id"] == "sub-00", "diagnosis"] = "AD"
    with caplog.at_level("INFO"):
        changed(trained, tmp_path, rows).train("supervised-diagnosis")
    assert "of another training (truth differs): starting anew" in caplog.text


def test_the_dae_is_put_together_again(trained, volumes) -> None:
    model = load_dae(trained.run / "models", device=CPU)
    assert model.latent_shape == (1, 16, 16, 16)
    assert model.volume_shape == (16, 16, 16)
    z_0, y = model.to_latent(volumes), model.encode(volumes)
    assert float(z_0.min()) == -1
    torch.testing.assert_close(model.to_volume(z_0), volumes)
    assert y.shape == (3, model.embedding_dim)
    z_T = model.invert(z_0, y, steps=4)
    alone = model.invert(z_0[1:2], y[1:2], steps=4)
    torch.testing.assert_close(z_T[1:2], alone, rtol=1e-3, atol=1e-4)
    assert not torch.equal(z_T, model.invert(z_0, y.roll(1, 0), steps=4))
    assert torch.isfinite(model.sample(z_T, y, steps=4)).all()
    assert not any(p.requires_grad for p in model.noise_predictor.parameters())


def test_the_dae_cannot_do_without_a_code(trained, volumes) -> None:
    model = load_dae(trained.run / "models", device=CPU)
    for walk in (model.invert, model.sample):
        with pytest.raises(ValueError, match="without a code"):
            walk(model.to_latent(volumes), None, steps=2)


class ExactNoise(nn.Module):
    """The noise that N(y, 0.5^2) voxels imply; y (1, 1) is their mean."""

    def __init__(self, schedule: NoiseSchedule) -> None:
        super().__init__()
        self.schedule = schedule

    def forward(self, z: Tensor, t: Tensor, y: Tensor) -> Tensor:
        alpha_bar = self.schedule.exact_alpha_bar[t].view(-1, 1, 1, 1, 1)
        variance = alpha_bar * 0.25 + 1 - alpha_bar
        mean = alpha_bar.sqrt() * y.view(-1, 1, 1, 1, 1)
        return ((1 - alpha_bar).sqrt() * (z - mean) / variance).to(z)


def test_with_exact_noise_inversion_comes_back_the_closer_the_more_steps(trained) -> None:
    schedule = NoiseSchedule.linear(1000, 1e-4, 0.02)
    model = replace(
        load_dae(trained.run / "models", device=CPU),
        noise_predictor=ExactNoise(schedule),
        schedule=schedule,
    )
    means = torch.tensor([[-0.4], [0.3]])
    noise = torch.randn(2, 1, 16, 16, 16, generator=torch.Generator().manual_seed(0))
    z_0 = means.view(2, 1, 1, 1, 1) + 0.5 * noise
    errors = []
    for steps in (10, 50, 100):
        z_T = model.invert(z_0, means, steps=steps)
        back = model.sample(z_T, means, steps=steps)
        errors.append(float((back - z_0).square().mean().sqrt()))
    assert errors[0] > 3 * errors[1] > 3 * errors[2]
    assert errors[2] < 0.05
    assert z_T.std(dim=(1, 2, 3, 4)).tolist() == pytest.approx([1, 1], abs=0.05)
    assert z_T.mean(dim=(1, 2, 3, 4)).tolist() == pytest.approx([0, 0], abs=0.05)


@pytest.mark.parametrize("found", ["supervised-age", "supervised-diagnosis"])
def test_another_models_folder_is_refused(trained, tmp_path, found) -> None:
    (tmp_path / "dae").symlink_to(trained.run / "models" / found)
    with pytest.raises(UserError, match=f"holds the model '{found}', not 'dae'"):
        load_dae(tmp_path)
    with pytest.raises(UserError, match="holds the model 'dae', not 'supervised-"):
        load_supervised(trained.run / "models/dae")
    with pytest.raises(UserError, match=r"no config\.json"):
        load_dae(tmp_path / "nowhere")
