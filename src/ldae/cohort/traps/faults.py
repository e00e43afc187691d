"""Faults of a series' files, as archives, transfers and anonymisers make them."""

from collections.abc import Callable, Iterable
from io import BytesIO

import pydicom
from pydicom.dataset import Dataset

from ldae.cohort.dicom import uid
from ldae.cohort.traps.trap import Fault

Change = Callable[[Dataset, int], None]  # a file's data set and its place in the series

ERROR_PAGE = (
    b"<html><head><title>Session expired</title></head><body>Please log in.</body></html>\n"
)


def without_middle(files: list[bytes]) -> list[bytes]:
    """One interior slice is missing."""
    middle = len(files) // 2
    return files[:middle] + files[middle + 1 :]


def without_head(files: list[bytes]) -> list[bytes]:
    """The first quarter of the slices is missing."""
    return files[len(files) // 4 :]


def without_tail(files: list[bytes]) -> list[bytes]:
    """The last quarter of the slices is missing."""
    return files[: -len(files) // 4]


def three_slices(files: list[bytes]) -> list[bytes]:
    """A test shot: three slices."""
    middle = len(files) // 2
    return files[middle - 1 : middle + 2]


def cut_short(files: list[bytes]) -> list[bytes]:
    """The file in the middle breaks off, as after a broken transfer."""
    middle = len(files) // 2
    broken = files[middle][: len(files[middle]) // 2]
    return [*files[:middle], broken, *files[middle + 1 :]]


def error_pages(files: list[bytes]) -> list[bytes]:
    """The server sent an error page in place of each file."""
    return [ERROR_PAGE] * len(files)


def copied(files: list[bytes]) -> list[bytes]:
    """Some files are there twice, under other names."""
    return [*files, *files[10:20]]


def second_copy(files: list[bytes]) -> list[bytes]:
    """The series was archived twice: new instances, numbered on, under the same series."""
    return [*files, *_changed(files, _as_new_instance)]


def second_series(files: list[bytes]) -> list[bytes]:
    """Another series was filed under the same image id."""

    def change(dataset: Dataset, number: int) -> None:
        _as_new_instance(dataset, number)
        dataset.SeriesInstanceUID = uid(dataset.SeriesInstanceUID, "second")
        dataset.SeriesNumber += 100

    return [*files, *_changed(files, change)]


def series_uid_per_slice(files: list[bytes]) -> list[bytes]:
    """A bad anonymiser gave each file a series of its own."""

    def change(dataset: Dataset, number: int) -> None:
        dataset.SeriesInstanceUID = uid(dataset.SeriesInstanceUID, number)

    return _changed(files, change)


def two_study_times(files: list[bytes]) -> list[bytes]:
    """The second half names another time of the study."""

    def change(dataset: Dataset, number: int) -> None:
        if number >= len(files) // 2:
            dataset.StudyTime = "235959.000000"

    return _changed(files, change)


def one_echo_time_differs(files: list[bytes]) -> list[bytes]:
    """One slice states its echo time with more decimals."""

    def change(dataset: Dataset, number: int) -> None:
        if number == len(files) // 2:
            dataset.EchoTime = float(dataset.EchoTime) + 1e-6

    return _changed(files, change)


def two_echoes(files: list[bytes]) -> list[bytes]:
    """Two echoes of each slice."""

    def change(dataset: Dataset, number: int) -> None:
        _as_new_instance(dataset, number)
        dataset.EchoNumbers = 2
        dataset.EchoTime = 2 * float(dataset.EchoTime)

    return [*files, *_changed(files, change)]


def half_phase(files: list[bytes]) -> list[bytes]:
    """The second half holds phase, not magnitude."""

    def change(dataset: Dataset, number: int) -> None:
        if number >= len(files) // 2:
            dataset.ImageType = ["P" if part == "M" else part for part in dataset.ImageType]

    return _changed(files, change)


def overlaid(files: list[bytes]) -> list[bytes]:
    """Somebody drew on the images: each has an overlay plane."""

    def change(dataset: Dataset, number: int) -> None:
        pixels = dataset.Rows * dataset.Columns
        dataset.add_new(0x60000010, "US", dataset.Rows)
        dataset.add_new(0x60000011, "US", dataset.Columns)
        dataset.add_new(0x60000040, "CS", "G")
        dataset.add_new(0x60000050, "SS", [1, 1])
        dataset.add_new(0x60000100, "US", 1)
        dataset.add_new(0x60000102, "US", 0)
        dataset.add_new(0x60003000, "OW", bytes([number % 2 * 255]) * (pixels // 8))

    return _changed(files, change)


def one_tilted(files: list[bytes]) -> list[bytes]:
    """One slice is said to lie in a slightly different plane."""

    def change(dataset: Dataset, number: int) -> None:
        if number == len(files) // 2:
            dataset.ImageOrientationPatient = [0.02, 0.9998, 0, 0, 0, -1]

    return _changed(files, change)


def one_smaller(files: list[bytes]) -> list[bytes]:
    """The last slice has fewer rows."""

    def change(dataset: Dataset, number: int) -> None:
        if number == len(files) - 1:
            dataset.PixelData = dataset.PixelData[: len(dataset.PixelData) // 2]
            dataset.Rows //= 2

    return _changed(files, change)


def without_voxel_size(files: list[bytes]) -> list[bytes]:
    """No file says how large its pixels are."""

    def change(dataset: Dataset, _: int) -> None:
        del dataset.PixelSpacing

    return _changed(files, change)


def without_dates(files: list[bytes]) -> list[bytes]:
    """Defacing wiped every date and time."""

    def change(dataset: Dataset, _: int) -> None:
        for step in ("Study", "Series", "Acquisition", "Content"):
            delattr(dataset, f"{step}Date")
            delattr(dataset, f"{step}Time")

    return _changed(files, change)


def without_age(files: list[bytes]) -> list[bytes]:
    """The headers do not tell the participant's age."""

    def change(dataset: Dataset, _: int) -> None:
        del dataset.PatientAge

    return _changed(files, change)


def of_varying_times(files: list[bytes]) -> list[bytes]:
    """Harmless: acquisition time, number and position differ a little from slice to slice."""

    def change(dataset: Dataset, number: int) -> None:
        dataset.AcquisitionTime = f"1200{number:02d}.000000"
        dataset.AcquisitionNumber = number + 1
        x, *rest = map(float, dataset.ImagePositionPatient)
        dataset.ImagePositionPatient = [x + 4e-7 * (number % 2), *rest]

    return _changed(files, change)


def one_pixel_differs(files: list[bytes]) -> list[bytes]:
    """One file is not what it was: its last byte is another."""
    middle = len(files) // 2
    other = files[middle][:-1] + bytes([files[middle][-1] ^ 1])
    return [*files[:middle], other, *files[middle + 1 :]]


def two_volumes(files: list[bytes]) -> list[bytes]:
    """A NIfTI file of two volumes: the same one twice."""
    (content,) = files
    header = bytearray(content)
    header[40:42] = (4).to_bytes(2, "little")  # dim[0], number of dimensions
    header[48:50] = (2).to_bytes(2, "little")  # dim[4], volumes
    return [bytes(header) + content[352:]]


def half_a_file(files: list[bytes]) -> list[bytes]:
    """A NIfTI file that breaks off."""
    (content,) = files
    return [content[: len(content) // 2]]


def both(*faults: Fault) -> Fault:
    """One fault after the other."""

    def apply(files: list[bytes]) -> list[bytes]:
        for fault in faults:
            files = fault(files)
        return files

    return apply


def _as_new_instance(dataset: Dataset, number: int) -> None:
    dataset.SOPInstanceUID = uid(dataset.SOPInstanceUID, "again")
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.InstanceNumber += 100


def _changed(files: Iterable[bytes], change: Change) -> list[bytes]:
    changed = []
    for number, content in enumerate(files):
        dataset = pydicom.dcmread(BytesIO(content))
        change(dataset, number)
        buffer = BytesIO()
        pydicom.dcmwrite(buffer, dataset)
        changed.append(buffer.getvalue())
    return changed
