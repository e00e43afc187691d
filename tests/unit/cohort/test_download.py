import json
import subprocess
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from dcm2niix import bin as dcm2niix
from tests.unit.cohort.downloads import SMALL, Download, hashes, write

from ldae.cli import main
from ldae.cohort import download as download_module
from ldae.cohort.scanner import SCANNERS, scan_shape
from ldae.errors import UserError


def convert(files: dict[str, bytes], folder: Path) -> tuple[int, list[Path]]:
    series, output = folder / "in", folder / "out"
    series.mkdir(parents=True)
    output.mkdir()
    for path, content in files.items():
        (series / Path(path).name).write_bytes(content)
    command = [dcm2niix, "-b", "y", "-z", "n", "-f", "T1w", "-o", output, series]
    done = subprocess.run(command, check=False, capture_output=True)
    return done.returncode, sorted(output.iterdir())


def test_the_same_seed_writes_the_same_bytes(trapped: Download, tmp_path: Path) -> None:
    again = write(tmp_path, traps=True)
    assert hashes(trapped.root) == hashes(again.root)
    pd.testing.assert_frame_equal(trapped.truth, again.truth)
    pd.testing.assert_frame_equal(trapped.expected, again.expected)


def test_traps_change_nothing_about_the_cohort(download: Download, trapped: Download) -> None:
    assert download.images().items() <= trapped.images().items()
    pd.testing.assert_frame_equal(download.truth, trapped.truth)
    pd.testing.assert_frame_equal(
        download.expected, trapped.expected.head(1), check_dtype=False, check_exact=True
    )
    plain, more = download.table("ADNIMERGE"), trapped.table("ADNIMERGE")
    pd.testing.assert_frame_equal(plain, more.head(len(plain)))


def test_another_seed_writes_other_heads_and_clears_what_a_killed_run_left(
    download: Download, tmp_path: Path
) -> None:
    (tmp_path / ".download.partial").mkdir()
    (tmp_path / ".download.partial" / "half.dcm").touch()
    other = write(tmp_path, seed=8, subjects={"CN": 1}, visits_per_subject=[1, 1])
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("download", "expected.csv", "truth.csv")
    ]
    assert not (tmp_path / "download" / "half.dcm").exists()
    assert not set(other.images().values()) & set(download.images().values())


def test_subjects_do_not_depend_on_the_size_of_the_cohort(
    download: Download, tmp_path: Path
) -> None:
    larger = write(tmp_path, subjects={"CN": 6, "MCI": 3, "AD": 4})
    few, many = download.images(), larger.images()
    assert len(many) > len(few)
    assert few.items() <= many.items()
    both = larger.truth[larger.truth.image_id.isin(download.truth.image_id)]
    pd.testing.assert_frame_equal(both.reset_index(drop=True), download.truth)


def test_every_series_but_the_damaged_one_becomes_one_right_volume(
    download: Download, tmp_path: Path
) -> None:
    sizes = scan_shape(8.0)
    by_model = {scanner.model: scanner for scanner in SCANNERS}
    images = download.images()
    for scan in download.truth.itertuples():
        own = {path: images[path] for path in images if f"_I{scan.image_id}.dcm" in path}
        status, files = convert(own, tmp_path / str(scan.image_id))
        if scan.damaged:
            assert status != 0
            assert not files
            continue
        assert [path.name for path in files] == ["T1w.json", "T1w.nii"]
        image = nib.load(files[1])
        assert image.shape == sizes
        np.testing.assert_allclose(image.affine[:3, :3], np.eye(3) * 8, atol=1e-5)
        np.testing.assert_allclose(image.affine[:3, 3], -(np.array(sizes) - 1) * 4, atol=1e-4)
        sidecar = json.loads(files[0].read_text())
        scanner = by_model[sidecar["ManufacturersModelName"]]
        assert sidecar["MagneticFieldStrength"] == scanner.tesla
        assert sidecar["RepetitionTime"] == pytest.approx(scanner.repetition_ms / 1000)
        assert sidecar["EchoTime"] == pytest.approx(scanner.echo_ms / 1000)
        assert sidecar.get("InversionTime", 0) == (scanner.inversion_ms or 0) / 1000
        assert sidecar["FlipAngle"] == scanner.flip_degrees
        assert sidecar["SeriesDescription"] == scan.description
        if scanner.slope is not None:
            assert image.dataobj.slope == pytest.approx(scanner.slope)


def test_one_exam_is_damaged_and_it_is_one_of_several(download: Download) -> None:
    (index,) = np.flatnonzero(download.truth.damaged)
    damaged = download.truth.iloc[index]
    own = download.truth[download.truth.PTID == damaged.PTID]
    assert own.months.nunique() > 1
    assert (own.months == damaged.months).sum() == 1
    (row,) = download.expected.itertuples()
    assert (row.image_id, row.reason) == (damaged.image_id, "unreadable_dicom")


def test_each_exam_has_a_localizer_and_some_a_repeat(download: Download) -> None:
    listed = pd.concat([download.table("COLLECTION_2018"), download.table("COLLECTION_2026")])
    exams = listed.groupby(["Subject", "Acq Date"]).Description.apply(list)
    assert all(series.count("3-plane localizer") == 1 for series in exams)
    assert all(len(series) in (2, 3) for series in exams)
    repeats = [series[2] for series in exams if len(series) == 3]
    assert 0 < len(repeats) < len(exams)
    assert all(name.endswith(" Repeat") for name in repeats)


def test_a_failed_run_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(download_module, "cut_short", fail)
    with pytest.raises(OSError):  # noqa: PT011
        write(tmp_path, subjects={"CN": 1})
    assert not list(tmp_path.iterdir())


def test_a_download_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "download").mkdir()
    (tmp_path / "download" / "mine.txt").touch()
    with pytest.raises(UserError, match="already there"):
        write(tmp_path)
    assert [path.name for path in (tmp_path / "download").iterdir()] == ["mine.txt"]


def test_the_command_reports_settings_in_one_line(tmp_path: Path) -> None:
    settings = json.dumps({"seed": -1, "synthetic": SMALL})
    places = [("download", "d"), ("truth", "t.csv"), ("expected", "e.csv")]
    arguments = [word for name, file in places for word in (f"--{name}", str(tmp_path / file))]
    with pytest.raises(SystemExit, match="seed"):
        main(["make-cohort", *arguments, "--settings", settings])
    assert not list(tmp_path.iterdir())
