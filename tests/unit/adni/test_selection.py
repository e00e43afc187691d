from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldae.adni.headers import Header
from ldae.adni.inventory import FoundImage
from ldae.adni.selection import (
    Candidate,
    is_processed,
    judge_series,
    judge_size,
    lost_on,
    normalise,
    rank,
)
from ldae.config import Selection

T1W = """
MPRAGE; MP-RAGE; MP-RAGE REPEAT; MPRAGE Repeat; MPRAGE SAG; SAG 3D MPRAGE; MPRAGE NO ANGLE; IR-FSPGR
IR-FSPGR Repeat; IR-SPGR; MPRAGE SENSE2; MPRAGE GRAPPA2; MPRAGE_S2_DIS3D; SAG IR-SPGR; Sag IR-FSPGR
Accelerated SAG IR-SPGR; Accelerated Sag IR-FSPGR; Accelerated Sagittal MPRAGE; 3D MPRAGE
Accelerated Sagittal MPRAGE_ND; Sagittal 3D Accelerated MPRAGE_REPEAT; WIP_SOURCE_-_MPRAGE_(MSV2x)
Accelerated Sagittal MPRAGE Phase A-P
"""
PROCESSED = [
    "MPR; GradWarp; B1 Correction; N3; Scaled",
    "MPR; ; N3; Scaled",
    "MPR____N3__Scaled",
    "MPR-R; GradWarp; N3",
    "MT1; GradWarp; N3m",
]
OTHERS = """
3 Plane Localizer; 3-plane localizer; Scout; Calibration Scan; ASSET calibration; B1-Calibration PA
Axial PD-T2 TSE; Double TSE; Axial T2-FLAIR; Sagittal 3D FLAIR; Axial T2-Star; HighResHippocampus
Axial DTI; Axial MB DTI; Resting State fMRI; Axial rsfMRI (Eyes Open); MoCoSeries; Axial 2D PASL
Axial 3D pCASL; Perfusion_Weighted; relCBF; Field Mapping AP Phase; ADNI Brain PET: Raw AV45
Accelerated_Sagittal_MPRAGE_MPR_Tra; Accelerated_Sagittal_MPRAGE_MPR_Cor; MPR_Sag; QC Phantom MPRAGE
Spatially Normalized, Masked and N3 corrected T1 image; MPRAGE Brain Mask; HarP MPRAGE
"""


def names(text):
    return [name.strip() for name in text.strip().replace("\n", ";").split(";")]


@pytest.mark.parametrize("description", names(T1W) + PROCESSED)
def test_every_name_of_a_t1w_scan_is_recognised(description):
    assert judge_series(normalise(description)) is None
    assert judge_series(normalise(description.replace(" ", "_").replace(";", "_").lower())) is None


@pytest.mark.parametrize("description", names(OTHERS))
def test_nothing_that_resembles_one_is(description):
    assert judge_series(normalise(description)).reason == "not_t1w"


@given(st.text())
def test_normal_names_do_not_depend_on_spelling(description):
    name = normalise(description)
    assert normalise(name) == name
    assert normalise(f" {description.upper()};") == normalise(description.upper())


@pytest.mark.parametrize(
    ("shape", "spacing", "reason"),
    [
        ((192, 192, 160), (1.25, 1.25, 1.2), None),
        ((192, 192, 160), (1.25, 1.25), None),
        ((192, 192, 160), (), None),
        ((256, 256, 3), (1.0, 1.0), "too_few_slices"),
        ((64, 64, 60, 1), (4.0, 4.0, 4.0), "voxels_too_large"),
        ((256, 256, 60), (1.0, 1.0, 1.2), "field_of_view_too_small"),
    ],
)
def test_a_head_scan_is_told_by_its_size(shape, spacing, reason):
    limits = Selection(prefer="original", min_slices=40, max_voxel_mm=2.0, min_extent_mm=120.0)
    verdict = judge_size(shape, spacing, limits)
    assert (verdict and verdict.reason) == reason


def rule(prefer="original"):
    return Selection(prefer=prefer, min_slices=1, max_voxel_mm=9.0, min_extent_mm=1.0)


def scan(description, *, image_id=1, number=1, days=0, image_format="DICOM"):
    image = FoundImage(image_id, 5, "002_S_0295", description, None, image_format, ("f",), False)
    name = normalise(description)
    return Candidate(
        image=image,
        name=name,
        processed=is_processed(image, name, None),
        header=Header((9, 9, 9), (1.0, 1.0), series_number=number),
        row={},
        acquired=datetime(2011, 3, 14, 16) + timedelta(days),
        date_source="image header",
        participant_id="sub-ADNI002S0295",
        rid=295,
        months=0,
    )


@pytest.mark.parametrize(
    ("winner", "loser", "criterion"),
    [
        (scan("MPRAGE", image_id=2), scan("MPRAGE REPEAT"), "repeat"),
        (
            scan("MPRAGE", image_id=2),
            scan("Accelerated Sagittal MPRAGE_ND"),
            "no_distortion_correction",
        ),
        (scan("MPRAGE", image_id=2), scan("MPRAGE SENSE2"), "accelerated"),
        (scan("MPRAGE", image_id=2), scan("MPRAGE", days=9), "later_exam"),
        (scan("MPRAGE"), scan("MPRAGE", image_format="NIfTI"), "nifti_copy"),
        (scan("MPRAGE", image_id=2), scan("MPRAGE", number=7), "later_series"),
        (scan("MPRAGE"), scan("MPRAGE", image_id=2), "higher_image_id"),
        (scan("MP-RAGE REPEAT", image_id=2), scan("MPR; ; N3; Scaled"), "processed"),
    ],
)
def test_each_criterion_decides_when_those_before_it_do_not(winner, loser, criterion):
    assert rank([loser, winner], rule()) == [winner, loser]
    assert lost_on(loser, winner, rule()) == criterion


def test_processed_images_can_be_preferred():
    original, processed, of_repeat = map(scan, ["MPRAGE", "MPR; ; N3; Scaled", "MPR-R; N3"])
    ranked = rank([original, of_repeat, processed], rule("processed"))
    assert ranked == [processed, of_repeat, original]
    assert lost_on(original, processed, rule("processed")) == "original"
    assert lost_on(of_repeat, processed, rule("processed")) == "repeat"


@pytest.mark.parametrize(
    ("name", "listed", "processed"),
    [
        ("mprage", None, False),
        ("mprage", "Processed", True),
        ("mprage", "Pre-processed", True),
        ("mpr_n3_scaled", None, True),
        ("mpr_n3_scaled", "Original", False),
    ],
)
def test_the_archives_list_says_what_is_processed_else_the_name(name, listed, processed):
    assert is_processed(scan("MPRAGE").image, name, listed) is processed


@given(st.permutations(range(6)))
def test_the_choice_does_not_depend_on_the_order_of_finding(order):
    described = ["MPRAGE", "MPRAGE REPEAT", "MPRAGE SENSE2", "MPRAGE_ND", "MPR; N3", "MP-RAGE"]
    scans = [scan(d, image_id=i) for i, d in enumerate(described)]
    assert rank([scans[i] for i in order], rule()) == rank(scans, rule())
