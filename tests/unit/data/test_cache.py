"""Volumes are unpacked once, by whoever needs them first, and never change on the way."""

import logging
import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from ldae.data.cache import VolumeCache


class Unpacking:
    """Counts how often it is asked for each volume."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, cache: VolumeCache, key: str) -> Tensor:
        def unpack() -> Tensor:
            self.asked.append(key)
            return content(key)

        return cache.get(key, unpack)


def content(key: str) -> Tensor:
    return torch.randn(4, 5, 6, generator=torch.Generator().manual_seed(ord(key[0])))


def test_each_volume_is_unpacked_once_for_all_trainings(tmp_path: Path) -> None:
    unpacking = Unpacking()
    for _ in range(2):
        cache = VolumeCache(tmp_path, keep="abc")
        for key in "abcabc":
            assert torch.equal(unpacking(cache, key), content(key))
    assert unpacking.asked == ["a", "b", "c"]


def test_threads_that_want_the_same_volume_get_it_whole(tmp_path: Path) -> None:
    cache, unpacking = VolumeCache(tmp_path, keep="abc"), Unpacking()
    with ThreadPoolExecutor(8) as threads:
        for key, volume in zip(
            "abc" * 40, threads.map(lambda key: unpacking(cache, key), "abc" * 40), strict=True
        ):
            assert torch.equal(volume, content(key))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npy", "b.npy", "c.npy"]


@pytest.mark.parametrize("damage", [b"", b"\x93NUMPY\x01", None])
def test_a_damaged_file_is_unpacked_again(tmp_path: Path, damage: bytes | None) -> None:
    unpacking = Unpacking()
    first = tmp_path / "first"
    unpacking(VolumeCache(first, keep="a"), "a")
    path = first / "a.npy"
    path.write_bytes(path.read_bytes()[:-4] if damage is None else damage)
    later = first.rename(tmp_path / "later")
    assert torch.equal(unpacking(VolumeCache(later, keep="a"), "a"), content("a"))
    assert unpacking.asked == ["a", "a"]
    assert torch.equal(unpacking(VolumeCache(later, keep="a"), "a"), content("a"))
    assert unpacking.asked == ["a", "a"]


def test_writing_to_a_volume_does_not_reach_the_file(tmp_path: Path) -> None:
    unpacking = Unpacking()
    unpacking(VolumeCache(tmp_path, keep="a"), "a")
    before = (tmp_path / "a.npy").read_bytes()
    unpacking(VolumeCache(tmp_path, keep="a"), "a").zero_()
    assert (tmp_path / "a.npy").read_bytes() == before


def test_what_no_training_wants_any_more_is_removed(tmp_path: Path) -> None:
    unpacking = Unpacking()
    for key in "ab":
        unpacking(VolumeCache(tmp_path, keep="ab"), key)
    fresh, abandoned = (tmp_path / f".{number}.c.npy" for number in (1, 2))
    for half in (fresh, abandoned):
        half.write_bytes(b"half")
    os.utime(abandoned, (time.time() - 7200,) * 2)
    VolumeCache(tmp_path, keep="b")
    assert {path.name for path in tmp_path.iterdir()} == {"b.npy", fresh.name}


def test_half_of_the_free_disk_stays_free(tmp_path: Path, monkeypatch, caplog) -> None:
    size = 4 * 120 + 128  # of a volume's file, bytes
    room = 5 * size

    def usage(folder: Path) -> SimpleNamespace:
        used = sum(path.stat().st_size for path in folder.glob("*.npy"))
        return SimpleNamespace(free=room - used)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    unpacking = Unpacking()
    for start in range(2):
        cache = VolumeCache(tmp_path, keep="abcd")
        with caplog.at_level(logging.WARNING):
            for key in "abcdabcd":
                assert torch.equal(unpacking(cache, key), content(key))
        assert len(list(tmp_path.iterdir())) == 2
        assert caplog.text.count("set LDAE_CACHE to a folder with more") == start + 1
    assert unpacking.asked == [*"abcdcd", *"cdcd"]


def test_another_place_can_be_named(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("LDAE_CACHE", str(tmp_path / "scratch"))
    runs = [VolumeCache(tmp_path / run, keep="a").folder for run in ("one", "two", "one")]
    assert runs[0] == runs[2] != runs[1]
    assert {folder.parent for folder in runs} == {tmp_path / "scratch"}
    assert not (tmp_path / "one").exists()
