"""Weights that others published decide a training's result, so its state is tied to them."""

import hashlib
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ldae.models import encoder
from ldae.stages import train_autoencoder, train_dae, train_supervised
from ldae.weights.identity import published_sha256
from ldae.weights.public import SQUEEZENET

STAGES = {
    "autoencoder": (train_autoencoder, train_autoencoder.train_autoencoder),
    "dae": (train_dae, train_dae.train_dae),
    "supervised": (train_supervised, train_supervised.train_supervised),
}


class Asked(BaseException):
    """What decides the result of the training that would begin now."""


@pytest.fixture
def origin(
    blob_scans: Path, tiny_training: dict[str, Any], tmp_path: Path, monkeypatch
) -> Callable[[str], dict[str, Any]]:
    """The origin of a stage's training, which may use what lies in `tmp_path`."""
    monkeypatch.setattr(train_autoencoder, "load_lpips", lambda folder: None)
    monkeypatch.setattr(encoder, "load_imagenet", lambda *_, **__: None)
    monkeypatch.setattr(encoder, "FILES", {((8,), (2,)): "convnext.pth"})
    semantic = tiny_training["dae"]["semantic_encoder"] | {"initialise": "imagenet"}
    changed = {
        name: tiny_training[name] | {"semantic_encoder": semantic}
        for name in ("dae", "supervised_diagnosis", "supervised_age")
    }
    settings = tiny_training | changed | {"pretrained": str(tmp_path)}

    number = itertools.count()

    def fit(*_: object, origin: dict[str, Any], **__: object) -> None:
        raise Asked(origin)

    def ask(name: str) -> dict[str, Any]:
        module, stage = STAGES[name]
        monkeypatch.setattr(module, "fit", fit)
        fields = module.Settings.model_fields
        with pytest.raises(Asked) as asked:
            stage(
                scans=blob_scans / "scans.parquet",
                derivatives=blob_scans / "derivatives",
                model=tmp_path / "model",
                state=tmp_path / f"state/{next(number)}",  # the one before is still held
                devices=0,
                threads=1,
                settings=module.Settings.model_validate(
                    {key: value for key, value in settings.items() if key in fields}
                ),
                **({"task": "age"} if name == "supervised" else {}),
            )
        found: dict[str, Any] = asked.value.args[0]
        return found

    return ask


@pytest.mark.parametrize(
    ("stage", "key", "file"),
    [
        ("autoencoder", "lpips", SQUEEZENET.name),
        ("dae", "imagenet", "convnext.pth"),
        ("supervised", "imagenet", "convnext.pth"),
    ],
)
def test_what_a_training_finds_is_part_of_its_origin(origin, tmp_path, stage, key, file) -> None:
    before = origin(stage)
    assert before[key] is None
    (tmp_path / file).write_bytes(b"weights")
    after = origin(stage)
    assert after == before | {key: hashlib.sha256(b"weights").hexdigest()}


def test_a_file_that_is_not_asked_for_is_not_looked_at(tmp_path) -> None:
    (tmp_path / "weights").write_bytes(b"")
    assert published_sha256(tmp_path, "weights") == hashlib.sha256().hexdigest()
    assert published_sha256(tmp_path, None) is None
    assert published_sha256(tmp_path, "others") is None
    assert published_sha256(None, "weights") is None
