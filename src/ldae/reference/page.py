"""The page of every setting: what it may be, what it is in the paper's configuration, and why."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ldae.errors import UserError
from ldae.reference.marks import above, mark, table_row
from ldae.reference.remarks import Key, Written, written_settings
from ldae.reference.words import Schema, in_words, resolved
from ldae.settings import json_schema

COMMAND = "describe-settings"
MARK = mark(COMMAND)
HEAD = "| key | value | default | source | meaning |\n|---|---|---|---|---|\n"
FILLING = {"a", "and", "as", "at", "for", "of", "one", "or", "the", "this", "to", "up", "with"}


class Described(NamedTuple):
    """A key, what it may be (a section: nothing), and what it means."""

    key: Key
    words: str
    meaning: str


def with_settings(page: str, *, defaults: Path) -> str:
    """`page` up to its mark, and every setting below, with the values of the file `defaults`.

    Raises:
        UserError: the page has no mark, the file is not YAML, or lacks a key.
    """
    prose = above(page, command=COMMAND)
    written = written_settings(defaults)
    described = list(_described(json_schema(), written))
    if missing := [each.key for each in described if each.key not in written]:
        raise UserError(f"{defaults}: {'.'.join(missing[0])} is missing")
    whole = [each for each in described if len(each.key) == 1 and each.words]
    parts = [f"## The whole run\n\n{HEAD}{_rows(whole, written)}"]
    for section in described:
        if len(section.key) == 1 and not section.words:
            inside = [each for each in described if each.key[0] == section.key[0]][1:]
            about = _meaning(section, written[section.key])
            parts.append(f"## `{section.key[0]}`\n\n{about}\n\n{HEAD}{_rows(inside, written)}")
    return prose + "\n".join(parts)


def _described(schema: Schema, written: dict[Key, Written]) -> Iterator[Described]:
    """The keys of a whole configuration, sections before what is in them."""

    def walk(section: Schema, above: Key) -> Iterator[Described]:
        for name, part in section["properties"].items():
            key = (*above, name)
            kind = written.get((*key, "kind"))
            found = resolved(part, schema["$defs"], kind=kind.value if kind else None)
            meaning = " ".join(found.get("description", "").split())
            nested = "properties" in found
            yield Described(key, "" if nested else in_words(found), meaning)
            if nested:
                yield from walk(found, key)

    return walk(schema, ())


def _rows(described: list[Described], written: dict[Key, Written]) -> str:
    return "".join(_row(each, written[each.key]) for each in described)


def _row(described: Described, written: Written) -> str:
    key = ".".join(described.key[1:] or described.key)
    cells = ["", "", ""]
    if described.words:  # else a section, whose keys follow
        cells = [described.words, f"`{written.value}`", written.source and f"[{written.source}]"]
    cells = [f"`{key}`", *cells, _meaning(described, written)]
    return table_row(*cells)


def _meaning(described: Described, written: Written) -> str:
    """The meaning, and what the file says beside the value unless that says the same."""
    known = FILLING | _words(described.meaning)
    remark = "; ".join(part for part in written.remark.split("; ") if _words(part) - known)
    if not remark:
        return described.meaning
    return f"{described.meaning} *{remark[0].upper()}{remark[1:]}.*"


def _words(text: str) -> set[str]:
    return set(re.findall(r"[^\W_]+", text.lower()))
