from datetime import datetime
from pathlib import Path

import pytest

from ldae.adni.inventory import take_inventory

STAMP = "2011-03-14_16_12_08.0"


@pytest.fixture
def touch(tmp_path):
    def make(*files: str, content: bytes = b"") -> Path:
        for file in files:
            path = tmp_path / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return tmp_path

    return make


def name(image_id, *, ptid="002_S_0295", description="MPRAGE", number=1, ending="dcm"):
    stem = f"ADNI_{ptid}_MR_{description}_br_raw_20120511095524148_{number}"
    return f"{stem}_S150055_I{image_id}.{ending}"


@pytest.mark.parametrize("root", ["", "ADNI/", "ADNI/ADNI/", "my collection/ADNI/"])
@pytest.mark.parametrize("leaf", ["S150055", "I303066"])
def test_an_image_is_found_in_every_layout(touch, root, leaf):
    files = [f"{root}002_S_0295/MPRAGE/{STAMP}/{leaf}/{name(303066, number=n)}" for n in (1, 2)]
    (image,) = take_inventory(touch(*files)).images
    assert (image.image_id, image.series_id, image.ptid) == (303066, 150055, "002_S_0295")
    assert image.description == "MPRAGE"
    assert image.exam_time == datetime(2011, 3, 14, 16, 12, 8)
    assert (image.format, image.files, image.fault) == ("DICOM", tuple(files), None)


def test_one_series_folder_can_hold_several_images(touch):
    folder = f"ADNI/002_S_0295/MPRAGE/{STAMP}/S150055"
    download = touch(*(f"{folder}/{name(i, number=n)}" for i in (7, 8) for n in (1, 2, 3)))
    images = take_inventory(download).images
    assert [(image.image_id, len(image.files)) for image in images] == [(7, 3), (8, 3)]


def test_an_image_without_id_in_its_names_has_that_of_its_leaf(touch):
    long_name = "ADNI_100_S_10029_MR_WIP_SOURCE_-_MPRAGE_(MSV2x)_br_raw_20250401191619566_1.dcm"
    download = touch(f"100_S_10029/WIP_SOURCE_-_MPRAGE_(MSV2x)/{STAMP}/I11179993/{long_name}")
    (image,) = take_inventory(download).images
    assert (image.image_id, image.ptid) == (11179993, "100_S_10029")


def test_the_subject_and_series_name_are_read_from_file_names_where_folders_are_lost(touch):
    (image,) = take_inventory(touch(f"flat/{name(5, description='MP-RAGE_REPEAT')}")).images
    assert (image.ptid, image.description) == ("002_S_0295", "MP-RAGE_REPEAT")
    assert image.exam_time is None


@pytest.mark.parametrize("ending", ["nii", "nii.gz", "NII"])
def test_nifti_downloads_are_known_by_their_ending(touch, ending):
    (image,) = take_inventory(touch(f"002_S_0295/M/{STAMP}/S1/{name(9, ending=ending)}")).images
    assert (image.image_id, image.format) == (9, "NIfTI")


def test_what_cannot_be_assigned_gets_a_row_with_its_fault(touch):
    download = touch(
        f"002_S_0295/MPRAGE/{STAMP}/S1/a.dcm", f"002_S_0295/MPRAGE/{STAMP}/S2/a.dcm", "x/I3/b.dcm"
    )
    faults = [(image.fault, image.folder) for image in take_inventory(download).images]
    assert faults == [
        ("no_subject_id", "x/I3"),
        ("no_image_id", f"002_S_0295/MPRAGE/{STAMP}/S1"),
        ("no_image_id", f"002_S_0295/MPRAGE/{STAMP}/S2"),
    ]


def test_identical_copies_count_once(touch):
    places = [
        f"{root}/002_S_0295/MPRAGE/{STAMP}/{leaf}" for root, leaf in [("A", "S1"), ("B", "I4")]
    ]
    (image,) = take_inventory(touch(*(f"{p}/{name(4)}" for p in places), content=b"same")).images
    assert (len(image.files), image.fault) == (1, None)


def test_differing_copies_are_trusted_neither_way(touch):
    touch(f"A/002_S_0295/MPRAGE/{STAMP}/I4/{name(4)}", content=b"whole")
    download = touch(f"B/002_S_0295/MPRAGE/{STAMP}/I4/{name(4)}", content=b"who")
    (image,) = take_inventory(download).images
    assert image.fault == "conflicting_copies"


def test_one_image_id_under_two_subjects_is_trusted_for_neither(touch):
    download = touch(
        *(f"{p}/MPRAGE/{STAMP}/I4/{name(4, ptid=p)}" for p in ("002_S_0001", "002_S_0002"))
    )
    assert [i.fault for i in take_inventory(download).images] == ["conflicting_subjects"] * 2


def test_every_image_file_is_in_exactly_one_image(touch):
    files = {
        f"{p}/{d}/{STAMP}/I{i}/{name(i, ptid=p, number=n)}"
        for p, d, i in [
            ("002_S_0001", "MPRAGE", 1),
            ("002_S_0001", "T2", 2),
            ("100_S_10029", "M", 3),
        ]
        for n in range(4)
    }
    inventory = take_inventory(touch(*files, "notes.txt", ".hidden/x_I5.dcm", "t.CSV", "a.zip"))
    found = [file for image in inventory.images for file in image.files]
    assert sorted(found) == sorted(files)
    assert [path.name for path in (*inventory.tables, *inventory.archives)] == ["t.CSV", "a.zip"]


def test_linked_subject_folders_are_followed(touch, tmp_path):
    touch(f"store/MPRAGE/{STAMP}/I4/{name(4)}", "download/notes.txt")
    (tmp_path / "download/002_S_0295").symlink_to(tmp_path / "store")
    (image,) = take_inventory(tmp_path / "download").images
    assert image.files == (f"002_S_0295/MPRAGE/{STAMP}/I4/{name(4)}",)


def test_links_in_a_circle_or_to_folders_of_the_download_add_nothing(touch):
    folder = f"b/002_S_0295/MPRAGE/{STAMP}/I4"
    download = touch(f"{folder}/{name(4)}")
    (download / "b/again").symlink_to(download)
    (download / "a").symlink_to(download / folder)
    (image,) = take_inventory(download).images
    assert (image.folder, image.description) == (folder, "MPRAGE")


def test_a_dead_link_is_no_copy(touch):
    download = touch(f"A/002_S_0295/MPRAGE/{STAMP}/I4/{name(4)}", "B/notes.txt")
    (download / "B" / name(4)).symlink_to(download / "gone.dcm")
    (image,) = take_inventory(download).images
    assert image.fault == "conflicting_copies"
