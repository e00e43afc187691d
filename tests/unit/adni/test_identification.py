from datetime import datetime

import pytest

from ldae.adni.identification import identify
from ldae.adni.image_facts import ImageFacts
from ldae.adni.inventory import take_inventory
from ldae.imaging.storage import Storage

WHEN = datetime(2011, 3, 14, 16, 12, 8)
EXAM = "002_S_0295/MPRAGE/2011-03-14_16_12_08.0"
FACT = ImageFacts(
    subject="002_S_0295",
    series_id=150055,
    description="MPRAGE",
    kind="original",
    dates={"metadata": WHEN},
)


@pytest.fixture
def found(tmp_path):
    def look(files, facts):
        for file, content in files.items():
            path = tmp_path / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        with Storage(tmp_path) as storage:
            images = identify(take_inventory(storage).images, facts, storage)
        return [(image.image_id, image.ptid, image.fault, len(image.files)) for image in images]

    return look


def like(**changes):
    return ImageFacts(**(FACT.__dict__ | changes))


def test_an_image_is_found_again_by_its_series_id(found):
    files = {f"{EXAM}/S150055/{number}.dcm": b"" for number in range(3)}
    processed = like(kind="processed", description="MPR; N3; Scaled")
    facts = {7: FACT, 8: processed, 9: like(series_id=150056, description="MPRAGE SAG")}
    assert found(files, facts) == [(7, "002_S_0295", None, 3)]


def test_an_image_is_found_again_by_subject_series_name_and_day(found):
    facts = {
        7: like(series_id=None),
        8: like(series_id=None, dates={"MRIQC": datetime(2012, 3, 1)}),
    }
    assert found({f"{EXAM}/raw/1.dcm": b""}, facts) == [(7, "002_S_0295", None, 1)]


@pytest.mark.parametrize("other", [like(), like(subject="002_S_0001", kind="processed")])
def test_where_several_images_fit_none_is_guessed(found, other):
    facts = {7: FACT, 8: FACT} if other == FACT else {8: other}
    assert found({f"{EXAM}/S150055/1.dcm": b""}, facts) == [(None, "002_S_0295", "no_image_id", 1)]


def test_what_turns_out_to_be_one_image_is_joined(found):
    files = {f"a/{EXAM}/S150055/{n}.dcm": b"same" for n in (1, 2)}
    files |= {f"b/{EXAM}/I7/{n}.dcm": b"same" for n in (2, 3)}
    assert found(files, {7: FACT}) == [(7, "002_S_0295", None, 3)]
    files = {f"a/{EXAM}/S150055/3.dcm": b"other"}
    assert found(files, {7: FACT}) == [(7, "002_S_0295", "conflicting_copies", 3)]


def test_a_subject_that_names_do_not_tell_is_looked_up(found):
    assert found({"moved/I7/1.dcm": b""}, {7: FACT}) == [(7, "002_S_0295", None, 1)]
    assert found({"moved/I7/1.dcm": b""}, {}) == [(7, None, "no_subject_id", 1)]


def test_an_image_listed_under_another_subject_is_not_trusted(found):
    listed = {7: like(subject="002_S_0413")}
    assert found({f"{EXAM}/I7/1.dcm": b""}, listed) == [
        (7, "002_S_0295", "conflicting_subjects", 1)
    ]


def test_the_same_number_at_another_site_is_the_same_participant(found):
    assert found({f"{EXAM}/I7/1.dcm": b""}, {7: like(subject="003_S_0295")}) == [
        (7, "002_S_0295", None, 1)
    ]


def test_an_empty_folder_casts_no_doubt_on_the_image_of_its_number(found, tmp_path):
    (tmp_path / "002_S_0001/MPRAGE/2011-03-14_16_12_08.0/I7").mkdir(parents=True)
    files = {f"{EXAM}/I7/1.dcm": b"", "moved/I9/1.dcm": b""}
    assert found(files, {9: like(subject="002_S_0413")}) == [
        (7, "002_S_0001", "empty_folder", 0),
        (7, "002_S_0295", None, 1),
        (9, "002_S_0413", None, 1),
    ]
