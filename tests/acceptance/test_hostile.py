"""Acceptance: what is made to do harm gets a reason, and does none."""

import os
import re
import resource
import struct
import subprocess
import zipfile
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from tests.acceptance.archive import SUBJECT, Archive, listed
from tests.acceptance.running import Ingested, commands, read_results, tree

BOMB = 3 << 30  # bytes it unpacks to
ADDRESS_SPACE = 3 << 30  # bytes a process may map: its libraries, and no bomb
DISK = 256 << 20  # bytes a file may grow to
SUBJECT_ENTITY = (
    "]><idaxs><project><subject><subjectIdentifier>&{};</subjectIdentifier></subject>"
    "</project></idaxs>"
)
MERGED = b"RID,PTID,VISCODE,COLPROT,ORIGPROT,EXAMDATE,EXAMDATE_bl,DX_bl,DX,AGE,PTGENDER\n"
LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(12))
    + SUBJECT_ENTITY.format("m")
)
STEALING = (
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">'
    + SUBJECT_ENTITY.format("f")
)


def nifti_header(*shape: int) -> bytes:
    """The header of a head with so many voxels of 10 mm; of 2 bytes each."""
    image = nib.Nifti1Image(np.zeros((1, 1, 1), np.int16), np.diag([10.0, 10.0, 10.0, 1.0]))
    image.header.set_data_shape(shape)
    image.header["vox_offset"], image.header["magic"] = 352, b"n+1"
    return bytes(image.header.binaryblock) + bytes(4)


def deflated(start: bytes) -> bytes:
    """A raw deflate stream of `start` and `BOMB` zeros, made without compressing that much."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    first = packer.compress(start) + packer.flush(zlib.Z_FULL_FLUSH)
    zeros = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    # After a full flush a block stands for itself, so that it may be repeated.
    return first + zeros * (BOMB >> 20) + packer.flush(zlib.Z_FINISH)


def write_zip_bomb(path: Path, member: str, *, start: bytes = b"", says: int = 500_000) -> None:
    """A zip of a few megabytes whose one member says how large it is."""
    name, stream = member.encode(), deflated(start)
    sizes = (0, len(stream), says)
    local = struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 8, 0, 33, *sizes, len(name), 0)
    entry = struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 8, 0, 33, *sizes, len(name), *(0,) * 6)
    body = local + name + stream
    directory = entry + name
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, len(directory), len(body), 0)
    path.write_bytes(body + directory + end)


def write_gzip_bomb(path: Path, start: bytes) -> None:
    path.parent.mkdir(parents=True)
    header = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
    path.write_bytes(header + deflated(start) + struct.pack("<2L", 0, BOMB))


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_FSIZE, (DISK, DISK))


def ingest_bounded(download: Path, results: Path, scratch: Path) -> tuple[Ingested, str]:
    """What a run with bounded memory and file sizes left and said."""
    scratch.mkdir(exist_ok=True)
    environment = os.environ | {"TMPDIR": str(scratch), "OMP_NUM_THREADS": "1"}
    environment |= {"OPENBLAS_NUM_THREADS": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"}
    said = ""
    for command in commands(download, results):
        done = subprocess.run(
            command,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=_limit,
        )
        said += done.stderr
        assert done.returncode == 0, done.stderr
    assert list(scratch.rglob("*")) == []
    return read_results(results), said


def test_bombs_are_refused_within_bounded_memory(archive, tmp_path):
    archive.series(201)
    place = "ADNI/002_S_0295/MPRAGE/2012-03-14_09_00_00.0"
    stem = "ADNI_002_S_0295_MR_MPRAGE_br_raw_20120511095524148_75"
    small, large = nifti_header(12, 14, 16), nifti_header(1024, 1024, 1536)
    for image_id, start, says in [(202, large, 500_000), (203, large, BOMB), (204, small, BOMB)]:
        name = f"{place}/I{image_id}/{stem}_S9_I{image_id}.nii"
        write_zip_bomb(archive.root / f"{image_id}.zip", name, start=start, says=says)
    for image_id, start in [(205, large), (206, small)]:
        name = f"{place}/I{image_id}/{stem}_S9_I{image_id}.nii.gz"
        write_gzip_bomb(archive.root / name, start)
    write_zip_bomb(archive.root / "dicom.zip", f"{place}/I207/{stem}_S9_I207.dcm", says=BOMB)
    write_zip_bomb(archive.root / "table.zip", "ADNIMERGE.csv", start=MERGED, says=BOMB)
    write_zip_bomb(archive.root / "xml.zip", "ADNI_002_S_0295_MPRAGE_S9_I201.xml", says=BOMB)
    inner = archive.root / "inner.zip"
    inner.write_bytes((archive.root / "203.zip").read_bytes())
    with zipfile.ZipFile(archive.root / "nested.zip", "w") as nested:
        nested.write(inner, "inner.zip")
    inner.unlink()
    (archive.root / "torn.zip").write_bytes((archive.root / "203.zip").read_bytes()[:100_000])
    metadata = archive.root / "metadata"
    metadata.mkdir()
    (metadata / "ADNI_002_S_0295_MPRAGE_S9000_I201.xml").write_text(LAUGHS)
    (metadata / "ADNI_002_S_0295_MPRAGE_S9_I204.xml").write_text(STEALING)
    done, said = ingest_bounded(archive.root, tmp_path / "results", tmp_path / "scratch")
    assert done.used == {201: "ses-M000"}
    assert done.reasons == {202: "unreadable_file"} | dict.fromkeys(range(203, 208), "too_large")
    by_place = done.ledger.set_index("place")["reason"]
    assert _reason_near(by_place, "nested.zip") == "nested_archive"
    assert _reason_near(by_place, "torn.zip") == "unreadable_archive"
    for line in ("I201.xml and 1 more: declares entities", "table.zip", "xml.zip"):
        assert line in said
    assert "root:" not in said
    assert not any(b"root:x" in (content or b"") for content in tree(done.results).values())


def _reason_near(reasons, part: str) -> str:
    found = [reason for place, reason in reasons.items() if part in place]
    assert len(found) == 1, (part, found)
    return found[0]


def test_names_that_point_elsewhere_write_nothing_there(archive, tmp_path, ingest):
    exams = [f"ADNI/002_S_0295/MPRAGE/{year}-03-14_09_00_00.0" for year in range(2012, 2016)]
    archive.series(211)
    parts = Archive(tmp_path / "parts")
    image = parts.nifti(212, when="2013-03-14 09:00:00").read_bytes()
    with zipfile.ZipFile(archive.root / "evil.zip", "w") as evil:
        evil.writestr("../../evil_S9_I213.nii", image)
        evil.writestr(f"/{exams[0]}/I214/evil_S9_I214.nii", image)
        evil.writestr(f"{exams[1]}/../../../../../../evil_S9_I215.nii", image)
        evil.writestr(f"{exams[2]}/..\\..\\evil_S9_I216.nii", image)
        link = zipfile.ZipInfo(f"{exams[3]}/I217/evil_S9_I217.nii")
        link.external_attr = 0o120777 << 16  # a symbolic link, as unzip would make it
        evil.writestr(link, "/etc/passwd")
    stray = archive.root / "stray/I218"
    stray.mkdir(parents=True)
    (stray / "x_S9_I218.nii").write_bytes(image)
    (archive.root / "stray/I219").mkdir()
    (archive.root / "stray/I219/x_S9_I219.nii").write_bytes(image)
    archive.table(
        "list.csv",
        [
            listed("I218", "../../../../evil"),
            listed("I219", "../../../../evil/002_S_0219/../x"),
            listed("../../I211", "../../evil"),
            listed("I211", SUBJECT, Description="=cmd|'/C calc'!A0 MPRAGE\n../../x", Sex="../M"),
        ],
    )
    archive.series(224, ptid="003_S_0224")
    archive.metadata(
        224, ptid="x", visit="../../evil", description="MPRAGE ../../evil", age="1e999"
    )
    meta = archive.root / "metadata/ADNI_x_MPRAGE_S9000_I224.xml"
    meta.write_text(meta.read_text().replace(">x<", ">../../../evil<"))
    leaf = archive.leaf(0, when="2016-03-14 09:00:00").parent
    leaf.mkdir(parents=True)
    (leaf / "I220").symlink_to("/etc", target_is_directory=True)
    (leaf / "I221").mkdir()
    (leaf / "I221/x_S9_I221.nii").symlink_to("/etc/passwd")
    (leaf / "I222").symlink_to(archive.root, target_is_directory=True)
    outside = set(_around(tmp_path))
    done = ingest(archive.root, tmp_path / "a/b/c/d/e/f/results")
    assert {name for name in _around(tmp_path) if not re.match("a(/|$)", name)} == outside
    assert not [name for name in tree(done.results) if "evil" in name or ".." in name]
    assert set(done.used) >= {211, 224}
    assert done.scan(211).session_id == done.scan(224).session_id == "ses-M000"
    links = {image_id: done.reasons[image_id] for image_id in (217, 221)}
    assert links == dict.fromkeys(links, "unreadable_nifti")
    assert done.reasons[218] == "no_subject_id"
    assert done.row(219)["participant_id"] == "sub-ADNI002S0219"
    assert set(done.used) | set(done.reasons) >= {213, 214, 215, 216, 220}
    assert all(image.startswith("sub-ADNI") for image in done.scans["image"])
    assert not any(place.startswith(("/", "..")) for place in done.ledger["place"])
    contents = [content or b"" for content in tree(done.results).values()]
    assert not any(b"root:x" in content or b"/etc/" in content for content in contents)
    text = (done.results / "cohort/images.tsv").read_text().splitlines()
    assert {line.count("\t") for line in text} == {text[0].count("\t")}


def _around(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*"))]


@pytest.mark.parametrize("target", ["bids", "cohort"])
def test_a_results_folder_that_is_a_link_stays_in_place(archive, ingest, tmp_path, target):
    """A user may keep results on another disk: the link is followed, not replaced."""
    archive.series(231)
    disk, results = tmp_path / "disk", tmp_path / "results"
    disk.mkdir()
    results.mkdir()
    (results / target).symlink_to(disk, target_is_directory=True)
    assert ingest(archive.root, results).used == {231: "ses-M000"}
    assert (results / target).is_symlink()
    assert any(disk.iterdir())
