"""Small downloads of real DICOM files, written as the archive names them."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

from ldae.config import Selection

SLICES, ROWS, COLUMNS, SPACING = 12, 14, 16, 10.0
AFFINE_ORIGIN = (
    50.0,
    -60.0,
    70.0,
)  # DICOM coordinates of the first voxel: left, posterior, superior

WriteSeries = Callable[..., list[Path]]


@pytest.fixture
def limits() -> Selection:
    return Selection(
        prefer="original",
        prefer_tesla=None,
        archive_quality="require",
        min_slices=10,
        max_voxel_mm=12.0,
        min_extent_mm=100.0,
        max_image_mb=1.0,
    )


@pytest.fixture
def write_series(tmp_path: Path) -> WriteSeries:
    """Writes one sagittal series into `tmp_path / 'download'` and returns its files."""

    def write(
        *,
        ptid: str = "002_S_0295",
        description: str = "MPRAGE",
        when: str = "2011-03-14 16:12:08",
        image_id: int = 1001,
        series_number: int = 2,
        slices: range = range(SLICES),
        leaf: str | None = None,
        root: str = "ADNI",
        folder: Path | None = None,
        tail: bool = True,
        uid: str | None = None,
        tags: dict[str, object] | None = None,
    ) -> list[Path]:
        time = datetime.fromisoformat(when)
        name = description.replace(" ", "_")
        place = folder or (
            tmp_path
            / "download"
            / root
            / ptid
            / name
            / time.strftime("%Y-%m-%d_%H_%M_%S.0")
            / (leaf or f"I{image_id}")
        )
        place.mkdir(parents=True, exist_ok=True)
        files = []
        for index in slices:
            ending = f"_S{image_id + 5000}_I{image_id}" if tail else ""
            stem = f"ADNI_{ptid}_MR_{name}_br_raw_20120511095524148_{index}{ending}"
            files.append(place / f"{stem}.dcm")
            dataset = _slice(index, image_id, uid or f"1.2.3.{image_id}", time)
            dataset.PatientID = dataset.PatientName = ptid
            dataset.SeriesDescription = dataset.ProtocolName = description
            dataset.SeriesNumber = series_number
            for tag, value in (tags or {}).items():
                setattr(dataset, tag, value)
                if value is None:
                    delattr(dataset, tag)
            pydicom.dcmwrite(files[-1], dataset, enforce_file_format=True)
        return files

    return write


def voxels(image_id: int) -> np.ndarray:
    """What a series shows, as (slices, rows, columns)."""
    return np.random.default_rng(image_id).integers(1, 4000, (SLICES, ROWS, COLUMNS), np.uint16)


def _slice(index: int, image_id: int, uid: str, time: datetime) -> Dataset:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = MRImageStorage
    meta.MediaStorageSOPInstanceUID = f"{uid}.{index}"
    dataset = Dataset()
    dataset.file_meta = meta
    dataset.SOPClassUID = MRImageStorage
    dataset.SOPInstanceUID = f"{uid}.{index}"
    dataset.StudyInstanceUID = dataset.SeriesInstanceUID = dataset.FrameOfReferenceUID = uid
    dataset.Modality = "MR"
    dataset.InstanceNumber = index + 1
    dataset.Rows, dataset.Columns = ROWS, COLUMNS
    dataset.PixelSpacing = [SPACING, SPACING]
    dataset.SliceThickness = SPACING
    dataset.ImageOrientationPatient = [0, 1, 0, 0, 0, -1]
    x, y, z = AFFINE_ORIGIN
    dataset.ImagePositionPatient = [x - index * SPACING, y, z]
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelRepresentation = 0
    dataset.PixelData = voxels(image_id)[index].tobytes()
    dataset.MRAcquisitionType = "3D"
    dataset.Manufacturer = "SIEMENS"
    dataset.MagneticFieldStrength = 3.0
    dataset.PatientPosition = "HFS"
    dataset.PatientAge, dataset.PatientSex = "078Y", "M"
    dataset.AcquisitionDate = dataset.StudyDate = time.strftime("%Y%m%d")
    dataset.AcquisitionTime = dataset.StudyTime = time.strftime("%H%M%S")
    return dataset


@pytest.fixture
def write_nifti(tmp_path: Path) -> Callable[..., Path]:
    """Writes one NIfTI image into `tmp_path / 'download'` as the archive would."""

    def write(
        *, description: str = "MPRAGE", image_id: int = 2001, shape: tuple[int, ...] = (12, 14, 16)
    ) -> Path:
        name = f"ADNI_002_S_0295_MR_{description}_br_raw_20120511095524148_75_S9_I{image_id}.nii"
        stamp = "2011-03-14_16_12_08.0"
        path = tmp_path / "download" / "ADNI" / "002_S_0295" / description / stamp / "S9" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = np.random.default_rng(image_id).integers(0, 999, shape).astype(np.int16)
        nib.save(nib.Nifti1Image(data, np.diag([10.0, 10.0, 10.0, 1.0])), path)
        return path

    return write
