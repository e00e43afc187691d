"""Images of the small downloads, and zips of what is in them."""

import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from ldae.config import Selection
from ldae.imaging.conversion import Converted, RawImage, convert_image
from ldae.imaging.failure import ConversionError
from ldae.imaging.plausibility import Exclusion
from ldae.imaging.storage import INSIDE, Storage


@pytest.fixture
def download(tmp_path: Path) -> Path:
    folder = tmp_path / "download"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture
def storage(download: Path) -> Iterator[Storage]:
    with Storage(download) as opened:
        yield opened


@pytest.fixture
def image(download: Path) -> Callable[..., RawImage]:
    """The image made of all files below the download's root, or of those of a zip there."""

    def gather(zipped: str | None = None, **known: object) -> RawImage:
        if zipped:
            with zipfile.ZipFile(download / zipped) as archive:
                files = [f"{zipped}{INSIDE}{name}" for name in archive.namelist()]
        else:
            paths = [path for path in download.rglob("*") if not path.is_dir()]
            files = [path.relative_to(download).as_posix() for path in paths]
        is_nifti = files[0].endswith((".nii", ".nii.gz"))
        return RawImage(tuple(sorted(files)), "NIfTI" if is_nifti else "DICOM", **known)

    return gather


@pytest.fixture
def convert(tmp_path: Path, storage: Storage, limits: Selection) -> Callable[..., Converted]:
    """Converts an image to `tmp_path / 'bids' / 'T1w.nii.gz'`."""

    def run(image: RawImage, name: str = "T1w", **changes: object) -> Converted:
        known = {"storage": storage, "limits": limits, "max_bytes": 10**8}
        return convert_image(image, tmp_path / "bids" / f"{name}.nii.gz", **known | changes)

    return run


@pytest.fixture
def refused(convert: Callable[..., Converted], tmp_path: Path) -> Callable[..., Exclusion]:
    """Why an image is not converted; nothing of it may be left."""

    def why(*args: object, **changes: object) -> Exclusion:
        with pytest.raises(ConversionError) as caught:
            convert(*args, **changes)
        assert not (tmp_path / "bids").exists()
        return caught.value.exclusion

    return why


def zip_up(files: Iterable[Path], target: Path) -> None:
    """Pack files into a zip as the archive would, and take them away."""
    with zipfile.ZipFile(target, "a", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            archive.write(file, f"ADNI/{file.name}")
            file.unlink()


@pytest.fixture
def pack() -> Callable[..., None]:
    return zip_up
