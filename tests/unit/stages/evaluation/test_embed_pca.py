import numpy as np
import pandas as pd
import pytest

from ldae.config import VoxelPca
from ldae.data.embeddings import read_embeddings
from ldae.stages.embed_pca import Settings, embed_pca

SETTINGS = Settings(seed=3, voxel_pca=VoxelPca(components=4, pool=2))


@pytest.fixture
def embedded(run, tmp_path):
    embed_pca(
        scans=run.scans,
        derivatives=run.derivatives,
        model=tmp_path / "voxel-pca",
        embeddings=tmp_path / "voxel-pca.parquet",
        threads=1,
        settings=SETTINGS,
    )
    return tmp_path / "voxel-pca.parquet"


def test_every_scan_has_a_row(run, embedded):
    table = pd.read_parquet(embedded)
    assert len(table) == len(run.rows)
    assert [name for name in table if name.startswith("e0")] == ["e000", "e001", "e002", "e003"]


def test_the_first_component_is_what_differs_most(run, embedded):
    """Painted brains differ by diagnosis; held-out ones are told apart by a threshold."""
    held_out = run.rows[run.rows["split"] == "test"]
    first = read_embeddings(embedded, held_out)[:, 0]
    ad = (held_out["diagnosis"] == "AD").to_numpy()
    assert first[ad].min() > first[~ad].max() or first[ad].max() < first[~ad].min()


def test_training_scores_are_centred_and_uncorrelated(run, embedded):
    codes = read_embeddings(embedded, run.rows[run.rows["split"] == "train"])
    np.testing.assert_allclose(codes.mean(axis=0), 0, atol=1e-4)
    covariance = np.cov(codes.T)
    np.testing.assert_allclose(covariance - np.diag(np.diag(covariance)), 0, atol=1e-3)
    assert (np.diff(np.diag(covariance)) < 0).all()
