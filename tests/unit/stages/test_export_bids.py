"""Tables of planned and converted images become a BIDS dataset in which every image has a place."""

import json
import logging
import shutil
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from ldae.bids import sidecar_path
from ldae.config import Cohort, Ingestion
from ldae.errors import UserError
from ldae.origin import generated_by
from ldae.stages.export_bids import Settings, export_bids
from ldae.tables import CONVERTED, INGESTED, PLANNED, read_table, read_tsv, write_table

VALIDATOR = Path(sys.executable).with_name("bids-validator-deno")


def planned_row(number, subject="002_S_0295", months=0, **more):
    lost = more.get("reason") is not None
    label = f"sub-{subject.replace('_', '')}" if subject else None
    placed = {"session_id": f"ses-M{months:03d}", "months": months, "rank": 0}
    placed |= {"standing": json.dumps({"repeat": 0, "higher_image_id": number})}
    known = {
        "image_id": number,
        "subject": subject,
        "participant_id": label,
        "description": 'MPRAGE "fast"\t2',
        "kind": "original",
        "format": "DICOM",
        "files": 1,
        "place": f"ADNI/{subject}/I{number}/a.dcm",
        "acquired": "2011-03-14T16:12:08",
        "age": 75.5,
        "age_source": "metadata",
        "age_offset_days": 0,
        "sex": "M",
        "diagnosis": "AD",
        "diagnosis_source": "DXSUM",
        "diagnosis_raw": "3",
        "diagnosis_baseline": "LMCI",
        "flags": "diagnosis_distant|age_sources_differ",
    }
    return dict.fromkeys(PLANNED.names) | known | ({} if lost else placed) | more


def tried_row(row, reason=None):
    names = {name: row[name] for name in ("participant_id", "session_id", "image_id", "place")}
    stem = f"{row['participant_id']}/{row['session_id']}/anat"
    image = f"{stem}/{row['participant_id']}_{row['session_id']}_T1w.nii.gz"
    made = {"image": image, "image_sha256": "0", "field_strength": 3.0, "manufacturer": "Siemens"}
    return dict.fromkeys(CONVERTED.names) | names | (made if reason is None else {"reason": reason})


ROWS = [
    planned_row(1),
    planned_row(2, months=12, sex=None, diagnosis=None, flags=None, acquired="2012-03-14"),
    planned_row(3, "100_S_10029", image_id=None, diagnosis_baseline=None, age=None),
    planned_row(4, reason="not_t1w"),
    planned_row(5, None, reason="no_subject_id", acquired=None),
]
TRIED = [tried_row(row) for row in ROWS[:3]]


@pytest.fixture
def export(tmp_path):
    """Writes tables and images, runs the stage, and returns the folder of results."""

    def run(rows=ROWS, tried=TRIED, *, source="adni", fraction=0.05):
        results = tmp_path / "results"
        for name, part, schema in [("planned", rows, PLANNED), ("converted", tried, CONVERTED)]:
            frame = pa.Table.from_pylist(part, schema=schema).to_pandas()
            write_table(frame, results / f"{name}.parquet", schema)
        for row in tried:
            if row["image"]:
                image = results / "bids" / row["image"]
                image.parent.mkdir(parents=True, exist_ok=True)
                volume = np.arange(4096, dtype=np.int16).reshape(16, 16, 16)
                nib.save(nib.Nifti1Image(volume, np.diag([2.0, 2, 2, 1])), image)
                sidecar_path(image).write_text('{"Modality": "MR", "MagneticFieldStrength": 3}')
        export_bids(
            planned=results / "planned.parquet",
            converted=[results / "converted.parquet"],
            bids=results / "bids",
            images=results / "images.tsv",
            ingested=results / "ingested.parquet",
            attrition=results / "attrition.csv",
            settings=Settings(
                cohort=Cohort(source=source, download=None),
                ingestion=Ingestion(max_failed_fraction=fraction),
            ),
        )
        return results

    return run


def tree(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_used_and_excluded_add_up_to_found(export):
    results = export()
    images = read_tsv(results / "images.tsv")
    assert len(images) == len(ROWS)
    assert dict(images["status"].value_counts()) == {"used": 3, "excluded": 2}
    assert images["reason"].notna().equals(images["status"] == "excluded")
    scans = read_table(results / "ingested.parquet", INGESTED)
    assert list(scans["participant_id"]) == ["sub-002S0295"] * 2 + ["sub-100S10029"]
    flow = pd.read_csv(results / "attrition.csv")
    assert flow[flow["reason"].isna()]["images"].tolist() == [5, 4, 3, 3, 3, 3, 3]


def test_tables_of_the_dataset_hold_what_is_known(export):
    bids = export() / "bids"
    people = read_tsv(bids / "participants.tsv")
    assert people.columns[0] == "participant_id"
    assert people["archive_id"].tolist() == ["002_S_0295", "100_S_10029"]
    assert people["diagnosis_baseline"].fillna("").tolist() == ["LMCI", ""]
    sessions = read_tsv(bids / "sub-002S0295/sub-002S0295_sessions.tsv")
    assert sessions.columns[0] == "session_id"
    assert sessions["months"].tolist() == ["0", "12"]
    assert sessions["diagnosis_raw"].tolist() == ["3", "3"]
    scans = read_tsv(bids / "sub-002S0295/ses-M000/sub-002S0295_ses-M000_scans.tsv").loc[0]
    assert scans["filename"] == "anat/sub-002S0295_ses-M000_T1w.nii.gz"
    assert (scans["acq_time"], scans["image_id"]) == ("2011-03-14T16:12:08", "1")
    assert scans["series_description"] == "MPRAGE 'fast' 2"
    later = read_tsv(bids / "sub-002S0295/ses-M012/sub-002S0295_ses-M012_scans.tsv").loc[0]
    assert pd.isna(later["acq_time"])
    for name in ("participants", "sessions", "scans"):
        described = json.loads((bids / f"{name}.json").read_text())
        assert all(column["Description"] for column in described.values())
    readme = (bids / "README.md").read_text()
    assert "1. first scans before repeats (`repeat`)" in readme
    assert "`diagnosis_reverted`" in readme


def test_what_is_unknown_of_every_scan_is_no_obstacle(export):
    nothing = dict.fromkeys(("acquired", "age", "sex", "diagnosis", "flags", "description"))
    row = planned_row(1) | nothing | {"image_id": None, "subject": "1"}
    sessions = export([row], [tried_row(row)]) / "bids/sub-002S0295/sub-002S0295_sessions.tsv"
    assert read_tsv(sessions)["age"].isna().all()


@pytest.mark.skipif(not VALIDATOR.exists(), reason="bids-validator-deno is not installed")
@pytest.mark.parametrize("source", ["adni", "synthetic", "bids"])
def test_the_dataset_is_valid_bids(export, source):
    bids = export(source=source) / "bids"
    done = subprocess.run([VALIDATOR, "--format", "json", bids], capture_output=True, check=False)
    issues = json.loads(done.stdout)["issues"]["issues"]
    assert [issue for issue in issues if issue["severity"] == "error"] == []
    description = json.loads((bids / "dataset_description.json").read_text())
    assert description["BIDSVersion"] == "1.10.0"
    assert description["GeneratedBy"] == generated_by()


def test_exporting_again_changes_nothing(export):
    first = tree(export())
    assert tree(export()) == first


def test_what_no_longer_belongs_is_removed_and_the_rest_stays(export, tmp_path):
    results = export()
    bids = results / "bids"
    alone = tree(bids)
    former = planned_row(9, "009_S_9999")
    export([*ROWS, former], [*TRIED, tried_row(former)])
    half = bids / "sub-002S0295/ses-M000/anat/.77.sub-002S0295_ses-M000_T1w.nii.gz"
    half.touch()
    stale = bids / "sub-002S0295/ses-M024/anat/sub-002S0295_ses-M024_T1w.json"
    stale.parent.mkdir(parents=True)
    stale.touch()
    outside = tmp_path / "elsewhere/sub-x_T1w.json"
    outside.parent.mkdir()
    outside.touch()
    (bids / "sub-x").symlink_to(outside.parent)
    notes = bids / "sub-002S0295/notes.txt"
    notes.write_text("mine")
    export()
    assert outside.exists()
    (bids / "sub-x").unlink()
    assert notes.read_text() == "mine"
    notes.unlink()
    assert tree(bids) == alone
    assert not (bids / "sub-009S9999").exists()


def test_a_bucket_that_is_no_more_is_converted_anew_should_it_return(export, tmp_path):
    results = tmp_path / "results"
    results.mkdir()
    (results / "0f00.parquet").touch()
    (results / "notes.parquet").touch()
    export()
    assert not (results / "0f00.parquet").exists()
    assert {path.name for path in results.glob("*.parquet")} == {
        *("planned.parquet", "converted.parquet", "ingested.parquet", "notes.parquet")
    }


def failing(count, of):
    rows = [planned_row(n, f"{n:03d}_S_{n:04d}") for n in range(1, of + 1)]
    return rows, [tried_row(row, "truncated" if n < count else None) for n, row in enumerate(rows)]


def test_too_many_failures_stop_the_run_after_the_ledger_is_written(export, tmp_path, caplog):
    with (
        caplog.at_level(logging.ERROR),
        pytest.raises(UserError, match=r"2 of 10 .*0\.05: 2 truncated, such as I1 I2\. Download"),
    ):
        export(*failing(2, 10))
    assert "truncated" in caplog.text
    images = read_tsv(tmp_path / "results/images.tsv")
    assert list(images["reason"].dropna()) == ["truncated"] * 2
    assert not (tmp_path / "results/ingested.parquet").exists()
    assert not (tmp_path / "results/bids/dataset_description.json").exists()


@pytest.mark.parametrize(("count", "of", "fraction"), [(1, 2, 0.0), (2, 10, 0.2)])
def test_few_failures_do_not(export, count, of, fraction):
    results = export(*failing(count, of), fraction=fraction)
    assert len(read_table(results / "ingested.parquet", INGESTED)) == of - count


def test_a_download_of_failures_alone_is_one_readable_error(export):
    with pytest.raises(UserError, match=r"none of 1 .*: 1 truncated, such as I1"):
        export(*failing(1, 1), fraction=1.0)
    with pytest.raises(UserError, match="no T1-weighted image"):
        export(ROWS[3:], [], fraction=1.0)


def test_an_image_that_is_gone_is_named(export, tmp_path):
    results = export()
    shutil.rmtree(results / "bids/sub-100S10029")
    with pytest.raises(UserError, match=r"sub-100S10029_ses-M000_T1w\.nii\.gz; .*convert"):
        export_bids(
            planned=results / "planned.parquet",
            converted=[results / "converted.parquet"],
            bids=results / "bids",
            images=tmp_path / "i.tsv",
            ingested=tmp_path / "i.parquet",
            attrition=tmp_path / "a.csv",
            settings=Settings(
                cohort=Cohort(source="adni", download=None),
                ingestion=Ingestion(max_failed_fraction=0.05),
            ),
        )
