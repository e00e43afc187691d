"""Ways of laying out an image's files in a download."""

from dataclasses import replace

from ldae.cohort.delivery import File, zip_bytes
from ldae.cohort.exam import Series
from ldae.cohort.layout import Home, file_name, folder_of, lay_out
from ldae.cohort.traps.trap import Fault, Placement


def at(*homes: Home) -> Placement:
    """All files in each of `homes`."""

    def place(series: Series, contents: list[bytes]) -> list[File]:
        return [file for home in homes for file in lay_out(series, contents, home)]

    return place


def at_two(first: Home, second: Home, *, but: Fault) -> Placement:
    """All files in two homes; those in the second one have a fault."""

    def place(series: Series, contents: list[bytes]) -> list[File]:
        return lay_out(series, contents, first) + lay_out(series, but(contents), second)

    return place


def in_overlapping_parts(first: Home, second: Home) -> Placement:
    """The first two thirds in one home, the last two thirds in another."""

    def place(series: Series, contents: list[bytes]) -> list[File]:
        third = len(contents) // 3
        return (
            lay_out(series, contents, first)[: 2 * third]
            + lay_out(series, contents, second)[third:]
        )

    return place


def between_litter(series: Series, contents: list[bytes]) -> list[File]:
    """Among what desktops leave behind."""
    folder = folder_of(series, Home())
    litter = [".DS_Store", f"._{file_name(series, 1)}", "Thumbs.db"]
    return lay_out(series, contents, Home()) + [
        File(f"{folder}/{name}", b"\x00\x05\x16\x07") for name in litter
    ]


def in_leaf_of_original(description: str) -> Placement:
    """In the S folder of the original image, whose series has this description."""

    def place(series: Series, contents: list[bytes]) -> list[File]:
        folder = folder_of(replace(series, description=description), Home(leaf="S"))
        return [
            File(f"{folder}/{file_name(series, number)}", content)
            for number, content in enumerate(contents, start=1)
        ]

    return place


def nowhere(series: Series, _: list[bytes]) -> list[File]:
    """The folder is there, and nothing in it."""
    return [File(f"{folder_of(series, Home())}/", b"")]


def under_two_participants(series: Series, contents: list[bytes]) -> list[File]:
    """The same image again, in another participant's folders."""
    stranger = replace(series, subject=replace(series.subject, site=941))
    return lay_out(series, contents, Home()) + lay_out(stranger, contents, Home())


def without_participant(series: Series, contents: list[bytes]) -> list[File]:
    """In a folder known by the image id, under names that do not say whose image it is."""
    return [
        File(f"sorted/I{series.image_id}/slice{number:03d}.dcm", content)
        for number, content in enumerate(contents, start=1)
    ]


def as_minc(series: Series, _: list[bytes]) -> list[File]:
    """In a format of the past."""
    name = file_name(series, 1).removesuffix(".dcm")
    return [File(f"{folder_of(series, Home())}/{name}.mnc", b"CDF\x01" + bytes(400))]


def in_broken_zip(name: str) -> Placement:
    """In a zip whose download broke off half way."""

    def place(series: Series, contents: list[bytes]) -> list[File]:
        packed = zip_bytes(lay_out(series, contents, Home()))
        return [File(name, packed[: len(packed) // 2])]

    return place


def in_zip_in_zip(name: str) -> Placement:
    """In a zip inside a zip."""

    def place(series: Series, contents: list[bytes]) -> list[File]:
        return [File("inner.zip", zip_bytes(lay_out(series, contents, Home())), name)]

    return place
