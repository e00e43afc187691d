import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from ldae.config import Sampling
from ldae.data.batches import load_batch
from ldae.data.choices import take_split
from ldae.data.inversions import read_inversions
from ldae.errors import UserError
from ldae.models.dae import load_dae
from ldae.models.ldae import load_ldae
from ldae.models.lddim import load_lddim
from ldae.models.stored import inverted_by
from ldae.stages import invert_scans as stage
from ldae.tables import SCANS, write_table
from ldae.weights.folder import load_model_config

CPU = torch.device("cpu")


def index_of(folder, model, steps):
    return folder / model / f"T{steps}" / "index.parquet"


def invert(run, folder, model="ldae", steps=3, clip=None, batch_size=3):
    index = index_of(folder, model, steps)
    stage.invert_scans(
        scans=run.scans,
        derivatives=run.derivatives,
        models=run.models,
        model=model,
        steps=steps,
        index=index,
        devices=0,
        threads=1,
        batch_size=batch_size,
        settings=stage.Settings(sampling=Sampling(clip=clip)),
    )
    return index


def contents(index):
    return {path.name: path.read_bytes() for path in index.parent.iterdir()}


@pytest.mark.parametrize("model", ["ldae", "lddim", "dae"])
def test_stored_codes_are_the_models_own(run, tmp_path, model):
    index = invert(run, tmp_path, model)
    test = take_split(run.rows, "test")
    stored = read_inversions(index, test, made_by=inverted_by(run.models, model, clip=None))
    inverter = (load_dae if model == "dae" else load_ldae)(run.models, device=CPU)
    x = load_batch(test, run.derivatives, CPU).x
    y = None if model == "lddim" else inverter.encode(x)
    expected = inverter.invert(inverter.to_latent(x), y, steps=3)
    assert stored.shape == (len(test), *inverter.latent_shape)
    torch.testing.assert_close(stored, expected, rtol=1e-3, atol=1e-4)


def test_a_code_does_not_depend_on_its_batch(run, tmp_path):
    test, made_by = take_split(run.rows, "test"), inverted_by(run.models, "ldae", clip=None)
    one, many = (
        read_inversions(invert(run, tmp_path / str(n), batch_size=n), test, made_by=made_by)
        for n in (1, 16)
    )
    torch.testing.assert_close(one, many, rtol=1e-3, atol=1e-4)


def test_lddim_is_inverted_before_there_is_an_ldae(run, tmp_path):
    for part in ("autoencoder", "ldm"):
        shutil.copytree(run.models / part, tmp_path / "models" / part)
    early = contents(invert(replace(run, models=tmp_path / "models"), tmp_path / "a", "lddim"))
    assert early == contents(invert(run, tmp_path / "b", "lddim"))


def test_a_diffusion_model_alone_refuses_a_code(run):
    model = load_lddim(run.models, device=CPU)
    with pytest.raises(ValueError, match="does not read a code"):
        model.invert(torch.zeros(1, *model.latent_shape), torch.zeros(1, 6), steps=2)


def test_codes_come_in_the_order_asked_for(run, tmp_path):
    index, test = invert(run, tmp_path), take_split(run.rows, "test")
    made_by = inverted_by(run.models, "ldae", clip=None)
    every = read_inversions(index, test, made_by=made_by)
    some = read_inversions(index, test.iloc[[4, 0, 4]], made_by=made_by)
    assert torch.equal(some, every[[4, 0, 4]])


def test_no_scan_but_those_of_the_test_split_is_inverted(run, tmp_path):
    stored = pd.read_parquet(invert(run, tmp_path))
    keys = ["participant_id", "session_id"]
    assert stored[keys].equals(take_split(run.rows, "test")[keys])
    with pytest.raises(UserError, match=r"no usable z_T of 1 scans.*there is none"):
        read_inversions(
            index_of(tmp_path, "ldae", 3),
            take_split(run.rows, "train").iloc[:1],
            made_by=inverted_by(run.models, "ldae", clip=None),
        )


def test_a_killed_job_continues_to_the_same_bytes(run, tmp_path, monkeypatch):
    whole = contents(invert(run, tmp_path / "whole"))
    write, written = stage.write_inversion, []

    def killed(folder, row, z_T):
        if len(written) == 4:  # in the midst of the second batch
            (folder / f".123.{row['file']}").write_bytes(b"half")
            raise KeyboardInterrupt
        written.append(row["file"])
        write(folder, row, z_T)

    monkeypatch.setattr(stage, "write_inversion", killed)
    with pytest.raises(KeyboardInterrupt):
        invert(run, tmp_path / "cut")
    index = index_of(tmp_path / "cut", "ldae", 3)
    assert not index.exists()
    kept = {name: (index.parent / name).stat().st_mtime_ns for name in written[:3]}
    monkeypatch.setattr(stage, "write_inversion", write)
    invert(run, tmp_path / "cut")
    assert contents(index) == whole
    assert kept == {name: (index.parent / name).stat().st_mtime_ns for name in kept}


def test_nothing_is_inverted_twice(run, tmp_path, monkeypatch):
    index = invert(run, tmp_path)
    before = contents(index)
    monkeypatch.setattr(stage, "write_inversion", lambda *_: pytest.fail("inverted again"))
    invert(run, tmp_path)
    assert contents(index) == before


def test_codes_of_another_clamp_are_refused_and_replaced(run, tmp_path):
    index, test = invert(run, tmp_path), take_split(run.rows, "test")
    before = set(contents(index))
    clamped = inverted_by(run.models, "ldae", clip=1.0)
    with pytest.raises(UserError, match="of other weights, clamp or volume; run invert-scans"):
        read_inversions(index, test, made_by=clamped)
    invert(run, tmp_path, clip=1.0)
    assert len(read_inversions(index, test, made_by=clamped)) == len(test)
    assert set(contents(index)) & before == {"index.parquet"}


def test_a_changed_volume_is_inverted_again(run, tmp_path):
    index, test = invert(run, tmp_path), take_split(run.rows, "test")
    changed = run.rows.copy()
    position = changed.index[changed["image"] == test["image"][0]]
    changed.loc[position, "volume_sha256"] = "1"
    made_by = inverted_by(run.models, "ldae", clip=None)
    with pytest.raises(UserError, match="of 1 scans"):
        read_inversions(index, take_split(changed, "test"), made_by=made_by)
    write_table(changed, tmp_path / "scans.parquet", SCANS)
    invert(replace(run, scans=tmp_path / "scans.parquet"), tmp_path)
    assert len(read_inversions(index, take_split(changed, "test"), made_by=made_by)) == len(test)


def test_the_mark_changes_with_any_weights_behind(run, tmp_path):
    marks = set()
    for name in ("ldae", "lddim", "dae"):
        marks.add(inverted_by(run.models, name, clip=None))
    for folder in ("autoencoder", "ldm", "ldae"):
        other = tmp_path / folder
        for part in ("autoencoder", "ldm", "ldae"):
            sha = load_model_config(run.models / part)["weights_sha256"]
            stored = sha[::-1] if part == folder else sha
            (other / part).mkdir(parents=True)
            (other / part / "config.json").write_text(f'{{"weights_sha256": "{stored}"}}')
        marks.add(inverted_by(other, "ldae", clip=None))
    assert len(marks) == 6


def test_a_damaged_code_is_named(run, tmp_path):
    index = invert(run, tmp_path)
    stored = pd.read_parquet(index)
    path = index.parent / stored["file"][1]
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(UserError, match=r"cannot be read as a z_T .*delete it and run"):
        read_inversions(
            index,
            take_split(run.rows, "test"),
            made_by=inverted_by(run.models, "ldae", clip=None),
        )


def test_inverting_and_sampling_return_the_latent(run, tmp_path):
    """A round trip of many steps loses less than one of few."""
    model, test = load_ldae(run.models, device=CPU), take_split(run.rows, "test")
    x = load_batch(test, run.derivatives, CPU).x
    z_0, y = model.to_latent(x), model.encode(x)
    lost = []
    for steps in (3, 30):
        z_T = read_inversions(
            invert(run, tmp_path, steps=steps),
            test,
            made_by=inverted_by(run.models, "ldae", clip=None),
        )
        lost.append(float((model.sample(z_T, y, steps=steps) - z_0).square().mean()))
    assert lost[1] < 0.5 * lost[0]
    assert np.isfinite(lost).all()
