"""The page of typed tables: every column, its type, and what the source says beside it."""

import ast
import re
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

from ldae import tables
from ldae.reference.marks import table_row

HEAD = "| column | type | meaning |\n|---|---|---|\n"
TYPES = {
    pa.int64(): "integer",
    pa.float64(): "number",
    pa.string(): "text",
    pa.list_(pa.string()): "list of text",
}
Remarks = dict[tuple[str, str], str]
LENDERS = ("INGESTED", "PREPROCESSED")  # whose columns others repeat
EXAMPLE = re.compile(r"\w+-\w+")
COMMENT = re.compile(r"(?<=[ \n])# ?(.*)$")


def every_schema(files: Mapping[str, str]) -> str:
    """Markdown: a section per table; `files` says where in a run the table of a schema stands."""
    remarks = _remarks(Path(tables.__file__).parent)
    return "\n".join(_section(name, place, remarks) for name, place in files.items())


def _meaning(schema: str, column: str, remarks: Remarks) -> str:
    """Its own comment; of a key, and of what another schema lends, that of the other."""
    lenders = LENDERS if column in tables.KEYS else (schema, *LENDERS)
    text = next((remarks[each, column] for each in lenders if (each, column) in remarks), "")
    if EXAMPLE.fullmatch(text):
        return f"like `{text}`"
    return text[:1].upper() + text[1:]


def _section(name: str, place: str, remarks: Remarks) -> str:
    rows = ""
    for field in getattr(tables, name):
        kind = TYPES[field.type] + ("" if field.nullable else ", never empty")
        rows += table_row(f"`{field.name}`", kind, _meaning(name, field.name, remarks))
    return f"### `{place}`\n\n{remarks[name, '']}\n\n{HEAD}{rows}"


def _remarks(folder: Path) -> Remarks:
    """By schema and column, the comment behind it or above it; by schema and nothing, its own."""
    found = {}
    for path in sorted(folder.glob("*.py")):
        text = path.read_text(encoding="utf-8")
        lines = text.splitlines()
        for node in ast.parse(text).body:
            if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Name):
                continue
            name = node.targets[0].id
            found[name, ""] = _above(lines, node.lineno)
            for call in ast.walk(node.value):
                match call:
                    case ast.Call(
                        func=ast.Attribute(attr="field"), args=[ast.Constant(value=str(column)), *_]
                    ):
                        behind = COMMENT.search(lines[(call.end_lineno or call.lineno) - 1])
                        above = _above(lines, call.lineno)
                        found[name, column] = behind[1] if behind else above
    return found


def _above(lines: list[str], number: int) -> str:
    """The comment that ends on the line before that `number`."""
    above: list[str] = []
    for line in reversed(lines[: number - 1]):
        if not line.strip().startswith("#"):
            break
        above.insert(0, line.strip().removeprefix("#").strip())
    return " ".join(above)
