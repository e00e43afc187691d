"""What a YAML file of settings says beside each value: where it comes from, and why."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml
from yaml.nodes import MappingNode, Node

from ldae.errors import UserError

Key = tuple[str, ...]
SOURCE = re.compile(r"\[(?P<source>[PS])\] ?")


@dataclass(frozen=True)
class Written:
    """A key of the file: its value as written, `P`, `S` or nothing for its source, and why."""

    value: str
    source: str
    remark: str


def written_settings(path: Path) -> dict[Key, Written]:
    """Every key of the file at `path`; a key without a source has its section's.

    Raises:
        UserError: the file is not YAML, or no mapping.
    """
    text = path.read_text(encoding="utf-8")
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(root, MappingNode):
        raise UserError(f"{path}: expected sections of settings")
    return dict(_keys(root, text, above=(), source=""))


def _keys(
    node: MappingNode, text: str, *, above: Key, source: str
) -> Iterator[tuple[Key, Written]]:
    for name, value in node.value:
        key = (*above, str(name.value))
        block = isinstance(value, MappingNode) and not value.flow_style
        comment = "" if node.flow_style else _comment(text, name if block else value)
        tag = SOURCE.match(comment)
        own = tag["source"] if tag else source
        shown = "" if block else text[value.start_mark.index : value.end_mark.index]
        yield key, Written(shown, own, comment[tag.end() :] if tag else comment)
        if isinstance(value, MappingNode):
            yield from _keys(value, text, above=key, source=own)


def _comment(text: str, node: Node) -> str:
    """What stands behind a `#` after `node`, on the line where it ends."""
    rest = text[node.end_mark.index :].partition("\n")[0]
    return rest.partition("#")[2].strip()
