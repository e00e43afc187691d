"""The dry run tells a user what to expect, and what to do where nothing would come out."""

import zipfile
from pathlib import Path

import pytest
import yaml

from ldae import cli
from ldae.stages.doctor import PAPER, Settings, doctor

ADNIMERGE = (
    "PTID,RID,VISCODE,ORIGPROT,COLPROT,EXAMDATE,EXAMDATE_bl,DX,DX_bl,AGE,PTGENDER\n"
    "002_S_0295,295,bl,ADNI1,ADNI1,2006-03-20,2006-03-20,MCI,LMCI,75.5,Male\n"
    "002_S_0295,295,m12,ADNI1,ADNI1,2007-03-20,2006-03-20,CN,LMCI,75.5,Male\n"
    "002_S_0413,413,bl,ADNI1,ADNI1,2006-05-02,2006-05-02,Dementia,AD,70.1,Female\n"
)
IMAGES = [
    ("002_S_0295", "MPRAGE", "2006-03-14", 101),
    ("002_S_0295", "MPRAGE_Repeat", "2006-03-14", 102),
    ("002_S_0295", "MPRAGE", "2007-03-14", 103),
    ("002_S_0413", "MPRAGE", "2006-05-01", 201),
    ("002_S_0413", "3-plane_localizer", "2006-05-01", 202),
    ("100_S_10029", "MPRAGE", "2024-05-01", 301),
]


def image_name(ptid, name, day, number):
    """As the archive names a file; what is in it is not needed for a dry run."""
    folder = f"ADNI/{ptid}/{name}/{day}_10_00_00.0/I{number}"
    return f"{folder}/ADNI_{ptid}_MR_{name}_br_raw_20120511095524148_1_S{number}_I{number}.nii"


@pytest.fixture
def download(tmp_path):
    folder = tmp_path / "download"
    for image in IMAGES[:-1]:
        path = folder / image_name(*image)
        path.parent.mkdir(parents=True)
        path.touch()
    with zipfile.ZipFile(folder / "more.zip", "w") as archive:
        archive.writestr(image_name(*IMAGES[-1]), b"")
    (folder / "ADNIMERGE_18Feb2025.csv").write_text(ADNIMERGE)
    (folder / "ADNIMERGE.csv").write_text(ADNIMERGE)
    (folder / "README.txt").touch()
    return folder


@pytest.fixture
def told(capsys):
    """Runs the doctor; returns what it said and the exit status."""

    def run(place):
        status = 0
        try:
            doctor(adni=place, settings=PAPER)
        except SystemExit as end:
            status = end.code
        return capsys.readouterr().out.replace(str(place), "FOLDER"), status

    return run


def words(text):
    return " ".join(text.split())


def test_it_says_what_is_there_and_what_would_come_out(download, told):
    text, status = told(download)
    assert status == 0
    for line in (
        "images 6: 6 NIfTI",
        "folders 6 I… (newer layout)",
        "zips 1, with 1 of the images",
        "scanned 2006 to 2024",
        "subjects 3: 2 ADNI1, 1 ADNI4",
        "ADNIMERGE ADNIMERGE_18Feb2025.csv passed over: ADNIMERGE.csv",
        "other files 1",
        "CN 1 1",
        "MCI 1 1",
        "AD 1 1",
        "not known 1 1",
        "all 3 4",
        "1 not_t1w such as I202 002_S_0413 3-plane_localizer",
        "1 not_selected such as I102 002_S_0295 MPRAGE_Repeat",
        "2 diagnosis_reverted",
    ):
        assert line in words(text), line


def test_it_says_what_is_missing_what_that_costs_and_where_it_is(download, told):
    text = words(told(download)[0])
    assert "DXSUM diagnoses at visits, all those of ADNI4 at: Study Files" in text
    assert "metadata exact ages" in text
    assert "MPRAGEMETA" not in text  # the archive has it no longer


def test_lines_fit_a_terminal_and_nothing_changes(download, told):
    before = sorted(download.rglob("*"))
    text, _ = told(download)
    assert max(map(len, text.splitlines())) <= 80
    assert sorted(download.rglob("*")) == before


def test_tables_that_cannot_be_used_are_told(download, told):
    (download / "DXSUM_18Feb2025.csv").write_text("SUBJECT_KEY,SCORE\n1,2\n")
    text = words(told(download)[0])
    assert "What could not be used - DXSUM_18Feb2025.csv: named as DXSUM" in text


def test_an_empty_folder_gets_advice(tmp_path, told):
    text, status = told(tmp_path)
    assert status == 1
    assert text.startswith("FOLDER holds no image and no study table")
    assert "https://ida.loni.usc.edu" in text
    assert max(map(len, text.splitlines())) <= 80


def test_a_mistyped_path_gets_the_right_one(download, told):
    text, status = told(download.with_name("downlaod"))
    assert status == 1
    assert text.startswith(f"There is no FOLDER.\nDid you mean {download}?")
    assert told(download / "nowhere/else")[0].startswith(
        f"There is no FOLDER.\n{download} is there, but holds no nowhere."
    )


def test_a_file_gets_its_folder(download, told):
    for name in ("more.zip", "ADNIMERGE.csv"):
        text, status = told(download / name)
        assert status == 1
        assert f"ldae doctor --adni {download}\n" in text


def test_own_data_get_their_setting(tmp_path, told):
    image = tmp_path / "sub-01/ses-M000/anat/sub-01_ses-M000_T1w.nii.gz"
    image.parent.mkdir(parents=True)
    image.touch()
    text, status = told(tmp_path)
    assert status == 1
    assert "no ADNI download but a BIDS dataset,\nwith T1-weighted scans of 1 subjects" in text
    assert "cohort: {source: bids, download: FOLDER}" in text
    scans = tmp_path / "scans.csv"
    scans.write_text(f"subject,path\n1,{image}\n")
    assert "no ADNI download but a CSV of scans" in told(scans)[0]


def test_images_of_other_kinds_get_advice(tmp_path, told):
    path = tmp_path / image_name("002_S_0413", "Axial_FLAIR", "2006-05-01", 202)
    path.parent.mkdir(parents=True)
    path.touch()
    text, status = told(tmp_path)
    assert status == 1
    assert "1 not_t1w" in words(text)
    assert "There is no T1-weighted image" in text


def test_images_that_the_limits_refuse_get_the_limits(tmp_path, told):
    import nibabel as nib
    import numpy as np

    path = tmp_path / image_name(*IMAGES[0])
    path.parent.mkdir(parents=True)
    nib.save(nib.Nifti1Image(np.zeros((20, 20, 20), np.int16), np.diag([9.0, 9, 9, 1])), path)
    text, status = told(tmp_path)
    assert status == 1
    assert "1 too_few_slices" in words(text)
    assert "section selection" in text
    assert "https://ida" not in text


def test_the_defaults_are_the_paper_s(project: Path):
    paper = yaml.safe_load((project / "config/config.yaml").read_text())
    sections = {name: paper[name] for name in Settings.model_fields}
    assert Settings.model_validate(sections) == PAPER


def test_the_command_ends_with_status_1_where_nothing_would_come_out(tmp_path, download, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(["doctor", "--adni", str(tmp_path / "nowhere")])
    assert caught.value.code == 1
    assert "How to get the data" in capsys.readouterr().out
