"""What goes wrong with real scans, really made: each gets its own reason, and no job stops."""

import gzip
import hashlib
import json
import os

os.environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = "1"  # before anything imports ANTs

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from ldae.cli import main
from ldae.preprocessing.template import load_head
from ldae.stages.preprocess import PAPER
from ldae.tables import CONVERTED, INGESTED, PREPROCESSED, read_table, read_tsv, write_table

PREPROCESSING = {
    "grid": {"shape": [24, 32, 24], "spacing_mm": 6.5},
    "bias": {"resolution_mm": 4, "shrink_factor": 2, "iterations": [5]},
    "brain": {"method": "template", "resolution_mm": 4, "masks": None},
    "registration": {"transform": "affine", "resolution_mm": 8},
    "intensity": {"rule": "percentile", "percentiles": [0, 99.5]},
}
OTHERS = 12
QUALITY = PAPER.quality.model_dump()
REASONS = {
    "good": None,
    "truncated": "unreadable",
    "zero": "empty",
    "nan": "not-finite",
    "infinite": "not-finite",
    "series": "not-3d",
    "tiny": "small-field-of-view",
    "singular": "singular-affine",
    "sheared": "sheared-affine",
    "inverted": "wrong-contrast",
    "t2": "wrong-contrast",
    "noise": "no-head",
    "headless": "cut-head",
    "cropped": "brain cut by the image's edge in more than 40 cm²",
}


def made(kind, head):
    """Voxels and affine of a head with one fault."""
    data, affine = head.data.copy(), head.affine.copy()
    if kind == "zero":
        data[:] = 0
    elif kind in {"nan", "infinite"}:
        data[20, 20, 20] = np.nan if kind == "nan" else np.inf
    elif kind == "series":
        data = np.stack([data] * 4, axis=-1)
    elif kind == "tiny":
        data = data[20:40]
    elif kind == "sheared":
        affine[0, 1] = 2.0
    elif kind == "inverted":
        data = data.max() - data
    elif kind == "t2":
        data = np.interp(data, [0, 0.1, 0.25, 0.5, 0.75, 1], [0, 0.1, 1, 0.6, 0.4, 0.3])
    elif kind == "noise":
        data = np.random.default_rng(3).random(data.shape)
    elif kind == "headless":
        data = data[:, :, : data.shape[2] // 2 - 4]
    elif kind == "cropped":
        data = data[:, : data.shape[1] // 2 + 7]
    return np.asarray(data, dtype=np.float32), affine


def write(kind, head, path):
    nib.save(nib.Nifti1Image(*made(kind, head)), path)
    raw = bytearray(gzip.decompress(path.read_bytes()))
    if kind == "truncated":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif kind == "singular":
        raw[296:312] = bytes(16)  # srow_y
        path.write_bytes(gzip.compress(bytes(raw)))


@pytest.fixture(scope="module")
def head():
    """Synthetic, with air around and noise."""
    template = load_head(4.0).image
    noise = np.random.default_rng(0).normal(0, 0.02, template.data.shape)
    return template.with_data(np.abs(template.data + noise))


@pytest.fixture(scope="module")
def folder(head, tmp_path_factory):
    """A bucket of one scan per fault, preprocessed and gathered by the commands of the workflow."""
    folder = tmp_path_factory.mktemp("bad")
    (folder / "bids").mkdir()
    rows = []
    for kind in REASONS:
        path = folder / f"bids/sub-{kind}_ses-M000_T1w.nii.gz"
        write(kind, head, path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        rows.append((f"sub-{kind}", "ses-M000", path.name, digest))
    names = ["participant_id", "session_id", "image", "image_sha256"]
    scans = pd.DataFrame(rows, columns=names)
    fill(scans, folder / "converted.parquet", CONVERTED)
    place = {name: str(folder / name) for name in ("bids", "derivatives", "table.parquet")}
    command(
        "preprocess-scans", "--bucket", str(folder / "converted.parquet"),
        "--devices", "0", "--threads", "1",
        "--bids", place["bids"], "--derivatives", place["derivatives"],
        "--table", place["table.parquet"],
        "--settings", json.dumps({"preprocessing": PREPROCESSING}),
    )  # fmt: skip
    others = [f"sub-other{number}" for number in range(OTHERS)]  # a split wants some subjects
    done = read_table(folder / "table.parquet", PREPROCESSED)
    good = done[done["participant_id"] == "sub-good"]
    copies = pd.concat([good.assign(participant_id=other) for other in others])
    write_table(copies, folder / "others.parquet", PREPROCESSED)
    more = pd.concat([scans.iloc[:1].assign(participant_id=other) for other in others])
    fill(pd.concat([scans, more]), folder / "ingested.parquet", INGESTED)
    split = {"validation": 0.3, "test": 0.3}
    command(
        "gather-scans", "--ingested", str(folder / "ingested.parquet"),
        "--preprocessed", place["table.parquet"], str(folder / "others.parquet"),
        "--derivatives", place["derivatives"],
        "--scans", str(folder / "scans.parquet"), "--excluded", str(folder / "excluded.tsv"),
        "--settings", json.dumps({"seed": 1, "quality": QUALITY, "split": split}),
    )  # fmt: skip
    return folder


def fill(scans, path, schema):
    """Write the scans with every other column of the schema unknown, or the same for all."""
    same = {"place": "I", "months": 0, "diagnosis": "CN"}
    others = {name: same.get(name) for name in schema.names if name not in scans}
    write_table(scans.assign(**others), path, schema)


def command(*words):
    """Run `ldae`, which must succeed."""
    status = None
    try:
        main(list(words))
    except SystemExit as ended:
        status = ended.code
    assert not status


@pytest.mark.parametrize(("kind", "reason"), [pair for pair in REASONS.items() if pair[1]])
def test_every_fault_has_its_reason_in_the_cohort(folder, kind, reason):
    excluded = read_tsv(folder / "excluded.tsv").set_index("participant_id")
    row = excluded.loc[f"sub-{kind}"]
    assert reason in row["reason"].split("; ")
    assert row["detail"]


def test_the_good_scan_beside_them_is_kept(folder):
    scans = pd.read_parquet(folder / "scans.parquet")
    assert [name for name in scans["participant_id"] if "other" not in name] == ["sub-good"]


def test_a_failed_scan_leaves_no_files_and_a_rejected_one_its_picture(folder):
    table = read_table(folder / "table.parquet", PREPROCESSED)
    for row in table.itertuples():
        files = list((folder / "derivatives").rglob(f"{row.participant_id}_*"))
        assert len(files) == (10 if pd.isna(row.failure) else 0), row.participant_id


@pytest.mark.parametrize(("kind", "reason"), [pair for pair in REASONS.items() if pair[1]])
def test_one_such_image_is_a_clear_error(folder, tmp_path, kind, reason):
    settings = json.dumps({"preprocessing": PREPROCESSING, "quality": QUALITY})
    image = str(folder / f"bids/sub-{kind}_ses-M000_T1w.nii.gz")
    with pytest.raises(SystemExit) as ended:
        main(["preprocess", image, "-o", str(tmp_path), "--settings", settings])
    said = str(ended.value.code)
    assert said.startswith(f"ldae preprocess: {image} ")
    assert reason in said
    assert "\n" not in said
