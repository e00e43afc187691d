"""What a subcommand takes, read from the source of its stage: nothing of it is imported."""

import ast
import inspect
import re
from dataclasses import dataclass
from pathlib import Path

VALUES = {"Path": "PATH", "str": "TEXT", "int": "N", "float": "NUMBER", "bool": ""}
VALUES |= {"ModelsFolder": "PATH", "OutputFolder": "PATH"}  # of `ldae.pretrained.options`
SETTINGS = "FILE …"
PARTS = re.compile(r"^(Args|Returns|Raises):\n", re.MULTILINE)
ARGUMENT = re.compile(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", re.MULTILINE)


@dataclass(frozen=True)
class Option:
    """An argument, its default as the source has it (None: required), and its meaning."""

    name: str
    value: str
    positional: bool
    default: str | None
    meaning: str

    @property
    def usage(self) -> str:
        """As it stands behind the command."""
        value = self.value or ""
        if self.positional:
            return self.name.upper() + (" …" if value.endswith("…") else "")
        return f"--{self.name.replace('_', '-')} {value}".rstrip()


@dataclass(frozen=True)
class Signature:
    """Of one subcommand; `sections` of the configuration are read by it."""

    about: str
    options: list[Option]
    sections: list[str]
    returns: str


def signature(stages: Path, command: str) -> Signature:
    """Of `ldae {command}`, from `{stages}/{command}.py`."""
    name = command.replace("-", "_")
    tree = ast.parse((stages / f"{name}.py").read_text(encoding="utf-8"))
    stage = next(x for x in tree.body if isinstance(x, ast.FunctionDef) and x.name == name)
    text = inspect.cleandoc(ast.get_docstring(stage) or "")
    about, *rest = PARTS.split(text)
    said = dict(zip(rest[::2], rest[1::2], strict=True))
    meanings = {key: _one_line(words) for key, words in ARGUMENT.findall(said.get("Args", ""))}
    aliases = {
        node.targets[0].id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    options = [
        Option(
            argument.arg,
            _value(argument.annotation, aliases),
            argument in stage.args.args,
            ast.unparse(default) if default else None,
            meanings.get(argument.arg, ""),
        )
        for argument, default in _arguments(stage)
    ]
    return Signature(about.strip(), options, _sections(tree), _one_line(said.get("Returns", "")))


def _arguments(stage: ast.FunctionDef) -> list[tuple[ast.arg, ast.expr | None]]:
    given = stage.args
    missing = len(given.args) - len(given.defaults)
    defaults = [*[None] * missing, *given.defaults, *given.kw_defaults]
    return list(zip([*given.args, *given.kwonlyargs], defaults, strict=True))


def _value(annotation: ast.expr | None, aliases: dict[str, ast.expr]) -> str:
    """What stands for the value: `PATH`, `a` or `b`, nothing for a switch."""
    match annotation:
        case ast.Name(id=name) if name in aliases:
            words = _value(aliases[name], aliases)
        case ast.Name(id=name) if name in VALUES:
            words = VALUES[name]
        case ast.BinOp(left=left, right=ast.Constant(value=None)):  # … | None
            words = _value(left, aliases)
        case ast.BinOp(left=left, right=right):
            words = f"{_value(left, aliases)} or {_value(right, aliases)}"
        case ast.Subscript(value=ast.Name(id=generic), slice=inner):
            parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
            words = _of_generic(generic, parts, aliases)
        case _:
            words = SETTINGS
    return words


def _of_generic(generic: str, parts: list[ast.expr], aliases: dict[str, ast.expr]) -> str:
    if generic == "Annotated":
        return _value(parts[0], aliases)
    if generic == "Literal":
        return "|".join(str(ast.literal_eval(part)) for part in parts)
    endless = isinstance(parts[-1], ast.Constant) and parts[-1].value is ...
    words = " ".join(_value(part, aliases) for part in (parts[:-1] if endless else parts))
    return f"{words} …" if generic == "list" or endless else words


def _sections(tree: ast.Module) -> list[str]:
    found = [x for x in tree.body if isinstance(x, ast.ClassDef) and x.name == "Settings"]
    body = found[0].body if found else []
    fields = [each.target for each in body if isinstance(each, ast.AnnAssign)]
    return [target.id for target in fields if isinstance(target, ast.Name)]


def _one_line(text: str) -> str:
    return " ".join(text.split())
