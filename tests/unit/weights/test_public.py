"""Downloads that break in every way a network knows."""

import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ldae.errors import UserError
from ldae.stages.fetch_weights import fetch_weights
from ldae.weights import public
from ldae.weights.public import FILES, PublicFile, fetch, public_path, write_checksums

CONTENT = bytes(range(256)) * 40
SUM = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Site:
    """A server of one file: `cut_at` says where each transfer breaks off, `status` what it says."""

    address: str = ""
    ranges: bool = True
    cut_at: list[int] = field(default_factory=list)
    status: list[int] = field(default_factory=list)
    asked: list[str | None] = field(default_factory=list)

    def file(self, name: str = "weights.pth", sha256: str = SUM) -> PublicFile:
        return PublicFile(name, f"{self.address}/{name}", sha256, "a test")

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        span = handler.headers["Range"]
        self.asked.append(span)
        if self.status and (status := self.status.pop(0)) != 200:
            handler.send_error(status)
            return
        start = int(span.removeprefix("bytes=").rstrip("-")) if span and self.ranges else 0
        if start >= len(CONTENT):
            handler.send_error(416)
            return
        rest = CONTENT[start:]
        handler.send_response(206 if span and self.ranges else 200)
        handler.send_header("Content-Length", str(len(rest)))
        handler.end_headers()
        handler.wfile.write(rest[: self.cut_at.pop(0)] if self.cut_at else rest)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(public, "PAUSE", 0.0)
    served = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.answer(self)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    served.address = f"http://127.0.0.1:{server.server_port}"
    yield served
    server.shutdown()
    server.server_close()


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_arrives_whole(site: Site, tmp_path: Path) -> None:
    path = fetch(site.file(), tmp_path / "new")
    assert path.read_bytes() == CONTENT
    assert left(path.parent) == ["weights.pth"]


def test_a_transfer_cut_short_goes_on_where_it_stopped(site: Site, tmp_path: Path) -> None:
    site.cut_at = [1000, 500]
    assert fetch(site.file(), tmp_path).read_bytes() == CONTENT
    assert site.asked == [None, "bytes=1000-", "bytes=1500-"]


def test_an_interrupted_download_goes_on_at_the_next_call(site: Site, tmp_path: Path) -> None:
    (tmp_path / ".weights.pth.part").write_bytes(CONTENT[:3000])
    assert fetch(site.file(), tmp_path).read_bytes() == CONTENT
    assert site.asked == ["bytes=3000-"]
    assert left(tmp_path) == ["weights.pth"]


def test_one_interrupted_at_the_very_end_is_finished(site: Site, tmp_path: Path) -> None:
    (tmp_path / ".weights.pth.part").write_bytes(CONTENT)
    assert fetch(site.file(), tmp_path).read_bytes() == CONTENT


def test_a_server_that_cannot_resume_starts_again(site: Site, tmp_path: Path) -> None:
    site.ranges, site.cut_at = False, [1000]
    assert fetch(site.file(), tmp_path).read_bytes() == CONTENT


def test_a_server_that_is_busy_is_asked_again(site: Site, tmp_path: Path) -> None:
    site.status = [503, 429, 200]
    assert fetch(site.file(), tmp_path).read_bytes() == CONTENT


def test_what_never_arrives_whole_leaves_nothing_that_looks_finished(
    site: Site, tmp_path: Path
) -> None:
    site.cut_at = [10] * public.ATTEMPTS
    with pytest.raises(UserError, match=r"cannot be downloaded \(10 of \d+ bytes came\).*goes on"):
        fetch(site.file(), tmp_path)
    assert left(tmp_path) == [".weights.pth.part"]
    assert fetch(site.file(), tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("there", [b"", CONTENT[:3000], b"another start" * 10])
def test_a_wrong_file_is_refused_and_not_kept(site: Site, tmp_path: Path, there: bytes) -> None:
    if there:
        (tmp_path / ".weights.pth.part").write_bytes(there)
    wrong = site.file() if there.startswith(b"another") else site.file(sha256="0" * 64)
    with pytest.raises(UserError, match=r"not weights.pth: its SHA-256 is \w{64}, expected"):
        fetch(wrong, tmp_path)
    assert left(tmp_path) == []


def test_a_file_that_is_not_there_is_said_at_once(site: Site, tmp_path: Path) -> None:
    site.status = [404]
    with pytest.raises(UserError, match=r"/weights.pth: the server says 404 .* by hand"):
        fetch(site.file(), tmp_path)
    assert site.asked == [None]
    assert left(tmp_path) == []


def test_without_a_network_it_says_what_to_do(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(public, "PAUSE", 0.0)
    nobody = PublicFile("weights.pth", "http://127.0.0.1:9/weights.pth", SUM, "a test")
    with pytest.raises(UserError, match=r"run this where there is a network"):
        fetch(nobody, tmp_path)


def test_what_is_there_is_checked_and_not_fetched_again(site: Site, tmp_path: Path) -> None:
    (tmp_path / "weights.pth").write_bytes(CONTENT)
    fetch(site.file(), tmp_path)
    (tmp_path / "weights.pth").write_bytes(CONTENT[:-1])
    with pytest.raises(UserError, match="delete it and fetch it again"):
        fetch(site.file(), tmp_path)
    assert site.asked == []


def test_the_stage_fetches_all_and_lists_them(site: Site, tmp_path: Path, monkeypatch) -> None:
    files = (site.file("a.pth"), site.file("b.pth"))
    monkeypatch.setattr("ldae.stages.fetch_weights.FILES", files)
    fetch_weights(folder=tmp_path)
    listed = json.loads((tmp_path / "checksums.json").read_text())
    assert listed == {"a.pth": SUM, "b.pth": SUM}
    assert public_path(str(tmp_path), files[0]) == tmp_path / "a.pth"
    assert public_path(None, files[0]) is None


def test_checksums_are_those_of_the_files(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(CONTENT)
    assert write_checksums(tmp_path, [tmp_path / "a"]) == {"a": SUM}


def test_torchvisions_names_carry_the_checksums() -> None:
    for file in FILES:
        assert len(file.sha256) == 64
        assert file.address.endswith(f"/{file.name}")
        if "pytorch.org" in file.address:
            assert file.name.removesuffix(".pth").endswith(f"-{file.sha256[:8]}")
