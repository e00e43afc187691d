"""Acceptance: session, age and diagnosis of a scan, from whatever tables a download holds."""

import logging
import shutil
from pathlib import Path

import pytest
from tests.acceptance.archive import SUBJECT, Archive, listed, visit
from tests.acceptance.running import read_results, steps, tree, words

from ldae.cli import main
from ldae.tables import read_tsv

UNKNOWN = {"PatientAge": None, "PatientSex": None}


def test_case_03_originals_alone_without_adnimerge(archive, tmp_path, caplog):
    archive.series(31, leaf="S9031")
    archive.series(32, when="2012-03-20 10:00:00", leaf="S9032")
    archive.series(33, ptid="002_S_0413", description="IR-SPGR", leaf="S9033")
    diagnosed = {"RID": "295", "PTID": SUBJECT, "VISCODE2": "m12", "DIAGNOSIS": "2"}
    archive.table("DXSUM_18Feb2025.csv", [diagnosed | {"EXAMDATE": "2012-03-01"}])
    results = tmp_path / "results"
    with caplog.at_level(logging.WARNING):
        for name, arguments in steps(archive.root, results):
            with pytest.raises(SystemExit) as left:
                main(words(name, arguments))
            assert left.value.code == 0
    done = read_results(results)
    assert set(done.used) == {31, 32, 33}
    known = {
        image_id: (scan.diagnosis, scan.diagnosis_source, scan.diagnosis_offset_days)
        for image_id in done.used
        if (scan := done.scan(image_id))
    }
    assert known == {
        31: (None, "DXSUM", 353),
        32: ("MCI", "DXSUM", -19),
        33: (None, None, None),
    }
    assert {done.scan(image_id).age_source for image_id in done.used} == {"image header"}
    assert "ADNIMERGE" in caplog.text


@pytest.mark.parametrize(
    ("name", "row", "session"),
    [
        ("ADNIMERGE.csv", {"VISCODE": "m126", "EXAMDATE": "2016-05-10"}, "ses-M126"),
        ("ADNIMERGE.csv", {"VISCODE": "m132", "EXAMDATE": "2016-12-20"}, "ses-M132"),
        ("ADNIMERGE.csv", {"VISCODE": "m156", "EXAMDATE": "2018-09-20"}, "ses-M128"),
        (
            "DXSUM.csv",
            {"VISCODE": "init", "VISCODE2": "m132", "EXAMDATE": "2016-12-20"},
            "ses-M132",
        ),
    ],
    ids=["m126 is near", "m132 is near", "no visit is near", "m132 by VISCODE2"],
)
def test_case_05_rollover_is_not_a_baseline(archive, ingest, tmp_path, name, row, session):
    baseline, when = "2006-02-14", "2016-10-14 10:00:00"  # 128 months
    archive.series(51, description="Accelerated Sagittal MPRAGE", when=when)
    label = "ADNI3 Initial Visit-Cont Pt"
    archive.table(
        "collection_2_13_2018.csv",
        [listed("I51", SUBJECT, Visit=label, Acq_Date="10/14/2016")],
    )
    archive.metadata(51, when=when, visit=label, age=86.2)
    visits = [visit(SUBJECT, "bl", baseline, "CN", baseline=baseline)]
    if name == "ADNIMERGE.csv":
        visits.append(visits[0] | row)
    else:
        archive.table(name, [{"PHASE": "ADNI3", "RID": "295", "DIAGNOSIS": ""} | row])
    archive.table("ADNIMERGE.csv", visits)
    done = ingest(archive.root, tmp_path / "results")
    assert done.used == {51: session}
    assert done.scan(51).months == int(session[-3:])


def test_case_06_screening_scan_belongs_to_the_baseline(archive, ingest, tmp_path):
    archive.series(61, when="2006-04-01 08:00:00")
    archive.table(
        "ADNIMERGE.csv", [visit(SUBJECT, "bl", "2006-05-12", "MCI", baseline="2006-05-12")]
    )
    done = ingest(archive.root, tmp_path / "results")
    assert done.used == {61: "ses-M000"}
    scan = done.scan(61)
    assert scan.months == 0
    assert scan.age == pytest.approx(75.5 - 0.11, abs=0.005)
    assert (scan.age_source, scan.age_offset_days) == ("ADNIMERGE", 41)
    assert (scan.diagnosis, scan.diagnosis_source) == ("MCI", "ADNIMERGE")
    assert scan.diagnosis_offset_days == 41
    assert (scan.diagnosis_raw, scan.diagnosis_baseline) == ("MCI", "LMCI")
    assert (scan.sex, scan.sex_source) == ("F", "ADNIMERGE")
    assert scan.flags == set()


def test_case_07_blank_conflicting_and_reverted_diagnoses(archive, ingest, tmp_path):
    baseline = "2006-03-01"
    histories = {
        71: ("002_S_0071", {"m12": "CN", "m24": "", "m36": "CN"}),
        72: ("002_S_0072", {"m12": "CN", "m24": "", "m36": "MCI"}),
        73: ("002_S_0073", {"m12": "Dementia", "m24": "Dementia to MCI"}),
        74: ("002_S_0074", {"m12": "CN", "m24": "MCI"}),
    }
    days = {"m12": "2007-03-01", "m24": "2008-03-01", "m36": "2009-03-01"}
    for image_id, (ptid, _) in histories.items():
        archive.series(image_id, ptid=ptid, when="2008-03-05 10:00:00")
    archive.table(
        "ADNIMERGE.csv",
        [
            visit(ptid, code, days[code], dx, baseline=baseline, age=73.5)
            for ptid, history in histories.values()
            for code, dx in history.items()
        ],
    )
    done = ingest(archive.root, tmp_path / "results")
    assert done.used == dict.fromkeys(histories, "ses-M024")
    known = {image_id: done.scan(image_id) for image_id in histories}
    diagnoses = {image_id: scan.diagnosis for image_id, scan in known.items()}
    assert diagnoses == {71: "CN", 72: None, 73: "MCI", 74: "MCI"}
    flags = {
        image_id: {flag for flag in scan.flags if flag.startswith("diagnosis")}
        for image_id, scan in known.items()
    }
    assert flags == {
        71: {"diagnosis_bracketed"},
        72: set(),
        73: {"diagnosis_reverted"},
        74: set(),
    }
    assert known[73].diagnosis_raw == "Dementia to MCI"
    assert known[73].diagnosis_offset_days == -4


def test_case_13_damaged_tables_are_read_like_clean_ones(archive, ingest, tmp_path, caplog):
    subjects = {131: SUBJECT, 132: "003_S_0413", 133: "100_S_10029"}
    for image_id, ptid in subjects.items():
        archive.series(image_id, ptid=ptid, tags=UNKNOWN)
    damaged = Archive(tmp_path / "damaged" / "download")
    shutil.copytree(archive.root, damaged.root, dirs_exist_ok=True)
    _write_clean_tables(archive)
    _write_damaged_tables(damaged)
    clean = ingest(archive.root, tmp_path / "clean")
    caplog.clear()
    with caplog.at_level(logging.INFO):
        done = ingest(damaged.root, tmp_path / "results")
    assert tree(done.results) == tree(clean.results)
    assert "DXSUM_28Jan2026.csv" in caplog.text
    known = [done.scan(image_id) for image_id in subjects]
    assert [scan.diagnosis for scan in known] == ["MCI", None, "AD"]
    assert [scan.diagnosis_raw for scan in known][1] is None
    assert [scan.age for scan in known] == [pytest.approx(75.48, abs=0.01), None, None]
    assert [scan.sex for scan in known] == ["F", None, "M"]
    assert [done.row(image_id)["description"] for image_id in subjects] == ["MPRAGE SAG"] * 3


def _write_clean_tables(archive: Archive) -> None:
    merged = visit(SUBJECT, "bl", "2011-03-20", baseline="2011-03-20")
    archive.table("ADNIMERGE.csv", [merged])
    days = {"VISCODE2": "bl", "EXAMDATE": "2011-03-20"}
    archive.table(
        "DXSUM.csv",
        [
            {"RID": rid, "DIAGNOSIS": dx} | days
            for rid, dx in [("295", "2"), ("413", ""), ("413", ""), ("10029", "3")]
        ],
    )
    archive.table(
        "PTDEMOG.csv",
        [
            {"RID": "413", "PTGENDER": "", "PTDOBYY": ""},
            {"RID": "10029", "PTGENDER": "1", "PTDOBYY": ""},
        ],
    )
    archive.table(
        "list.csv",
        [
            listed(f"I{image_id}", subject, Description="MPRAGE SAG", Sex="", Age="")
            for image_id, subject in [(131, SUBJECT), (132, "003_S_0413"), (133, "100_S_10029")]
        ],
    )


def _write_damaged_tables(archive: Archive) -> None:
    merged = visit("002_S_0295\xa0", "bl ", " 2011-03-20", baseline="3/20/11") | {"RID": "0295"}
    excel = {"delimiter": ";", "lineterminator": "\r\n"}
    _add_bom(archive.table("ADNIMERGE_18Feb2025.csv", [merged], **excel))
    days = {"VISCODE2": "bl\xa0", "EXAMDATE": "3/20/2011"}
    numbers = [("295.0", "2.0"), ("0413", "-4"), ("413.0", "-1"), ("10029.0", "3")]
    rows = [{"RID": rid, "DIAGNOSIS": dx, "REMARK": 'so "called"'} | days for rid, dx in numbers]
    _add_bom(archive.table("DXSUM_28Jan2026.csv", rows, **excel))
    older = [row | {"DIAGNOSIS": "1"} for row in rows]
    archive.table("All_Subjects_DXSUM_07Sep2025.csv", older, lineterminator="\r\n")
    people = archive.table(
        "All_Subjects_PTDEMOG_07Sep2025.csv",
        [
            {"": "0", "RID": "0413", "PTGENDER": "-4", "PTDOBYY": "-1", "SITE": "Montréal"},
            {"": "1", "RID": "10029.0", "PTGENDER": "1.0", "PTDOBYY": "-4", "SITE": "Québec"},
        ],
        lineterminator="\r\n",
    )
    people.write_bytes(people.read_text(encoding="utf-8").encode("latin-1"))
    names = {"Description": "MPRAGE\xa0SAG ", "Sex": "-4", "Age": "-1"}
    subjects = [("131", f"{SUBJECT} "), ("132.0", "\xa0003_S_0413"), ("I133", "100_S_10029")]
    images = [listed(image_id, subject, **names) for image_id, subject in subjects]
    _add_bom(archive.table("my list(1).csv", images, **excel))


def _add_bom(path: Path) -> None:
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())


def test_case_14_distant_visit_and_unknown_subject(archive, ingest, tmp_path):
    archive.series(141, when="2012-02-01 10:00:00")
    archive.series(142, ptid="031_S_0773", tags=UNKNOWN)
    archive.table(
        "ADNIMERGE.csv", [visit(SUBJECT, "bl", "2011-06-06", "CN", baseline="2011-06-06")]
    )
    done = ingest(archive.root, tmp_path / "results")
    assert done.used == {141: "ses-M006", 142: "ses-M000"}  # 7.9 months are nearest to 6
    distant, unknown = done.scan(141), done.scan(142)
    assert distant.diagnosis is None
    assert (distant.diagnosis_source, distant.diagnosis_offset_days) == ("ADNIMERGE", -240)
    assert distant.age == pytest.approx(75.5 + 240 / 365.25, abs=0.01)
    for name in ("diagnosis", "diagnosis_source", "age", "age_source", "sex", "sex_source"):
        assert getattr(unknown, name) is None
    assert "baseline_unknown" in unknown.flags
    people = read_tsv(done.bids / "participants.tsv").set_index("participant_id")
    assert sorted(people.index) == ["sub-ADNI002S0295", "sub-ADNI031S0773"]
    text = (done.bids / "participants.tsv").read_text().splitlines()
    row = next(line for line in text if line.startswith("sub-ADNI031S0773")).split("\t")
    assert "n/a" in row
    assert "" not in row
    assert (done.bids / done.scan(142).image).is_file()
