"""How long it takes to look at a download: `plan_download` on synthetic ones of two sizes.

Writes downloads of the archive's form (half the participants in folders of the older layout, half
in zips of the newer one; study tables and metadata of every image), plans each in a process of its
own, and prints time, peak memory, and how both grow. The first file of an image is a small real
DICOM file, all others are empty: nothing reads them before conversion.

    python benchmarks/ingest.py [--images 6000 12000] [--files 20] [--folder /tmp]
"""

import argparse
import csv
import io
import json
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

SERIES = ("MPRAGE", "MPRAGE Repeat", "Axial T2-FLAIR")
EXAMS = 4  # per participant, a year apart
ZIPS = 10
SETTINGS = {
    "selection": {
        "prefer": "original",
        "prefer_tesla": 1.5,
        "archive_quality": "require",
        "min_slices": 1,
        "max_voxel_mm": 2.0,
        "min_extent_mm": 1.0,
        "max_image_mb": 64.0,
    },
    "matching": {"near_days": 90, "distant_days": 183, "bracket_days": 400},
}
METADATA = """<?xml version="1.0" encoding="UTF-8"?>
<idaxs xmlns="http://ida.loni.usc.edu"><project xmlns=""><subject>
<subjectIdentifier>{ptid}</subjectIdentifier><subjectSex>F</subjectSex>
<visit><visitIdentifier>ADNI1/GO Month {months}</visitIdentifier></visit>
<study><subjectAge>{age}</subjectAge><series><seriesIdentifier>{series_id}</seriesIdentifier>
<modality>MRI</modality><dateAcquired>{when}.0</dateAcquired></series>
<imagingProtocol><imageUID>{image_id}</imageUID><description>{description}</description>
<protocolTerm><protocol term="Matrix Z">{files}</protocol></protocolTerm></imagingProtocol>
</study></subject></project></idaxs>"""


class Image(NamedTuple):
    """One image to write."""

    image_id: int
    series_id: int
    subject: int
    description: str
    when: datetime
    months: int

    @property
    def ptid(self) -> str:
        """The archive's subject id."""
        return f"{self.subject % 100:03d}_S_{self.subject:04d}"


def images(number: int) -> Iterator[Image]:
    """`number` images, exam by exam."""
    for index in range(number):
        exam, series = divmod(index, len(SERIES))
        subject, visit = divmod(exam, EXAMS)
        day = datetime(2006, 1, 9, 10, 20) + timedelta(subject % 700 + 365 * visit)
        when = day + timedelta(minutes=9 * series)
        yield Image(100_000 + index, 50_000 + index, subject + 1, SERIES[series], when, 12 * visit)


def write_download(folder: Path, *, number: int, files: int) -> None:
    """A download of `number` images with `files` files each."""
    content = _dicom()
    zips = [zipfile.ZipFile(folder / f"ADNI{part + 1}.zip", "w") for part in range(ZIPS)]
    metadata = zipfile.ZipFile(folder / "ADNI_metadata.zip", "w", zipfile.ZIP_DEFLATED)
    for image in images(number):
        name = image.description.replace(" ", "_")
        in_zip = image.subject % 2
        leaf = f"I{image.image_id}" if in_zip else f"S{image.series_id}"
        place = f"ADNI/{image.ptid}/{name}/{image.when:%Y-%m-%d_%H_%M_%S.0}/{leaf}"
        stem = f"ADNI_{image.ptid}_MR_{name}_br_raw_20120511095524148"
        tail = f"S{image.series_id}_I{image.image_id}"
        if not in_zip:
            (folder / place).mkdir(parents=True)
        for index in range(files):
            member, bytes_of = (
                f"{place}/{stem}_{index + 1}_{tail}.dcm",
                content if not index else b"",
            )
            if in_zip:
                zips[image.subject // 2 % ZIPS].writestr(member, bytes_of)
            else:
                (folder / member).write_bytes(bytes_of)
        text = METADATA.format(**image._asdict(), ptid=image.ptid, age=71.25, files=files)
        metadata.writestr(f"ADNI/ADNI_{image.ptid}_{name}_{tail}.xml", text)
    for package in (*zips, metadata):
        package.close()
    _write_tables(folder, number)


def _write_tables(folder: Path, number: int) -> None:
    everything = list(images(number))
    exams = {(one.subject, one.months): one for one in everything}.values()
    first = {one.subject: one.when.date() for one in reversed(everything)}
    _write_csv(
        folder / "ADNIMERGE_18Feb2025.csv",
        [
            {
                "RID": one.subject,
                "PTID": one.ptid,
                "VISCODE": f"m{one.months:02d}" if one.months else "bl",
                "EXAMDATE": one.when.date() + timedelta(20),
                "EXAMDATE_bl": first[one.subject] + timedelta(20),
                "DX_bl": "LMCI",
                "DX": "MCI",
                "AGE": 71.2,
                "PTGENDER": "Female",
            }
            for one in exams
        ],
    )
    _write_csv(
        folder / "All_Subjects_DXSUM_07Sep2025.csv",
        [
            {
                "PHASE": "ADNI1",
                "PTID": one.ptid,
                "RID": one.subject,
                "VISCODE2": f"m{one.months:02d}" if one.months else "bl",
                "EXAMDATE": one.when.date() + timedelta(20),
                "DIAGNOSIS": 2,
            }
            for one in exams
        ],
    )
    _write_csv(
        folder / "everything_2_13_2018.csv",
        [
            {
                "Image Data ID": f"I{one.image_id}",
                "Subject": one.ptid,
                "Group": "MCI",
                "Sex": "F",
                "Age": 71,
                "Visit": f"m{one.months:02d}",
                "Modality": "MRI",
                "Description": one.description,
                "Type": "Original",
                "Acq Date": _american(one.when.date()),
                "Format": "DCM",
                "Downloaded": "",
            }
            for one in everything
        ],
    )


def _american(day: date) -> str:
    return f"{day.month}/{day:%d/%Y}"


def _write_csv(path: Path, rows: list[dict[str, object]]) -> None:
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]), quoting=csv.QUOTE_ALL)
        table.writeheader()
        table.writerows(rows)


def _dicom() -> bytes:
    """A DICOM file with what ingestion reads of a header."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = MRImageStorage
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    dataset = Dataset()
    dataset.file_meta = meta
    dataset.Modality, dataset.Manufacturer, dataset.MagneticFieldStrength = "MR", "SIEMENS", 1.5
    dataset.Rows = dataset.Columns = 256
    dataset.PixelSpacing = [1.0, 1.0]
    dataset.PatientAge, dataset.PatientSex, dataset.SeriesNumber = "071Y", "F", 2
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def measure(folder: Path) -> dict[str, float]:
    """Plan one download here, and say what it took."""
    from ldae.adni.plan import plan_download  # noqa: PLC0415 (not needed to write downloads)
    from ldae.config import Matching, Selection  # noqa: PLC0415
    from ldae.imaging.storage import Storage  # noqa: PLC0415

    start, start_cpu = time.perf_counter(), time.process_time()
    with Storage(folder) as storage:
        plan = plan_download(
            storage,
            selection=Selection.model_validate(SETTINGS["selection"]),
            matching=Matching.model_validate(SETTINGS["matching"]),
        )
    return {
        "images": len(plan.planned),
        "sessions": int((plan.planned["rank"] == 0).sum()),
        "seconds": time.perf_counter() - start,
        "cpu_seconds": time.process_time() - start_cpu,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,  # Linux: KiB
    }


def compare(sizes: list[int], *, files: int, folder: Path | None) -> None:
    """Print what downloads of several sizes take."""
    heads = ("images", "files", "sessions", "seconds", "CPU s", "peak MiB")
    sys.stdout.write("".join(f"{head:>10}" for head in heads) + "\n")
    taken = []
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="ldae-", dir=folder) as download:
            write_download(Path(download), number=size, files=files)
            command = [sys.executable, __file__, "--measure", download]
            run = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        taken.append(json.loads(run.stdout))
        one = taken[-1]
        sys.stdout.write(
            f"{one['images']:10d}{size * files:10d}{one['sessions']:10d}"
            f"{one['seconds']:10.1f}{one['cpu_seconds']:10.1f}{one['peak_mib']:10.0f}\n"
        )
    per_image = [1000 * one["cpu_seconds"] / one["images"] for one in taken]
    sys.stdout.write(
        f"{per_image[-1]:.2f} ms of CPU per image, {per_image[-1] / per_image[0]:.2f} times as much"
        f" as with {sizes[0]} images (1: linear growth)\n"
    )


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, nargs="+", default=[6000, 12000])
    parser.add_argument("--files", type=int, default=20, help="of each image")
    parser.add_argument(
        "--folder", type=Path, help="where to write the downloads; they are removed"
    )
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        json.dump(measure(arguments.measure), sys.stdout)
    else:
        compare(arguments.images, files=arguments.files, folder=arguments.folder)


if __name__ == "__main__":
    main()
