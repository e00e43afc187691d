"""Nothing that is fitted has seen a test subject: with garbage in their place it stays the same.

Every stage that trains, scales or thresholds runs twice, as it does in a run: on all scans, and on
the same with the test subjects' volumes and labels replaced.
"""

import inspect
import json
from copy import deepcopy
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from ldae.config import Section
from ldae.data.embeddings import read_embeddings
from ldae.runtime import sha256
from ldae.stages import (
    embed_pca,
    embed_scans,
    encode_latents,
    evaluate_probes,
    predict_supervised,
    train_autoencoder,
    train_dae,
    train_ldae,
    train_ldm,
    train_supervised,
)
from ldae.tables import SCANS, read_table, write_table

MODELS = [
    "autoencoder",
    "ldm",
    "ldae",
    "dae",
    "supervised-diagnosis",
    "supervised-age",
    "voxel-pca",
]
ENCODERS = ["ldae", "dae", "random-init", "voxel-pca"]
EVALUATION = {
    "sampling": {"clip": None},
    "probe": {"inverse_regularisation": [0.01, 1.0], "ridge_penalty": [1.0, 100.0], "folds": 2},
    "downstream": {"seeds": 1},
    "voxel_pca": {"components": 3, "pool": 2},
    "bootstrap": {"replicates": 20, "confidence": 0.9},
}


class Run:
    """All that is fitted, from a table of scans and their volumes."""

    def __init__(self, folder: Path, scans: Path, derivatives: Path, settings: dict) -> None:
        self.folder, self.scans, self.derivatives = folder, scans, derivatives
        self._settings = settings
        trained = {"scans": scans, "derivatives": derivatives, "threads": 1}
        latents = {"latents": folder / "latents"}
        self._train(train_autoencoder.train_autoencoder, "autoencoder", **trained)
        encode_latents.encode_latents(
            scans=scans,
            derivatives=derivatives,
            autoencoder=folder / "models/autoencoder",
            **latents,
            devices=0,
            threads=1,
        )
        no_volumes = {name: value for name, value in trained.items() if name != "derivatives"}
        self._train(train_ldm.train_ldm, "ldm", **no_volumes, **latents)
        self._train(train_ldae.train_ldae, "ldae", **trained, **latents, ldm=folder / "models/ldm")
        self._train(train_dae.train_dae, "dae", **trained)
        for task in ("diagnosis", "age"):
            name = f"supervised-{task}"
            self._train(train_supervised.train_supervised, name, **trained, task=task)
            self._call(
                predict_supervised.predict_supervised,
                model=folder / "models" / name,
                predictions=folder / "predictions" / f"{name}.parquet",
                **self._shared(),
            )
        for encoder in ENCODERS[:-1]:
            self._call(
                embed_scans.embed_scans,
                models=folder / "models",
                encoder=encoder,
                embeddings=self.embeddings(encoder),
                **self._shared(),
            )
        self._call(
            embed_pca.embed_pca,
            model=folder / "models/voxel-pca",
            embeddings=self.embeddings("voxel-pca"),
            **self._shared(),
        )
        self._call(
            evaluate_probes.evaluate_probes,
            scans=scans,
            embeddings=[self.embeddings(encoder) for encoder in ENCODERS],
            supervised=sorted((folder / "predictions").iterdir()),
            table=folder / "downstream.csv",
            by_group=folder / "downstream_by_group.csv",
            compared=folder / "downstream_compared.csv",
            predictions=folder / "predictions.parquet",
            probes=folder / "probes.json",
            threads=1,
        )

    def embeddings(self, encoder: str) -> Path:
        return self.folder / "embeddings" / f"{encoder}.parquet"

    def rows(self, *splits: str) -> pd.DataFrame:
        table = read_table(self.scans, SCANS)
        return table[table["split"].isin(splits)]

    def _shared(self) -> dict:
        return {"scans": self.scans, "derivatives": self.derivatives, "threads": 1}

    def _train(self, stage, name: str, **given) -> None:
        place = {"model": self.folder / "models" / name, "state": self.folder / "state" / name}
        self._call(stage, **place, **given)

    def _call(self, stage, **given) -> None:
        taken = inspect.signature(stage).parameters
        given |= {name: n for name, n in (("batch_size", 4), ("devices", 0)) if name in taken}
        model = stage.__globals__.get("Settings")
        if model is None:
            return stage(**given)
        wanted = set(model.model_fields)
        if "task" in given:
            wanted -= {"supervised_age", "supervised_diagnosis"} - {f"supervised_{given['task']}"}
        return stage(**given, settings=self._parsed(model, wanted))

    def _parsed(self, model: type[Section], wanted: set[str]) -> Section:
        known = {name: value for name, value in self._settings.items() if name in wanted}
        return model.model_validate(known)


def spoilt(scans: Path, derivatives: Path, folder: Path) -> tuple[Path, Path]:
    """The same scans with noise, other labels and impossible ages in place of test subjects'."""
    table = read_table(scans, SCANS)
    generator = np.random.default_rng(9)
    (folder / "derivatives").mkdir(parents=True)
    for path in derivatives.iterdir():
        (folder / "derivatives" / path.name).symlink_to(path)
    for index in table.index[table["split"] == "test"]:
        path = folder / "derivatives" / table.loc[index, "volume"]
        shape = nib.load(path).shape
        path.unlink()
        nib.save(nib.Nifti1Image(generator.random(shape, np.float32) * 50, np.eye(4)), path)
        table.loc[index, "volume_sha256"] = sha256(path)
    test = table["split"] == "test"
    table.loc[test, "diagnosis"] = table.loc[test, "diagnosis"].map({"CN": "AD", "AD": "CN"})
    table.loc[test, "age"] = generator.uniform(150, 900, test.sum())
    table.loc[test, "sex"] = None
    table.loc[test, "field_strength"] = 70.0
    write_table(table, folder / "scans.parquet", SCANS)
    return folder / "scans.parquet", folder / "derivatives"


@pytest.fixture(scope="module")
def runs(blob_scans, tiny_training, tmp_path_factory) -> tuple[Run, Run]:
    settings = deepcopy(tiny_training) | EVALUATION
    for name in ("autoencoder", "ldm", "ldae", "dae", "supervised_diagnosis", "supervised_age"):
        settings[name]["training"] |= {
            "budget": {"amount": 2, "unit": "epochs"},
            "validate_every": 3,
        }
    settings["autoencoder"]["loss"]["adversarial_after"] = 8
    whole = blob_scans / "scans.parquet", blob_scans / "derivatives"
    garbled = spoilt(*whole, tmp_path_factory.mktemp("garbled"))
    return tuple(
        Run(tmp_path_factory.mktemp("run"), *place, settings) for place in (whole, garbled)
    )


@pytest.mark.parametrize("model", MODELS)
def test_no_model_has_seen_a_test_subject(runs, model) -> None:
    one, other = (run.folder / "models" / model / "weights.safetensors" for run in runs)
    assert one.read_bytes() == other.read_bytes()


def test_nor_has_the_scale_of_latents(runs) -> None:
    one, other = (json.loads((run.folder / "latents/scale.json").read_text()) for run in runs)
    assert one == other


@pytest.mark.parametrize("encoder", ENCODERS)
def test_nor_has_a_code_of_the_others(runs, encoder) -> None:
    """Standardisation and components, by what they do to scans that are the same."""
    codes = [
        read_embeddings(run.embeddings(encoder), run.rows("train", "validation")) for run in runs
    ]
    np.testing.assert_array_equal(*codes)


def test_nor_has_any_probe(runs) -> None:
    """Weights, scalers and regularisation, of every encoder and task."""
    one, other = ((run.folder / "probes.json").read_bytes() for run in runs)
    assert one == other
    fitted = json.loads(one)
    assert set(fitted) == {*ENCODERS, "demographics"}
    assert all({"ad_vs_cn", "age", "age_as_paper"} <= set(tasks) for tasks in fitted.values())


def test_nor_have_the_bounds_of_age_groups(runs) -> None:
    tables = [pd.read_csv(run.folder / "downstream_by_group.csv") for run in runs]
    named = [set(table.loc[table["group"] == "age_tertile", "level"]) for table in tables]
    assert named[1] == {max(named[0], key=lambda level: level.startswith("from"))}


def test_all_of_which_would_show(runs) -> None:
    """What is said of test subjects is another thing altogether."""
    for encoder in ENCODERS:
        one, other = (read_embeddings(run.embeddings(encoder), run.rows("test")) for run in runs)
        assert (one != other).all(axis=1).all(), encoder
    tables = [pd.read_csv(run.folder / "downstream.csv") for run in runs]
    told = [table.set_index(["encoder", "task"]).loc[("ldae", "age"), "mae"] for table in tables]
    assert told[1] > 5 * told[0]
