"""That each fault makes dcm2niix do what it does to such series from the archive."""

import subprocess
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from dcm2niix import bin as dcm2niix

from ldae.cohort.clinic import draw_subject
from ldae.cohort.encode import encode
from ldae.cohort.exam import FIRST_T1W, Scan, make_series, plan_exam
from ldae.cohort.traps import faults
from ldae.cohort.traps.trap import AVANTO, Fault, unharmed

SHAPE = (24, 48, 40)
VOLUME = np.random.default_rng(0).integers(0, 4000, SHAPE).astype(np.uint16)


def series_files() -> list[bytes]:
    drawn = draw_subject(1, "CN", visit_months=(0,), visits=(1, 1), seed=0)
    subject = replace(drawn, site=AVANTO)
    visit = subject.visits[0]
    start = plan_exam(subject, visit, seed=0, may_repeat=False)[0].exam_start
    series = make_series(subject, visit, number=FIRST_T1W, description="MPRAGE", exam_start=start)
    return encode(Scan(series, VOLUME, 0.0), voxel_mm=4.0, seed=0)


@pytest.mark.parametrize(
    ("fault", "status", "volumes"),
    [
        (unharmed, 0, ["T1w"]),
        (faults.copied, 0, ["T1w"]),
        (faults.of_varying_times, 0, ["T1w"]),
        (faults.without_dates, 0, ["T1w"]),
        (faults.without_age, 0, ["T1w"]),
        (faults.overlaid, 0, ["T1w", "T1w_ROI1"]),
        (faults.without_middle, 0, ["T1w", "T1w_Eq_1"]),
        (faults.without_tail, 0, ["T1w"]),
        (faults.without_head, 0, ["T1w"]),
        (faults.without_voxel_size, 0, ["T1w"]),
        (faults.second_copy, 0, ["T1w"]),
        (faults.second_series, 0, ["T1w", "T1wa"]),
        (faults.two_study_times, 0, ["T1w", "T1wa"]),
        (faults.one_smaller, 0, ["T1w", "T1wa"]),
        (faults.half_phase, 0, ["T1w", "T1w_ph"]),
        (faults.cut_short, 1, []),
        (faults.error_pages, 2, []),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_dcm2niix_makes_of_a_fault(
    tmp_path: Path, fault: Fault, status: int, volumes: list[str]
) -> None:
    made = convert(fault(series_files()), tmp_path)
    assert made == (status, volumes)


@pytest.mark.parametrize(
    "fault",
    [
        faults.series_uid_per_slice,
        faults.one_echo_time_differs,
        faults.two_echoes,
        faults.one_tilted,
    ],
    ids=lambda fault: fault.__name__,
)
def test_faults_that_split_a_series_for_dcm2niix(tmp_path: Path, fault: Fault) -> None:
    _, volumes = convert(fault(series_files()), tmp_path)
    assert len(volumes) > 1


def test_a_second_copy_is_a_second_volume_and_a_missing_voxel_size_a_wrong_one(
    tmp_path: Path,
) -> None:
    convert(faults.second_copy(series_files()), tmp_path / "two")
    assert nib.load(tmp_path / "two/out/T1w.nii").ndim == 4
    convert(faults.without_voxel_size(series_files()), tmp_path / "size")
    assert 1.0 in nib.load(tmp_path / "size/out/T1w.nii").header.get_zooms()


def test_faults_of_nifti_files() -> None:
    whole = nib.Nifti1Image(VOLUME.astype(np.int16), np.eye(4)).to_bytes()
    twice = nib.Nifti1Image.from_bytes(*faults.two_volumes([whole]))
    np.testing.assert_array_equal(np.asarray(twice.dataobj)[..., 1], VOLUME)
    (half,) = faults.half_a_file([whole])
    assert whole.startswith(half)
    assert len(half) < len(whole)


def test_one_bit_makes_a_copy_differ() -> None:
    files = series_files()
    other = faults.one_pixel_differs(files)
    assert [a == b for a, b in zip(files, other, strict=True)].count(False) == 1


def test_wiped_headers_are_wiped() -> None:
    (file, *_) = faults.without_dates(faults.without_age(series_files()))
    wiped = pydicom.dcmread(BytesIO(file))
    assert not [element for element in wiped if element.VR in {"DA", "TM", "AS"}]


def convert(files: list[bytes], folder: Path) -> tuple[int, list[str]]:
    series, output = folder / "in", folder / "out"
    series.mkdir(parents=True)
    output.mkdir()
    for number, content in enumerate(files):
        (series / f"{number:03d}.dcm").write_bytes(content)
    command = [dcm2niix, "-b", "n", "-z", "n", "-f", "T1w", "-o", output, series]
    done = subprocess.run(command, check=False, capture_output=True)
    return done.returncode, sorted(path.stem for path in output.glob("*.nii"))
