"""Datasets of small files: what is planned depends on names and tables, not on voxels."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ldae.own_data.plan import OwnPlan


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes a text file below the dataset; returns the dataset's folder."""

    def to(place: str, text: str = "x", *, encoding: str = "utf-8") -> Path:
        path = tmp_path / "own" / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding=encoding, newline="")
        return tmp_path / "own"

    return to


@pytest.fixture
def rows() -> Callable[[OwnPlan], dict[str, dict[str, object]]]:
    """The planned rows by place, with None for what is missing."""

    def of(plan: OwnPlan) -> dict[str, dict[str, object]]:
        known = plan.planned.astype(object)
        known = known.where(known.notna(), None)
        assert known["place"].is_unique
        return {row["place"]: row for row in known.to_dict("records")}

    return of
