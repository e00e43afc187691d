from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
import pytest
from tests.unit.cohort.downloads import Download

from ldae.cohort.clinic import draw_subject
from ldae.cohort.papers import SHEETS
from ldae.cohort.scanner import scan_shape
from ldae.cohort.traps.cases import set_traps
from ldae.cohort.visit_names import name_visit

DX = {"1": "CN", "2": "MCI", "3": "Dementia"}


def documents(download: Download) -> list[ET.Element]:
    """The metadata documents, without the namespace of the root."""
    images = download.images()
    return [ET.fromstring(images[path]) for path in images if path.endswith(".xml")]


def text(document: ET.Element, name: str) -> str:
    (found,) = document.iter(name)
    return found.text or ""


def test_lists_of_images_in_every_generation(download: Download) -> None:
    old, new = download.table("COLLECTION_2018"), download.table("COLLECTION_2026")
    assert list(old) == [
        *("Image Data ID", "Subject", "Group", "Sex", "Age", "Visit"),
        *("Modality", "Description", "Type", "Acq Date", "Format", "Downloaded"),
    ]
    assert list(new) == list(old)
    assert old["Image Data ID"].str.fullmatch(r"\d+").all()
    assert new["Image Data ID"].str.fullmatch(r"I\d+").all()
    assert set(old.Visit) == {"1", "4"}
    assert set(new.Visit) == {"sc", "m12"}
    found = download.table("SEARCH")
    assert (found["Image ID"] == new["Image Data ID"].str[1:]).all()
    assert set(found.Visit) == {"ADNI Screening", "ADNI1/GO Month 12"}
    assert (found.Age.astype(float).round() - new.Age.astype(float)).abs().max() <= 1
    assert found.Age.str.fullmatch(r"\d+\.\d").all()
    assert set(found.Phase) == {"ADNI 1"}


def test_tables_agree_with_the_truth(download: Download) -> None:
    listed = pd.concat([download.table("COLLECTION_2018"), download.table("COLLECTION_2026")])
    listed["image_id"] = listed["Image Data ID"].str.removeprefix("I").astype(int)
    scans = download.truth.merge(listed, on="image_id", validate="1:1")
    assert len(scans) == len(download.truth)
    merge = download.table("ADNIMERGE").astype({"M": int, "RID": int, "AGE": float})
    scans = scans.merge(merge, left_on=["PTID", "months"], right_on=["PTID", "M"], validate="m:1")
    assert len(scans) == len(download.truth)
    scanned = pd.to_datetime(scans["Acq Date"], format="%m/%d/%Y")
    years = (scanned - pd.to_datetime(scans.EXAMDATE_bl)).dt.days / 365.25
    np.testing.assert_allclose(scans.age, scans.AGE + years, atol=1e-3)
    np.testing.assert_allclose(scans.Age.astype(float), scans.age, atol=0.51)
    assert (scans.DX.replace("Dementia", "AD") == scans.diagnosis).all()
    assert (scans.PTGENDER.str[0] == scans.Sex).all()
    assert (scans.PTID.str[:3].astype(int) == scans.SITE.astype(int)).all()
    assert set(scans.FLDSTRENG) <= {"1.5 Tesla MRI", "3 Tesla MRI"}
    assert (scans.PTID.str[-4:].astype(int) == scans.RID).all()
    assert set(merge.IMAGEUID.astype(int)) <= set(download.truth.image_id)


def test_the_older_version_of_dxsum_is_wrong_throughout(download: Download) -> None:
    merge, newer, older = (download.table(name) for name in ("ADNIMERGE", "DXSUM", "DXSUM_2025"))
    keys = ["PTID", "VISCODE", "EXAMDATE"]
    both = merge.merge(newer, on=keys, validate="1:1")
    assert len(both) == len(merge) == len(newer)
    assert (both.DIAGNOSIS.map(DX) == both.DX).all()
    assert (older[keys] == newer[keys]).all(axis=None)
    assert (older.DIAGNOSIS != newer.DIAGNOSIS).all()
    assert set(older.DIAGNOSIS) <= set(DX)


def test_ages_can_be_told_from_demographics_and_from_entry(download: Download) -> None:
    merge = download.table("ADNIMERGE").drop_duplicates("PTID").set_index("PTID")
    people = download.table("PTDEMOG").set_index("PTID")
    born = pd.to_datetime("15/" + people.PTDOB, format="%d/%m/%Y")
    years = (pd.to_datetime(merge.EXAMDATE_bl) - born).dt.days / 365.25
    np.testing.assert_allclose(years, merge.AGE.astype(float), atol=0.06)
    assert (born.dt.year.astype(str) == people.PTDOBYY).all()
    assert (people.PTGENDER.map({"1": "Male", "2": "Female"}) == merge.PTGENDER).all()
    entry = download.table("STUDY_ENTRY").set_index("subject_id")
    assert (entry.entry_age == merge.AGE).all()
    assert (entry.entry_date == merge.EXAMDATE_bl).all()


def test_mriqc_counts_the_slices_of_every_series(download: Download) -> None:
    counted = download.table("MRIQC").set_index("image_id").SlicesPerVolume.astype(int)
    images = download.images()
    written = pd.Series(path.rpartition("_I")[2][:-4] for path in images if path.endswith(".dcm"))
    pd.testing.assert_series_equal(
        counted.sort_index(), written.value_counts().sort_index(), check_names=False
    )


def test_metadata_of_the_newer_collection(download: Download) -> None:
    found = documents(download)
    new = download.table("COLLECTION_2026").set_index("Image Data ID")
    assert {f"I{text(document, 'imageUID')}" for document in found} == set(new.index)
    truth = download.truth.set_index("image_id")
    for document in found:
        assert document.tag == "{http://ida.loni.usc.edu}idaxs"
        image_id = int(text(document, "imageUID"))
        terms = {term.get("term"): term.text for term in document.iter("protocol")}
        row = new.loc[f"I{image_id}"]
        assert text(document, "subjectIdentifier") == row.Subject
        assert text(document, "description") == row.Description
        acquired = pd.Timestamp(text(document, "dateAcquired"))
        assert acquired.date() == pd.to_datetime(row["Acq Date"], format="%m/%d/%Y").date()
        if image_id in truth.index:
            assert float(text(document, "subjectAge")) == truth.age[image_id]
            assert terms["Matrix Z"] == str(scan_shape(8.0)[0])


def test_processed_images_have_metadata_of_their_own_kind(trapped: Download) -> None:
    derived = [item for item in documents(trapped) if item.find(".//derivedProduct") is not None]
    assert {text(item, "processedDataLabel")[:3] for item in derived} == {"MPR"}
    assert all(item.find(".//imagingProtocol") is None for item in derived)
    assert all(text(item, "creationDate") == "0000-00-00" for item in derived)


@pytest.mark.parametrize("name", [name for name in SHEETS if name not in {"RESAVED", "MAYO_QC"}])
def test_every_table_is_there_in_its_own_spelling(download: Download, name: str) -> None:
    sheet = SHEETS[name]
    content = (download.root / sheet.path).read_bytes()
    assert content.startswith(b"\xef\xbb\xbf") == (sheet.encoding == "utf-8-sig")
    assert (b"\r\n" in content) == (sheet.newline == "\r\n")
    assert len(download.table(name)) > 0


def test_spreadsheets_spoil_a_list(trapped: Download) -> None:
    (row,) = trapped.table("RESAVED").to_dict("records")
    assert row["Unnamed: 0"] == "0"
    assert row["Image Data ID"].endswith(".0")
    assert row["Description"] == "MPRAGE\xa0"
    comments = (trapped.root / SHEETS["MRIQUALITY"].path).read_bytes()
    assert "léger".encode("latin-1") in comments


def test_visits_are_named_by_phase() -> None:
    subject = draw_subject(1, "CN", visit_months=(0, 6, 24), visits=(3, 3), seed=0)
    names = [name_visit(subject, visit) for visit in subject.visits]
    assert [name.code for name in names] == ["bl", "m06", "m24"]
    assert [name.ordinal for name in names] == ["1", "3", "6"]
    cases = {case.trap.name: case for case in set_traps(seed=0)}
    rolled = cases["ADNI1 participant who continued in ADNI3"].subject
    late = name_visit(rolled, rolled.visits[1])
    assert (late.code, late.months) == ("init", "m126")
    assert late.label == "ADNI3 Initial Visit-Cont Pt"
