import re
from pathlib import Path

from tests.unit.cohort.downloads import Download

from ldae.cohort.delivery import Delivery, File
from ldae.cohort.layout import sanitised

GRAMMAR = re.compile(
    r"(?:(?P<zip>Synthetic\d)\.zip::)?"
    r"ADNI/(?P<ptid>\d{3}_S_\d{4})/(?P<desc>[\w-]+)/\d{4}-\d\d-\d\d_\d\d_\d\d_\d\d\.0/"
    r"(?P<leaf>[SI])(?P<id>\d+)/"
    r"ADNI_(?P=ptid)_MR_(?P=desc)_br_raw_\d{17}_\d+_S(?P<series>\d+)_I(?P<image>\d+)\.dcm"
)


def test_folders_and_names_follow_the_archive(download: Download) -> None:
    files = [path for path in download.images() if path.endswith(".dcm")]
    parsed = [match for path in files if (match := GRAMMAR.fullmatch(path))]
    assert len(parsed) == len(files)
    assert all(m["id"] == m["series" if m["leaf"] == "S" else "image"] for m in parsed)
    old, new = (set(download.table(f"COLLECTION_{year}")["Image Data ID"]) for year in (2018, 2026))
    assert {m["image"] for m in parsed if m["leaf"] == "S"} == old
    assert {f"I{m['image']}" for m in parsed if m["leaf"] == "I"} == new


def test_both_layouts_hold_all_diagnoses_and_zips_split_participants(download: Download) -> None:
    parsed = [match for path in download.images() if (match := GRAMMAR.fullmatch(path))]
    diagnoses = dict(zip(download.truth.PTID, download.truth.diagnosis, strict=True))
    for leaf in "SI":
        assert {"CN", "AD"} <= {diagnoses[m["ptid"]] for m in parsed if m["leaf"] == leaf}
    packed = {(m["ptid"], m["zip"]) for m in parsed if m["zip"]}
    assert {name for _, name in packed} == {"Synthetic1", "Synthetic2"}
    assert len({ptid for ptid, _ in packed}) < len(packed)
    assert any(m["leaf"] == "I" and not m["zip"] for m in parsed)


def test_descriptions_are_spelled_as_the_archive_spells_them() -> None:
    assert sanitised("MPR; ; N3; Scaled") == "MPR____N3__Scaled"
    assert sanitised("MPRAGE (MSV2x)") == "MPRAGE__MSV2x_"


def test_a_delivery_holds_files_zips_and_empty_folders(tmp_path: Path) -> None:
    with Delivery(tmp_path) as delivery:
        delivery.put([File("a/b.txt", b"1"), File("c/", b""), File("d/e", b"2", "x.zip")])
        delivery.put([File("d/f", b"3", "x.zip")])
    assert (tmp_path / "a/b.txt").read_bytes() == b"1"
    assert (tmp_path / "c").is_dir()
    found = Download(tmp_path, None, None).images()  # type: ignore[arg-type]
    assert found == {"x.zip::d/e": b"2", "x.zip::d/f": b"3"}
