import shutil
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.image import imread

from ldae import config
from ldae.data.embeddings import read_embeddings, write_embeddings
from ldae.data.samples import read_samples, write_samples
from ldae.errors import UserError
from ldae.models.ldae import load_ldae
from ldae.stages import evaluate_generation as evaluating
from ldae.stages import sample_scans as sampling
from ldae.stages.evaluate_generation import DECODED, TEST, evaluate_generation
from ldae.stages.sample_scans import sample_scans
from ldae.tables import SCANS, write_table

SAMPLING = config.Sampling(clip=1.0)
GENERATION = config.Generation(steps=2, samples=5, volumes=2)


def sample(run, embeddings: Path, model: str, folder: Path, **changes: object) -> Path:
    settings = sampling.Settings(
        seed=7,
        sampling=SAMPLING,
        generation=changes.get("generation", GENERATION),
    )
    sample_scans(
        scans=run.scans,
        derivatives=run.derivatives,
        models=run.models,
        embeddings=embeddings,
        model=model,
        samples=folder / model,
        devices=0,
        threads=1,
        batch_size=changes.get("batch_size", 3),
        settings=settings,
    )
    return folder / model


def evaluate(run, samples: list[Path], folder: Path, pretrained: str | None = None) -> pd.DataFrame:
    evaluate_generation(
        scans=run.scans,
        derivatives=run.derivatives,
        models=run.models,
        samples=samples,
        table=folder / "generation.csv",
        figure=folder / "generation.png",
        devices=0,
        threads=1,
        batch_size=3,
        settings=evaluating.Settings(
            seed=7,
            pretrained=pretrained,
            generation=GENERATION,
            bootstrap=config.Bootstrap(replicates=40, confidence=0.9),
        ),
    )
    return pd.read_csv(folder / "generation.csv").set_index("model")


@pytest.fixture(scope="module")
def embeddings(run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("embeddings") / "ldae.parquet"
    codes = np.random.default_rng(0).normal(size=(len(run.rows), 6)).astype(np.float32)
    write_embeddings(run.rows, codes, path)
    return path


@pytest.fixture(scope="module")
def sampled(run, embeddings, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("samples")
    return [sample(run, embeddings, model, folder) for model in ("ldm", "ldae")]


def test_samples_are_listed_and_some_can_be_looked_at(run, sampled) -> None:
    for folder in sampled:
        index, z_0 = read_samples(folder)
        assert z_0.shape == (5, 2, 4, 6, 4)
        assert index["sample"].tolist() == [0, 1, 2, 3, 4]
        assert index["volume"].notna().tolist() == [True, True, False, False, False]
        image = nib.load(folder / index["volume"][0])
        scan = nib.load(run.derivatives / run.rows["volume"][0])
        np.testing.assert_array_equal(image.affine, scan.affine)
        decoded = load_ldae(run.models).to_volume(z_0[:1]).clamp(0, 1)[0, 0]
        np.testing.assert_allclose(image.get_fdata(), decoded, atol=1e-5)


def test_codes_are_drawn_and_no_scan_s_own(run, embeddings, tmp_path, monkeypatch) -> None:
    given: list[torch.Tensor] = []
    real = sampling._sample

    def watched(loaded, codes, *others):
        given.append(codes)
        return real(loaded, codes, *others)

    monkeypatch.setattr(sampling, "_sample", watched)
    for model in ("ldm", "ldae"):
        sample(run, embeddings, model, tmp_path)
    none, codes = given
    assert none is None
    train = run.rows[run.rows["split"] == "train"]
    known = read_embeddings(embeddings, train)
    assert codes.shape == (5, known.shape[1])
    assert (np.abs(codes.numpy()[:, None] - known[None]).max(axis=2) > 1e-3).all()


def test_codes_of_test_scans_have_no_part_in_them(run, embeddings, sampled, tmp_path) -> None:
    known = read_embeddings(embeddings, run.rows).copy()
    known[(run.rows["split"] != "train").to_numpy()] = 1e3
    write_embeddings(run.rows, known, tmp_path / "other.parquet")
    again = sample(run, tmp_path / "other.parquet", "ldae", tmp_path)
    torch.testing.assert_close(read_samples(again)[1], read_samples(sampled[1])[1])


def test_a_sample_does_not_depend_on_its_batch(run, embeddings, sampled, tmp_path) -> None:
    for first in sampled:
        again = sample(run, embeddings, first.name, tmp_path, batch_size=1)
        torch.testing.assert_close(
            read_samples(again)[1], read_samples(first)[1], rtol=1e-3, atol=1e-4
        )


def test_samples_that_do_not_match_their_list_are_refused(sampled, tmp_path) -> None:
    folder = shutil.copytree(sampled[0], tmp_path / "ldm")
    np.save(folder / "latents.npy", np.zeros((2, 2, 4, 6, 4), np.float32))
    with pytest.raises(UserError, match="2 samples, but 5 listed"):
        read_samples(folder)
    (folder / "latents.npy").write_bytes(b"torn")
    with pytest.raises(UserError, match="run sample-scans again"):
        read_samples(folder)


def test_every_row_has_numbers_and_says_of_which_features(run, sampled, tmp_path) -> None:
    table = evaluate(run, sampled, tmp_path)
    assert table.index.tolist() == ["ldm", "ldae", TEST, DECODED]
    assert (table["n"] == 5).all()
    assert table[["frechet", "frechet_test"]].ge(0).all(axis=None)
    assert (table["n_test"] == 5).all()  # of two subjects; the other two are the yardstick
    assert table["features"].str.contains("blocks").all()
    assert table.loc[DECODED, ["nearest_ratio", "below_nearest_test"]].tolist() == [1, 0]
    assert (table["nearest_train_low"] <= table["nearest_train"]).all()
    assert (table["nearest_train"] <= table["nearest_train_high"]).all()
    assert table.loc[TEST, "n_units"] == 2  # subjects
    assert table.loc["ldm", "n_units"] == 5
    assert table["not_computed"].isna().all()
    assert imread(tmp_path / "generation.png").ndim == 3


def test_copies_of_training_scans_are_found_out(run, sampled, tmp_path, monkeypatch) -> None:
    """A model that has learnt its training scans by heart; the autoencoder's loss is not its."""
    model = load_ldae(run.models)
    train = run.rows[run.rows["split"] == "train"]
    index, _ = read_samples(sampled[0])
    volumes = torch.stack(
        [
            torch.from_numpy(nib.load(run.derivatives / name).get_fdata(dtype=np.float32))
            for name in train["volume"].iloc[:5]
        ]
    )[:, None]
    folder = tmp_path / "parrot"
    write_samples(folder, index, model.to_latent(volumes))

    class Parrot:
        def __getattr__(self, name: str) -> object:
            return getattr(model, name)

        def to_volume(self, z_0: torch.Tensor) -> torch.Tensor:
            known = torch.isclose(z_0[:, None], read_samples(folder)[1][None]).flatten(2).all(2)
            decoded = model.to_volume(z_0)
            for place, copied in known.nonzero().tolist():
                decoded[place] = volumes[copied]
            return decoded

    monkeypatch.setattr(evaluating, "load_ldae", lambda *_, **__: Parrot())
    table = evaluate(run, [folder], tmp_path)
    assert table.loc["parrot", "nearest_ratio"] < 0.1
    assert table.loc["parrot", "below_nearest_test"] == 1


def test_medicalnet_is_used_when_its_weights_are_there(run, sampled, tmp_path) -> None:
    from monai.networks.nets import ResNetFeatures

    torch.manual_seed(0)
    state = ResNetFeatures("resnet10", pretrained=False).state_dict()
    torch.save({"state_dict": state}, tmp_path / "resnet_10_23dataset.pth")
    table = evaluate(run, sampled[:1], tmp_path, pretrained=str(tmp_path))
    assert table["features"].str.contains("MedicalNet").all()
    assert table["frechet"].notna().all()


def test_one_test_subject_leaves_no_unseen_scans_to_compare_with(run, sampled, tmp_path) -> None:
    alone = run.rows[(run.rows["split"] != "test") | (run.rows["participant_id"] == "sub-12")]
    write_table(alone, tmp_path / "scans.parquet", SCANS)
    table = evaluate(replace(run, scans=tmp_path / "scans.parquet"), sampled, tmp_path)
    assert table["frechet"].notna().all()
    assert table["frechet_test"].isna().all()
    assert table["not_computed"].str.startswith("frechet_test: too few").all()
