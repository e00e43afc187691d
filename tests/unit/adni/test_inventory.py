import zipfile
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldae.adni.images import split_path
from ldae.adni.inventory import take_inventory
from ldae.adni.layout import read_place, read_tail, split_ending
from ldae.imaging.storage import Storage

STAMP = "2011-03-14_16_12_08.0"
DICOM = bytes(128) + b"DICM"


@pytest.fixture
def touch(tmp_path):
    """Files with the same content; of `x.zip::y`, the member y of the archive x.zip."""

    def make(*files: str, content: bytes = b"") -> Path:
        for file in files:
            archive, inside, member = (tmp_path / file).as_posix().rpartition("::")
            path = Path(archive or member)
            path.parent.mkdir(parents=True, exist_ok=True)
            if not inside:
                path.write_bytes(content)
                continue
            with zipfile.ZipFile(path, "a") as package:
                package.writestr(member, content)
        return tmp_path

    return make


def look(download):
    with Storage(download) as storage:
        return take_inventory(storage)


def name(image_id, *, ptid="002_S_0295", description="MPRAGE", number=1, ending=".dcm"):
    stem = f"ADNI_{ptid}_MR_{description}_br_raw_20120511095524148_{number}"
    return f"{stem}_S150055_I{image_id}{ending}"


def leaf(last, *, ptid="002_S_0295", description="MPRAGE"):
    return f"{ptid}/{description}/{STAMP}/{last}"


@pytest.mark.parametrize("root", ["", "ADNI/", "ADNI/ADNI/", "my collection/ADNI/", "a.zip::ADNI/"])
@pytest.mark.parametrize("last", ["S150055", "I303066"])
def test_an_image_is_found_in_every_layout(touch, root, last):
    files = [f"{root}{leaf(last)}/{name(303066, number=n)}" for n in (1, 2)]
    (image,) = look(touch(*files)).images
    assert (image.image_id, image.series_id, image.ptid) == (303066, 150055, "002_S_0295")
    assert image.description == "MPRAGE"
    assert image.exam_time == datetime(2011, 3, 14, 16, 12, 8)
    assert (image.format, image.files, image.fault) == ("DICOM", tuple(files), None)
    assert (image.place, image.folder, image.copies) == (files[0], f"{root}{leaf(last)}", ())


def test_both_layouts_can_be_in_one_tree(touch):
    download = touch(f"{leaf('S150055')}/{name(1)}", f"{leaf('I2')}/{name(2)}")
    assert [image.image_id for image in look(download).images] == [1, 2]


def test_one_series_folder_can_hold_several_images(touch):
    files = [f"{leaf('S150055')}/{name(i, number=n)}" for i in (7, 8) for n in (1, 2, 3)]
    images = look(touch(*files)).images
    assert [(image.image_id, len(image.files)) for image in images] == [(7, 3), (8, 3)]


def test_in_a_mixed_folder_file_names_say_which_series_an_image_is_of(touch):
    download = touch(
        f"{leaf('S150055')}/{name(7)}", f"{leaf('S150055')}/{name(8, description='Localizer')}"
    )
    assert [image.description for image in look(download).images] == ["MPRAGE", "Localizer"]


def test_an_image_without_id_in_its_names_has_that_of_its_leaf(touch):
    long_name = "ADNI_100_S_10029_MR_WIP_SOURCE_-_MPRAGE_(MSV2x)_br_raw_20250401191619566_1.dcm"
    place = leaf("I11179993", ptid="100_S_10029", description="WIP_SOURCE_-_MPRAGE_(MSV2x)")
    (image,) = look(touch(f"{place}/{long_name}")).images
    assert (image.image_id, image.ptid) == (11179993, "100_S_10029")
    assert image.description == "WIP_SOURCE_-_MPRAGE_(MSV2x)"


def test_the_subject_and_series_name_are_read_from_file_names_where_folders_are_lost(touch):
    (image,) = look(touch(f"flat/{name(5, description='MP-RAGE_REPEAT')}")).images
    assert (image.ptid, image.description) == ("002_S_0295", "MP-RAGE_REPEAT")
    assert image.exam_time is None


@pytest.mark.parametrize("ending", [".nii", ".nii.gz", ".NII"])
def test_nifti_downloads_are_known_by_their_ending(touch, ending):
    (image,) = look(touch(f"{leaf('S1')}/{name(9, ending=ending)}")).images
    assert (image.image_id, image.series_id, image.format) == (9, 150055, "NIfTI")


@pytest.mark.parametrize("spelling", ["IM0001", "1.2.840.113619.2.5", name(4, ending=""), "x.ima"])
@pytest.mark.parametrize("content", [DICOM, b"\x08\x00\x05\x00", b"\x02\x00\x00\x00"])
def test_dicom_without_its_extension_is_known_by_its_first_bytes(touch, spelling, content):
    (image,) = look(touch(f"{leaf('I4')}/{spelling}", content=content)).images
    assert (image.image_id, image.format, image.fault) == (4, "DICOM", None)


def test_other_formats_get_a_row_each(touch):
    download = touch(
        *(f"{leaf('S1')}/{name(5, ending=ending)}" for ending in (".hdr", ".img")),
        f"{leaf('I6')}/brain.mnc",
        f"{leaf('S7')}/Thumbs.db",
    )
    found = [(i.image_id, i.series_id, i.fault, i.detail) for i in look(download).images]
    assert found == [
        (None, 7, "unknown_format", ".db"),
        (5, 150055, "unknown_format", ".hdr, .img"),
        (6, None, "unknown_format", ".mnc"),
    ]
    assert {image.format for image in look(download).images} == {"other"}


def test_what_lies_beside_images_is_counted_and_no_more(touch):
    inventory = look(
        touch(
            f"{leaf('I5')}/{name(5)}",
            f"{leaf('I5')}/Thumbs.db",
            f"{leaf('S1')}/{name(6)}",
            f"{leaf('S1')}/notes",
            f"{leaf('S1')}/{name(6, ending='.json')}",
            "README.txt",
        )
    )
    assert [image.image_id for image in inventory.images] == [5, 6]
    assert inventory.other == 4


def test_an_image_at_the_top_does_not_hide_other_formats_elsewhere(touch):
    images = look(touch(name(5), f"{leaf('I6')}/brain.mgz")).images
    assert [(image.image_id, image.fault) for image in images] == [
        (5, None),
        (6, "unknown_format"),
    ]


def test_dicom_without_extension_and_leaf_is_found_below_a_subject(touch):
    folder = f"002_S_0295/MPRAGE/{STAMP}"
    touch(f"{folder}/IM0001", f"{folder}/IM0002", content=DICOM)
    inventory = look(touch(f"{folder}/notes", "elsewhere/IM0001"))
    (image,) = inventory.images
    assert (image.format, len(image.files), image.fault) == ("DICOM", 2, "no_image_id")
    assert inventory.other == 2


def test_empty_folders_where_images_belong_get_a_row_each(touch, tmp_path):
    touch(f"ADNI/{leaf('I5')}/{name(5)}")
    with zipfile.ZipFile(tmp_path / "gone.zip", "w") as package:
        package.mkdir(f"ADNI/{leaf('I6')}")
    for folder in (leaf("S7"), "100_S_10029", "elsewhere"):
        (tmp_path / "ADNI" / folder).mkdir(parents=True)
    empty = [image for image in look(tmp_path).images if image.fault]
    assert {image.fault for image in empty} == {"empty_folder"}
    assert {(image.place, image.image_id, image.files) for image in empty} == {
        (f"ADNI/{leaf('S7')}", None, ()),
        ("ADNI/100_S_10029", None, ()),
        (f"gone.zip::ADNI/{leaf('I6')}", 6, ()),
    }


def test_archives_that_cannot_be_entered_get_a_row_each(touch):
    inventory = look(touch("a.zip", "b.zip::inner.zip", content=b"no archive"))
    assert [(i.place, i.fault) for i in inventory.images] == [
        ("a.zip", "unreadable_archive"),
        ("b.zip::inner.zip", "nested_archive"),
    ]


def test_what_cannot_be_assigned_gets_a_row_with_its_fault(touch):
    download = touch(f"{leaf('S1')}/a.dcm", f"{leaf('S2')}/a.dcm", "x/I3/b.dcm")
    assert [(image.fault, image.folder) for image in look(download).images] == [
        ("no_subject_id", "x/I3"),
        ("no_image_id", leaf("S1")),
        ("no_image_id", leaf("S2")),
    ]


def test_files_without_a_subject_join_the_image_they_belong_to(touch):
    (image,) = look(touch(f"{leaf('I3')}/{name(3)}", "moved/I3/2.dcm")).images
    assert (image.ptid, len(image.files), image.fault) == ("002_S_0295", 2, None)


def test_identical_copies_count_once_and_every_place_is_known(touch):
    places = [f"A/{leaf('S1')}", f"B/{leaf('I4')}", f"c.zip::ADNI/{leaf('I4')}"]
    (image,) = look(touch(*(f"{place}/{name(4)}" for place in places), content=b"same")).images
    assert (len(image.files), image.fault) == (1, None)
    assert {image.folder, *image.copies} == set(places)


def test_of_identical_copies_the_unpacked_one_is_read(touch):
    touch(f"a.zip::ADNI/{leaf('I4')}/{name(4)}", content=b"same")
    (image,) = look(touch(f"z/{leaf('I4')}/{name(4)}", content=b"same")).images
    assert image.files == (f"z/{leaf('I4')}/{name(4)}",)
    assert image.copies == (f"a.zip::ADNI/{leaf('I4')}",)


def test_partial_copies_in_several_zips_make_one_image(touch):
    for archive, numbers in (("x.zip", range(4)), ("x(1).zip", range(2, 6)), ("y.zip", [6])):
        files = [f"{archive}::ADNI/{leaf('I4')}/{name(4, number=n)}" for n in numbers]
        download = touch(*files, content=b"same")
    (image,) = look(download).images
    assert [file.rpartition("/")[2] for file in image.files] == [
        name(4, number=n) for n in range(7)
    ]
    assert (image.copies, image.fault) == ((f"x(1).zip::ADNI/{leaf('I4')}",), None)


@pytest.mark.parametrize("where", ["B/", "b.zip::"])
def test_differing_copies_are_trusted_neither_way(touch, where):
    touch(f"A/{leaf('I4')}/{name(4)}", content=b"whole")
    (image,) = look(touch(f"{where}{leaf('I4')}/{name(4)}", content=b"who")).images
    assert image.fault == "conflicting_copies"
    assert f"A/{leaf('I4')}/{name(4)}" in image.detail
    assert f"{where}{leaf('I4')}/{name(4)}" in image.detail


def test_one_image_id_under_two_subjects_is_trusted_for_neither(touch):
    people = ("002_S_0001", "002_S_0002")
    images = look(touch(*(f"{leaf('I4', ptid=p)}/{name(4, ptid=p)}" for p in people))).images
    assert [image.fault for image in images] == ["conflicting_subjects"] * 2
    assert [image.detail for image in images] == [f"also found under {p}" for p in reversed(people)]


def test_an_image_in_the_folder_of_another_subject_is_not_trusted(touch):
    (image,) = look(touch(f"{leaf('I4', ptid='002_S_0001')}/{name(4, ptid='002_S_0002')}")).images
    assert (image.fault, image.ptid) == ("conflicting_subjects", "002_S_0001")


def test_every_file_is_accounted_for_exactly_once(touch):
    files = {
        f"{where}{leaf(f'I{i}', ptid=p, description=d)}/{name(i, ptid=p, number=n)}"
        for where, p, d, i in [
            ("", "002_S_0001", "MPRAGE", 1),
            ("x.zip::", "002_S_0001", "T2", 2),
            ("", "100_S_10029", "M", 3),
        ]
        for n in range(4)
    }
    more = ["notes.txt", "t.CSV", "x.zip::tables/t.csv", "meta.zip::x_I5.xml"]
    inventory = look(touch(*files, *more, ".hidden/x_I5.dcm"))
    found = [file for image in inventory.images for file in image.files]
    assert sorted(found) == sorted(files)
    assert sorted(inventory.tables) == ["t.CSV", "x.zip::tables/t.csv"]
    assert inventory.metadata == ("meta.zip::x_I5.xml",)
    assert inventory.other == 1


def test_linked_subject_folders_are_followed(touch, tmp_path):
    touch(f"store/MPRAGE/{STAMP}/I4/{name(4)}", "download/notes.txt")
    (tmp_path / "download/002_S_0295").symlink_to(tmp_path / "store")
    (image,) = look(tmp_path / "download").images
    assert image.files == (f"{leaf('I4')}/{name(4)}",)


def test_links_in_a_circle_or_to_folders_of_the_download_add_nothing(touch):
    folder = f"b/{leaf('I4')}"
    download = touch(f"{folder}/{name(4)}")
    (download / "b/again").symlink_to(download)
    (download / "a").symlink_to(download / folder)
    (image,) = look(download).images
    assert (image.folder, image.description) == (folder, "MPRAGE")


def test_a_dead_link_is_no_copy(touch):
    download = touch(f"A/{leaf('I4')}/{name(4)}", "B/notes.txt")
    (download / "B" / name(4)).symlink_to(download / "gone.dcm")
    (image,) = look(download).images
    assert image.fault == "conflicting_copies"


@given(st.text(st.sampled_from("SI0127_-:./ :a.zip"), max_size=40))
def test_no_path_confuses_the_reader_of_places(path):
    place = read_place(path)
    assert place.series_id is None or place.image_id is None


@pytest.mark.parametrize(
    ("file", "parts"),
    [
        ("a_S1_I2.dcm", ("a_S1_I2", ".dcm")),
        ("a.v2.NII.GZ", ("a.v2", ".nii.gz")),
        ("1.2.840.12", ("1.2.840.12", "")),
        ("MPRAGE_1.2mm_S1_I2", ("MPRAGE_1.2mm_S1_I2", "")),
    ],
)
def test_the_ending_of_a_name_is_no_part_of_a_number(file, parts):
    assert split_ending(file) == parts


@pytest.mark.parametrize(
    ("stem", "ids"),
    [
        ("x_S150055_I303066", (150055, 303066)),
        ("x_I303066", (None, 303066)),
        ("x_20250401191619566_1", (None, None)),
        ("xI3", (None, None)),
    ],
)
def test_ids_are_read_from_the_end_of_a_name(stem, ids):
    assert read_tail(stem) == ids


class Listed:
    """A storage that knows nothing but the content of each file."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files

    def walk(self):
        folders = {}
        for file in self.files:
            folder, name = split_path(file)
            folders.setdefault(folder, []).append(name)
        return ((folder, sorted(names)) for folder, names in sorted(folders.items()))

    def same(self, one, other):
        return self.files[one] == self.files[other]

    def read_start(self, file, limit):
        return self.files[file][:limit]


PLACES = st.tuples(
    st.sampled_from(["", "ADNI/", "a.zip::", "b.zip::ADNI/"]),
    st.sampled_from(["002_S_0295/", "100_S_10029/", ""]),
    st.sampled_from([f"MPRAGE/{STAMP}/", ""]),
    st.sampled_from(["S5/", "I7/", "I8/", ""]),
).map("".join)
FILES = st.tuples(PLACES, st.sampled_from([
    "ADNI_002_S_0295_MR_MPRAGE_br_raw_20120511095524148_1_S5_I7.dcm",
    "ADNI_002_S_0295_MR_MPRAGE_br_raw_20120511095524148_2_S5_I7.dcm",
    "ADNI_002_S_0295_MR_MPRAGE_br_raw_20120511095524148_2_S5_I7.nii",
    "1.dcm", "IM1", "x.img", "t.csv", "m.xml", "z.zip", "README.txt",
])).map("".join)  # fmt: skip


@given(st.dictionaries(FILES, st.sampled_from([b"", b"one", DICOM]), max_size=12))
def test_no_file_is_lost_and_none_counted_twice(files):
    inventory = take_inventory(Listed(files))
    listed = [file for image in inventory.images for file in image.files]
    listed += [*inventory.tables, *inventory.metadata]
    assert len(listed) == len(set(listed))
    places = {image.place for image in inventory.images}
    assert len(places) == len(inventory.images)
    # What is not listed is a copy of a file that is, or is counted.
    names = {split_path(file)[1] for file in listed}
    rest = [file for file in files.keys() - set(listed) if split_path(file)[1] not in names]
    assert len(rest) <= inventory.other <= len(files.keys() - set(listed))
