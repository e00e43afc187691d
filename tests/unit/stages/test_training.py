"""The four training stages, one after the other, on blobs; then the models put together again."""

import json
import logging
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from ldae.config import Section
from ldae.data.volumes import load_volume
from ldae.errors import UserError
from ldae.metrics import codes
from ldae.models import encoder, together
from ldae.models.autoencoder import load_autoencoder
from ldae.models.ldae import load_ldae
from ldae.models.ldm import load_ldm
from ldae.stages import encode_latents, train_autoencoder, train_ldae, train_ldm
from ldae.tables import SCANS, read_table, write_table


@dataclass(frozen=True)
class Workplace:
    scans: Path
    derivatives: Path
    run: Path
    settings: dict

    def of(self, model: type[Section], **changes: object) -> Section:
        known = {k: v for k, v in self.settings.items() if k in model.model_fields}
        return model.model_validate(known | changes)

    def train_autoencoder(self) -> None:
        train_autoencoder.train_autoencoder(
            scans=self.scans,
            derivatives=self.derivatives,
            model=self.run / "models/autoencoder",
            state=self.run / "state/autoencoder",
            devices=0,
            threads=1,
            settings=self.of(train_autoencoder.Settings),
        )

    def encode_latents(self) -> None:
        encode_latents.encode_latents(
            scans=self.scans,
            derivatives=self.derivatives,
            autoencoder=self.run / "models/autoencoder",
            latents=self.run / "latents",
            devices=0,
            threads=1,
        )

    def train_ldm(self) -> None:
        train_ldm.train_ldm(
            scans=self.scans,
            latents=self.run / "latents",
            model=self.run / "models/ldm",
            state=self.run / "state/ldm",
            devices=0,
            threads=1,
            settings=self.of(train_ldm.Settings),
        )

    def train_ldae(self, *, name: str = "ldae", **changes: object) -> None:
        train_ldae.train_ldae(
            scans=self.scans,
            derivatives=self.derivatives,
            latents=self.run / "latents",
            ldm=self.run / "models/ldm",
            model=self.run / "models" / name,
            state=self.run / "state" / name,
            devices=0,
            threads=1,
            settings=self.of(train_ldae.Settings, **changes),
        )


@pytest.fixture(scope="module")
def trained(blob_scans, tiny_training, tmp_path_factory) -> Workplace:
    place = Workplace(
        blob_scans / "scans.parquet",
        blob_scans / "derivatives",
        tmp_path_factory.mktemp("run"),
        tiny_training,
    )
    place.train_autoencoder()
    place.encode_latents()
    place.train_ldm()
    place.train_ldae()
    return place


def journal(trained: Workplace, model: str) -> list[dict[str, float]]:
    lines = (trained.run / "models" / model / "train.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def config(trained: Workplace, model: str) -> dict:
    return json.loads((trained.run / "models" / model / "config.json").read_text())


@pytest.mark.parametrize("model", ["autoencoder", "ldm", "ldae"])
def test_models_learn_and_leave_weights_config_and_journal(trained, model) -> None:
    losses = [r["validation_loss"] for r in journal(trained, model) if "validation_loss" in r]
    assert min(losses) < losses[0]
    training = config(trained, model)["training"]
    assert training["steps"] == 30
    assert training["best_validation_loss"] == min(losses)


def test_what_was_left_out_of_the_loss_is_recorded(trained) -> None:
    assert config(trained, "autoencoder")["perceptual_loss"] is False
    joined = [r["step"] for r in journal(trained, "autoencoder") if "discriminator" in r]
    assert joined == list(range(11, 31))  # after 40 samples of 4 a step


def test_the_code_is_watched_while_training(trained) -> None:
    last = journal(trained, "ldae")[-1]
    watched = {"code_variance", "code_effective_rank", "shuffled_loss_ratio"}
    watched |= {f"gain_t{first:03d}_{first + 199:03d}" for first in range(0, 1000, 200)}
    assert {f"validation_{name}" for name in watched} <= set(last)
    assert last["validation_code_variance"] > 0.01
    gains = [last[name] for name in last if "gain" in name]
    assert all(-1 < gain < 1 for gain in gains)
    assert any(gain != 0 for gain in gains)


def test_a_code_that_collapses_is_warned_of(trained, tmp_path, monkeypatch, caplog) -> None:
    place = changed_scans(trained, tmp_path)
    monkeypatch.setattr(codes, "LEAST_RANK", 1000.0)
    monkeypatch.setattr(codes, "LEAST_SCANS", 2)  # there are four
    place.train_ldae()
    assert "the semantic code has collapsed (effective rank" in caplog.text


def test_a_kl_that_collapses_is_warned_of(trained, tmp_path, caplog) -> None:
    network = trained.settings["autoencoder"]["network"] | {"initial_log_variance": 0.0}
    loss = trained.settings["autoencoder"]["loss"] | {"kl": 1000.0}
    changed = trained.settings["autoencoder"] | {"network": network, "loss": loss}
    settings = trained.settings | {"autoencoder": changed}
    place = replace(trained, run=tmp_path, settings=settings)
    place.train_autoencoder()
    assert "the KL has collapsed: 2 of 2 latent channels say nothing" in caplog.text
    assert journal(place, "autoencoder")[-1]["validation_idle_channels"] == 2
    healthy = journal(trained, "autoencoder")[-1]
    assert healthy["validation_idle_channels"] == 0
    assert healthy["validation_kl_per_value"] > 1


def changed_scans(trained: Workplace, folder: Path, **sides: str) -> Workplace:
    """The same run over a table in which subjects have changed sides."""
    table = read_table(trained.scans, SCANS)
    moved = {name.replace("_", "-"): side for name, side in sides.items()}
    sides_now = zip(table["participant_id"], table["split"], strict=True)
    table["split"] = [moved.get(name, side) for name, side in sides_now]
    write_table(table, folder / "scans.parquet", SCANS)
    for name in ("models", "latents"):
        shutil.copytree(trained.run / name, folder / name)
    training = trained.settings["ldae"]["training"] | {"budget": {"amount": 1, "unit": "epochs"}}
    settings = trained.settings | {"ldae": trained.settings["ldae"] | {"training": training}}
    return replace(trained, scans=folder / "scans.parquet", run=folder, settings=settings)


def test_the_volumetric_encoder_is_trained_beside_the_other(trained, tmp_path, caplog) -> None:
    place = changed_scans(trained, tmp_path)
    paper = (place.run / "models/ldae/weights.safetensors").read_bytes()
    encoder = {
        "kind": "volume", "widths": [4, 8], "depths": [0, 1], "norm_groups": 2, "pool": [4, 4, 4],
        "embedding_dim": 16, "dropout": 0.1, "standardise": True,
    }  # fmt: skip
    focus = {"focus": [0.2, 0.7], "share": 1.0}
    training = trained.settings["ldae"]["training"] | {"activation_checkpointing": True}
    volumetric = {"semantic_encoder": encoder, "timesteps": focus, "training": training}
    with caplog.at_level(logging.INFO):
        place.train_ldae(name="ldae-volume", ldae=trained.settings["ldae"] | volumetric)
    assert "ldae-volume: validation at step 30" in caplog.text
    losses = [r["validation_loss"] for r in journal(place, "ldae-volume") if "validation_loss" in r]
    assert min(losses) < losses[0]
    last = journal(place, "ldae-volume")[-1]
    gains = {name: last[name] for name in last if "gain" in name}
    assert len(gains) == 5  # of every time, whatever the focus of the training
    before = journal(trained, "ldae")[-1]
    assert gains != {name: before[name] for name in gains}
    assert (place.run / "models/ldae/weights.safetensors").read_bytes() == paper

    stored = config(place, "ldae-volume")
    assert stored["model"] == "ldae-volume"
    assert stored["network"]["kind"] == "volume"
    cpu = torch.device("cpu")
    model = load_ldae(place.run / "models", name="ldae-volume", device=cpu)
    x = torch.rand(2, 1, 16, 16, 16)
    y = model.encode(x)
    assert y.shape == (2, 16)
    assert not torch.equal(y, load_ldae(place.run / "models", device=cpu).encode(x))
    z_T = model.invert(model.to_latent(x), y, steps=3)
    assert torch.isfinite(model.sample(z_T, y, steps=3)).all()


def test_one_validation_subject_is_not_compared_with_itself(trained, tmp_path) -> None:
    one = changed_scans(trained, tmp_path, sub_07="train")
    one.train_ldae()
    last = journal(one, "ldae")[-1]
    assert "validation_loss" in last
    assert "validation_shuffled_loss_ratio" not in last


def test_validation_pairs_each_scan_with_its_own_code_in_small_batches(
    trained, tmp_path, monkeypatch
) -> None:
    place = changed_scans(trained, tmp_path, sub_05="validation")  # three subjects, six scans
    rows = read_table(place.scans, SCANS).query("split == 'validation'").reset_index()
    volumes = [load_volume(place.derivatives / name)[None, None] for name in rows["volume"]]
    scale = config(trained, "ldm")["latent_scale"]
    stems = rows["participant_id"] + "_" + rows["session_id"]
    means = [np.load(tmp_path / f"latents/{stem}.npz")["mean"].ravel() * scale for stem in stems]
    latents = torch.from_numpy(np.stack(means))
    seen: list[tuple[list[int], list[int]]] = []
    given_code = train_ldae.RepresentationObjective.given_code

    def spy(self, y, z_0, noise, t):
        if not self.training:
            codes = torch.cat([self.semantic_encoder(x) for x in volumes])
            pairs = (y, codes), (z_0.flatten(1), latents)
            seen.append(tuple(torch.cdist(*pair).argmin(1).tolist() for pair in pairs))
        return given_code(self, y, z_0, noise, t)

    monkeypatch.setattr(train_ldae.RepresentationObjective, "given_code", spy)
    place.train_ldae()
    assert {len(codes) for codes, _ in seen} == {2}
    assert {scan for _, scans in seen for scan in scans} == set(range(6))
    assert all(codes == scans for codes, scans in seen[::2])  # right and wrong take turns
    subjects = rows["participant_id"]
    assert not any(
        subjects[code] == subjects[scan]
        for codes, scans in seen[1::2]
        for code, scan in zip(codes, scans, strict=True)
    )


@pytest.mark.parametrize("stage", ["train_autoencoder", "train_ldm", "train_ldae"])
def test_an_empty_validation_side_is_said(trained, tmp_path, stage) -> None:
    place = changed_scans(trained, tmp_path, sub_06="train", sub_07="train")
    with pytest.raises(UserError, match="no scan is in the split validation"):
        getattr(place, stage)()


@pytest.mark.parametrize("changed", [{"autoencoder": "0" * 64}, {"latent_scale": 99.0}])
def test_latents_of_another_autoencoder_or_scale_are_refused(trained, tmp_path, changed) -> None:
    place = changed_scans(trained, tmp_path)
    path = tmp_path / "latents/scale.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))
    with pytest.raises(UserError, match="train the diffusion model again"):
        place.train_ldae()


def test_the_grid_is_stored_with_the_autoencoder(trained) -> None:
    assert config(trained, "autoencoder")["spacing_mm"] == [1.0, 1.0, 1.0]


def test_large_volumes_meet_the_autoencoder_one_by_one(trained, monkeypatch) -> None:
    monkeypatch.setattr(together, "ELEMENTS", 16**3)
    model = load_ldae(trained.run / "models", device=torch.device("cpu"))
    sizes = []
    for name in ("encode", "decode"):
        of_batch = getattr(model.autoencoder, name)
        monkeypatch.setattr(
            model.autoencoder,
            name,
            lambda batch, of_batch=of_batch: (sizes.append(len(batch)), of_batch(batch))[1],
        )
    x = torch.rand(3, 1, 16, 16, 16)
    assert model.to_volume(model.to_latent(x)).shape == x.shape
    assert sizes == [1] * 6


def test_latents_are_scaled_by_the_training_scans_alone(trained) -> None:
    index = pd.read_parquet(trained.run / "latents/index.parquet")
    assert len(index) == 24
    means = [
        np.load(trained.run / "latents" / file)["mean"]
        for file in index.loc[index["split"] == "train", "file"]
    ]
    scale = json.loads((trained.run / "latents/scale.json").read_text())
    assert scale["latent_scale"] == pytest.approx(1 / np.std(means), rel=1e-5)
    assert scale["training_scans"] == 12
    assert sum(scale["histogram"]["shares"]) == pytest.approx(1, abs=1e-4)
    beyond = np.abs((np.stack(means) - np.mean(means)) / np.std(means)) > 3
    tails = [scale["histogram"]["shares"][place] for place in (0, -1)]
    assert sum(tails) == pytest.approx(beyond.mean(), abs=1e-4)
    assert np.allclose(scale["channel_std"], np.stack(means).std(axis=(0, 2, 3, 4)), rtol=1e-5)
    assert config(trained, "ldm")["latent_scale"] == scale["latent_scale"]


def test_unchanged_latents_are_not_encoded_again(trained, caplog) -> None:
    first = sorted((trained.run / "latents").glob("*.npz"))[0]
    kept = {path: path.stat().st_mtime_ns for path in (trained.run / "latents").glob("*.npz")}
    content = first.read_bytes()
    first.write_bytes(content[:50])
    with caplog.at_level(logging.INFO):
        trained.encode_latents()
    assert "encoding 1 of 24" in caplog.text
    assert first.read_bytes() == content
    assert all(p.stat().st_mtime_ns == time for p, time in kept.items() if p != first)


def test_models_are_put_together_again(trained) -> None:
    model = load_ldae(trained.run / "models", device=torch.device("cpu"))
    table = read_table(trained.scans, SCANS)
    x = torch.stack([load_volume(trained.derivatives / v) for v in table["volume"][:2]])[:, None]
    assert model.volume_shape == (16, 16, 16)
    assert model.latent_shape == (2, 8, 8, 8)
    assert model.embedding_dim == 16

    z_0 = model.to_latent(x)
    with np.load(trained.run / "latents/sub-00_ses-M000.npz") as stored:
        expected = torch.from_numpy(stored["mean"]) * model.latent_scale
    torch.testing.assert_close(z_0[0], expected, rtol=1e-4, atol=1e-5)
    assert model.to_volume(z_0).shape == x.shape

    y = model.encode(x)
    assert y.shape == (2, 16)
    with_code, without = (model.invert(z_0, code, steps=5) for code in (y, None))
    assert with_code.shape == z_0.shape
    assert not torch.equal(with_code, without)
    assert torch.isfinite(model.sample(with_code, y, steps=5)).all()
    assert not any(p.requires_grad for p in model.semantic_encoder.parameters())


def test_an_estimator_that_says_nothing_leaves_the_plain_diffusion_model(trained) -> None:
    model = load_ldae(trained.run / "models", device=torch.device("cpu"))
    for parameter in model.shifted.estimator.head.parameters():
        parameter.zero_()
    terminal = torch.randn(1, *model.latent_shape, generator=torch.Generator().manual_seed(0))
    shifted = model.sample(terminal, torch.zeros(1, 16), steps=5)
    torch.testing.assert_close(shifted, model.sample(terminal, None, steps=5))


def test_the_frozen_model_is_stored_once(trained) -> None:
    names = set(load_file(trained.run / "models/ldae/weights.safetensors"))
    assert {name.split(".")[0] for name in names} == {"semantic_encoder", "gradient_estimator"}
    assert not any(".base." in name for name in names)
    state = torch.load(trained.run / "state/ldae/checkpoint.pt")["state"]
    assert not any("base" in name for name in state["modules"]["objective"])


def test_models_that_do_not_belong_together_are_refused(trained, tmp_path) -> None:
    for name in ("autoencoder", "ldm", "ldae"):
        (tmp_path / name).symlink_to(trained.run / "models" / name)
    (tmp_path / "ldm").unlink()
    (tmp_path / "ldm").mkdir()
    for path in (trained.run / "models/ldm").iterdir():
        (tmp_path / "ldm" / path.name).write_bytes(path.read_bytes())
    other = config(trained, "ldm") | {"autoencoder": "0" * 64}
    (tmp_path / "ldm/config.json").write_text(json.dumps(other))
    with pytest.raises(UserError, match="another model"):
        load_ldae(tmp_path)
    assert load_ldm(tmp_path / "ldm").autoencoder == "0" * 64
    assert load_autoencoder(tmp_path / "autoencoder").volume_shape == (16, 16, 16)


def test_other_imagenet_weights_train_the_ldae_anew(trained, tmp_path, monkeypatch, caplog) -> None:
    monkeypatch.setattr(encoder, "load_imagenet", lambda *_, **__: None)
    monkeypatch.setattr(encoder, "FILES", {((8,), (2,)): "convnext.pth"})
    place = changed_scans(trained, tmp_path)
    form = place.settings["ldae"]["semantic_encoder"] | {"initialise": "imagenet"}
    changes = {
        "ldae": place.settings["ldae"] | {"semantic_encoder": form},
        "pretrained": str(tmp_path),
    }
    for content in (b"first", b"second"):
        (tmp_path / "convnext.pth").write_bytes(content)
        with caplog.at_level(logging.INFO):
            place.train_ldae(**changes)
    assert "is of another training (imagenet differs): starting anew" in caplog.text


def test_imagenet_weights_that_are_missing_are_asked_for(trained) -> None:
    encoder = trained.settings["ldae"]["semantic_encoder"] | {
        "initialise": "imagenet",
        "widths": [96, 192, 384, 768],
        "depths": [3, 3, 9, 3],
    }
    with pytest.raises(UserError, match=r"convnext_tiny-983f1562\.pth.*initialise: random"):
        trained.train_ldae(ldae=trained.settings["ldae"] | {"semantic_encoder": encoder})
