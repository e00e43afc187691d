"""The explorer of the run in miniature holds what its models make, and no more than may fit."""

import json
import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from ldae.config import (
    Cohort,
    Explorer,
    Interpolation,
    Manipulation,
    Probe,
    Quality,
    Sampling,
    Variation,
)
from ldae.data.batches import load_batch
from ldae.data.embeddings import write_embeddings
from ldae.data.inversions import read_inversions
from ldae.data.volumes import load_volume
from ldae.diffusion.interpolation import lerp, slerp
from ldae.explorer.page import fixed_size
from ldae.explorer.viewer import niivue_module, read_widget
from ldae.explorer.volumes import unpack
from ldae.metrics.directions import fit_on, move
from ldae.metrics.tasks import AD_VS_CN
from ldae.models.ldae import load_ldae
from ldae.models.stored import inverted_by
from ldae.runtime import seeded_generator
from ldae.stages.invert_scans import Settings as InversionSettings
from ldae.stages.invert_scans import invert_scans
from ldae.stages.write_explorer import Settings, write_explorer
from ldae.tables import SCANS, write_table, write_tsv

CPU = torch.device("cpu")
SHAPE = (8, 12, 8)
STEPS, FEWER = 3, 2
PROBE = Probe(inverse_regularisation=(1.0,), ridge_penalty=(1.0,), folds=2)
SETTINGS = Settings(
    run="tiny",
    seed=1,
    cohort=Cohort(source="synthetic", download=None),
    quality=Quality(
        min_brain_ml=1,
        max_brain_ml=2,
        max_border_cm2=1,
        min_snr=1,
        max_cjv=1,
        min_template_dice=0.5,
        min_template_correlation=0.5,
        min_symmetry=0.5,
    ),
    sampling=Sampling(clip=None),
    interpolation=Interpolation(
        steps=STEPS, fractions=(0.25, 0.75), gaps=(12, 24), max_triplets=None
    ),
    manipulation=Manipulation(steps=FEWER, strengths=(-1.0, 1.0), max_subjects=None, probe=PROBE),
    variation=Variation(steps=FEWER, samples=3, max_subjects=None, probe=PROBE),
    explorer=Explorer(max_subjects=2, max_mb=9),
)


@pytest.fixture(scope="module")
def made(run, tmp_path_factory):
    """Codes and inversions of the run."""
    folder = tmp_path_factory.mktemp("made")
    model = load_ldae(run.models, device=CPU)
    codes = model.encode(load_batch(run.rows, run.derivatives, CPU).x).numpy()
    write_embeddings(run.rows, codes, folder / "ldae.parquet")
    for steps in (STEPS, FEWER):
        invert_scans(
            scans=run.scans,
            derivatives=run.derivatives,
            models=run.models,
            model="ldae",
            steps=steps,
            index=folder / "inversions/ldae" / f"T{steps}" / "index.parquet",
            devices=0,
            threads=1,
            batch_size=4,
            settings=InversionSettings(sampling=Sampling(clip=None)),
        )
    lost = pd.DataFrame([{"participant_id": "sub-77", "session_id": "ses-M000", "reason": "dark"}])
    write_tsv(lost, folder / "excluded.tsv")
    return SimpleNamespace(model=model, folder=folder, codes=codes)


def explore(run, made, path, *, settings=SETTINGS, batch_size=4, scans=None):
    write_explorer(
        scans=scans or run.scans,
        excluded=made.folder / "excluded.tsv",
        derivatives=run.derivatives,
        models=run.models,
        embeddings=made.folder / "ldae.parquet",
        inversions=made.folder / "inversions",
        explorer=path,
        devices=0,
        threads=1,
        batch_size=batch_size,
        settings=settings,
    )
    html = path.read_text()
    texts = dict(re.findall(r'<script type="(?:text/plain)" id="([^"]+)">([^<]*)<', html))
    content = re.search(r'type="application/json" id="content">([^<]*)<', html).group(1)
    return SimpleNamespace(html=html, texts=texts, subjects=json.loads(content)["subjects"])


@pytest.fixture(scope="module")
def explored(run, made, tmp_path_factory):
    return explore(run, made, tmp_path_factory.mktemp("page") / "explorer.html")


@pytest.fixture(scope="module")
def first(run, made, explored):
    """The first subject shown, of three sessions: its part of the page, its rows, codes and z_T."""
    page = explored.subjects[0]
    rows = run.rows[run.rows["participant_id"] == page["participant_id"]]
    made_by = inverted_by(run.models, "ldae", clip=None)
    z_T = {
        steps: read_inversions(
            made.folder / f"inversions/ldae/T{steps}/index.parquet", rows, made_by=made_by
        )
        for steps in (STEPS, FEWER)
    }
    return SimpleNamespace(page=page, rows=rows, codes=made.codes[rows.index], z_T=z_T)


def close(text, volume):
    """Whether a packed volume is that one (X, Y, Z), but for its levels."""
    found, wanted = unpack(text, SHAPE), volume.clamp(0, 1).numpy()
    return np.abs(found - wanted).max() < 0.5 / 255 + 1e-4


def sampled(made, z_T, codes, steps):
    y = torch.as_tensor(codes, dtype=torch.float32)
    with torch.inference_mode():
        return made.model.to_volume(made.model.sample(z_T, y, steps=steps))[:, 0]


def test_all_sessions_with_what_becomes_of_them(run, made, explored, first) -> None:
    assert [each["session_id"] for each in first.page["sessions"]] == [*first.rows["session_id"]]
    assert len(first.rows) == 3
    wanted = sampled(made, first.z_T[FEWER], first.codes, FEWER)
    for session, volume, name in zip(
        first.page["sessions"], wanted, first.rows["volume"], strict=True
    ):
        assert close(explored.texts[session["original"]], load_volume(run.derivatives / name))
        assert close(explored.texts[session["reconstruction"]], volume)


def test_the_first_scan_moves_as_in_the_evaluation(run, made, explored, first) -> None:
    train = run.rows[run.rows["split"] == "train"]
    probe = fit_on(AD_VS_CN, train, made.codes[train.index], PROBE)
    steps = {each["at"]: each for each in first.page["directions"][0]["steps"]}
    assert sorted(steps) == [-1, 0, 1]
    assert steps[0]["volume"] == first.page["sessions"][0]["reconstruction"]
    moved = move(first.codes[:1].astype(float), probe.direction(), 1.0, probe)
    (volume,) = sampled(made, first.z_T[FEWER][:1], moved, FEWER)
    assert close(explored.texts[steps[1]["volume"]], volume)
    again = made.model.encode(volume[None, None].clamp(0, 1)).double().numpy()
    assert steps[1]["read"]["probability"] == pytest.approx(probe.probability(again)[0], abs=1e-3)


def test_between_sessions_at_the_time_of_the_real_one(made, explored, first) -> None:
    between = first.page["interpolation"]
    assert between["months"] == [0, 12, 24]
    assert [step["at"] for step in between["steps"]] == [0, 6, 12, 18, 24]
    start, _, end = first.z_T[STEPS].split(1)
    y = torch.from_numpy(first.codes)
    (volume,) = sampled(made, slerp(start, end, 0.5), lerp(y[[0]], y[[2]], 0.5), STEPS)
    assert close(explored.texts[between["steps"][2]["volume"]], volume)


def test_samples_are_those_of_the_evaluation(made, explored, first) -> None:
    noise = [
        torch.randn(made.model.latent_shape, generator=seeded_generator(1, "variation", i))
        for i in range(3)
    ]
    wanted = sampled(made, torch.stack(noise), first.codes[[0, 0, 0]], FEWER)
    for step, volume in zip(first.page["samples"], wanted, strict=True):
        assert close(explored.texts[step["volume"]], volume)


def test_everyone_is_there_test_subjects_with_volumes(run, explored) -> None:
    with_volumes = [bool(each["sessions"][0]["original"]) for each in explored.subjects]
    assert with_volumes[:2] == [True, True]
    assert sum(with_volumes) == 2
    names = {each["participant_id"] for each in explored.subjects}
    assert names == {*run.rows["participant_id"], "sub-77"}
    assert len(explored.html.encode()) < 9e6


def test_the_page_is_the_same_whatever_the_batches(run, made, explored, tmp_path) -> None:
    again = explore(run, made, tmp_path / "explorer.html")
    assert again.html == explored.html
    other = explore(run, made, tmp_path / "other.html", batch_size=1)
    for name, text in explored.texts.items():
        levels = [unpack(each, SHAPE) for each in (text, other.texts[name])]
        assert np.abs(levels[0] - levels[1]).max() <= 1 / 255 + 1e-6, name


def limited(max_mb):
    return SETTINGS.model_copy(
        update={"explorer": Explorer.model_construct(max_subjects=2, max_mb=max_mb)}
    )


def test_a_smaller_page_shows_fewer(run, made, explored, first, tmp_path, caplog) -> None:
    name, empty = first.page["participant_id"], fixed_size(niivue_module(read_widget()))
    own = sum(len(text) for key, text in explored.texts.items() if key.startswith(name))
    limit = (empty + 1.8 * own) / 1e6
    smaller = explore(run, made, tmp_path / "page.html", settings=limited(limit))
    assert sum(bool(each["sessions"][0]["original"]) for each in smaller.subjects) == 1
    assert len(smaller.html.encode()) <= limit * 1e6
    assert explore(run, made, tmp_path / "none.html", settings=limited(0.5)).subjects == []
    assert "no subject's volumes fit into 0.5 MB" in caplog.text


def test_without_probes_nothing_is_moved_or_read(run, made, tmp_path) -> None:
    rows = run.rows.assign(diagnosis=run.rows["diagnosis"].where(run.rows["split"] == "test", "CN"))
    write_table(rows, tmp_path / "scans.parquet", SCANS)
    page = explore(run, made, tmp_path / "page.html", scans=tmp_path / "scans.parquet")
    assert page.subjects[0]["directions"] == []
    assert page.subjects[0]["interpolation"]["steps"][0]["read"] is None
    assert "Nothing is moved along a direction" in page.html


def test_a_scan_that_was_lost_says_why(explored) -> None:
    (lost,) = [each for each in explored.subjects if each["participant_id"] == "sub-77"]
    assert lost["sessions"][0]["excluded"] == "dark"
    assert lost["sessions"][0]["figures"][0]["value"] == "not measured"
