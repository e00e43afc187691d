"""A scan as files: a scanner's DICOM headers, or the archive's NIfTI."""

import nibabel as nib
import numpy as np
from pydicom.dataset import Dataset

from ldae.cohort.dicom import Pixels, encode_series, localizer_slices, sagittal_slices, uid
from ldae.cohort.exam import Scan, Series


def encode(scan: Scan, *, voxel_mm: float, seed: int) -> list[bytes]:
    """The files of one image: one per slice, or the one NIfTI file."""
    if scan.series.format == "NIfTI":
        return [_nifti(scan.volume, voxel_mm)]
    cut = sagittal_slices if scan.series.is_t1w else localizer_slices
    header = _header(scan.series, seed)
    return encode_series(header, cut(scan.volume, voxel_mm), voxel_mm=voxel_mm)


def _nifti(volume: Pixels, voxel_mm: float) -> bytes:
    affine = np.diag([voxel_mm, voxel_mm, voxel_mm, 1.0])
    affine[:3, 3] = -(np.array(volume.shape) - 1) / 2 * voxel_mm
    content: bytes = nib.Nifti1Image(volume.astype(np.int16), affine).to_bytes()
    return content


def _header(series: Series, seed: int) -> Dataset:
    subject, scanner, header = series.subject, series.scanner, Dataset()
    begun, clock = f"{series.exam_start:%H%M%S}.000000", f"{series.start:%H%M%S}.000000"
    day = f"{series.start:%Y%m%d}"
    study = uid(seed, subject.rid, series.visit.index)
    header.StudyInstanceUID = study
    header.SeriesInstanceUID = uid(study, series.number)
    header.FrameOfReferenceUID = uid(study, "frame")
    header.StudyDate = header.SeriesDate = header.AcquisitionDate = header.ContentDate = day
    header.StudyTime, header.SeriesTime = begun, clock
    header.AcquisitionTime = header.ContentTime = clock
    header.StudyID = str(series.visit.index + 1)
    header.SeriesNumber = header.AcquisitionNumber = series.number
    header.Modality = "MR"
    header.PatientName = header.PatientID = subject.ptid
    header.PatientSex = subject.sex
    header.PatientAge = f"{int(series.visit.age):03d}Y"
    header.PatientPosition = "HFS"
    header.PatientIdentityRemoved = "YES"
    header.ImageComments = "Synthetic image of no person"
    header.SeriesDescription = header.ProtocolName = series.description
    header.Manufacturer, header.ManufacturerModelName = scanner.manufacturer, scanner.model
    header.MagneticFieldStrength = scanner.tesla
    header.ImageType = list(scanner.image_type)
    if scanner.slope is not None:
        header.RescaleSlope, header.RescaleIntercept, header.RescaleType = scanner.slope, 0, "US"
    if not series.is_t1w:
        header.MRAcquisitionType, header.ScanningSequence = "2D", "GR"
        header.SequenceVariant = "SP"
        header.RepetitionTime, header.EchoTime, header.FlipAngle = 20, 5, 40
        return header
    header.MRAcquisitionType = "3D"
    header.ScanningSequence = scanner.sequence
    header.SequenceVariant = list(scanner.variant)
    if scanner.sequence_name is not None:
        header.SequenceName = scanner.sequence_name
    header.RepetitionTime, header.EchoTime = scanner.repetition_ms, scanner.echo_ms
    if scanner.inversion_ms is not None:
        header.InversionTime = scanner.inversion_ms
    header.FlipAngle = scanner.flip_degrees
    return header
