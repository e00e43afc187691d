from pathlib import Path

import pytest
import torch

from ldae.runtime import atomic_path, seeded_generator, sha256, write_json


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "volume.nii.gz"

    def fail_halfway() -> None:
        with atomic_path(target) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_halfway()
    assert not list(target.parent.iterdir())
    with atomic_path(target) as temporary:
        assert temporary.name.endswith(".nii.gz")
        temporary.write_text("whole")
        assert not target.exists()
    assert target.read_text() == "whole"
    assert [path.name for path in target.parent.iterdir()] == ["volume.nii.gz"]


def test_json_is_replaced_in_one_step(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": 1})
    before = sha256(tmp_path / "a.json")
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", {"b": object()})
    assert sha256(tmp_path / "a.json") == before


def test_random_streams_depend_on_their_parts_alone() -> None:
    def draw(*parts: int | str) -> torch.Tensor:
        return torch.randn(4, generator=seeded_generator(*parts))

    assert torch.equal(draw(1, "noise", 5), draw(1, "noise", 5))
    assert not torch.equal(draw(1, "noise", 5), draw(1, "noise", 6))
    assert not torch.equal(draw(1, "noise", 5), draw(11, "noise", 5))
    assert not torch.equal(draw(1, "a", "b"), draw(1, "ab"))
