import os
import stat
import struct
import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ldae.errors import UserError
from ldae.imaging.storage import INSIDE, Storage, StorageError


def write_zip(path, members, method=zipfile.ZIP_DEFLATED):
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def write_tree(root, files):
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)


def refused(call):
    with pytest.raises(StorageError) as caught:
        call()
    return caught.value


def test_zips_are_entered_like_folders(download, storage):
    write_tree(download, {"ADNI/002/a.dcm": b"1", "readme.txt": b"2", "ADNI/003/b.dcm": b"3"})
    write_zip(download / "zips" / "One.ZIP", {"ADNI/004/c.dcm": b"4", "top.csv": b"5"})
    assert list(storage.walk()) == [
        ("", ["readme.txt"]),
        ("ADNI/002", ["a.dcm"]),
        ("ADNI/003", ["b.dcm"]),
        ("zips/One.ZIP::", ["top.csv"]),
        ("zips/One.ZIP::ADNI/004", ["c.dcm"]),
    ]
    for file, content in {
        "readme.txt": b"2",
        "ADNI/003/b.dcm": b"3",
        "zips/One.ZIP::top.csv": b"5",
        "zips/One.ZIP::ADNI/004/c.dcm": b"4",
    }.items():
        with storage.open(file) as stream:
            assert stream.read() == content
        assert storage.size(file) == 1


def test_only_the_start_is_read(download, storage):
    write_tree(download, {"a.csv": b"0123456789"})
    write_zip(download / "z.zip", {"a.csv": b"0123456789"})
    assert storage.read_start("a.csv", 4) == storage.read_start("z.zip::a.csv", 4) == b"0123"
    assert (
        storage.read_start("a.csv", 99) == storage.read_start("z.zip::a.csv", 99) == b"0123456789"
    )


def test_empty_leaves_are_listed_and_hidden_files_are_not(download, storage):
    write_tree(download, {"a/.DS_Store": b"", ".git/x": b"", "b/.c/d": b""})
    (download / "e" / "f").mkdir(parents=True)
    with zipfile.ZipFile(download / "z.zip", "w") as archive:
        archive.mkdir("ADNI/I1")
        for name in ("__MACOSX/ADNI/._x", "ADNI/.x", "ADNI/I2/.x", "ADNI/I2/.y/z"):
            archive.writestr(name, b"")
    assert list(storage.walk()) == [
        ("z.zip::ADNI/I1", []),
        ("z.zip::ADNI/I2", []),
        ("a", []),
        ("b", []),
        ("e/f", []),
    ]


def test_an_empty_download_has_no_folders(storage):
    assert list(storage.walk()) == []


def test_a_zip_that_cannot_be_read_is_a_file_and_so_is_one_in_a_zip(download, storage):
    whole = write_zip(download / "whole.zip", {"x": os.urandom(2000)}).read_bytes()
    write_tree(download, {"cut.zip": whole[:-40], "text.zip": b"no zip", "empty.zip": b""})
    write_zip(download / "outer.zip", {"ADNI/inner.zip": whole})
    assert dict(storage.walk()) == {
        "": ["cut.zip", "empty.zip", "text.zip"],
        "whole.zip::": ["x"],
        "outer.zip::ADNI": ["inner.zip"],
    }


def test_links_are_followed_once(download, storage, tmp_path):
    write_tree(download, {"real/a.dcm": b"1"})
    write_tree(tmp_path / "elsewhere", {"b.dcm": b"2"})
    (download / "circle").symlink_to(download)
    (download / "again").symlink_to(download / "real")
    (download / "other").symlink_to(tmp_path / "elsewhere")
    assert list(storage.walk()) == [("real", ["a.dcm"]), ("other", ["b.dcm"])]


def test_a_folder_that_cannot_be_listed_is_not_passed_over(download, storage, monkeypatch):
    write_tree(download, {"closed/a.dcm": b"1"})
    listing = os.scandir

    def scan(place):
        if str(place).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(place))
        return listing(place)

    monkeypatch.setattr(os, "scandir", scan)
    with pytest.raises(UserError, match=r"closed: cannot be listed .*Permission denied"):
        list(storage.walk())


def test_names_that_are_no_text_can_be_opened(download, storage):
    with open(os.fsencode(download) + b"/M\xe4rz.csv", "wb") as file:
        file.write(b"1")
    ((_, names),) = storage.walk()
    assert names == [r"M\xe4rz.csv"]
    assert storage.read_start(names[0], 9) == b"1"
    assert storage.same(names[0], names[0])


@pytest.mark.parametrize(
    "name",
    ["../../escape.dcm", "/absolute.dcm", "..\\..\\escape.dcm", "C:\\x.dcm", "a//b.dcm", "./c.dcm"],
)
def test_no_member_name_becomes_a_path(download, storage, tmp_path, name):
    with zipfile.ZipFile(download / "z.zip", "w") as archive:
        info = zipfile.ZipInfo("x")
        info.filename = name
        archive.writestr(info, b"content")
    ((folder, (file,)),) = storage.walk()
    spelled = f"{folder}{'' if folder.endswith(INSIDE) else '/'}{file}"
    target = tmp_path / "target"
    target.mkdir()
    (copy,) = storage.extract([spelled], target, limit_bytes=100)
    assert copy.parent == target
    assert copy.read_bytes() == b"content"
    assert {path.name for path in tmp_path.iterdir()} == {"download", "target"}


MEMBERS = st.lists(
    st.text(st.characters(codec="utf-8", exclude_characters="\0:"), min_size=1, max_size=30),
    max_size=8,
    unique=True,
)


@given(names=MEMBERS)
@settings(max_examples=60, deadline=None)
def test_every_member_is_listed_once_and_has_its_content(names):
    shown = {}
    for number, name in enumerate(names):
        parts = [part for part in name.replace("\\", "/").split("/") if part]
        hidden = any(p == "__MACOSX" or (p[0] == "." and p not in {".", ".."}) for p in parts)
        if parts and not hidden and not name.endswith(("/", "\\")):
            shown["/".join(parts)] = str(number).encode()
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(Path(folder) / "z.zip", "w") as archive:
            for number, name in enumerate(names):
                info = zipfile.ZipInfo("x")
                info.filename = name
                archive.writestr(info, str(number).encode())
        with Storage(Path(folder)) as storage:
            found = {
                (f"{place.partition(INSIDE)[2]}/{file}".removeprefix("/")): storage.read_start(
                    f"{place}{'' if place.endswith(INSIDE) else '/'}{file}", 99
                )
                for place, files in storage.walk()
                for file in files
            }
    assert found == shown


def test_a_link_in_a_zip_is_the_text_it_holds(download, storage, tmp_path):
    with zipfile.ZipFile(download / "z.zip", "w") as archive:
        info = zipfile.ZipInfo("x.dcm")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    (copy,) = storage.extract(["z.zip::x.dcm"], tmp_path, limit_bytes=100)
    assert not copy.is_symlink()
    assert copy.read_text() == "/etc/passwd"


def test_files_of_a_folder_are_linked_under_numbers(download, storage, tmp_path):
    write_tree(download, {"a/x": b"1", "b/x": b"2"})
    one, two = storage.extract(["a/x", "b/x"], tmp_path, limit_bytes=100)
    assert (one.name, two.name) == ("000000.dcm", "000001.dcm")
    assert one.is_symlink()
    assert (one.read_bytes(), two.read_bytes()) == (b"1", b"2")


def test_a_zip_bomb_is_given_up_at_the_limit(download, storage, tmp_path):
    write_zip(download / "z.zip", {"x.dcm": bytes(10**8)})
    assert (download / "z.zip").stat().st_size < 10**6
    fault = refused(lambda: storage.extract(["z.zip::x.dcm"], tmp_path, limit_bytes=5 * 10**6))
    assert fault.reason == "too_large"
    assert (tmp_path / "000000.dcm").stat().st_size < 7 * 10**6


def test_many_small_files_are_as_large_as_one(download, storage, tmp_path):
    write_zip(download / "z.zip", {f"{n}.dcm": bytes(1000) for n in range(20)})
    write_tree(download, {f"{n}.dcm": bytes(1000) for n in range(20)})
    for prefix in ("z.zip::", ""):
        files = [f"{prefix}{n}.dcm" for n in range(20)]
        folder = tmp_path / f"to {prefix}"
        folder.mkdir()
        assert (
            refused(
                lambda files=files, folder=folder: storage.extract(files, folder, limit_bytes=9999)
            ).reason
            == "too_large"
        )


def edited(path, offset, fmt, value):
    """Overwrite a field of the only member in the zip's directory, at its end."""
    content = bytearray(path.read_bytes())
    struct.pack_into(fmt, content, content.rindex(b"PK\x01\x02") + offset, value)
    path.write_bytes(content)


def test_a_size_below_the_content_is_a_fault(download, storage, tmp_path):
    edited(write_zip(download / "z.zip", {"x.dcm": os.urandom(5000)}), 24, "<I", 10)
    fault = refused(lambda: storage.extract(["z.zip::x.dcm"], tmp_path, limit_bytes=10**6))
    assert fault.reason == "unreadable_file"


def test_only_what_is_there_counts_and_not_what_the_zip_declares(download, storage, tmp_path):
    edited(write_zip(download / "z.zip", {"x.dcm": bytes(5000)}), 24, "<I", 10**9)
    (copy,) = storage.extract(["z.zip::x.dcm"], tmp_path, limit_bytes=10**6)
    assert copy.read_bytes() == bytes(5000)


def test_an_encrypted_member_is_a_fault(download, storage):
    edited(write_zip(download / "z.zip", {"x.dcm": b"1234"}), 8, "<H", 1)
    assert "encrypted" in refused(lambda: storage.read_start("z.zip::x.dcm", 9)).detail


def test_rare_compressions_are_a_fault(download, storage):
    write_zip(download / "z.zip", {"x.dcm": b"1234"}, zipfile.ZIP_LZMA)
    assert "compression 14" in refused(lambda: storage.read_start("z.zip::x.dcm", 9)).detail


@pytest.mark.parametrize("place", [0, 0.2, 0.5, 0.9])
def test_damage_is_a_fault_of_the_file(download, storage, place):
    path = write_zip(download / "z.zip", {"x.dcm": os.urandom(5000)}, zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    start = int(place * 5000)
    content[start : start + 20] = bytes(b ^ 0xFF for b in content[start : start + 20])
    path.write_bytes(content)
    fault = refused(lambda: storage.open("z.zip::x.dcm").read())
    assert fault.reason == "unreadable_file"
    assert "z.zip::x.dcm" in fault.detail


@pytest.mark.parametrize("file", ["gone", "gone.zip::x", "dead", "pipe", "folder", "z.zip::gone"])
def test_what_is_no_file_is_a_fault_and_not_waited_for(download, storage, file):
    write_zip(download / "z.zip", {"x": b""})
    (download / "dead").symlink_to("nowhere")
    (download / "folder").mkdir()
    os.mkfifo(download / "pipe")
    for call in (
        storage.size,
        lambda f: storage.fingerprint([f]),
        lambda f: storage.open(f).read(),
    ):
        assert refused(lambda call=call: call(file)).reason == "unreadable_file"
    assert not storage.same(file, file)


def test_sameness_is_of_bytes(download, storage):
    write_tree(download, {"a": b"12", "b/a": b"12", "c": b"21", "d": b"123"})
    write_zip(download / "y.zip", {"a": b"12", "c": b"21"}, zipfile.ZIP_STORED)
    write_zip(download / "z.zip", {"a": b"12"})
    assert storage.same("a", "b/a")
    assert storage.same("a", "z.zip::a")
    assert storage.same("y.zip::a", "z.zip::a")
    assert not storage.same("a", "c")
    assert not storage.same("a", "d")
    assert not storage.same("c", "z.zip::a")
    assert not storage.same("y.zip::c", "z.zip::a")


def test_a_fingerprint_changes_with_a_file(download, storage):
    write_tree(download, {"a": b"12", "b": b"34"})
    write_zip(download / "z.zip", {"a": b"12"})
    before = storage.fingerprint(["a", "b"]), storage.fingerprint(["z.zip::a"])
    assert before == (storage.fingerprint(["a", "b"]), storage.fingerprint(["z.zip::a"]))
    assert storage.fingerprint(["b", "a"]) != before[0]
    os.utime(download / "b", ns=(1, 1))
    write_zip(download / "z.zip", {"a": b"21"})
    with Storage(download) as later:
        assert later.fingerprint(["a", "b"]) != before[0]
        assert later.fingerprint(["z.zip::a"]) != before[1]


def test_absolute_paths_may_be_anywhere(storage, tmp_path):
    write_tree(tmp_path, {"else/a": b"12"})
    assert storage.read_start(str(tmp_path / "else" / "a"), 9) == b"12"


def test_several_threads_read_many_zips(download, storage, monkeypatch):
    monkeypatch.setattr("ldae.imaging.storage._OPEN_ZIPS", 2)
    contents = {f"{n}.zip": os.urandom(3 * 10**5) for n in range(6)}
    for name, content in contents.items():
        write_zip(download / name, {"x": content})

    def read(name):
        with storage.open(f"{name}::x") as stream:
            return stream.read()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(read, list(contents) * 5)) == list(contents.values()) * 5
