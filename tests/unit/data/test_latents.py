import json
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest
import torch

from ldae.data.examples import EvenTimes, LatentExamples, Times
from ldae.data.latents import INDEX, LatentSet, is_current, read_latent, write_latent
from ldae.errors import UserError
from ldae.runtime import seeded_generator
from ldae.tables import write_table

SCALE = 0.5


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = [
        {
            "participant_id": f"sub-{i}",
            "session_id": "ses-M000",
            "split": "train",
            "file": f"sub-{i}.npz",
            "fingerprint": f"f{i}",
        }
        for i in range(3)
    ]
    for i, row in enumerate(rows):
        mean, std = torch.full((2, 3, 4, 3), float(i)), torch.full((2, 3, 4, 3), 0.1)
        write_latent(tmp_path / row["file"], mean=mean, std=std, fingerprint=row["fingerprint"])
    write_table(pd.DataFrame(rows), tmp_path / "index.parquet", INDEX)
    (tmp_path / "scale.json").write_text(json.dumps({"latent_scale": SCALE}))
    return tmp_path


def scans(*subjects: int) -> pd.DataFrame:
    ids = [f"sub-{i}" for i in subjects]
    return pd.DataFrame({"participant_id": ids, "session_id": "ses-M000"})


def test_latents_come_in_the_order_of_the_scans_and_scaled(folder: Path) -> None:
    latents = LatentSet(folder, scans(2, 0), use="mean")
    assert latents.shape == (2, 3, 4, 3)
    assert latents.fingerprints == ["f2", "f0"]
    assert latents.names == ["sub-2_ses-M000", "sub-0_ses-M000"]
    assert latents.draw(0, torch.Generator()).unique().item() == 2 * SCALE


def test_draws_come_from_the_posterior_and_the_generator(folder: Path) -> None:
    latents = LatentSet(folder, scans(1), use="sample")
    draw = latents.draw(0, seeded_generator(1))
    assert torch.equal(draw, latents.draw(0, seeded_generator(1)))
    assert not torch.equal(draw, latents.draw(0, seeded_generator(2)))
    assert draw.mean().item() == pytest.approx(SCALE, abs=0.05)
    assert draw.std().item() == pytest.approx(0.1 * SCALE, rel=0.3)


def test_a_scan_without_latent_is_named(folder: Path) -> None:
    with pytest.raises(UserError, match="sub-7_ses-M000"):
        LatentSet(folder, scans(0, 7), use="mean")


def test_the_same_posterior_gives_the_same_bytes(folder: Path) -> None:
    before = (folder / "sub-1.npz").read_bytes()
    mean, std = read_latent(folder / "sub-1.npz")
    write_latent(folder / "sub-1.npz", mean=mean, std=std, fingerprint="f1")
    assert (folder / "sub-1.npz").read_bytes() == before


def test_only_a_whole_file_of_the_same_make_is_current(folder: Path) -> None:
    path = folder / "sub-1.npz"
    assert is_current(path, "f1")
    assert not is_current(path, "f2")
    assert not is_current(folder / "none.npz", "f1")
    path.write_bytes(path.read_bytes()[:100])
    assert not is_current(path, "f1")
    with pytest.raises(UserError, match=r"sub-1\.npz"):
        read_latent(path)


def test_validation_covers_the_noise_levels_evenly(folder: Path) -> None:
    examples = LatentExamples(LatentSet(folder, scans(0, 1, 2), use="mean"), Times.uniform(1000))
    even = EvenTimes.covering(examples, draws=64)
    assert len(even) == 66
    times = sorted(int(even.example(i, seeded_generator(0))["t"]) for i in range(len(even)))
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert max(gaps) < 3 * 1000 / len(even)
    assert [even.name(i) for i in (0, 3)] == ["sub-0_ses-M000"] * 2
