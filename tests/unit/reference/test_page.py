"""The page of every setting: complete, current, and readable."""

from pathlib import Path
from typing import Any

import pytest

from ldae.errors import UserError
from ldae.reference.page import MARK, with_settings
from ldae.reference.remarks import written_settings
from ldae.reference.words import in_words
from ldae.settings import json_schema

COMMAND = "ldae describe-settings --defaults config/config.yaml --page config/README.md"


@pytest.fixture(scope="module")
def defaults(project: Path) -> Path:
    return project / "config/config.yaml"


def test_the_committed_page_is_current(project: Path, defaults: Path) -> None:
    page = (project / "config/README.md").read_text()
    assert with_settings(page, defaults=defaults) == page, f"write it again with `{COMMAND}`"


def test_every_key_says_what_it_means() -> None:
    schema = json_schema()
    sections = [schema, *schema["$defs"].values()]
    silent = [
        f"{section['title']}.{key}"
        for section in sections
        for key, part in section.get("properties", {}).items()
        if not part.get("description")
    ]
    assert not silent, "give these keys a docstring in src/ldae/config"


def test_every_key_of_the_file_has_a_row(defaults: Path) -> None:
    page = with_settings(MARK, defaults=defaults)
    sections = page.split("\n## ")[1:]
    for key in written_settings(defaults):
        name = ".".join(key[1:])
        of = [part for part in sections if part.startswith(f"`{key[0]}`")]
        if of and name and not name.startswith("subjects."):
            assert f"\n| `{name}` |" in of[0], key
        elif not of:
            assert f"\n| `{key[0]}` |" in sections[0], key


def test_values_sources_and_remarks_come_from_the_file(tmp_path: Path) -> None:
    (tmp_path / "some.yaml").write_text(
        "run: adni # results/{run}/\n"
        "grid: # [P] of the paper\n"
        "  shape: [1, 2] # voxels\n"
        "  size: {mm: 3} # [S] ours; or not\n"
    )
    found = written_settings(tmp_path / "some.yaml")
    assert {key: (each.value, each.source, each.remark) for key, each in found.items()} == {
        ("run",): ("adni", "", "results/{run}/"),
        ("grid",): ("", "P", "of the paper"),
        ("grid", "shape"): ("[1, 2]", "P", "voxels"),
        ("grid", "size"): ("{mm: 3}", "S", "ours; or not"),
        ("grid", "size", "mm"): ("3", "S", ""),
    }


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "integer", "minimum": 1}, "integer ≥ 1"),
        ({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}, "number > 0, < 1"),
        ({"type": "number", "minimum": -1, "maximum": 1}, "number -1 to 1"),
        ({"type": "boolean"}, "`true` or `false`"),
        ({"enum": ["a", "b"], "type": "string"}, "`a` `b`"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "text or `null`"),
        ({"type": "array", "items": {"type": "integer"}}, "list of integer"),
        (
            {"type": "array", "items": {"type": "number"}, "minItems": 1},
            "list of number, at least one",
        ),
        (
            {"type": "array", "minItems": 2, "prefixItems": [{"type": "number"}] * 2},
            "2 × number",
        ),
    ],
)
def test_what_a_key_takes_is_in_words(schema: dict[str, Any], words: str) -> None:
    assert in_words(schema) == words


@pytest.mark.parametrize(
    ("page", "text", "message"),
    [
        ("no mark", "run: a", "no line"),
        (MARK, "run: a", "some.yaml: seed is missing"),
        (MARK, "a: [", "not valid YAML"),
        (MARK, "- a", "expected sections"),
    ],
)
def test_what_cannot_be_described_is_named(
    tmp_path: Path, page: str, text: str, message: str
) -> None:
    (tmp_path / "some.yaml").write_text(text)
    with pytest.raises(UserError, match=message):
        with_settings(page, defaults=tmp_path / "some.yaml")
