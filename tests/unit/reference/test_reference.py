"""The pages of commands and tables, and the picture: current, complete, as the sources say."""

import re
import shutil
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest

from ldae.commands import GROUPS
from ldae.errors import UserError
from ldae.planning.outline import OUTLINE
from ldae.reference.commands import every_command
from ldae.reference.picture import drawn
from ldae.reference.schemas import every_schema
from ldae.reference.signatures import signature
from ldae.stages.describe_reference import FILES, describe_reference
from ldae.tables import SCANS

COMMAND = "ldae describe-reference --folder docs/reference"
STAGE = '''
from typing import Annotated, Literal

Kind = Literal["a", "b"]
SIZE = 3

class Settings(Section):
    """What it reads."""

    seed: int
    probe: Probe

def some_stage(
    scans: list[Path], *, kind: Kind, size: int | None = None, full: bool = False,
    settings: Annotated[Settings, Parameter(show_default=False)] = PAPER, many: int = SIZE,
) -> int:
    """Do it.

    More of it.

    Args:
        scans: some scans, and
            more of them.
        kind: which | one.
        full: all.

    Returns:
        A status.

    Raises:
        UserError: at times.
    """
'''


def test_the_committed_pages_and_picture_are_current(project: Path, tmp_path: Path) -> None:
    committed = project / "docs/reference"
    shutil.copytree(committed, tmp_path / "reference")
    describe_reference(folder=tmp_path / "reference")
    for name in ("commands.md", "tables.md", "stages.svg"):
        again = (tmp_path / "reference" / name).read_text()
        assert again == (committed / name).read_text(), f"write {name} again with `{COMMAND}`"


def test_arguments_are_read_from_the_source(tmp_path: Path) -> None:
    (tmp_path / "some_stage.py").write_text(STAGE)
    found = signature(tmp_path, "some-stage")
    assert found.about == "Do it.\n\nMore of it."
    assert found.sections == ["seed", "probe"]
    assert found.returns == "A status."
    assert [(each.usage, each.default, each.meaning) for each in found.options] == [
        ("SCANS …", None, "some scans, and more of them."),
        ("--kind a|b", None, "which | one."),
        ("--size N", "None", ""),
        ("--full", "False", "all."),
        ("--settings FILE …", "PAPER", ""),
        ("--many N", "SIZE", ""),
    ]
    page = every_command(tmp_path, {"Some": {"some-stage": "Do it."}})
    assert "### `ldae some-stage`" in page
    assert "ldae some-stage SCANS … --kind a|b [--size N] [--full]" in page
    assert r"| `--kind a\|b` | required | Which \| one. |" in page
    assert "| `--many N` |  |" in page


def test_every_argument_of_every_command_says_what_it_is(project: Path) -> None:
    silent = [
        f"ldae {name} {option.usage}"
        for commands in GROUPS.values()
        for name in commands
        for option in signature(project / "src/ldae/stages", name).options
        if not option.meaning
    ]
    assert not silent, "say in the docstring of the stage what it is"


def test_columns_have_type_and_meaning() -> None:
    page = every_schema({"SCANS": FILES["SCANS"]})
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \|$", page, re.MULTILINE)
    assert [name for name, _, _ in rows] == SCANS.names
    said = {name: (kind, meaning) for name, kind, meaning in rows}
    assert said["participant_id"] == ("text, never empty", "like `sub-ADNI002S0295`")
    assert said["age"] == ("number", "Years at the scan")
    assert said["qc_snr"][1] == "White matter: mean over standard deviation"
    assert "The one table every model reads" in page


def test_the_picture_has_every_stage_below_what_it_waits_for() -> None:
    after = {name: stage.after for name, stage in OUTLINE.items()}
    picture = ElementTree.fromstring(drawn(after, dict.fromkeys(after, "data"), title="A & B"))
    texts = {each.text: each for each in picture.iter() if each.tag.endswith("}text")}
    assert texts.keys() == after.keys()
    for name, others in after.items():
        for other in others:
            assert float(texts[other].attrib["y"]) < float(texts[name].attrib["y"])
    boxes = [each for each in picture.iter() if each.tag.endswith("rect")][1:]
    places = sorted((float(box.attrib["y"]), float(box.attrib["x"])) for box in boxes)
    for (y, x), (next_y, next_x) in pairwise(places):
        assert next_y > y or next_x >= x + float(boxes[0].attrib["width"])


def test_a_page_without_its_mark_is_named(tmp_path: Path) -> None:
    for name in ("commands.md", "tables.md"):
        (tmp_path / name).write_text("# Nothing\n")
    with pytest.raises(UserError, match="no line `<!-- Written by `ldae describe-reference`"):
        describe_reference(folder=tmp_path)
