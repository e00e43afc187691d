"""Exports of the finished small run: loaded again, compared, and searched for single people."""

import json
import re
import shutil
import warnings
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from monai import bundle
from safetensors.torch import load_file
from torch import Tensor

import ldae
from ldae.errors import UserError
from ldae.models.ldae import LatentDiffusionAutoencoder, load_ldae
from ldae.stages.export_huggingface import export_huggingface
from ldae.stages.export_monai import export_monai

from .conftest import Workflow

pytestmark = pytest.mark.slow

STEPS = 3
FORMATS = {".json", ".md", ".safetensors", ".pt", ".txt", ""}  # "": LICENSE
# What MONAI's schema of July 2024 demands of metadata, and of a tensor in it.
DEMANDED: dict[str, type] = {
    **dict.fromkeys(("schema", "version", "monai_version", "pytorch_version"), str),
    **dict.fromkeys(("numpy_version", "task", "description", "authors", "copyright"), str),
    **dict.fromkeys(("required_packages_version", "network_data_format"), dict),
}
OF_A_TENSOR: dict[str, type] = {
    **dict.fromkeys(("type", "format", "dtype"), str),
    **dict.fromkeys(("spatial_shape", "value_range"), list),
    "num_channels": int,
}


@pytest.fixture(scope="module")
def folder(finished: Workflow, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Hugging Face folder."""
    output = tmp_path_factory.mktemp("exports") / "huggingface"
    export_huggingface(run=finished.results, output=output, authors="A test")
    return output


@pytest.fixture(scope="module")
def bundled(finished: Workflow, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The MONAI bundle."""
    output = tmp_path_factory.mktemp("exports") / "ldae_smoke"
    export_monai(run=finished.results, output=output, steps=STEPS)
    return output


@pytest.fixture(scope="module")
def scan(finished: Workflow) -> Path:
    """One preprocessed scan."""
    return min((finished.results / "derivatives/ldae").rglob("*_desc-preproc_T1w.nii.gz"))


@pytest.fixture(scope="module")
def volume(scan: Path) -> Tensor:
    """The same, (1, 1, X, Y, Z)."""
    return torch.from_numpy(np.asarray(nib.load(scan).dataobj, dtype=np.float32))[None, None]


def reconstructed(model: LatentDiffusionAutoencoder, x: Tensor) -> Tensor:
    y = model.encode(x)
    z_T = model.invert(model.to_latent(x), y, steps=STEPS)
    return model.to_volume(model.sample(z_T, y, steps=STEPS)).clamp(0, 1)


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_the_huggingface_folder_holds_the_same_model(
    finished: Workflow, folder: Path, volume: Tensor
) -> None:
    models = finished.results / "models"
    for name in ("autoencoder", "ldm", "ldae"):
        kept = [load_file(place / name / "weights.safetensors") for place in (models, folder)]
        assert same(*kept), name
    before, after = load_ldae(models), load_ldae(folder)
    assert torch.equal(before.encode(volume), after.encode(volume))
    assert torch.equal(reconstructed(before, volume), reconstructed(after, volume))


def test_the_huggingface_folder_loads_as_the_card_says(
    finished: Workflow, folder: Path, scan: Path
) -> None:
    places = (finished.results / "models", folder)
    opened = [ldae.load(place) for place in places]
    assert opened[0].contract == opened[1].contract
    assert opened[0].contract is not None
    answers = []
    for model in opened:
        read = model.read(scan)
        answers.append([model.encode(read), model.reconstruct(read, steps=STEPS)])
        answers[-1] += [np.array(list(model.predict(read).values()))]
    for before, after in zip(*answers, strict=True):
        np.testing.assert_array_equal(before, after)


def test_the_card_says_what_the_tables_say(finished: Workflow, folder: Path) -> None:
    _, header, text = (folder / "README.md").read_text().split("---\n", 2)
    stated = yaml.safe_load(header)
    assert stated["license"] == "apache-2.0"
    assert stated["library_name"] == "ldae"
    assert stated["pipeline_tag"] == "image-feature-extraction"
    assert {"brain", "mri", "safetensors"} <= set(stated["tags"])
    for heading in ("Intended use", "Out of scope", "How to load", "Training data", "Limits"):
        assert f"\n## {heading}\n" in text
    for words in ("Synthetic. ", "Trained by: A test.", "N4 bias correction", "of 6.5 mm"):
        assert words in text
    table = pd.read_csv(finished.results / "tables/downstream.csv")
    row = table[(table["encoder"] == "ldae") & (table["task"] == "age")].iloc[0]
    assert f"| {row['mae']:.3g} [{row['mae_low']:.3g}, {row['mae_high']:.3g}] |" in text
    entries = {entry["task"]["name"]: entry for entry in stated["model-index"][0]["results"]}
    age = next(entry for name, entry in entries.items() if name.startswith("age"))
    assert age["metrics"][0]["value"] == pytest.approx(row["mae"], abs=1e-6)


def test_exports_hold_nothing_of_single_people(
    finished: Workflow, folder: Path, bundled: Path
) -> None:
    scans = pd.read_parquet(finished.results / "cohort/scans.parquet")
    names = set(scans["participant_id"].str.removeprefix("sub-"))
    secrets = {name.encode() for name in names} | {str(finished.folder).encode()}
    secrets |= {each.encode() for each in scans["volume_sha256"]}
    files = [path for place in (folder, bundled) for path in place.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} <= FORMATS
    found = [
        (path, secret)
        for path in files
        for content in [path.read_bytes()]
        for secret in secrets
        if secret in content
    ]
    assert not found
    assert len(secrets) > len(names) > 10


def test_the_bundles_weights_are_the_runs(finished: Workflow, bundled: Path) -> None:
    models = finished.results / "models"
    state = torch.load(bundled / "models/model.pt", weights_only=True)
    for folder, ours, theirs in [
        ("autoencoder", "", "autoencoder."),
        ("ldm", "", "shifted.base."),
        ("ldae", "gradient_estimator.", "shifted.estimator."),
        ("ldae", "semantic_encoder.", "semantic_encoder."),
    ]:
        kept = part(load_file(models / folder / "weights.safetensors"), ours)
        assert same(kept, part(state, theirs)), theirs


def part(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


def test_metadata_is_as_monai_demands(bundled: Path) -> None:
    metadata = json.loads((bundled / "configs/metadata.json").read_text())
    assert all(isinstance(metadata[key], kind) for key, kind in DEMANDED.items())
    assert metadata["required_packages_version"]["ldae"] == ldae.__version__
    for name in ("network_data_format", "semantic_encoder_data_format"):
        for side in ("inputs", "outputs"):
            for tensor in metadata[name][side].values():
                assert all(isinstance(tensor[key], kind) for key, kind in OF_A_TENSOR.items())
    for name in ("docs/README.md", "docs/data_license.txt", "LICENSE"):
        assert (bundled / name).stat().st_size > 0
    assert (bundled / "LICENSE").read_bytes() == (
        Path(__file__).parents[2] / "LICENSE"
    ).read_bytes()


def test_monai_builds_the_network(bundled: Path, finished: Workflow, volume: Tensor) -> None:
    network = quietly(
        bundle.load, bundled.name, bundle_dir=bundled.parent, workflow_type="inference",
        device="cpu",
    )  # fmt: skip
    model = load_ldae(finished.results / "models")
    assert torch.equal(network(volume), reconstructed(model, volume))
    assert torch.equal(network.encode(volume), model.encode(volume))
    files = {"config_file": configs(bundled)[0], "meta_file": f"{bundled}/configs/metadata.json"}
    quietly(bundle.verify_net_in_out, "network_def", device="cpu", steps=1, **files)
    workflow = bundle.ConfigWorkflow(configs(bundled)[0], workflow_type="inference")
    workflow.initialize()
    assert workflow.check_properties() == []


def test_monai_runs_the_bundle(
    bundled: Path, finished: Workflow, scan: Path, volume: Tensor, tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()
    shutil.copy(scan, tmp_path / "data")
    for files in (configs(bundled)[0], configs(bundled)):
        infer(bundled, tmp_path, files)
    model = load_ldae(finished.results / "models")
    stem = scan.name.split(".nii")[0]
    code = np.load(tmp_path / f"eval/{stem}_code.npy")
    np.testing.assert_array_equal(code, model.encode(volume)[0].numpy())
    image = nib.load(tmp_path / f"eval/{stem}_reconstruction.nii.gz")
    np.testing.assert_array_equal(image.dataobj, reconstructed(model, volume)[0, 0].numpy())
    np.testing.assert_array_equal(image.affine, nib.load(scan).affine)


@pytest.mark.parametrize("fault", ["grid", "intensities", "none"])
def test_the_bundle_refuses_what_is_not_preprocessed(
    bundled: Path, scan: Path, tmp_path: Path, fault: str
) -> None:
    (tmp_path / "data").mkdir()
    image = nib.load(scan)
    values, affine = np.asarray(image.dataobj), image.affine
    wrong = {"grid": (values[1:], r"23 x 32 x 24 voxels of 6\.5"), "intensities": (9 * values, "9")}
    if fault in wrong:
        nib.save(nib.Nifti1Image(wrong[fault][0], affine), tmp_path / "data/a_T1w.nii.gz")
    message = wrong.get(fault, (None, "no .*_T1w.nii.gz below"))[1]
    with pytest.raises((UserError, RuntimeError)) as caught:  # MONAI's: it has ours as its cause
        infer(bundled, tmp_path, configs(bundled)[0])
    assert re.search(message, str(first_cause(caught.value)))


def first_cause(error: BaseException) -> BaseException:
    return error if error.__cause__ is None else first_cause(error.__cause__)


def test_exports_ask_for_a_finished_run_and_a_new_folder(
    finished: Workflow, folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="already there"):
        export_huggingface(run=finished.results, output=folder)
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun/models").symlink_to(finished.results / "models")
    (tmp_path / "begun/cohort").symlink_to(finished.results / "cohort")
    for export in (export_huggingface, export_monai):
        with pytest.raises(UserError, match=r"provenance\.json, which .* finished"):
            export(run=tmp_path / "begun", output=tmp_path / "new")
        with pytest.raises(UserError, match="is this the folder of a trained model"):
            export(run=tmp_path / "none", output=tmp_path / "new")
    assert not (tmp_path / "new").exists()


def configs(bundled: Path) -> list[str]:
    return [str(bundled / "configs" / name) for name in ("inference.json", "encode.json")]


def infer(bundled: Path, place: Path, files: str | list[str]) -> None:
    places = {"bundle_root": str(bundled), "dataset_dir": f"{place}/data"}
    quietly(
        bundle.run,
        config_file=files,
        output_dir=f"{place}/eval",
        device="$torch.device('cpu')",
        **places,
    )


def quietly(call: Any, *words: Any, **options: Any) -> Any:
    """MONAI warns at each call that configurations are code."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return call(*words, **options)
