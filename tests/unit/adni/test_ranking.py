from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldae.adni.images import FoundImage
from ldae.adni.ranking import Candidate, rank
from ldae.adni.selection import kind_by_name, normalise
from ldae.config import Selection


def rule(prefer="original", prefer_tesla=1.5):
    return Selection(
        prefer=prefer,
        prefer_tesla=prefer_tesla,
        archive_quality="ignore",
        min_slices=1,
        max_voxel_mm=9.0,
        min_extent_mm=1.0,
        max_image_mb=1.0,
    )


def scan(description="MPRAGE", *, image_id=1, days=0, image_format="DICOM", **known):
    image = FoundImage(
        image_id=image_id,
        series_id=5,
        ptid="002_S_0295",
        description=description,
        exam_time=None,
        format=image_format,
        folder="",
        files=(f"{image_id}.{image_format}",),
    )
    name = normalise(description)
    kind = kind_by_name(name, postprocessed=False)
    return Candidate(image, name, kind, date(2011, 3, 14) + timedelta(days), **known)


def order(scans, chosen=None):
    return [candidate for candidate, _ in rank(scans, chosen or rule())]


def lost_on(loser, winner, chosen=None):
    standing = dict(rank([loser, winner], chosen or rule()))
    ahead, behind = standing[winner], standing[loser]
    criterion = next(name for name in ahead if ahead[name] != behind[name])
    assert ahead[criterion] < behind[criterion]
    return criterion


PLAIN = {"image_id": 9, "tesla": 1.5}  # wins by what it is, though it would lose by its number
SCALED = "MPR; GradWarp; N3; Scaled"


@pytest.mark.parametrize(
    ("winner", "loser", "criterion"),
    [
        (scan("MP-RAGE REPEAT", image_id=9), scan(SCALED), "processed"),
        (scan(quality="pass", image_id=9), scan(quality="fail"), "failed_archive_quality"),
        (scan(**PLAIN), scan("Accelerated Sagittal MPRAGE_ND"), "no_distortion_correction"),
        (scan(**PLAIN), scan(tesla=3.0), "other_field_strength"),
        (scan(image_id=9, tesla=1.494), scan(tesla=2.8936), "other_field_strength"),
        (scan(image_id=9), scan(tesla=3.0), "other_field_strength"),
        (scan(image_id=9, selected=True), scan(), "archive_not_selected"),
        (scan(image_id=9), scan(selected=False), "archive_not_selected"),
        (scan("MPRAGE REPEAT", selected=True), scan(selected=False), "archive_not_selected"),
        (scan(**PLAIN), scan("MPRAGE REPEAT"), "repeat"),
        (scan(**PLAIN), scan("MPRAGE SENSE2"), "accelerated"),
        (scan(**PLAIN), scan("MPRAGE_S2_DIS3D"), "accelerated"),
        (scan(**PLAIN), scan(days=9), "later_exam"),
        (scan(**PLAIN), scan(image_id=9, image_format="NIfTI"), "nifti_copy"),
        (scan(**PLAIN, series_number=2), scan(series_number=7), "later_series"),
        (scan(), scan(image_id=2), "higher_image_id"),
    ],
)
def test_each_criterion_decides_when_those_before_it_do_not(winner, loser, criterion):
    assert order([loser, winner]) == [winner, loser]
    assert lost_on(loser, winner) == criterion


def test_processed_images_can_be_preferred_and_the_last_stage_of_processing_is():
    chosen = rule("processed")
    described = [
        "MPR; GradWarp; B1 Correction; N3; Scaled",
        "MPR-R; GradWarp; N3; Scaled",
        "MPR; GradWarp; N3; Scaled_2",
        "MPR; GradWarp; N3",
        "MPR; GradWarp",
        "MPRAGE",
    ]
    scans = [scan(text, image_id=9 - place) for place, text in enumerate(described)]
    assert order(scans[::-1], chosen) == scans
    best, reasons = scans[0], [lost_on(other, scans[0], chosen) for other in scans[1:]]
    assert best.kind == "processed"
    assert reasons == ["repeat", *["less_processed"] * 3, "original"]


def test_without_a_preferred_field_strength_the_first_exam_wins():
    first, second = scan(tesla=3.0), scan(tesla=1.5, days=20)
    assert lost_on(first, second) == "other_field_strength"
    assert lost_on(second, first, rule(prefer_tesla=None)) == "later_exam"


SEVERAL = [
    scan(description, image_id=number, image_format=image_format)
    for number, description in enumerate(
        ["MPRAGE", "MPRAGE REPEAT", "MPRAGE_ND", SCALED, "MPR; N3"]
    )
    for image_format in ("DICOM", "NIfTI")
]


@given(st.permutations(SEVERAL))
def test_the_choice_does_not_depend_on_the_order_of_finding(scans):
    assert order(scans) == order(SEVERAL)


@given(st.permutations(SEVERAL))
def test_every_loser_has_a_criterion(scans):
    (winner, ahead), *losers = rank(scans, rule())
    assert all(standing.values() != ahead.values() for _, standing in losers)
    for loser, standing in losers:
        assert list(standing.values()) > list(ahead.values()), (loser, winner)
