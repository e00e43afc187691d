import pytest

from ldae.errors import UserError
from ldae.own_data.scan_list import plan_scan_list
from ldae.tables import CANDIDATES, PLANNED

HEADER = "subject,path,diagnosis,session,age\n"


@pytest.fixture
def plan(write):
    """Writes images and the list of them, and plans it."""

    def of(text, *, encoding="utf-8", images=("a.nii.gz", "b.nii.gz", "deep/c.nii")):
        for image in images:
            write(image)
        return plan_scan_list(write("scans.csv", text, encoding=encoding) / "scans.csv")

    return of


def test_the_original_s_format_is_read(plan, rows):
    made = plan(
        HEADER + "002_S_0295,a.nii.gz,CN,ses-M000,75.5\n002_S_0295,deep/c.nii,AD,ses-M012,76.5\n"
    )
    assert list(made.planned.columns) == PLANNED.names
    assert list(made.candidates.columns) == CANDIDATES.names
    first, later = rows(made).values()
    assert (first["participant_id"], first["session_id"]) == ("sub-ADNI002S0295", "ses-M000")
    assert (later["months"], later["age"], later["diagnosis"]) == (12, 76.5, "AD")
    assert (later["age_source"], later["place"]) == ("scans.csv", "deep/c.nii")
    assert first["subject"] == "002_S_0295"
    assert list(made.candidates["format"]) == ["NIfTI"] * 2


def test_paths_may_lead_elsewhere(plan, write, rows, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other/x.nii.gz").touch()
    made = plan(
        f"subject,path\n1,{tmp_path}/other/x.nii.gz\n2,../other/../own/a.nii.gz\n"
        f"3,{tmp_path}/own/b.nii.gz\n"
    )
    assert set(rows(made)) == {f"{tmp_path}/other/x.nii.gz", "a.nii.gz", "b.nii.gz"}
    assert made.planned["reason"].isna().all()
    assert made.root == tmp_path / "own"


def test_bad_rows_have_reasons_that_name_file_and_line(plan, rows, tmp_path):
    made = plan(
        HEADER
        + "1,a.nii.gz,CN,ses-1,70\n"
        + ",b.nii.gz,CN,ses-1,70\n"
        + "2,,CN,ses-1,70\n"
        + "3,gone.nii.gz,CN,ses-1,70\n"
        + "4,scans.csv,CN,ses-1,70\n"
        + "5,a.nii.gz,CN,ses-1,70\n"
        + "6,b.nii.gz,CN,ses-1,70,x,y\n"
        + "7,deep,CN,ses-1,70\n"
    )
    assert len(made.planned) == 8
    verdicts = {
        row["detail"].split(":")[0] if row["detail"] else None: row["reason"]
        for row in rows(made).values()
    }
    assert verdicts == {
        None: None,
        "scans.csv line 3": "no_subject",
        "scans.csv line 4": "no_path",
        "scans.csv line 5": "missing_file",
        "scans.csv line 6": "unknown_format",
        "scans.csv line 7": "listed_twice",
        "scans.csv line 8": "malformed_row",
        "scans.csv line 9": "unknown_format",
    }
    assert len(made.candidates) == 1
    details = set(made.planned["detail"].dropna())
    assert "scans.csv line 5: there is no file gone.nii.gz" in details
    assert "scans.csv line 7: as in line 2" in details


def test_a_spreadsheet_s_csv_is_read(plan, rows):
    made = plan(
        "Subject;Path;Diagnosis;Session;Age;Sex\r\n1;a.nii.gz;D\u00e9mence;bl;70,5;m\r\n;;;;;\r\n",
        encoding="utf-8-sig",
    )
    (row,) = rows(made).values()
    assert (row["session_id"], row["months"], row["sex"]) == ("ses-bl", 0, "M")
    assert (row["diagnosis"], row["diagnosis_raw"]) == (None, "D\u00e9mence")
    assert (row["age"], row["flags"]) == (70.5, "unknown_diagnosis")


def test_several_images_of_a_session_are_ranked_by_name(plan, rows):
    made = plan("subject,path,session\n1,b.nii.gz,M000\n1,a.nii.gz,ses-M000\n")
    ranks = {place: row["rank"] for place, row in rows(made).items()}
    assert ranks == {"a.nii.gz": 0, "b.nii.gz": 1}


def test_an_age_of_nobody_is_left_out(plan, rows):
    (row,) = rows(plan(HEADER + "1,a.nii.gz,CN,ses-1,750\n")).values()
    assert (row["age"], row["flags"]) == (None, "implausible_age")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("subject,diagnosis\n1,CN\n", "no column path"),
        ("", "no rows"),
        (HEADER, "no rows"),
        ("subject,path\0\n", "not a text file"),
        ('subject,path\n1,"' + "x" * 200_000, "line 2"),
    ],
)
def test_what_is_no_list_of_scans_is_one_readable_error(plan, text, message):
    with pytest.raises(UserError, match=rf"scans\.csv.*{message}"):
        plan(text)
