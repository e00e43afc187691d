import json
import re
import subprocess
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from dcm2niix import bin as dcm2niix

from ldae.cli import main
from ldae.cohort import download as download_module
from ldae.cohort.scanner import SCANNERS, scan_shape
from ldae.errors import UserError
from ldae.stages.make_cohort import Settings, make_cohort

SMALL: dict[str, Any] = {
    "subjects": {"CN": 5, "MCI": 1, "AD": 3},
    "visit_months": [0, 12],
    "visits_per_subject": [1, 2],
    "voxel_mm": 8.0,
}


@dataclass(frozen=True)
class Download:
    root: Path
    truth: pd.DataFrame

    def table(self, pattern: str) -> pd.DataFrame:
        (path,) = self.root.rglob(pattern)
        return pd.read_csv(path)

    def series(self, image_id: int) -> Path:
        (folder,) = self.root.glob(f"ADNI/*/*/*/I{image_id}")
        return folder


def write(folder: Path, **changes: Any) -> Download:
    settings = Settings.model_validate({"seed": 7, "synthetic": SMALL | changes})
    make_cohort(download=folder / "download", truth=folder / "truth.csv", settings=settings)
    return Download(folder / "download", pd.read_csv(folder / "truth.csv"))


@pytest.fixture(scope="session")
def download(tmp_path_factory: pytest.TempPathFactory) -> Download:
    return write(tmp_path_factory.mktemp("cohort"))


@pytest.fixture(scope="session")
def same_again(tmp_path_factory: pytest.TempPathFactory) -> Download:
    return write(tmp_path_factory.mktemp("again"))


@pytest.fixture(scope="session")
def larger(tmp_path_factory: pytest.TempPathFactory) -> Download:
    more = {"CN": 6, "MCI": 3, "AD": 3}
    return write(tmp_path_factory.mktemp("larger"), subjects=more)


def contents(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def convert(series: Path, output: Path) -> tuple[int, list[Path]]:
    output.mkdir()
    command = [dcm2niix, "-b", "y", "-z", "n", "-f", "T1w", "-o", output, series]
    done = subprocess.run(command, check=False, capture_output=True)
    return done.returncode, sorted(output.iterdir())


def test_the_same_seed_writes_the_same_bytes(download: Download, same_again: Download) -> None:
    assert contents(download.root) == contents(same_again.root)
    pd.testing.assert_frame_equal(download.truth, same_again.truth)


def test_another_seed_writes_other_heads_and_clears_what_a_killed_run_left(
    download: Download, tmp_path: Path
) -> None:
    (tmp_path / ".d.partial").mkdir()
    (tmp_path / ".d.partial" / "half.dcm").touch()
    settings = Settings.model_validate(
        {"seed": 8, "synthetic": SMALL | {"subjects": {"CN": 1}, "visits_per_subject": [1, 1]}}
    )
    make_cohort(download=tmp_path / "d", truth=tmp_path / "t.csv", settings=settings)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d", "t.csv"]
    assert not (tmp_path / "d" / "half.dcm").exists()
    assert not set(contents(tmp_path / "d/ADNI").values()) & set(contents(download.root).values())


def test_subjects_do_not_depend_on_the_size_of_the_cohort(
    download: Download, larger: Download
) -> None:
    few, many = contents(download.root / "ADNI"), contents(larger.root / "ADNI")
    assert len(many) > len(few)
    assert few.items() <= many.items()
    both = larger.truth[larger.truth.image_id.isin(download.truth.image_id)]
    pd.testing.assert_frame_equal(both.reset_index(drop=True), download.truth)


def test_folders_and_names_follow_the_archive(download: Download) -> None:
    files = [str(path) for path in contents(download.root) if path.endswith(".dcm")]
    grammar = re.compile(
        r"ADNI/(?P<ptid>\d{3}_S_\d{4})/(?P<desc>[\w-]+)/\d{4}-\d\d-\d\d_\d\d_\d\d_\d\d\.0/"
        r"I(?P<image>\d+)/"
        r"ADNI_(?P=ptid)_MR_(?P=desc)_br_raw_\d{17}_\d+_S\d+_I(?P=image)\.dcm"
    )
    parsed = [grammar.fullmatch(path) for path in files]
    assert all(parsed)
    listed = set(download.table("Synthetic_*.csv")["Image Data ID"])
    assert {f"I{match['image']}" for match in parsed if match} == listed


def test_every_series_but_the_damaged_one_becomes_one_right_volume(
    download: Download, tmp_path: Path
) -> None:
    sizes = scan_shape(8.0)
    by_model = {scanner.model: scanner for scanner in SCANNERS}
    for scan in download.truth.itertuples():
        status, files = convert(download.series(scan.image_id), tmp_path / str(scan.image_id))
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


def test_each_exam_has_a_localizer_and_some_a_repeat(download: Download) -> None:
    listed = download.table("Synthetic_*.csv")
    exams = listed.groupby(["Subject", "Acq Date"]).Description.apply(list)
    assert all(series.count("3-plane localizer") == 1 for series in exams)
    assert all(len(series) in (2, 3) for series in exams)
    repeats = [series[2] for series in exams if len(series) == 3]
    assert 0 < len(repeats) < len(exams)
    assert all(name.endswith(" Repeat") for name in repeats)


def test_tables_agree_with_the_truth(download: Download) -> None:
    listed = download.table("Synthetic_*.csv")
    assert list(listed) == [
        *("Image Data ID", "Subject", "Group", "Sex", "Age", "Visit"),
        *("Modality", "Description", "Type", "Acq Date", "Format", "Downloaded"),
    ]
    listed["image_id"] = listed["Image Data ID"].str.removeprefix("I").astype(int)
    scans = download.truth.merge(listed, on="image_id", validate="1:1")
    assert len(scans) == len(download.truth)
    merge = download.table("study_files/ADNIMERGE_*.csv")
    scans = scans.merge(merge, left_on=["PTID", "months"], right_on=["PTID", "M"], validate="m:1")
    assert len(scans) == len(download.truth)
    scanned = pd.to_datetime(scans["Acq Date"], format="%m/%d/%Y")
    years = (scanned - pd.to_datetime(scans.EXAMDATE_bl)).dt.days / 365.25
    np.testing.assert_allclose(scans.age, scans.AGE + years, atol=1e-3)
    np.testing.assert_allclose(scans.Age, scans.age, atol=0.51)
    assert (scans.DX.replace("Dementia", "AD") == scans.diagnosis).all()
    assert (scans.PTGENDER.str[0] == scans.Sex).all()
    assert (scans.PTID.str[:3].astype(int) == scans.SITE).all()
    assert set(scans.FLDSTRENG) <= {"1.5 Tesla MRI", "3 Tesla MRI"}
    assert (scans.PTID.str[-4:].astype(int) == scans.RID).all()
    assert set(merge.IMAGEUID) <= set(download.truth.image_id)
    dxsum = download.table("study_files/DXSUM_*.csv")
    assert list(dxsum)[:7] == [
        *("PHASE", "PTID", "RID", "VISCODE", "VISCODE2", "EXAMDATE", "DIAGNOSIS")
    ]
    both = merge.merge(dxsum, on=["PTID", "VISCODE", "EXAMDATE"], validate="1:1")
    assert len(both) == len(merge) == len(dxsum)
    assert (both.DIAGNOSIS.map({1: "CN", 2: "MCI", 3: "Dementia"}) == both.DX).all()


def test_a_failed_run_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(download_module, "damage", fail)
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
    arguments = ["--download", str(tmp_path / "d"), "--truth", str(tmp_path / "t.csv")]
    with pytest.raises(SystemExit, match="seed"):
        main(["make-cohort", *arguments, "--settings", settings])
    assert not list(tmp_path.iterdir())
