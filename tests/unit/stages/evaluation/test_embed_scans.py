import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from ldae.data.batches import load_batch
from ldae.data.choices import take_split
from ldae.data.embeddings import read_embeddings
from ldae.errors import UserError
from ldae.models.dae import load_dae
from ldae.models.ldae import load_ldae
from ldae.stages.embed_scans import Settings, embed_scans


def embed(run, path, encoder, *, seed=3, batch_size=4):
    embed_scans(
        scans=run.scans,
        derivatives=run.derivatives,
        models=run.models,
        encoder=encoder,
        embeddings=path,
        devices=0,
        threads=1,
        batch_size=batch_size,
        settings=Settings(seed=seed),
    )
    return path


@pytest.mark.parametrize("encoder", ["ldae", "ldae-volume", "dae"])
def test_every_scan_has_its_code(run, tmp_path, encoder):
    path = embed(run, tmp_path / f"{encoder}.parquet", encoder)
    table = pq.read_table(path)
    keys = ["participant_id", "session_id", "split", "months", "age", "diagnosis"]
    assert table.column_names == [*keys, *[f"e{index:03d}" for index in range(6)]]
    assert len(table) == len(run.rows)
    test = take_split(run.rows, "test")
    model = load_dae(run.models) if encoder == "dae" else load_ldae(run.models, name=encoder)
    expected = model.encode(load_batch(test, run.derivatives, torch.device("cpu")).x)
    np.testing.assert_allclose(read_embeddings(path, test), expected, rtol=1e-4, atol=1e-5)


def test_a_code_does_not_depend_on_its_batch(run, tmp_path):
    one, many = (embed(run, tmp_path / f"{n}.parquet", "ldae", batch_size=n) for n in (1, 16))
    codes = [read_embeddings(path, run.rows) for path in (one, many)]
    np.testing.assert_allclose(*codes, rtol=1e-4, atol=1e-5)


def test_same_bytes_again(run, tmp_path):
    for encoder in ("ldae", "random-init"):
        first, again = (embed(run, tmp_path / f"{i}.parquet", encoder) for i in "ab")
        assert first.read_bytes() == again.read_bytes()


def test_untrained_codes_are_standardised_on_training_scans(run, tmp_path):
    train = take_split(run.rows, "train")
    codes = read_embeddings(embed(run, tmp_path / "random-init.parquet", "random-init"), train)
    np.testing.assert_allclose(codes.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(codes.std(axis=0), 1, rtol=1e-3)
    other = read_embeddings(embed(run, tmp_path / "other.parquet", "random-init", seed=4), train)
    assert not np.allclose(codes, other)


def test_embeddings_follow_the_rows_they_are_asked_for(run, tmp_path):
    path = embed(run, tmp_path / "ldae.parquet", "ldae")
    codes = read_embeddings(path, run.rows)
    np.testing.assert_array_equal(read_embeddings(path, run.rows.iloc[::-1]), codes[::-1])
    stranger = run.rows.iloc[:1].assign(participant_id="sub-99")
    with pytest.raises(UserError, match=r"no code for sub-99/ses-M000"):
        read_embeddings(path, stranger)
