"""What the archive's lists and the study's imaging tables say of an image."""

import re
from datetime import timedelta

from ldae.cohort.exam import Series
from ldae.cohort.scanner import scan_shape
from ldae.cohort.study_tables import Row
from ldae.cohort.visit_names import name_visit

_ACCELERATED = re.compile("accel|sense|grappa", re.IGNORECASE)
_LOCALIZER_SLICES = 9


def collection(series: Series, *, old: bool) -> Row:
    """The list that comes with a collection: whole years; bare ids and visit numbers if `old`."""
    name = name_visit(series.subject, series.visit)
    return {
        "Image Data ID": series.image_id if old else f"I{series.image_id}",
        "Subject": series.subject.ptid,
        "Group": series.subject.enrolled_as,
        "Sex": series.subject.sex,
        "Age": round(series.visit.age),
        "Visit": name.ordinal if old else name.listed,
        "Modality": "MRI",
        "Description": series.description,
        "Type": series.kind,
        "Acq Date": _us_date(series),
        "Format": "DCM" if series.format == "DICOM" else "NiFTI",
        "Downloaded": "2/13/2018" if old else "1/28/2026",
    }


def search(series: Series) -> Row:
    """The list an advanced search returns: one decimal of age, visits in words."""
    return {
        "Subject ID": series.subject.ptid,
        "Project": "ADNI",
        "Phase": re.sub(r"(\d)", r" \1", series.visit.phase),
        "Sex": series.subject.sex,
        "Age": round(series.visit.age, 1),
        "Visit": name_visit(series.subject, series.visit).label,
        "Study Date": _us_date(series),
        "Modality": "MRI",
        "Description": series.description,
        "Type": series.kind,
        "Imaging Protocol": f"Field Strength={series.scanner.tesla}",
        "Image ID": series.image_id,
    }


def mriqc(series: Series, *, voxel_mm: float) -> Row:
    """How the study's imaging core found a series: above all, of how many slices."""
    slices = slice_count(series, voxel_mm)
    return {
        "image_id": series.image_id,
        "PTID": series.subject.ptid,
        "RID": series.subject.rid,
        "VISCODE2": name_visit(series.subject, series.visit).months,
        "StudyDate": f"{series.start:%Y-%m-%d}",
        "SeriesTime": f"{series.start:%H%M%S}",
        "SeriesNumber": series.number,
        "SeriesType": "T1w" if series.is_t1w else "Localizer",
        "SeriesDescription": series.description,
        "ScannerManufacturer": series.scanner.manufacturer,
        "ScannerModel": series.scanner.model,
        "MagneticFieldStrength": series.scanner.tesla,
        "Acceleration": "Accelerated"
        if _ACCELERATED.search(series.description)
        else "Unaccelerated",
        "AcquisitionType": "3D" if series.is_t1w else "2D",
        "NumberVolumes": 1,
        "SlicesPerVolume": slices,
        "SliceThickness": voxel_mm,
        "LONISeries": f"S{series.series_id}",
        "LONIImage": f"I{series.image_id}",
    }


def mriquality(series: Series) -> Row:
    """Whether a series passed the older quality control; known by the id of the series."""
    return {
        "RID": f"{series.subject.rid}.0",
        "LONIUID": f"S{series.series_id}",
        "PASS": 1,
        "COMMENTS": "léger mouvement" if series.is_repeat else None,
    }


def mayo_qc(series: Series) -> Row:
    """How the newer quality control graded an image: 1 to 3 usable, 4 not; which of an exam."""
    return {
        "RID": series.subject.rid,
        "loni_image": f"I{series.image_id}",
        "series_type": "T1",
        "series_quality": 1,
        "series_selected": 1,
        "series_date": f"{series.start:%Y%m%d}",
    }


def mpragemeta(series: Series) -> Row:
    """The retired list of all T1-weighted images."""
    return {
        "Orig/Proc": series.kind,
        "SubjectID": series.subject.ptid,
        "Visit": name_visit(series.subject, series.visit).label,
        "MagStrength": f"{series.scanner.tesla:.1f}",
        "Sequence": series.description,
        "ScanDate": f"{series.start:%Y-%m-%d}",
        "StudyID": series.series_id // 10,
        "SeriesID": series.series_id,
        "ImageUID": series.image_id,
    }


def resaved(series: Series) -> Row:
    """A row of a collection's list after a spreadsheet and a script saved it again."""
    exam = series.exam_start
    return {
        "Image Data ID": f"{series.image_id}.0",
        "Subject": f"{series.subject.ptid}\xa0",
        "Group": "Patient",
        "Sex": series.subject.sex,
        "Age": f"{round(series.visit.age)}.0",
        "Visit": "bl ",
        "Modality": "MRI",
        "Description": f"{series.description}\xa0",
        "Type": "Original",
        "Acq Date": f"{exam.month}/{exam.day}/{exam:%y}",
        "Format": "DCM",
        "Downloaded": f'taken "as is", {exam + timedelta(days=3000):%d-%b-%y}',
    }


def slice_count(series: Series, voxel_mm: float) -> int:
    """Slices of a whole series."""
    return scan_shape(voxel_mm)[0] if series.is_t1w else _LOCALIZER_SLICES


def _us_date(series: Series) -> str:
    return f"{series.start.month}/{series.start:%d/%Y}"
