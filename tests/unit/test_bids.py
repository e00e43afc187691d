from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldae.bids import (
    figure_path,
    inverse_transform_path,
    mask_path,
    participant_label,
    quality_path,
    scans_path,
    session_label,
    sessions_path,
    sidecar_path,
    t1w_path,
    transform_path,
    volume_path,
)

WHO, WHEN = "sub-ADNI002S0295", "ses-M012"
ANAT = f"{WHO}/{WHEN}/anat/{WHO}_{WHEN}"
SPACE = "space-MNI152NLin2009aSym"


@pytest.mark.parametrize(
    ("ptid", "label"),
    [("002_S_0295", "sub-ADNI002S0295"), ("100_S_10029", "sub-ADNI100S10029")],
)
def test_participants_are_named_by_site_and_number(ptid, label):
    assert participant_label(ptid) == label


def test_sessions_are_named_by_months():
    assert [session_label(months) for months in (0, 12, 126, 1000)] == [
        "ses-M000",
        "ses-M012",
        "ses-M126",
        "ses-M1000",
    ]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (t1w_path(WHO, WHEN), f"{ANAT}_T1w.nii.gz"),
        (scans_path(WHO, WHEN), f"{WHO}/{WHEN}/{WHO}_{WHEN}_scans.tsv"),
        (sessions_path(WHO), f"{WHO}/{WHO}_sessions.tsv"),
        (
            volume_path(WHO, WHEN, spacing_mm=1.5),
            f"{ANAT}_{SPACE}_res-1p5_desc-preproc_T1w.nii.gz",
        ),
        (mask_path(WHO, WHEN, spacing_mm=6.5), f"{ANAT}_{SPACE}_res-6p5_desc-brain_mask.nii.gz"),
        (mask_path(WHO, WHEN, spacing_mm=2), f"{ANAT}_{SPACE}_res-2_desc-brain_mask.nii.gz"),
        (quality_path(WHO, WHEN), f"{ANAT}_desc-qc.json"),
        (figure_path(WHO, WHEN), f"{WHO}/figures/{WHO}_{WHEN}_desc-qc_T1w.png"),
        (
            inverse_transform_path(WHO, WHEN, extension=".txt"),
            f"{ANAT}_from-MNI152NLin2009aSym_to-T1w_mode-image_xfm.txt",
        ),
        (
            transform_path(WHO, WHEN, extension=".mat"),
            f"{ANAT}_from-T1w_to-MNI152NLin2009aSym_mode-image_xfm.mat",
        ),
    ],
)
def test_paths_are_those_of_the_contract(path, expected):
    assert path == Path(expected)


@pytest.mark.parametrize("name", ["a/b_T1w.nii.gz", "a/b_T1w.nii"])
def test_a_sidecar_stands_beside_its_image(name):
    assert sidecar_path(Path(name)) == Path("a/b_T1w.json")


@given(st.from_regex(r"[0-9]{3}_S_[0-9]{4,5}", fullmatch=True), st.integers(0, 400))
def test_every_part_of_a_path_stays_inside_its_dataset(ptid, months):
    path = t1w_path(participant_label(ptid), session_label(months))
    assert not path.is_absolute()
    assert ".." not in path.parts
    assert path.name.startswith(f"{path.parts[0]}_{path.parts[1]}_")
