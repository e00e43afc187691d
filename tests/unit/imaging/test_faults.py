"""A disk that fills up, and a process that is killed: nothing half-written, and a way on."""

import gzip
import multiprocessing
import os
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ldae.errors import UserError
from ldae.imaging import dicom
from ldae.imaging.conversion import RawImage, scratch_of

CHILD = """
import sys
from pathlib import Path
from ldae.config import Selection
from ldae.errors import UserError
from ldae.imaging.conversion import RawImage, convert_image
from ldae.imaging.storage import Storage
download, target, limits, *files = sys.argv[1:]
try:
    convert_image(
        RawImage(tuple(files), "DICOM"),
        Path(target),
        storage=Storage(Path(download)),
        limits=Selection.model_validate_json(limits),
        max_bytes=10**8,
    )
except UserError as error:
    print(error)
"""


@pytest.fixture
def series(write_series, image, pack, tmp_path):
    """The image that a series makes, in a folder or a zip."""

    def write(*, zipped=False):
        files = write_series()
        if zipped:
            pack(files, tmp_path / "download" / "z.zip")
        return image("z.zip" if zipped else None)

    return write


def in_a_child(act):
    """Exit code of a process that does `act`, forked: it knows all that the test knows."""
    child = multiprocessing.get_context("fork").Process(target=act)
    child.start()
    child.join(60)
    return child.exitcode


def names_in(folder):
    return {path.name for path in folder.rglob("*") if not path.is_dir()}


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("limit", [100, 2000, 5000])
def test_files_that_cannot_grow_end_the_run(series, convert, tmp_path, zipped, limit):
    """5728 bytes of voxels; the limit is what `ulimit -f` sets."""
    raw = series(zipped=zipped)

    def act():
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        try:
            convert(raw)
        except UserError as error:
            os._exit(7 if "File too large" in str(error) else 8)

    assert in_a_child(act) == 7
    assert names_in(tmp_path / "bids") == set()
    assert convert(raw)


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("full", ["workspace", "dataset"])
def test_a_full_disk_ends_the_run_and_leaves_nothing(series, limits, tmp_path, zipped, full):
    small = tmp_path / "small"
    small.mkdir()
    mount = f"mount -t tmpfs -o size=16k tmpfs {small}"
    unshare = ["unshare", "-rm", "sh", "-c"]
    if not shutil.which("unshare") or subprocess.run([*unshare, mount], check=False).returncode:
        pytest.skip("no small disk can be made here")
    raw = series(zipped=zipped)
    target = (small if full == "dataset" else tmp_path / "bids") / "T1w.nii.gz"
    arguments = [tmp_path / "download", target, limits.model_dump_json(), *raw.files]
    script = f'{mount} && head -c 9000 /dev/zero > {small}/filler && "$@"; ls -A {small} >&2'
    run = subprocess.run(
        [*unshare, script, "sh", sys.executable, "-c", CHILD, *map(str, arguments)],
        env=os.environ | ({"TMPDIR": str(small)} if full == "workspace" else {}),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "No space left on device" in run.stdout
    assert str(target) in run.stdout
    assert run.stderr.split() == ["filler"]
    assert names_in(tmp_path / "bids") == set()


def test_a_folder_that_cannot_be_made_is_no_fault_of_the_image(series, convert, tmp_path):
    (tmp_path / "bids").write_bytes(b"a file")
    with pytest.raises(UserError, match=r"T1w\.nii\.gz: cannot be written"):
        convert(series())


# Each moment is the n-th call of a function of which a process is killed.
MOMENTS = [
    (dicom, "_inspect", 1),
    (gzip.GzipFile, "write", 1),
    (Path, "replace", 1),  # text of the sidecar
    (Path, "replace", 2),  # image
    (Path, "replace", 3),  # sidecar
]


def killed_at(moment, act):
    owner, name, wanted = moment
    original, calls = getattr(owner, name), 0

    def call(*args, **kwargs):
        nonlocal calls
        calls += 1
        if calls == wanted:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*args, **kwargs)

    def patched():
        setattr(owner, name, call)
        act()

    assert in_a_child(patched) == -signal.SIGKILL


@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: f"{moment[1]} {moment[2]}")
def test_a_killed_conversion_is_made_up_for(series, convert, tmp_path, moment, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))  # where the killed one leaves its files
    raw = series()
    killed_at(moment, lambda: convert(raw))
    made = convert(raw)
    assert names_in(tmp_path / "bids") == {"T1w.nii.gz", "T1w.json"}
    assert made.image.read_bytes() == convert(raw, "whole").image.read_bytes()


@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: f"{moment[1]} {moment[2]}")
def test_a_killed_replacement_mixes_no_images(convert, two_images, tmp_path, moment, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    one, two = two_images
    first = convert(one)
    killed_at(moment, lambda: convert(two))
    assert convert(one) == first
    for raw in (one, two):
        assert convert(raw).image.read_bytes() == convert(raw, "whole").image.read_bytes()


def test_what_a_killed_job_wrote_on_its_way_is_cleared_by_the_next(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def act():
        with scratch_of(tmp_path / "a.parquet") as folder:
            (folder / "half").write_bytes(b"1")
            os.kill(os.getpid(), signal.SIGKILL)

    assert in_a_child(act) == -signal.SIGKILL
    assert names_in(tmp_path) == {"half"}
    with scratch_of(tmp_path / "b.parquet"):
        assert names_in(tmp_path) == {"half"}
    with scratch_of(tmp_path / "a.parquet"):
        assert names_in(tmp_path) == set()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_somebody_else_is_not_written_into(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with scratch_of(tmp_path / "a.parquet") as folder:
        pass
    (tmp_path / "other").mkdir()
    folder.symlink_to(tmp_path / "other")
    with pytest.raises(UserError, match="TMPDIR"), scratch_of(tmp_path / "a.parquet"):
        pass


@pytest.fixture
def two_images(write_series, download):
    return [
        RawImage(
            tuple(
                file.relative_to(download).as_posix() for file in write_series(image_id=image_id)
            ),
            "DICOM",
        )
        for image_id in (1, 2)
    ]
