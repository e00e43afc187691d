"""Which files of scans a table answers for."""

from pathlib import Path

import pandas as pd
import pytest

from ldae.provenance.behind import files_behind
from ldae.provenance.recording import recorded
from ldae.provenance.run import read_run
from ldae.provenance.verification import verify_run
from ldae.runtime import write_text

SCAN = Path("sub-A/ses-M000/anat")


def write(top: Path, *names: str) -> list[Path]:
    for name in names:
        write_text(top / name, name)
    return [top / name for name in names]


def test_a_bucket_answers_for_the_files_of_its_sessions_and_no_others(tmp_path: Path) -> None:
    table, bids = tmp_path / "cohort/converted/0000.parquet", tmp_path / "bids"
    image, sidecar = f"{SCAN}/sub-A_ses-M000_T1w.nii.gz", f"{SCAN}/sub-A_ses-M000_T1w.json"
    mine = write(bids, sidecar, image)
    write(bids, "sub-A/ses-M000/sub-A_ses-M000_scans.tsv", "sub-A/ses-M012/anat/other_T1w.nii.gz")
    write(bids, "sub-B/ses-M000/anat/other_T1w.nii.gz", f"{SCAN}/.123.half.nii.gz")
    keys = {"participant_id": "sub-A", "session_id": "ses-M000"}
    rows = [
        keys | {"image": None, "image_sha256": None},
        keys | {"image": image, "image_sha256": "known"},
    ]
    table.parent.mkdir(parents=True)
    pd.DataFrame(rows).to_parquet(table)
    behind = files_behind("convert-images", {"table": table, "bids": bids}, [])
    assert behind == (table, {mine[0]: None, mine[1]: "known"})


def test_a_preprocessed_bucket_answers_for_pictures_too(tmp_path: Path) -> None:
    table, derivatives = tmp_path / "0000.parquet", tmp_path / "derivatives"
    volume = f"{SCAN}/sub-A_ses-M000_desc-preproc_T1w.nii.gz"
    mine = write(derivatives, volume, "sub-A/figures/sub-A_ses-M000_desc-qc_T1w.png")
    write(derivatives, "sub-A/figures/sub-A_ses-M012_desc-qc_T1w.png")
    row = {"participant_id": "sub-A", "session_id": "ses-M000"}
    pd.DataFrame([row | {"volume": volume, "volume_sha256": "known"}]).to_parquet(table)
    given = {"table": table, "derivatives": derivatives}
    behind = files_behind("preprocess-scans", given, [])
    assert behind == (table, {mine[0]: "known", mine[1]: None})


def test_datasets_and_buckets_go_with_the_table_that_describes_them(tmp_path: Path) -> None:
    bids, buckets = tmp_path / "bids", tmp_path / "cohort/buckets"
    ingested, planned = tmp_path / "cohort/ingested.parquet", tmp_path / "cohort/planned.parquet"
    described, bucket = (*write(bids, "participants.tsv"), *write(buckets, "0000.parquet"))
    written = [described, bucket, ingested, planned]
    given = {"bids": bids, "ingested": ingested, "buckets": buckets, "planned": planned}
    assert files_behind("export-bids", given, written) == (ingested, {described: None})
    assert files_behind("index-download", given, written) == (planned, {bucket: None})
    assert files_behind("train-ldm", given, written) is None


@pytest.mark.parametrize(("name", "stale"), [("image.nii.gz", True), ("picture.png", False)])
def test_only_files_that_stages_read_make_others_stale(
    tmp_path: Path, name: str, stale: bool
) -> None:
    table, made = tmp_path / "ingested.parquet", tmp_path / "made.csv"
    with recorded("export-bids", {"bids": tmp_path / "bids", "ingested": table}):
        write_text(table, "table")
        write_text(tmp_path / "bids" / name, "as made")
    with recorded("stage", {"table": table, "output": made}):
        write_text(made, table.read_text())
    (tmp_path / "bids" / name).write_text("by hand")
    faults = verify_run(read_run(tmp_path), full=False).faults
    assert [(fault.kind, fault.file) for fault in faults] == [
        ("changed", f"bids/{name}"),
        *([("stale", "made.csv")] if stale else []),
    ]
