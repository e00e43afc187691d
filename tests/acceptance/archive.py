"""Small downloads as the archive delivers them: real DICOM, NIfTI, CSV, XML and zip files.

A series has 12 sagittal slices of 14 x 16 voxels of 10 mm unless said otherwise.
"""

import csv
import io
import shutil
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

SUBJECT = "002_S_0295"
EXAM = "2011-03-14 16:12:08"
STAMP = "20120511095524148"  # when the archive received the image, never when it was acquired
METADATA = """\
<?xml version="1.0" encoding="UTF-8"?>
<idaxs xmlns="http://ida.loni.usc.edu"><project xmlns="">
<projectIdentifier>ADNI</projectIdentifier><subject>
<subjectIdentifier>{ptid}</subjectIdentifier><researchGroup>MCI</researchGroup>
<subjectSex>M</subjectSex><visit><visitIdentifier>{visit}</visitIdentifier></visit>
<study><studyIdentifier>1</studyIdentifier><subjectAge>{age}</subjectAge>
<ageQualifier>Y</ageQualifier><series><seriesIdentifier>{series_id}</seriesIdentifier>
<modality>MRI</modality><dateAcquired>{when}.0</dateAcquired></series>
<imagingProtocol><imageUID>{image_id}</imageUID><description>{description}</description>
<protocolTerm><protocol term="Acquisition Plane">SAGITTAL</protocol>
<protocol term="Acquisition Type">3D</protocol>
<protocol term="Matrix Z">{slices}</protocol></protocolTerm></imagingProtocol>
</study></subject></project></idaxs>
"""


@dataclass(frozen=True)
class Geometry:
    """Of a sagittal series: slices, rows, columns, and millimetres between slices and pixels."""

    slices: int = 12
    rows: int = 14
    columns: int = 16
    thickness: float = 10.0
    pixel: float = 10.0


class Archive:
    """A download folder under construction."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)

    def leaf(
        self,
        image_id: int,
        *,
        ptid: str = SUBJECT,
        description: str = "MPRAGE",
        when: str = EXAM,
        leaf: str | None = None,
        top: str = "ADNI",
    ) -> Path:
        """The folder of an image, named as the archive does; `leaf` defaults to `I<image id>`."""
        day = datetime.fromisoformat(when).strftime("%Y-%m-%d_%H_%M_%S.0")
        return self.root / top / ptid / sanitise(description) / day / (leaf or f"I{image_id}")

    def series(
        self,
        image_id: int,
        *,
        ptid: str = SUBJECT,
        description: str = "MPRAGE",
        when: str = EXAM,
        series_id: int = 9000,
        number: int = 2,
        leaf: str | None = None,
        top: str = "ADNI",
        folder: Path | None = None,
        geometry: Geometry = Geometry(),
        keep: Iterable[int] | None = None,
        tail: bool = True,
        tags: Mapping[str, object] | None = None,
    ) -> list[Path]:
        """One DICOM series, one file per slice; `keep` names the slices that arrived."""
        place = folder or self.leaf(
            image_id, ptid=ptid, description=description, when=when, leaf=leaf, top=top
        )
        place.mkdir(parents=True, exist_ok=True)
        ending = f"_S{series_id}_I{image_id}" if tail else ""
        files, volume = [], voxels(image_id, geometry)
        for index in range(geometry.slices) if keep is None else keep:
            name = f"ADNI_{ptid}_MR_{sanitise(description)}_br_raw_{STAMP}_{index + 1}{ending}.dcm"
            dataset = _slice(index, image_id, geometry, datetime.fromisoformat(when))
            dataset.PixelData = volume[index].tobytes()
            dataset.PatientID = dataset.PatientName = ptid
            dataset.SeriesDescription = dataset.ProtocolName = description
            dataset.SeriesNumber = number
            for tag, value in (tags or {}).items():
                setattr(dataset, tag, value)
                if value is None:
                    delattr(dataset, tag)
            files.append(place / name)
            pydicom.dcmwrite(files[-1], dataset, enforce_file_format=True)
        return files

    def nifti(
        self,
        image_id: int,
        *,
        ptid: str = SUBJECT,
        description: str = "MPRAGE",
        when: str = EXAM,
        series_id: int = 9000,
        leaf: str | None = None,
        processed: bool = False,
        shape: Sequence[int] = (12, 14, 16),
    ) -> Path:
        """One NIfTI image; the archive names processed ones with `_Br_`."""
        kind = f"Br_{STAMP}" if processed else f"br_raw_{STAMP}_75"
        place = self.leaf(image_id, ptid=ptid, description=description, when=when, leaf=leaf)
        place.mkdir(parents=True, exist_ok=True)
        words = sanitise(description)
        path = place / f"ADNI_{ptid}_MR_{words}_{kind}_S{series_id}_I{image_id}.nii"
        data = np.random.default_rng(image_id).integers(1, 999, shape).astype(np.int16)
        nib.save(nib.Nifti1Image(data, np.diag([10.0, 10.0, 10.0, 1.0])), path)
        return path

    def table(self, name: str, rows: Sequence[Mapping[str, object]], **style: Any) -> Path:
        """A CSV with the columns of the first row; `style` is `csv.DictWriter`'s."""
        text = io.StringIO(newline="")
        options: dict[str, Any] = {"lineterminator": "\n", "quoting": csv.QUOTE_ALL, **style}
        writer = csv.DictWriter(text, list(rows[0]), restval="", **options)
        writer.writeheader()
        writer.writerows(rows)
        path = self.root / name
        path.write_bytes(text.getvalue().encode("utf-8"))
        return path

    def metadata(self, image_id: int, **facts: object) -> Path:
        """The XML file of an image, in the archive's separate folder."""
        known = {"ptid": SUBJECT, "visit": "ADNI Baseline", "age": 75.2, "series_id": 9000}
        known |= {"when": EXAM, "description": "MPRAGE", "slices": 12, "image_id": image_id} | facts
        name = f"ADNI_{known['ptid']}_MPRAGE_S{known['series_id']}_I{image_id}.xml"
        path = self.root / "metadata" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(METADATA.format(**known))
        return path

    def zip(self, target: Path) -> Path:
        """Everything written so far as one zip; the folder is empty again afterwards."""
        target.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(self.root.rglob("*")):
                archive.write(path, path.relative_to(self.root))
        shutil.rmtree(self.root)
        self.root.mkdir()
        return target


def sanitise(description: str) -> str:
    """A series name as folders spell it."""
    return description.translate(str.maketrans(dict.fromkeys(" /;*()<>:", "_")))


def voxels(image_id: int, geometry: Geometry = Geometry()) -> np.ndarray:
    """What a series shows, as (slices, rows, columns)."""
    slices, rows, columns = geometry.slices, geometry.rows, geometry.columns
    ramp = np.arange(rows * columns).reshape(rows, columns) * 7
    return ((ramp + np.arange(slices)[:, None, None] * 131 + image_id) % 4000).astype(np.uint16)


def visit(
    ptid: str, viscode: str, examdate: str, dx: str = "", *, baseline: str, age: object = 75.5
) -> dict[str, object]:
    """A row of ADNIMERGE; `age` is that at baseline, as on every row of a participant."""
    return {
        "RID": int(ptid.rpartition("_")[2]),
        "PTID": ptid,
        "VISCODE": viscode,
        "COLPROT": "ADNI1",
        "ORIGPROT": "ADNI1",
        "EXAMDATE": examdate,
        "EXAMDATE_bl": baseline,
        "DX_bl": "LMCI",
        "DX": dx,
        "AGE": age,
        "PTGENDER": "Female",
        "FLDSTRENG": "",
        "IMAGEUID": "",
    }


def listed(image_id: object, subject: str, **facts: object) -> dict[str, object]:
    """A row of the list of images that comes with a collection."""
    row: dict[str, object] = {"Image Data ID": image_id, "Subject": subject, "Group": "MCI"}
    row |= {"Sex": "F", "Age": "75", "Visit": "1", "Modality": "MRI", "Description": "MPRAGE"}
    row |= {"Type": "Original", "Acq Date": "3/14/2011", "Format": "DCM", "Downloaded": ""}
    return row | {key.replace("_", " "): value for key, value in facts.items()}


def _slice(index: int, image_id: int, geometry: Geometry, time: datetime) -> Dataset:
    uid = f"1.2.3.{image_id}"
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = MRImageStorage
    meta.MediaStorageSOPInstanceUID = f"{uid}.{index + 1}"
    dataset = Dataset()
    dataset.file_meta = meta
    dataset.SOPClassUID = MRImageStorage
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    dataset.StudyInstanceUID = dataset.SeriesInstanceUID = dataset.FrameOfReferenceUID = uid
    dataset.Modality = "MR"
    dataset.InstanceNumber = index + 1
    dataset.Rows, dataset.Columns = geometry.rows, geometry.columns
    dataset.PixelSpacing = [geometry.pixel, geometry.pixel]
    dataset.SliceThickness = geometry.thickness
    dataset.ImageOrientationPatient = [0, 1, 0, 0, 0, -1]
    dataset.ImagePositionPatient = [50.0 - index * geometry.thickness, -60.0, 70.0]
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelRepresentation = 0
    dataset.MRAcquisitionType = "3D"
    dataset.Manufacturer = "SIEMENS"
    dataset.MagneticFieldStrength = 3.0
    dataset.PatientPosition = "HFS"
    dataset.PatientAge, dataset.PatientSex = "075Y", "M"
    dataset.AcquisitionDate = dataset.StudyDate = time.strftime("%Y%m%d")
    dataset.AcquisitionTime = dataset.StudyTime = time.strftime("%H%M%S")
    return dataset
