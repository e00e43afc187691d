import logging
import zipfile

import pytest

from ldae.adni import tables as module
from ldae.adni.catalog import CATALOG, column_key
from ldae.adni.tables import StudyTables, read_study_tables
from ldae.imaging.storage import Storage

DXSUM = (
    '"RID","PTID","VISCODE2","EXAMDATE","DIAGNOSIS"\n"295","002_S_0295","bl","2006-05-01","{}"\n'
)
COLLECTION = (
    '"Image Data ID","Subject","Group","Sex","Age","Visit","Modality","Description","Type",'
    '"Acq Date","Format","Downloaded"\n'
    '"I{}","002_S_0295","CN","F","74","4","MRI","MPRAGE","Original","6/08/2017","DCM",""\n'
)


def read(folder, **files):
    """Read tables that stand in a folder under names whose last letters are a suffix: T_csv."""
    return read_files(folder, {name.replace("_csv", ".csv"): text for name, text in files.items()})


def read_files(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with Storage(folder) as storage:
        return read_study_tables(storage, files)


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["DXSUM.csv"], "DXSUM.csv"),
        (["dxsum_28Jan2026.CSV"], "dxsum_28Jan2026.CSV"),
        (["DXSUM.csv", "DXSUM_28Jan2026.csv"], "DXSUM_28Jan2026.csv"),
        (
            ["DXSUM_28Jan2026.csv", "All_Subjects_DXSUM_07Sep2025.csv", "DXSUM_9Feb2024.csv"],
            "DXSUM_28Jan2026.csv",
        ),
        (
            ["T1w_MRI_Cohort__67_Subjects_DXSUM_05Oct2025.csv"],
            "T1w_MRI_Cohort__67_Subjects_DXSUM_05Oct2025.csv",
        ),
        # An excerpt of some subjects is newer, but would lose the others.
        (["My__67_Subjects_DXSUM_05Oct2025.csv", "DXSUM_28Jan2024.csv"], "DXSUM_28Jan2024.csv"),
        (["DXSUM_28Jan2026.csv", "DXSUM_28Jan2026 (2).csv"], "DXSUM_28Jan2026 (2).csv"),
        (["DXSUM_PDXCONV_ADNIALL.csv"], "DXSUM_PDXCONV_ADNIALL.csv"),
        (["DXSUM_PDXCONV_ADNIALL.csv", "DXSUM.csv"], "DXSUM.csv"),
        (["DXSUM_PDXCONV_12Aug2023.csv", "DXSUM.csv"], "DXSUM_PDXCONV_12Aug2023.csv"),
        (["z/DXSUM.csv", "a/DXSUM.csv"], "z/DXSUM.csv"),
        (["._DXSUM.csv", ".DXSUM_28Jan2026.csv"], None),
        (["DXSUMMARY.csv", "DXSUM_notes.csv", "DXSUM_DICT_28Jan2026.csv"], None),
    ],
)
def test_the_newest_table_of_a_name_is_taken_and_the_choice_told(tmp_path, names, chosen, caplog):
    caplog.set_level(logging.INFO)
    tables = read_files(tmp_path, {name: DXSUM.format(2) for name in names})
    assert tables.chosen.get("DXSUM") == chosen
    if chosen:
        assert set(tables.passed_over.get("DXSUM", ())) == set(names) - {chosen}
        assert all(name in caplog.text for name in names)
        assert [row["DIAGNOSIS"] for row in tables["DXSUM"]] == ["2"]
    assert not tables.problems


def test_a_damaged_newest_table_gives_way_to_the_next(tmp_path):
    files = {
        "DXSUM_28Jan2026.csv": b"\0\0\0",
        "DXSUM_28Jan2025.csv": "<html>log in</html>",
        "DXSUM_28Jan2024.csv": "RID,PTID\n1,2\n",
        "DXSUM_28Jan2023.csv": DXSUM.format(1) + '"' + "x" * 200_000,
        "DXSUM_28Jan2022.csv": DXSUM.format(3),
    }
    tables = read_files(tmp_path, files)
    assert tables.chosen["DXSUM"] == "DXSUM_28Jan2022.csv"
    assert [row["DIAGNOSIS"] for row in tables["DXSUM"]] == ["3"]
    assert len(tables.problems) == 4
    assert all("download it again (Study Files" in problem for problem in tables.problems)
    told = "\n".join(tables.problems)
    assert "DXSUM_28Jan2024.csv: named as DXSUM, but without DIAGNOSIS or DXCURREN" in told
    assert "DXSUM_28Jan2023.csv: cannot be read at line 3 (field larger" in told


def test_other_files_are_of_no_concern(tmp_path):
    files = {"data.csv": b"\0\1\2", "mine.csv": "a,b\n1,2\n", "empty.csv": b""}
    assert read_files(tmp_path, files) == StudyTables()


def test_tables_are_known_by_their_columns_where_names_say_nothing(tmp_path):
    header = "RID,PTID,VISCODE,COLPROT,ORIGPROT,EXAMDATE,EXAMDATE_bl,DX_bl,DX,AGE\n"
    merged = header + "295,002_S_0295,bl,ADNI1,ADNI1,2006-05-01,2006-05-01,CN,CN,84.8\n"
    tables = read_files(tmp_path, {"final (1).csv": merged})
    assert tables["ADNIMERGE"][0]["AGE"] == "84.8"
    tables = read_files(tmp_path, {"final.csv": merged, "ADNIMERGE.csv": header})
    assert tables.chosen["ADNIMERGE"] == "ADNIMERGE.csv"
    assert tables.passed_over["ADNIMERGE"] == ("final.csv",)


def test_lists_of_images_are_all_read_and_told_apart(tmp_path):
    files = {
        "any name.csv": COLLECTION.format(1),
        "ADNI1_3_26_2018.csv": COLLECTION.format(2),
        "idaSearch_2_13_2018.csv": "Subject ID,Phase,Sex,Age,Visit,Study Date,Description,Type,"
        "Image ID\n002_S_0295,ADNI 1,F,74.3,ADNI Screening,4/18/2006,MP-RAGE,Original,45108\n",
        "All_Subjects_Key_MRI_10Sep2026.csv": "subject_id,image_id,mri_visit,mri_date,mri_mfr,"
        "mri_field_str\n002_S_0295,45108.0,sc,2006-04-18,SIEMENS,1.5\n",
        "cohort_1_Manifest_27Jan2026.csv": "image_id,series_id,study_id\n45108,12345,9\n",
    }
    tables = read_files(tmp_path, files)
    found = [(row["list"], row["image_id"]) for row in tables["IMAGE_LIST"]]
    assert sorted(found) == [
        *[("collection", "I1"), ("collection", "I2"), ("images", "45108"), ("images", "45108.0")],
        ("search", "45108"),
    ]
    assert sorted(tables.chosen["IMAGE_LIST"].split(", ")) == sorted(files)
    search = next(row for row in tables["IMAGE_LIST"] if row["list"] == "search")
    assert search["date"] == "4/18/2006"
    assert search["visit"] == "ADNI Screening"
    assert not tables.problems


def test_a_search_without_image_ids_says_what_to_tick(tmp_path):
    search = "Subject ID,Sex,Age,Description,Type\n002_S_0295,F,74.3,MP-RAGE,Original\n"
    tables = read_files(tmp_path, {"idaSearch_2_13_2018.csv": search})
    assert tables["IMAGE_LIST"][0]["sex"] == "F"
    assert "tick Image ID" in tables.problems[0]


def test_spellings_of_columns_through_the_years(tmp_path):
    tables = read(
        tmp_path,
        MRIQUALITY_csv="RID,LONIUID,PASS\n295,S12345,1\n",
        MPRAGEMETA_csv="Orig/Proc,SubjectID,Visit,MagStrength,Sequence,ScanDate,StudyID,SeriesID,"
        "ImageUID\nOriginal,002_S_0295,ADNI Screening,1.5,MP-RAGE,2006-04-18,1,12345,45108\n",
        MRILIST_csv="TYPE,SUBJECT,VISIT,MAGSTRENGTH,SEQUENCE,SCANDATE,STUDYID,SERIESID,IMAGEUID\n"
        "Original,002_S_0295,ADNI Screening,1.5,B1-Calibration PA,2006-04-18,1,12346,45109\n",
        REGISTRY_28Jan2026_csv="PHASE,PTID,RID,VISCODE,VISCODE2,VISDATE\n"
        "ADNI1,002_S_0295,295,sc,sc,2006-04-03\n",
        DXSUM_PDXCONV_ADNIALL_csv="Phase,RID,VISCODE,VISCODE2,EXAMDATE,DXCHANGE,DXCURREN\n"
        "ADNI1,295,bl,bl,2006-05-01,-4,1\n",
        MRIQC_28Jan2026_csv="ParticipantID,StudyDate,LONIImage,SlicesPerVolume,SeriesQC\n"
        "002_S_0295,2006-04-18,I45108,166,-1\n",
        MAYOADIRL_MRI_IMAGEQC_12_08_15_csv="RID,loni_image,series_quality,series_selected\n"
        "295,I45108,1,1\n",
        MAYOADIRL_MRI_IMAGEQC_05_07_15_28Jan2026_csv="RID,loni_image,series_quality,"
        "series_selected\n295,I45108,4,0\n",
    )
    assert not tables.problems
    assert tables["MRIQUALITY"][0]["LONIUID"] == "S12345"
    assert {row["image_id"] for row in tables["MPRAGEMETA"]} == {"45108", "45109"}
    assert tables["REGISTRY"][0]["EXAMDATE"] == "2006-04-03"
    assert tables["DXSUM"][0] == dict.fromkeys(["PTID", "DIAGNOSIS", "DXCHANGE"]) | {
        **{"RID": "295", "PHASE": "ADNI1", "VISCODE": "bl", "VISCODE2": "bl"},
        **{"EXAMDATE": "2006-05-01", "DXCURREN": "1"},
    }
    assert tables["MRIQC"][0]["PTID"] == "002_S_0295"
    assert tables["MRIQC"][0]["SeriesQC"] is None
    assert tables["MAYO_QC"][0]["series_quality"] == "4"


def test_tables_inside_a_zip_are_found(tmp_path):
    with zipfile.ZipFile(tmp_path / "study_files.zip", "w") as archive:
        archive.writestr("DXSUM_28Jan2026.csv", DXSUM.format(2))
        archive.writestr("deep/.DXSUM_28Jan2027.csv", DXSUM.format(1))
    files = [f"study_files.zip::{name}" for name in ("DXSUM_28Jan2026.csv", "._DXSUM.csv")]
    with Storage(tmp_path) as storage:
        tables = read_study_tables(storage, files)
    assert tables.chosen == {"DXSUM": "study_files.zip::DXSUM_28Jan2026.csv"}


def test_lines_left_out_are_told(tmp_path):
    tables = read_files(tmp_path, {"DXSUM.csv": DXSUM.format(1) + "a,b,c,d,e,f\n" * 3})
    assert len(tables["DXSUM"]) == 1
    assert "DXSUM.csv: line 3 and 2 more not used" in tables.problems[0]


@pytest.mark.parametrize(("limit", "least"), [("MAX_ROWS", 3), ("MAX_MB", 0.0007)])
def test_all_tables_together_are_bounded(tmp_path, monkeypatch, limit, least):
    monkeypatch.setattr(module, limit, least)
    files = {f"list{number}.csv": COLLECTION.format(number) for number in range(5)}
    tables = read_files(tmp_path, files)
    assert len(tables["IMAGE_LIST"]) == 3
    assert len(tables.problems) == 2


def test_an_absent_table_has_no_rows_and_its_cost_is_told(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    with Storage(tmp_path) as storage:
        tables = read_study_tables(storage, [])
    assert all(tables[kind.name] == () for kind in CATALOG)
    for kind in CATALOG:
        assert (kind.costs in caplog.text) == (kind.page is not None), "where it can be had"
    with pytest.raises(KeyError):
        tables["ADNIMERG"]


@pytest.mark.parametrize("kind", CATALOG, ids=lambda kind: kind.name)
def test_the_catalog_is_sound(kind):
    keys = [column_key(alias) for aliases in kind.columns.values() for alias in aliases]
    assert len(keys) == len(set(keys)), "a spelling means one column"
    assert {name for group in kind.needs for name in group} <= set(kind.columns)
    assert all(column == column_key(column) for columns in kind.telling for column in columns)
    assert kind.names or kind.telling
    assert kind.costs
    assert kind.page is None or "→" in kind.page
    assert kind.lacks([]) is not None or not kind.needs
    assert not [
        other.name
        for other in CATALOG
        if other is not kind and any(other.matches(f"{name}.csv") for name in kind.names)
    ]
