"""Single scans on tiny models: the commands, the Python API, and what they refuse."""

import json
import logging
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

import ldae
from ldae import cli
from ldae.config import Probe, Sampling
from ldae.data.choices import take_split
from ldae.data.embeddings import read_embeddings
from ldae.diffusion.interpolation import lerp, slerp
from ldae.errors import UserError
from ldae.metrics.directions import fit_on, move
from ldae.metrics.tasks import AD_VS_CN, AGE
from ldae.models.ldae import load_ldae
from ldae.pretrained.contract import read_contract
from ldae.pretrained.model import Model
from ldae.pretrained.scan import Reader, Violation
from ldae.runtime import seeded_generator
from ldae.stages import write_contract as contract_stage
from ldae.stages.embed_scans import Settings as Embedding
from ldae.stages.embed_scans import embed_scans
from ldae.stages.encode import encode
from ldae.stages.interpolate import interpolate
from ldae.stages.manipulate import manipulate
from ldae.stages.predict import predict
from ldae.stages.preprocess import PAPER, preprocess
from ldae.stages.reconstruct import reconstruct
from ldae.stages.sample import sample
from ldae.tables import SCANS, read_table

SPACE = "MNI152NLin2009aSym"
STEPS = 3
COMMANDS = (encode, reconstruct, manipulate, sample, predict)


@dataclass(frozen=True)
class Agreed:
    """Tiny models with their contract and probes, and preprocessed scans with sidecars."""

    models: Path
    scans: list[Path]
    derivatives: Path
    embeddings: Path


@pytest.fixture(scope="module")
def agreed(run, tmp_path_factory) -> Agreed:
    folder = tmp_path_factory.mktemp("agreed")
    shutil.copytree(run.models, folder / "models")
    shutil.copytree(run.derivatives, folder / "derivatives")
    grid = {"shape": (8, 12, 8), "spacing_mm": 20.0}
    preprocessing = PAPER.preprocessing.model_copy(
        update={"grid": type(PAPER.preprocessing.grid)(**grid)}
    )
    sidecar = {
        "SkullStripped": True,
        "SpatialReference": SPACE,
        "Settings": preprocessing.model_dump(mode="json"),
        "Versions": {"recipe": 3},
    }
    rows = read_table(run.scans, SCANS)
    for name in rows["volume"]:
        beside = folder / "derivatives" / name.replace(".nii.gz", ".json")
        beside.write_text(json.dumps(sidecar))
    embeddings = folder / "ldae.parquet"
    embed_scans(
        scans=run.scans,
        derivatives=folder / "derivatives",
        models=folder / "models",
        encoder="ldae",
        embeddings=embeddings,
        devices=0,
        threads=1,
        batch_size=8,
        settings=Embedding(seed=0),
    )
    train = take_split(rows, "train")
    codes = read_embeddings(embeddings, train)
    probe = Probe(inverse_regularisation=(1.0,), ridge_penalty=(1.0,), folds=2)
    fitted = {task.name: fit_on(task, train, codes, probe).as_json() for task in (AD_VS_CN, AGE)}
    (folder / "models/probes.json").write_text(json.dumps({"ldae": fitted}))
    contract_stage.write_contract(
        scans=run.scans,
        derivatives=folder / "derivatives",
        models=folder / "models",
        embeddings=embeddings,
        probes=folder / "models/probes.json",
        contract=folder / "models/contract.json",
        settings=contract_stage.Settings(
            preprocessing=preprocessing, quality=PAPER.quality, sampling=Sampling(clip=None)
        ),
    )
    test = take_split(rows, "test")
    paths = [folder / "derivatives" / name for name in test["volume"]]
    return Agreed(folder / "models", paths, folder / "derivatives", embeddings)


@pytest.fixture(scope="module")
def model(agreed) -> Model:
    return ldae.load(agreed.models)


def tensor(path: Path) -> torch.Tensor:
    return torch.from_numpy(nib.load(path).get_fdata(dtype=np.float32))[None, None]


def bare(path: Path) -> str:
    return path.name.removesuffix(".nii.gz")


def said(words: list[str]) -> str:
    """What the command line says as it stops."""
    with pytest.raises(SystemExit) as stopped:
        cli.main(words)
    return str(stopped.value.code)


def test_encode_writes_the_codes_of_the_model(agreed, tmp_path):
    encode(agreed.scans[:2], models=agreed.models, output=tmp_path, devices=0)
    networks = load_ldae(agreed.models)
    for scan in agreed.scans[:2]:
        codes, x = np.load(tmp_path / f"{bare(scan)}_codes.npz"), tensor(scan)
        np.testing.assert_allclose(codes["y_sem"], networks.encode(x)[0], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(codes["latent"], networks.to_latent(x)[0], rtol=1e-5, atol=1e-6)
        summary = json.loads((tmp_path / f"{bare(scan)}_codes.json").read_text())
        assert summary["y_sem"]["dimensions"] == codes["y_sem"].size
        assert summary["contract"] == read_contract(agreed.models).sha256
        assert 0 <= summary["shift"]["score"] <= 1


def test_reconstruct_keeps_the_scans_space(agreed, tmp_path):
    scan = agreed.scans[0]
    reconstruct([scan], models=agreed.models, output=tmp_path, steps=STEPS, devices=0)
    name = f"{bare(scan)}_reconstruction"
    made, original = nib.load(tmp_path / f"{name}.nii.gz"), nib.load(scan)
    np.testing.assert_allclose(made.affine, original.affine)
    np.testing.assert_allclose(made.get_qform(), original.affine, atol=1e-5)
    assert [int(made.header[code]) for code in ("sform_code", "qform_code")] == [4, 4]  # MNI
    assert made.header.get_xyzt_units()[0] == "mm"
    assert made.shape == original.shape
    values = made.get_fdata()
    assert 0 <= values.min() <= values.max() <= 1
    scores = json.loads((tmp_path / f"{name}.json").read_text())["scores"]
    mse = np.mean((values - original.get_fdata()) ** 2)
    assert scores["encoded"]["mse"] == pytest.approx(mse, rel=1e-3)
    assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_reconstruct_is_inversion_and_sampling(agreed, model):
    x, networks = tensor(agreed.scans[0]), load_ldae(agreed.models)
    y = networks.encode(x)
    z_T = networks.invert(networks.to_latent(x), y, steps=STEPS)
    volume = networks.to_volume(networks.sample(z_T, y, steps=STEPS)).clamp(0, 1)[0, 0]
    scan = model.read(agreed.scans[0])
    np.testing.assert_array_equal(model.reconstruct(scan, steps=STEPS), volume)
    np.testing.assert_array_equal(model.invert(scan, steps=STEPS), z_T[0])
    for given in (scan.volume, agreed.scans[0], str(agreed.scans[0])):
        np.testing.assert_array_equal(model.reconstruct(given, steps=STEPS), volume)


def test_manipulate_moves_along_the_probes_direction(agreed, model, tmp_path):
    scan, strengths = model.read(agreed.scans[0]), (-0.5, 0.0, 0.5)
    words = {"toward": "age", "strengths": strengths, "steps": STEPS}
    volumes = model.manipulate(scan, **words)
    np.testing.assert_allclose(volumes[1], model.reconstruct(scan, steps=STEPS), atol=1e-5)
    y, z_T = model.encode(scan), model.invert(scan, steps=STEPS)
    fitted = json.loads((agreed.models / "probes.json").read_text())["ldae"]
    age, diagnosis = (
        type(model._answers.probe(t)).from_json(fitted[t]) for t in ("age", "ad_vs_cn")
    )
    moved = move(y[None].astype(float), age.direction(), 0.5, diagnosis)
    assert age.score(moved)[0] > age.score(y[None])[0]
    np.testing.assert_allclose(volumes[2], model.decode(moved[0], z_T, steps=STEPS), atol=1e-5)
    manipulate(agreed.scans[:1], models=agreed.models, output=tmp_path, devices=0, **words)
    name = f"{scan.name}_toward-age"
    result = json.loads((tmp_path / f"{name}.json").read_text())
    assert [each["strength"] for each in result["moved"]] == list(strengths)
    for each, volume in zip(result["moved"], volumes, strict=True):
        np.testing.assert_array_equal(nib.load(tmp_path / each["file"]).dataobj, volume)
        assert each["age"] == model.predict(volume)["age"]
    assert set(result["files"]) == {path.name for path in tmp_path.iterdir()} - {f"{name}.json"}


def test_interpolation_begins_and_ends_with_the_scans(agreed, model, tmp_path):
    first, second = (model.read(path) for path in agreed.scans[:2])
    volumes = model.between(first, second, fractions=[0, 0.5, 1], steps=STEPS)
    for volume, scan in ((volumes[0], first), (volumes[2], second)):
        np.testing.assert_allclose(volume, model.reconstruct(scan, steps=STEPS), atol=1e-4)
    y, z = ([torch.from_numpy(f(scan))[None] for scan in (first, second)]
            for f in (model.encode, lambda scan: model.invert(scan, steps=STEPS)))  # fmt: skip
    middle = model.decode(lerp(*y, 0.5)[0], slerp(*z, 0.5)[0], steps=STEPS)
    np.testing.assert_allclose(volumes[1], middle, atol=1e-5)
    np.testing.assert_allclose(
        model.interpolate(first, second, fraction=0.5, steps=STEPS), middle, atol=1e-5
    )
    words = {"models": agreed.models, "output": tmp_path, "steps": STEPS, "devices": 0}
    interpolate(*agreed.scans[:2], fractions=(0.5,), **words)
    made = nib.load(tmp_path / f"{first.name}_to_{second.name}_0.5.nii.gz")
    np.testing.assert_allclose(made.get_fdata(), middle, atol=1e-5)
    with pytest.raises(UserError, match="numbers from 0 to 1"):
        interpolate(*agreed.scans[:2], fractions=(1.5,), **words)


def test_samples_are_drawn_as_in_the_workflow(agreed, model, tmp_path):
    scan = model.read(agreed.scans[0])
    noise = torch.randn(model.latent_shape, generator=seeded_generator(5, "variation", 1)).numpy()
    varied = model.vary(scan, samples=2, steps=STEPS, seed=5)
    expected = model.decode(model.encode(scan), noise, steps=STEPS)
    np.testing.assert_allclose(varied[1], expected, atol=1e-5)
    words = {"models": agreed.models, "output": tmp_path, "count": 2, "steps": STEPS, "seed": 5}
    sample(agreed.scans[:1], devices=0, **words)
    sample(devices=0, **words)
    made = nib.load(tmp_path / f"{scan.name}_sample-2.nii.gz")
    np.testing.assert_array_equal(made.dataobj, varied[1])
    alone = model.sample(count=2, steps=STEPS, seed=5)
    made = nib.load(tmp_path / "sample-1.nii.gz")
    np.testing.assert_array_equal(made.dataobj, alone[0])
    np.testing.assert_allclose(made.affine, nib.load(agreed.scans[0]).affine)
    assert np.abs(alone[0] - alone[1]).max() > 1e-3


def test_predictions_are_the_probes_of_the_table_of_codes(agreed, run, model, capsys):
    test = take_split(read_table(run.scans, SCANS), "test")
    codes = read_embeddings(agreed.embeddings, test)
    fitted = json.loads((agreed.models / "probes.json").read_text())["ldae"]
    probe = type(model._answers.probe("age")).from_json(fitted["age"])
    said = [model.predict(model.read(path))["age"] for path in agreed.scans]
    np.testing.assert_allclose(said, probe.score(codes), rtol=1e-5)
    predict(agreed.scans[:2], models=agreed.models, devices=0)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == [bare(path) for path in agreed.scans[:2]]
    assert f"age {said[0]:.1f} years" in lines[0]


def test_json_goes_to_standard_output_on_request(agreed, model, tmp_path, capsys):
    predict(agreed.scans[:2], models=agreed.models, output=tmp_path, json=True, devices=0)
    results = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    for path, result in zip(agreed.scans, results, strict=False):
        assert result["scan"] == path.name
        assert result["prediction"] == model.predict(model.read(path))
        assert result == json.loads((tmp_path / f"{bare(path)}_prediction.json").read_text())


def test_progress_counts_ddim_steps_and_scans(agreed, tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        reconstruct(agreed.scans[:2], models=agreed.models, output=tmp_path, steps=STEPS, devices=0)
    for words in ("inversion: 3 of 3 steps", "sampling: 3 of 3 steps", "scans: 2 of 2"):
        assert words in caplog.text


def test_importing_the_package_loads_nothing_slow():
    code = "import sys, ldae; print({'torch', 'pandas', 'ants', 'pydantic'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


# ------------------------------------------------------------------ what is refused, and how


def image_like(scan: Path, values: np.ndarray | None = None, **changes: object) -> nib.Nifti1Image:
    image = nib.load(scan)
    voxels = image.get_fdata(dtype=np.float32) if values is None else values
    return nib.Nifti1Image(voxels, changes.get("affine", image.affine))


def one_voxel() -> np.ndarray:
    return np.arange(768).reshape(8, 12, 8) == 9


def moved(affine: np.ndarray, mm: float) -> np.ndarray:
    return affine + np.array([[0, 0, 0, mm], [0] * 4, [0] * 4, [0] * 4])


FAULTS = {  # how the file is spoilt, and what is said of it
    "text": r"cannot be read as a NIfTI file \(",
    "empty file": r"cannot be read as a NIfTI file \(",
    "cut off": r"cannot be read as a NIfTI file \(",
    "missing": r"there is no such file",
    "4D": r"4 axes \(8 x 12 x 8 x 2\), not one volume",
    "complex": r"voxels of type complex64, not intensities",
    "NaN": r"1 voxels that are not finite",
    "constant": r"the same value, 0, in every voxel: it is empty",
    "raw units": r"intensities from 0 to [\d.]+, expected within \[0, 1\]",
    "other grid": r"7 x 12 x 8 voxels of 20 x 20 x 20 mm, but the models read 8 x 12 x 8 voxels",
    "other spacing": r"voxels of 20 x 20 x 20\.5 mm, but the models read",
    "other axes": r"its axes run LAS, not RAS",
    "other place": r"it lies elsewhere, by 5\.0 mm: its grid is not the models' in MNI",
    "other space": r"it is in the space MNI152NLin6Asym, but the models read MNI152NLin2009aSym",
    "space by name": r"it is in the space T1w, but the models read MNI152NLin2009aSym",
    "with skull": r"100% of its voxels are not 0, where a brain takes .*: its skull is not removed",
    "no skull said": r"its skull is not removed, as its sidecar says",
    "other settings": r"in another way: intensity\.rule: percentile, the training scans minmax",
    "bad quality": r"not fit for use: brain smaller than 900 ml \(12 ml\)",
}


def spoilt(fault: str, scan: Path, folder: Path) -> Path:
    """A file with that fault."""
    path, name = folder / "bad_T1w.nii.gz", "sub-1_ses-1"
    values, affine = nib.load(scan).get_fdata(dtype=np.float32), nib.load(scan).affine
    sidecar = json.loads(scan.with_name(f"{bare(scan)}.json").read_text())
    images = {
        "4D": lambda: image_like(scan, np.stack([values, values], -1)),
        "complex": lambda: image_like(scan, values.astype(np.complex64)),
        "constant": lambda: image_like(scan, 0 * values),
        "raw units": lambda: image_like(scan, 900 * values),
        "other grid": lambda: image_like(scan, values[1:]),
        "other spacing": lambda: image_like(scan, affine=affine @ np.diag([1, 1, 1.025, 1])),
        "other axes": lambda: image_like(scan, affine=affine @ np.diag([-1, 1, 1, 1])),
        "other place": lambda: image_like(scan, affine=moved(affine, 5)),
        "with skull": lambda: image_like(scan, np.maximum(values, np.float32(0.1))),
        "NaN": lambda: image_like(scan, np.where(one_voxel(), np.float32(np.nan), values)),
    }  # fmt: skip
    if fault == "missing":
        return path
    if fault == "space by name":
        path = folder / f"{name}_space-T1w_desc-preproc_T1w.nii.gz"
    if fault == "bad quality":
        path = folder / f"{name}_space-{SPACE}_desc-preproc_T1w.nii.gz"
        figures = dict.fromkeys(("border_cm2", "cjv"), 0.0) | {"brain_ml": 12.0, "snr": 99.0}
        figures |= dict.fromkeys(("template_dice", "template_correlation", "symmetry"), 1.0)
        (folder / f"{name}_desc-qc.json").write_text(json.dumps({"quality": figures}))
    nib.save(images.get(fault, lambda: image_like(scan))(), path)
    content = path.read_bytes()
    changed = {"text": b"not an image", "empty file": b"", "cut off": content[: len(content) // 2]}
    path.write_bytes(changed.get(fault, content))
    words: dict[str, object] = {
        "other space": {"SpatialReference": "MNI152NLin6Asym"},
        "no skull said": {"SkullStripped": False},
        "other settings": {
            "Settings": sidecar["Settings"]
            | {"intensity": {"rule": "percentile", "percentiles": [0.0, 100.0]}}
        },
    }
    if fault in words:
        beside = path.with_name(f"{bare(path)}.json")
        beside.write_text(json.dumps(sidecar | words[fault]))
    return path


@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_file_ends_in_one_readable_line(agreed, model, fault, tmp_path):
    path = spoilt(fault, agreed.scans[0], tmp_path)
    with pytest.raises(UserError, match=FAULTS[fault]) as caught:
        model.read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_command_line_stops_with_that_line(agreed, tmp_path):
    path = spoilt("raw units", agreed.scans[0], tmp_path)
    line = said(["predict", str(path), "--models", str(agreed.models), "--devices", "0"])
    assert line.startswith(f"ldae predict: {path}: intensities from 0 to")
    assert "--preprocess" in line
    assert "\n" not in line


def test_one_bad_scan_does_not_keep_the_others_from_being_done(agreed, tmp_path, caplog):
    bad = spoilt("other grid", agreed.scans[0], tmp_path)
    with pytest.raises(UserError, match=r"1 of 3 scans were refused: \['bad_T1w.nii.gz'\]"):
        encode([agreed.scans[0], bad, agreed.scans[1]], models=agreed.models,
               output=tmp_path / "out", devices=0)  # fmt: skip
    assert len(list((tmp_path / "out").glob("*_codes.npz"))) == 2
    assert "7 x 12 x 8 voxels" in caplog.text


def test_two_scans_of_one_name_are_refused(agreed, tmp_path):
    with pytest.raises(UserError, match="two scans of this name"):
        encode([agreed.scans[0]] * 2, models=agreed.models, output=tmp_path, devices=0)


@pytest.mark.parametrize(("factor", "fits"), [(1.005, True), (1.025, False), (0.975, False)])
def test_spacing_may_differ_by_rounding_only(agreed, factor, fits, tmp_path):
    affine = nib.load(agreed.scans[0]).affine @ np.diag([1, 1, factor, 1])
    nib.save(image_like(agreed.scans[0], affine=affine), tmp_path / "other.nii.gz")
    reader = Reader((8, 12, 8), (20.0, 20.0, 20.0), None)
    if fits:
        assert reader.read(tmp_path / "other.nii.gz").name == "other"
        return
    with pytest.raises(Violation, match=rf"20 x 20 x {20 * factor:g} mm, but"):
        reader.read(tmp_path / "other.nii.gz")


def test_what_is_unknown_of_how_it_was_made_is_a_remark(agreed, model, tmp_path, caplog):
    assert model.read(agreed.scans[0]).remarks == ()
    nib.save(image_like(agreed.scans[0]), tmp_path / "alone.nii.gz")
    assert model.read(tmp_path / "alone.nii.gz").remarks == (
        "no sidecar says how it was preprocessed",
    )
    sidecar = json.loads(agreed.scans[0].with_name(f"{bare(agreed.scans[0])}.json").read_text())
    (tmp_path / "alone.json").write_text(json.dumps(sidecar | {"Versions": ["3"]}))
    expected = "preprocessed with recipe: None, the training scans 3"
    assert model.read(tmp_path / "alone.nii.gz").remarks == (expected,)
    sidecar["Settings"]["bias"]["shrink_factor"] = 2
    (tmp_path / "alone.json").write_text(json.dumps(sidecar))
    expected = "preprocessed with bias.shrink_factor: 2, the training scans 4"
    assert model.read(tmp_path / "alone.nii.gz").remarks == (expected,)
    encode([tmp_path / "alone.nii.gz"], models=agreed.models, output=tmp_path, devices=0)
    assert expected in caplog.text


def test_a_scan_unlike_the_training_scans_is_named(agreed, model, tmp_path, caplog):
    volume = nib.load(agreed.scans[0]).get_fdata(dtype=np.float32)
    odd = volume * np.random.default_rng(0).random(volume.shape, dtype=np.float32)
    usual, unusual = model.shift(volume), model.shift(odd)
    assert unusual.score == 1 > usual.score
    assert "difference of neighbouring voxels" in " ".join(unusual.reasons)
    nib.save(image_like(agreed.scans[0], odd), tmp_path / "odd.nii.gz")
    encode([tmp_path / "odd.nii.gz"], models=agreed.models, output=tmp_path, devices=0)
    assert "odd: unlike the training scans (shift 1.00): " in caplog.text


@pytest.fixture
def copied(agreed, tmp_path) -> Path:
    shutil.copytree(agreed.models, tmp_path / "models")
    return tmp_path / "models"


def test_an_edited_contract_is_refused(copied):
    path = copied / "contract.json"
    content = json.loads(path.read_text())
    content["scan"]["brain_share"] = [0.0, 1.0]
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"contract\.json: was edited"):
        ldae.load(copied)
    path.write_text("{")
    with pytest.raises(UserError, match=r"contract\.json: no contract"):
        ldae.load(copied)


def test_a_contract_belongs_to_its_weights_and_probes(copied):
    config = copied / "ldae/config.json"
    before = config.read_text()
    config.write_text(json.dumps(json.loads(before) | {"weights_sha256": "0"}))
    with pytest.raises(UserError, match="belongs to other weights than ldae beside it"):
        ldae.load(copied)
    config.write_text(before)
    (copied / "probes.json").write_text('{"ldae": {}}')
    with pytest.raises(UserError, match=r"probes\.json: not the one that belongs"):
        ldae.load(copied)


def test_models_without_a_contract_check_grid_and_intensities_only(run, agreed, tmp_path, caplog):
    model = ldae.load(run.models)
    assert "no contract.json, so of scans only grid and intensities" in caplog.text
    scan = model.read(agreed.scans[0])
    assert model.encode(scan).shape == (model.embedding_dim,)
    for asked in (model.shift, model.predict):
        with pytest.raises(UserError, match=r"contract\.json|no probe called 'ad_vs_cn'"):
            asked(scan)
    with pytest.raises(UserError, match="give `like=`"):
        model.save(scan.volume, tmp_path / "out.nii.gz")
    model.save(scan.volume, tmp_path / "out.nii.gz", like=scan)
    np.testing.assert_array_equal(nib.load(tmp_path / "out.nii.gz").dataobj, scan.volume)
    with pytest.raises(UserError, match="says how to preprocess; give --settings"):
        preprocess(agreed.scans[0], output=tmp_path, models=run.models)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m, v: m.reconstruct(v, steps=0), r"0 DDIM steps: these models take 1 to \d+"),
        (lambda m, v: m.sample(steps=5000), r"5000 DDIM steps: these models take 1 to \d+"),
        (lambda m, v: m.encode("nothing.nii.gz"), "there is no such file"),
        (lambda m, v: m.encode(m.folder), "a folder, not a file"),
        (lambda m, v: m.vary(v, samples=0), "0 samples: at least one"),
        (lambda m, v: m.encode(v[1:]), "a volume of 7 x 12 x 8 voxels, not 8 x 12 x 8"),
        (lambda m, v: m.encode(v * np.nan), "768 voxels that are not finite"),
        (lambda m, v: m.decode(np.zeros(3), m.invert(v, steps=1)), r"shape \(3,\), not \(6,\)"),
        (lambda m, v: m.manipulate(v, toward="height", strengths=[1]), "no probe called 'height'"),
        (lambda m, v: m.manipulate(v, toward="age", strengths=[]), "at least one strength"),
        (lambda m, v: m.save(v[1:], "out.nii.gz"), r"\(7, 12, 8\) voxels, not of \(8, 12, 8\)"),
    ],
)
def test_wrong_calls_say_what_is_wrong(agreed, model, call, message):
    with pytest.raises(UserError, match=message):
        call(model, model.read(agreed.scans[0]).volume)


def test_a_folder_that_holds_no_models_is_told(tmp_path):
    with pytest.raises(UserError, match="no such folder"):
        ldae.load(tmp_path / "nothing")
    with pytest.raises(UserError, match="is this the folder of a trained model"):
        ldae.load(tmp_path)


@pytest.mark.parametrize("device", ["gpu", "cuda:99"])
def test_a_device_that_is_not_there_is_told(agreed, device):
    with pytest.raises(UserError, match=rf"device '{device}' cannot be used: ") as caught:
        ldae.load(agreed.models, device=device)
    assert "\n" not in str(caught.value)


def test_a_preprocessed_scan_is_not_preprocessed_again(agreed, tmp_path):
    scan = spoilt("raw units", agreed.scans[0], tmp_path)
    shutil.copy(
        agreed.scans[0].with_name(f"{bare(agreed.scans[0])}.json"), tmp_path / "bad_T1w.json"
    )
    with pytest.raises(UserError, match="has no skull any more, as its sidecar says"):
        predict([scan], models=agreed.models, output=tmp_path, preprocess=True, devices=0)


def test_one_strength_is_drawn_against_the_scan(agreed, tmp_path):
    words = {"models": agreed.models, "output": tmp_path, "steps": 1, "devices": 0}
    manipulate(agreed.scans[:1], strengths=(0.5,), **words)
    assert len(list(tmp_path.glob("*_toward-ad_vs_cn.png"))) == 1


def test_model_and_the_current_folder_will_do(agreed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["encode", str(agreed.scans[0]), "--model", str(agreed.models), "--devices", "0"]
    assert said(words) == "0"
    assert (tmp_path / f"{bare(agreed.scans[0])}_codes.npz").is_file()


def test_every_command_takes_the_same_options():
    common = {"models", "output", "preprocess", "json", "devices"}
    for command in (*COMMANDS, interpolate):
        assert common <= set(command.__annotations__), command.__name__
