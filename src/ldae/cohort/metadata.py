"""The archive's metadata: one XML document per image, as its "metadata" zip holds them."""

from xml.etree import ElementTree as ET

from ldae.cohort.exam import Series
from ldae.cohort.image_tables import slice_count
from ldae.cohort.layout import sanitised
from ldae.cohort.scanner import scan_shape
from ldae.cohort.study_tables import Row
from ldae.cohort.visit_names import name_visit

ARCHIVE = "Synthetic_metadata.zip"
_NAMESPACE = "http://ida.loni.usc.edu"


def metadata(series: Series, *, voxel_mm: float) -> Row:
    """What the archive's metadata says of an image, by the names of its elements."""
    subject, columns = series.subject, scan_shape(voxel_mm)
    return {
        "subjectIdentifier": subject.ptid,
        "researchGroup": subject.enrolled_as,
        "subjectSex": subject.sex,
        "visitIdentifier": name_visit(subject, series.visit).label,
        "studyIdentifier": series.series_id // 10,
        "subjectAge": round(series.visit.age, 4),
        "seriesIdentifier": series.series_id,
        "dateAcquired": f"{series.start:%Y-%m-%d %H:%M:%S}.0",
        "imageUID": series.image_id,
        "description": series.description,
        "kind": series.kind,
        "originalUID": series.original_id,
        "Acquisition Type": "3D" if series.is_t1w else "2D",
        "Weighting": "T1",
        "Acquisition Plane": "SAGITTAL",
        "Matrix X": columns[1],
        "Matrix Y": columns[2],
        "Matrix Z": slice_count(series, voxel_mm),
        "Slice Thickness": voxel_mm,
        "Manufacturer": series.scanner.manufacturer,
        "Mfg Model": series.scanner.model,
        "Field Strength": series.scanner.tesla,
    }


def file_name(row: Row) -> str:
    """The name of the document: flat, known by its ids."""
    name = sanitised(str(row["description"]))
    ids = f"S{row['seriesIdentifier']}_I{row['imageUID']}"
    return f"ADNI_{row['subjectIdentifier']}_{name}_{ids}.xml"


def to_xml(row: Row) -> bytes:
    """The document: an original image has its protocol, a processed one where it came from."""
    root = ET.Element("idaxs", {"xmlns": _NAMESPACE})
    project = _add(root, "project")
    project.set("xmlns", "")
    _add(project, "projectIdentifier", "ADNI")
    _add(project, "projectDescription", "Synthetic stand-in for ADNI")
    _add(project, "siteKey", str(row["subjectIdentifier"])[:3])
    subject = _add(project, "subject")
    for name in ("subjectIdentifier", "researchGroup", "subjectSex"):
        _add(subject, name, row[name])
    _add(_add(subject, "visit"), "visitIdentifier", row["visitIdentifier"])
    study = _add(subject, "study")
    for name in ("studyIdentifier", "subjectAge"):
        _add(study, name, row[name])
    _add(study, "ageQualifier", "Y")
    series = _add(study, "series")
    _add(series, "seriesIdentifier", row["seriesIdentifier"])
    _add(series, "modality", "MRI")
    _add(series, "dateAcquired", row["dateAcquired"])
    if row["kind"] == "Original":
        _describe_scan(_add(study, "imagingProtocol"), row)
    else:
        _describe_derivation(_add(series, "seriesLevelMeta"), row)
    ET.indent(root)
    content: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return content


def _describe_scan(protocol: ET.Element, row: Row) -> None:
    _add(protocol, "imageUID", row["imageUID"])
    _add(protocol, "description", row["description"])
    terms = _add(protocol, "protocolTerm")
    names = list(row)
    for name in names[names.index("Acquisition Type") :]:
        _add(terms, "protocol", row[name]).set("term", name)


def _describe_derivation(meta: ET.Element, row: Row) -> None:
    _add(_add(meta, "annotation"), "text", "Mayo Clinic pipeline")
    product = _add(meta, "derivedProduct")
    _add(product, "imageUID", row["imageUID"])
    _add(product, "processedDataLabel", row["description"])
    _add(product, "creationDate", "0000-00-00")
    source = _add(_add(meta, "relatedImageDetail"), "originalRelatedImage")
    _add(source, "imageUID", row["originalUID"])


def _add(parent: ET.Element, name: str, text: object = None) -> ET.Element:
    child = ET.SubElement(parent, name)
    child.text = None if text is None else str(text)
    return child
