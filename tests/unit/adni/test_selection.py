import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldae.adni.selection import judge_series, kind_by_name, normalise

# Every name of notes on the archive's series, as scanners and the archive spell them.
ORIGINALS = """
MPRAGE; MP-RAGE; MP-RAGE REPEAT; MPRAGE REPEAT; MPRAGE Repeat; MPRAGE SAG; SAG 3D MPRAGE
MPRAGE NO ANGLE; IR-FSPGR; IR-FSPGR Repeat; IR-SPGR
MPRAGE SENSE2; MPRAGE_SENSE2; MPRAGE GRAPPA2; MPRAGE_S2_DIS3D; SAG IR-SPGR
Sag IR-SPGR; Sag IR-FSPGR
Accelerated SAG IR-SPGR; Accelerated Sag IR-FSPGR
Accelerated Sagittal MPRAGE; Accelerated Sagittal MPRAGE_REPEAT; Accelerated_Sagittal_MPRAGE_ND
Sagittal 3D Accelerated MPRAGE; Sagittal 3D Accelerated MPRAGE_REPEAT; 3D MPRAGE
Accelerated Sagittal IR-FSPGR; Accelerated Sagittal MPRAGE Phase A-P
WIP_SOURCE_-_Accelerated_Sagittal_MPRAGE_(MSV2x)
"""
PROCESSED = [
    f"MPR{repeat}; {steps}{scaled}"
    for repeat in ("", "-R")
    for steps in ("GradWarp; B1 Correction; N3", "GradWarp; N3", "; N3")
    for scaled in ("", "; Scaled", "; Scaled_2")
]
PROCESSED += ["MPR; GradWarp; B1 Correction", "MPR; GradWarp", "MPR____N3__Scaled"]
PROCESSED += ["MPR__GradWarp__B1_Correction__N3__Scaled", "MT1; N3m", "MT1; GradWarp; N3m"]
RESEMBLING = """
Accelerated_Sagittal_MPRAGE_MPR_Tra; Accelerated_Sagittal_MPRAGE_MPR_Cor; MPR_Sag
QC Phantom MPRAGE; Sagittal 3D FLAIR MPRAGE; MPRAGE Scout
HarP MPRAGE; MPRAGE Brain Mask; MUSE MPRAGE; MPRAGE Reoriented
Spatially Normalized, Masked and N3 corrected T1 image
"""
OTHERS = """
3 Plane Localizer; 3-plane localizer; Localizer; Scout; Calibration Scan; ASSET calibration
B1-Calibration PA; B1-Calibration Body; B1-Calibration Head; Axial PD-T2 TSE; Double TSE
Axial T2-FLAIR; Sagittal 3D FLAIR; Axial T2-Star; Axial T2 STAR; HighResHippocampus; Axial DTI
Axial MB DTI; Enhanced Axial DTI; Resting State fMRI; Extended Resting State fMRI
Axial rsfMRI (Eyes Open); Axial fcMRI (EYES OPEN); MoCoSeries; Axial 2D PASL
Axial 3D PASL (Eyes Open); Axial 3D pCASL; Perfusion_Weighted; relCBF; Field Mapping
Field Mapping AP Phase; ADNI Brain PET: Raw AV45
WIP_SOURCE_-_Axial_3D_pCASL_1500_(Eyes_Open)_(MSV23)
HarP; Brain Mask; MUSE; Reoriented
"""


def names(text):
    return [name.strip() for name in text.strip().replace("\n", ";").split(";")]


def sanitise(description):
    """How the archive makes a folder's name of a series name."""
    for character in " /;*()<>:":
        description = description.replace(character, "_")
    return description


@pytest.mark.parametrize("description", names(ORIGINALS) + PROCESSED)
def test_every_name_of_a_t1w_scan_is_recognised_however_it_is_spelled(description):
    for spelling in (
        description,
        sanitise(description),
        description.lower(),
        f" {description}\xa0",
    ):
        assert judge_series(normalise(spelling)) is None


@pytest.mark.parametrize("description", names(RESEMBLING) + names(OTHERS))
def test_nothing_that_resembles_one_is(description):
    for spelling in (description, sanitise(description), description.upper()):
        assert judge_series(normalise(spelling)).reason == "not_t1w"


@pytest.mark.parametrize("description", names(RESEMBLING))
def test_what_resembles_one_is_told_what_gives_it_away(description):
    assert "series name contains" in judge_series(normalise(description)).detail


@given(st.text())
def test_normal_names_do_not_depend_on_spelling(description):
    name = normalise(description)
    assert normalise(name) == name
    assert normalise(f" {description.upper()};") == normalise(description.upper())


@pytest.mark.parametrize("description", names(ORIGINALS))
def test_names_of_scans_do_not_look_processed(description):
    assert kind_by_name(normalise(description), postprocessed=False) == "original"
    assert kind_by_name(normalise(description), postprocessed=True) == "processed"


@pytest.mark.parametrize("description", PROCESSED)
def test_names_of_processed_images_do(description):
    assert kind_by_name(normalise(description), postprocessed=False) == "processed"
