"""What the documents name is there: subcommands with their options, make targets, files, links."""

import ast
import re
import tomllib
from pathlib import Path

import pytest
import yaml

from ldae.commands import SINGLE_SCAN, UPKEEP, WORKFLOW

PROJECT = Path(__file__).parents[1]
DOCUMENTS = [
    *sorted(PROJECT.glob("*.md")),
    PROJECT / "config/README.md",
    *sorted(PROJECT.glob("docs/**/*.md")),
]
SUBCOMMANDS = WORKFLOW | SINGLE_SCAN | UPKEEP
IN_A_BUNDLE = {"docs/README.md", "docs/data_license.txt"}  # of MONAI, not here
LANGUAGES = {"bash", "python", "yaml", "json", "text", "bibtex"}
BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
NAMES = {path: str(path.relative_to(PROJECT)) for path in DOCUMENTS}
INLINE, INDENTED = re.compile(r"`([^`\n]+)`"), re.compile(r"^ {4}(\S.*)$", re.MULTILINE)
FENCED = re.compile(r"^```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def commands(document: Path, program: str) -> list[list[str]]:
    """The words after `program`, of every command in code."""
    text = document.read_text(encoding="utf-8").replace("\\\n", " ")
    blocks = "\n".join(FENCED.findall(text))
    code = [*INLINE.findall(text), *INDENTED.findall(text), *blocks.splitlines()]
    words = [line.split() for line in code]
    return [each[1:] for each in words if each[:1] == [program] and len(each) > 1]


def options(subcommand: str) -> set[str]:
    """The options that a subcommand takes, from the parameters of its stage."""
    name = subcommand.replace("-", "_")
    tree = ast.parse((PROJECT / f"src/ldae/stages/{name}.py").read_text(encoding="utf-8"))
    stage = next(x for x in tree.body if isinstance(x, ast.FunctionDef) and x.name == name)
    given = [*stage.args.args, *stage.args.kwonlyargs]
    return {"--help"} | {f"--{each.arg.replace('_', '-')}" for each in given}


@pytest.mark.parametrize("document", DOCUMENTS, ids=NAMES.get)
def test_subcommands_and_their_options_exist(document: Path) -> None:
    for subcommand, *words in commands(document, "ldae"):
        if subcommand.startswith("--"):
            continue
        assert subcommand in SUBCOMMANDS, f"ldae {subcommand}"
        named = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert named <= options(subcommand), f"ldae {subcommand}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=NAMES.get)
def test_make_targets_exist(document: Path) -> None:
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([\w-]+):", makefile, re.MULTILINE))
    assert {words[0] for words in commands(document, "make")} <= targets


@pytest.mark.parametrize("document", DOCUMENTS, ids=NAMES.get)
def test_files_of_the_repository_exist(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    named = set(re.findall(r"(?<![\w/])((?:docs|config|envs|workflow|tests|src)/[\w./-]*\w)", text))
    missing = {name for name in named if not (PROJECT / name).exists() and "{" not in name}
    assert not missing - IN_A_BUNDLE


@pytest.mark.parametrize("document", DOCUMENTS, ids=NAMES.get)
def test_links_lead_somewhere(document: Path) -> None:
    for link in LINK.findall(prose(document)):
        if re.match(r"https://|mailto:", link):
            continue
        place, _, heading = link.partition("#")
        target = document.parent / place if place else document
        assert target.exists(), link
        assert not heading or heading in anchors(target), link


@pytest.mark.parametrize("document", DOCUMENTS, ids=NAMES.get)
def test_code_says_what_it_is_and_commands_are_in_blocks_that_are_run(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    fences = re.findall(r"^ *```(.*)$", text, re.MULTILINE)
    assert set(fences[::2]) <= LANGUAGES
    assert set(fences[1::2]) <= {""}
    if document.name != "commands.md":  # usage, not commands
        others = re.sub(r"^( *)```bash\n.*?^\1```$", "", text, flags=re.MULTILINE | re.DOTALL)
        assert not re.findall(r"^ *(?:ldae|snakemake|make) [a-z-]+.* --.*$", code(others), re.M)


@pytest.mark.parametrize("document", DOCUMENTS, ids=NAMES.get)
def test_code_that_is_shown_can_be_read(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    for _, language, block in BLOCK.findall(text):
        if language == "python":
            ast.parse(block)
        elif language == "yaml":
            assert isinstance(yaml.safe_load(block), dict)


def test_the_citation_is_of_this_version_and_names_the_paper() -> None:
    citation = yaml.safe_load((PROJECT / "CITATION.cff").read_text(encoding="utf-8"))
    package = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= citation.keys()
    assert (citation["version"], citation["license"]) == (package["version"], package["license"])
    assert citation["authors"] == [{"name": "ldae contributors"}]
    (paper,) = citation["references"]
    assert paper["identifiers"] == [{"type": "other", "value": "arXiv:2504.08635"}]
    changes = (PROJECT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"\n## {package['version']} " in changes


def code(text: str) -> str:
    return "\n".join([*INDENTED.findall(text), *[block for _, _, block in BLOCK.findall(text)]])


def prose(document: Path) -> str:
    text = document.read_text(encoding="utf-8")
    return re.sub(r"^( *)```.*?^\1```$|`[^`\n]+`", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(document: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    kept = [re.sub(r"[^\w\s-]", "", heading).strip().lower() for heading in headings]
    return {re.sub(r"[\s-]+", "-", heading) for heading in kept}
