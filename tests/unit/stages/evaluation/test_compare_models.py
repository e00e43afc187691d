import numpy as np
import pandas as pd
import pytest

from ldae.data.embeddings import write_embeddings
from ldae.errors import UserError
from ldae.stages.compare_models import COLUMNS, compare_models

from .conftest import AUTOENCODER, ENCODER, SHAPE
from .test_evaluate_reconstruction import evaluate
from .test_invert_scans import index_of
from .test_reconstruct_scans import PARTS

LATENT = AUTOENCODER.latent_channels * np.prod(SHAPE) // 2**3  # one halving per axis


@pytest.fixture(scope="module")
def scored(run, tmp_path_factory):
    folder = evaluate(run, tmp_path_factory.mktemp("compared"))
    codes = np.zeros((len(run.rows), ENCODER.embedding_dim), np.float32)
    for name in ("ldae", "dae"):
        write_embeddings(run.rows, codes, folder / f"{name}.parquet")
    return folder


def compare(folder, table, models):
    compare_models(
        reconstruction=table,
        inversions=[
            index_of(folder / "inversions", model, steps)
            for model, steps in PARTS
            if model in models
        ],
        embeddings=[folder / f"{name}.parquet" for name in ("ldae", "dae") if name in models],
        table=folder / "models.csv",
    )
    return pd.read_csv(folder / "models.csv")


def test_sizes_are_counted_and_rows_are_of_most_steps(scored):
    table = compare(scored, scored / "reconstruction.csv", ["ldae", "lddim", "dae"])
    assert list(table.columns) == COLUMNS
    dim = ENCODER.embedding_dim
    assert dict(zip(table["model"], table["latent_dim"], strict=True)) == {
        "ldae": LATENT + dim,
        "lddim": LATENT,
        "dae": np.prod(SHAPE) + dim,
        "autoencoder": LATENT,
    }
    keys = ["model", "start", "steps"]
    assert table["steps"].tolist() == [5, 5, 3, 0]
    measured = pd.read_csv(scored / "reconstruction.csv").set_index(keys)
    here = table.set_index(keys)
    for name in ("ssim", "ssim_low", "ssim_high", "mse", "mse_low", "mse_high", "n_subjects"):
        assert here[name].equals(measured.loc[here.index, name]), name
    per_scan = pd.read_parquet(scored / "reconstruction.parquet").set_index(keys)
    for key in here.index:
        assert here.loc[key, "ssim"] == pytest.approx(per_scan.loc[key, "ssim"].mean(), rel=1e-5)


def test_models_that_did_not_run_are_absent(scored, tmp_path):
    measured = pd.read_csv(scored / "reconstruction.csv")
    alone = measured[~measured["model"].isin(["lddim", "dae"])]
    alone.to_csv(tmp_path / "reconstruction.csv", index=False)
    table = compare(scored, tmp_path / "reconstruction.csv", ["ldae"])
    assert table["model"].tolist() == ["ldae", "autoencoder"]


def test_a_model_that_cannot_be_counted_is_refused(scored):
    with pytest.raises(UserError, match="--inversions: none of lddim, dae, which"):
        compare(scored, scored / "reconstruction.csv", ["ldae"])
