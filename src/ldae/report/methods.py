"""The methods section of an article about a run, with its actual settings and its references."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from ldae.config import Results

Entry = dict[str, Any]
VENUES = ("journal", "booktitle")


@dataclass(frozen=True)
class Facts:
    """What the text says beside the settings.

    `sides` are the counts of the partition in words; `imported` says that weights were not trained
    by the run; an empty `device` is not known.
    """

    subjects: int
    test_subjects: int
    scans: int
    excluded: int
    sides: str
    downsampling: int
    perceptual: bool
    imported: bool
    made_with: str
    torch: str
    monai: str
    settings_hash: str
    device: str


@dataclass(frozen=True)
class Methods:
    """The text as (heading, paragraphs), its references in order, and both as files."""

    sections: tuple[tuple[str, tuple[str, ...]], ...]
    references: tuple[str, ...]
    markdown: str
    bibtex: str


def write_methods(settings: Results, facts: Facts) -> Methods:
    """The text, citing by number what it uses, in the order of first use."""
    cited: dict[str, int] = {}

    def cite(*keys: str) -> str:
        return f"[{', '.join(str(cited.setdefault(key, len(cited) + 1)) for key in keys)}]"

    environment = Environment(
        loader=PackageLoader("ldae", "report"),
        autoescape=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = environment.get_template("methods.md").render(s=settings, facts=facts, cite=cite)
    sections = tuple(_section(part) for part in text.split("## ")[1:])
    references = tuple(reference(_library()[key]) for key in cited)
    return Methods(
        sections,
        references,
        _markdown(sections, references),
        "\n".join(_bibtex(key, _library()[key]) for key in sorted(cited)),
    )


def reference(entry: Entry) -> str:
    """An entry of the library as one line."""
    names = [_initials(name) for name in entry["author"].split(" and ") if name != "others"]
    shown = ", ".join(names) + (" et al." if entry["author"].endswith("others") else "")
    venue = next(entry[kind] for kind in VENUES if kind in entry)
    place = f"{venue} {entry.get('volume', '')}".strip()
    place += f"({entry['number']})" if "number" in entry else ""
    place += f": {entry['pages']}" if "pages" in entry else ""
    doi = f" doi:{entry['doi']}" if "doi" in entry else ""
    stop = "" if shown.endswith(".") else "."
    return f"{shown}{stop} {entry['title']}. {place} ({entry['year']}).{doi}"


@cache
def _library() -> dict[str, Entry]:
    text = files("ldae.report").joinpath("references.yaml").read_text(encoding="utf-8")
    library: dict[str, Entry] = yaml.safe_load(text)
    return library


def _section(part: str) -> tuple[str, tuple[str, ...]]:
    heading, _, body = part.partition("\n")
    paragraphs = (" ".join(each.split()) for each in body.split("\n\n"))
    return heading.strip(), tuple(each for each in paragraphs if each)


def _markdown(
    sections: tuple[tuple[str, tuple[str, ...]], ...], references: tuple[str, ...]
) -> str:
    parts = ["# Methods"]
    for heading, paragraphs in sections:
        parts += [f"## {heading}", *paragraphs]
    listed = "\n".join(f"{number}. {each}" for number, each in enumerate(references, start=1))
    return "\n\n".join([*parts, "## References", listed]) + "\n"


def _bibtex(key: str, entry: Entry) -> str:
    fields = [f"  {name} = {{{value}}}" for name, value in entry.items() if name != "kind"]
    return f"@{entry['kind']}{{{key},\n" + ",\n".join(fields).replace("–", "--") + "\n}\n"


def _initials(name: str) -> str:
    family, _, given = name.partition(", ")
    return f"{family} {''.join(word[0] for word in given.replace('-', ' ').split())}".strip()
