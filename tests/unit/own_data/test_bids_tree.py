import json
import os
from pathlib import Path

import pytest

from ldae.errors import UserError
from ldae.own_data.bids_tree import plan_bids_tree
from ldae.tables import CANDIDATES, PLANNED

T1W = "sub-ADNI002S0295/ses-M{0:03d}/anat/sub-ADNI002S0295_ses-M{0:03d}_T1w.nii.gz"


def clinica(write):
    """As Clinica's converter lays it out, with the columns it writes."""
    for months in (0, 12):
        write(T1W.format(months))
    write(
        "participants.tsv",
        "alternative_id_1\tparticipant_id\tsex\tage_bl\tdiagnosis_sc\n"
        "002_S_0295\tsub-ADNI002S0295\tM\t75.5\tLMCI\n",
    )
    write(
        "sub-ADNI002S0295/sub-ADNI002S0295_sessions.tsv",
        "RID\tsession_id\texamination_date\tage\tdiagnosis\n"
        "295\tses-M000\t2011-03-20\t75.5\tMCI\n295\tses-M006\t2011-09-20\t76.0\tMCI\n"
        "295\tses-M012\t2012-03-24\t76.5\tDementia\n",
    )
    return write(
        "sub-ADNI002S0295/ses-M000/sub-ADNI002S0295_ses-M000_scans.tsv",
        "filename\tscan_id\tmri_field\tacq_time\n"
        "anat/sub-ADNI002S0295_ses-M000_T1w.nii.gz\t303066\t1.5\t2011-03-14T16:12:08\n",
    )


def test_what_clinica_wrote_is_read(write, rows):
    plan = plan_bids_tree(clinica(write))
    assert list(plan.planned.columns) == PLANNED.names
    assert list(plan.candidates.columns) == CANDIDATES.names
    first, later = (rows(plan)[T1W.format(months)] for months in (0, 12))
    assert (first["participant_id"], first["session_id"]) == ("sub-ADNI002S0295", "ses-M000")
    assert (first["subject"], first["image_id"]) == ("002_S_0295", 303066)
    assert (first["age"], first["age_source"]) == (75.5, "sessions.tsv")
    assert (first["diagnosis"], first["diagnosis_offset_days"]) == ("MCI", 6)
    assert (first["sex"], first["diagnosis_baseline"]) == ("M", "LMCI")
    assert (first["field_strength"], first["acquired"]) == (1.5, "2011-03-14T16:12:08")
    assert (later["diagnosis"], later["diagnosis_raw"]) == ("AD", "Dementia")
    assert (later["months"], later["rank"], later["flags"]) == (12, 0, None)
    assert later["diagnosis_offset_days"] is None
    assert plan.candidates["files"].map(list).tolist() == [[T1W.format(0)], [T1W.format(12)]]


def test_a_bare_tree_without_sessions_or_tables_is_enough(write, rows):
    write("sub-01/anat/sub-01_T1w.nii")
    plan = plan_bids_tree(write("sub-02/anat/sub-02_T1w.nii.gz"))
    known = rows(plan)["sub-01/anat/sub-01_T1w.nii"]
    assert (known["participant_id"], known["session_id"], known["months"]) == (
        "sub-01",
        "ses-M000",
        0,
    )
    assert known["diagnosis"] is None
    assert known["age_source"] is None
    assert list(plan.candidates["participant_id"]) == ["sub-01", "sub-02"]


def test_the_first_image_of_a_session_by_name_wins(write, rows):
    names = ["T1w.nii.gz", "acq-fast_T1w.nii.gz", "run-2_T1w.nii.gz", "run-10_T1w.nii.gz"]
    for name in names:
        root = write(f"sub-1/ses-a/anat/sub-1_ses-a_{name}")
    plan = plan_bids_tree(root)
    ranks = {place.split("ses-a_")[1]: row["rank"] for place, row in rows(plan).items()}
    assert ranks == {name: rank for rank, name in enumerate(names)}
    standings = [json.loads(row["standing"]) for row in rows(plan).values()]
    assert sorted(standing["later_name"] for standing in standings) == [0, 1, 2, 3]


def test_every_image_is_a_row_and_derivatives_are_none(write, rows):
    write("sub-1/anat/sub-1_FLAIR.nii.gz")
    write("sub-1/func/sub-1_task-rest_bold.nii.gz")
    write("sub-1/anat/sub-1_T1w.json", '{"MagneticFieldStrength": 3, "Manufacturer": "GE"}')
    write("derivatives/x/sub-1/anat/sub-1_T1w.nii.gz")
    write("sourcedata/sub-1/anat/sub-1_T1w.nii.gz")
    root = write("sub-1/anat/sub-1_T1w.nii.gz")
    (root / "sub-2/anat").mkdir(parents=True)
    (root / "sub-2/anat/sub-2_T1w.nii.gz").symlink_to("../../.git/annex/objects/gone")
    planned = rows(plan_bids_tree(root))
    assert {place: row["reason"] for place, row in planned.items()} == {
        "sub-1/anat/sub-1_FLAIR.nii.gz": "not_t1w",
        "sub-1/func/sub-1_task-rest_bold.nii.gz": "not_t1w",
        "sub-1/anat/sub-1_T1w.nii.gz": None,
        "sub-2/anat/sub-2_T1w.nii.gz": "missing_file",
    }
    used = planned["sub-1/anat/sub-1_T1w.nii.gz"]
    assert (used["field_strength"], used["manufacturer"]) == (3.0, "GE")


SESSIONS = "sub-1/sub-1_sessions.tsv"


@pytest.mark.parametrize(
    ("table", "months", "flags"),
    [
        ("session_id\tacq_time\nses-1\t2010-01-01\nses-2\t2011-01-02\nses-10\t2012-01-01\n",
         [0, 12, 24], None),
        ("session_id\tage\nses-1\t70.0\nses-2\t70.5\nses-10\t72\n", [0, 6, 24], None),
        ("session_id\tmonths\nses-1\t3\nses-2\t6\nses-10\t9\n", [3, 6, 9], None),
        ("session_id\tage\nses-1\t70.0\nses-2\tn/a\nses-10\t72\n", [0, 1, 2], "months_by_order"),
        ("", [0, 1, 2], "months_by_order"),
    ],
)  # fmt: skip
def test_months_are_counted_by_the_best_that_is_known_of_all_sessions(
    write, rows, table, months, flags
):
    for session in ("1", "2", "10"):
        root = write(f"sub-1/ses-{session}/anat/sub-1_ses-{session}_T1w.nii.gz")
    write(SESSIONS, table)
    planned = sorted(rows(plan_bids_tree(root)).values(), key=lambda row: row["months"])
    assert [row["months"] for row in planned] == months
    assert [row["session_id"] for row in planned] == ["ses-1", "ses-2", "ses-10"]
    assert {row["flags"] for row in planned} == {flags}


def test_what_is_told_of_a_subject_counts_for_the_first_session(write, rows):
    for months in (0, 12):
        root = write(T1W.format(months))
    write(
        "participants.tsv",
        "participant_id;Gender;Age;Group\r\nADNI002S0295;female;70;FTD\r\n",
        encoding="utf-8-sig",
    )
    first, later = (rows(plan_bids_tree(root))[T1W.format(months)] for months in (0, 12))
    assert (first["age"], later["age"]) == (70.0, 71.0)
    assert (first["diagnosis"], first["diagnosis_raw"]) == (None, "FTD")
    assert first["flags"] == "unknown_diagnosis"
    assert (later["diagnosis_raw"], later["flags"], later["sex"]) == (None, None, "F")


def test_names_that_bids_does_not_allow_become_labels(write, rows):
    write("sub-a_1/ses-x_1/anat/sub-a_1_T1w.nii.gz")
    write("sub-a_1/ses-x1/anat/sub-a_1_T1w.nii.gz")
    root = write("sub-a_1/anat/sub-a_1_T1w.nii.gz")
    plan = plan_bids_tree(root)
    assert set(plan.candidates["participant_id"]) == {"sub-a1"}
    ids = sorted(plan.candidates["session_id"])
    assert ids[:2] == ["ses-M000", "ses-x1"]
    assert len(set(ids)) == 3


def test_a_session_without_a_name_does_not_take_another_s_label(write):
    write("sub-1/ses-M000/anat/sub-1_ses-M000_T1w.nii.gz")
    plan = plan_bids_tree(write("sub-1/anat/sub-1_T1w.nii.gz"))
    assert plan.candidates["session_id"].nunique() == 2


def test_a_table_that_cannot_be_read_is_done_without(write, rows, caplog):
    root = clinica(write)
    (root / "participants.tsv").write_bytes(b"PK\x03\x04\0\0\0")
    write("sub-ADNI002S0295/ses-M000/anat/sub-ADNI002S0295_ses-M000_T1w.json", "[" * 100_000)
    planned = rows(plan_bids_tree(root))
    assert planned[T1W.format(0)]["sex"] is None
    assert planned[T1W.format(0)]["diagnosis"] == "MCI"
    assert "participants.tsv" in caplog.text


def test_names_that_are_no_utf8_have_rows(write):
    root = write("sub-1/anat/sub-1_T1w.nii.gz")
    odd = os.fsencode(root / "sub-1/anat") + b"/sub-1_acq-\xe4_T1w.nii.gz"
    Path(os.fsdecode(odd)).touch()
    plan = plan_bids_tree(root)
    assert len(plan.planned) == 2
    assert plan.planned["place"].map(str.isascii).all()


def test_the_same_tree_gives_the_same_plan(write):
    root = clinica(write)
    one, other = plan_bids_tree(root), plan_bids_tree(root)
    assert one.planned.equals(other.planned)


def test_a_folder_that_is_no_bids_dataset_is_one_readable_error(tmp_path):
    with pytest.raises(UserError, match=r"no sub- folders.*dataset_description\.json"):
        plan_bids_tree(tmp_path)
