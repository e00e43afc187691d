"""The page of every subcommand: what it does, what it takes, which settings it reads."""

from collections.abc import Mapping
from pathlib import Path

from ldae.reference.marks import table_row
from ldae.reference.signatures import SETTINGS, Option, Signature, signature

FILES = "YAML files, later ones on top, or JSON"
HEAD = "| argument | default | meaning |\n|---|---|---|\n"


def every_command(stages: Path, groups: Mapping[str, Mapping[str, str]]) -> str:
    """Markdown: a part per group, and in it a section per subcommand of the folder `stages`."""
    parts = []
    for group, commands in groups.items():
        sections = [
            _section(name, summary, signature(stages, name)) for name, summary in commands.items()
        ]
        parts.append("\n".join([f"## {group}\n", *sections]))
    return "\n".join(parts)


def _section(name: str, summary: str, found: Signature) -> str:
    words = ["ldae", name, *[_in_usage(each) for each in found.options]]
    rows = "".join(_row(each) for each in found.options)
    parts = [f"### `ldae {name}`", found.about or summary, f"```text\n{_wrapped(words)}\n```"]
    parts += [f"{HEAD}{rows}".rstrip()] if rows else []
    if found.returns:
        parts.append(found.returns)
    if found.sections:
        parts.append(f"Reads of the settings: {', '.join(f'`{each}`' for each in found.sections)}.")
    return "\n\n".join(parts) + "\n"


def _in_usage(option: Option) -> str:
    return option.usage if option.default is None else f"[{option.usage}]"


def _wrapped(words: list[str], width: int = 88) -> str:
    lines = [" ".join(words[:2])]
    for word in words[2:]:
        if len(lines[-1]) + 1 + len(word) > width:
            lines.append("   ")
        lines[-1] += f" {word}"
    return "\n".join(lines)


def _row(option: Option) -> str:
    default = "required" if option.default is None else _default(option.default)
    meaning = option.meaning
    if option.value == SETTINGS and "YAML" not in meaning:
        meaning = f"{meaning.rstrip('.')}; {FILES}.".removeprefix("; ")
    return table_row(f"`{option.usage}`", default, meaning[:1].upper() + meaning[1:])


def _default(written: str) -> str:
    """A default for people: `None` has its meaning beside it, a constant of the module as well."""
    return "" if written == "None" or written.isupper() else f"`{written.strip(chr(39))}`"
