"""What the documents name is there: subcommands with their options, make targets, files."""

import ast
import re
from pathlib import Path

import pytest

from ldae import cli

PROJECT = Path(__file__).parents[1]
DOCUMENTS = [
    PROJECT / "README.md",
    PROJECT / "config/README.md",
    *sorted(PROJECT.glob("docs/*.md")),
]
SUBCOMMANDS = cli.WORKFLOW | cli.SINGLE_SCAN | cli.UPKEEP
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


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(PROJECT)))
def test_subcommands_and_their_options_exist(document: Path) -> None:
    for subcommand, *words in commands(document, "ldae"):
        if subcommand.startswith("--"):
            continue
        assert subcommand in SUBCOMMANDS, f"ldae {subcommand}"
        named = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert named <= options(subcommand), f"ldae {subcommand}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(PROJECT)))
def test_make_targets_exist(document: Path) -> None:
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([\w-]+):", makefile, re.MULTILINE))
    assert {words[0] for words in commands(document, "make")} <= targets


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(PROJECT)))
def test_files_of_the_repository_exist(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    named = set(re.findall(r"(?<![\w/])((?:docs|config|envs|workflow|tests|src)/[\w./-]*\w)", text))
    missing = {name for name in named if not (PROJECT / name).exists() and "{" not in name}
    assert not missing
