"""The page of tables names every table of results, and every column of each."""

import re
from pathlib import Path

import pytest

from .conftest import Workflow

pytestmark = pytest.mark.slow

INTERVAL = re.compile(r"_(low|high)$")


def sections(page: Path) -> dict[str, set[str]]:
    """The words in code below the heading of each table."""
    parts = re.split(r"^### `(.+)`$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {
        name: set(re.findall(r"`([^`\n]+)`", text.partition("\n## ")[0]))
        for name, text in zip(parts[1::2], parts[2::2], strict=True)
    }


def test_every_table_and_column_of_a_run_is_explained(finished: Workflow) -> None:
    known = sections(finished.project / "docs/reference/tables.md")
    tables = [
        *sorted(finished.results.glob("tables/*.csv")),
        *[finished.results / f"cohort/{name}" for name in ("attrition.csv", "images.tsv")],
        finished.results / "cohort/excluded.tsv",
    ]
    assert len(tables) > 10
    for path in tables:
        name = path.relative_to(finished.results).as_posix()
        header = re.split(r"[,\t]", path.read_text(encoding="utf-8").partition("\n")[0])
        columns = {INTERVAL.sub("", column) for column in header}
        assert name in known, f"{name} is not on docs/reference/tables.md"
        assert columns <= known[name] | {column for column in columns if column in header}, name
        assert {column for column in columns if column in header} <= known[name], name


def test_no_table_is_explained_that_a_run_does_not_write(finished: Workflow) -> None:
    known = sections(finished.project / "docs/reference/tables.md")
    missing = [name for name in known if not any(finished.results.glob(name))]
    assert not missing
