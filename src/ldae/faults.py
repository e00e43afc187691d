"""What is wrong with settings, in words: the key, what is there, and what would be right."""

import json
import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from ldae.config import Section

Place = Sequence[int | str]


def describe(error: ValidationError, model: type[Section], values: Any) -> str:
    """Every fault of `values`, which `model` refuses, as `key: what is wrong`, joined by `; `."""
    faults = error.errors(include_url=False)
    return "; ".join(_described(fault, model, values) for fault in faults)


def _described(fault: ErrorDetails, model: type[Section], values: Any) -> str:
    unknown = fault["type"] == "extra_forbidden"
    place = _as_written(fault["loc"], values, absent=unknown or fault["type"] == "missing")
    key, found = _joined(place), fault.get("input")
    match fault["type"]:
        case "extra_forbidden":
            return f"{key}: {_nearest(place, model, values)}"
        case "literal_error" if fault["loc"][-1] == "[key]":
            return f"{key}: unknown key; known here: {fault['ctx']['expected']}"
        case "missing" | "union_tag_not_found" as kind:
            inner = "" if kind == "missing" else f".{_tag(fault)}"
            return f"{key}{inner}: missing; it has no default"
        case "value_error":
            message = str(fault["msg"]).removeprefix("Value error, ")
            names_a_key = re.match(r"[a-z_]+(\.[a-z_]+)*(\[\d+\])?: ", message)
            between = "." if names_a_key else ": "
            return f"{key}{between}{message}" if key else message
        case "union_tag_invalid":
            tag = _tag(fault)
            return f"{key}.{tag}: {_shown(found[tag])} is none of {fault['ctx']['expected_tags']}"
    message = re.sub(r"^\w+ should", "should", fault["msg"])
    message = re.sub(r"an object$|a valid dictionary\b.*", "a group of keys", message)
    return f"{key or 'settings'}: {_shown(found)} {message}{_hint(found)}"


def _tag(fault: ErrorDetails) -> str:
    """The key by which kinds are told apart."""
    return str(fault["ctx"]["discriminator"]).strip("'")


def _shown(found: Any) -> str:
    """A value as YAML has it."""
    if isinstance(found, dict):
        return "a group of keys"
    return json.dumps(found) if found is None or isinstance(found, bool) else repr(found)


def _as_written(place: Place, values: Any, *, absent: bool) -> list[int | str]:
    """Without what a location says of kinds, such as `slices` between encoder and key.

    `absent`: the last part is no such word, though nothing is there.
    """
    last = len(place) - 1 if absent else len(place)
    path: list[int | str] = []
    for part in place[:last]:
        if part in values if isinstance(values, dict) else isinstance(part, int):
            path.append(part)
            values = values[part]
    return [*path, *place[last:]]


def _joined(place: Place) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return text.removeprefix(".")


def _nearest(place: Place, model: type[Section], values: Any) -> str:
    """What may have been meant by a key that is unknown where it stands."""
    name, section = str(place[-1]), _section_at(place[:-1], model, values)
    known = list(section.model_fields)
    near = get_close_matches(name, known, n=1)
    if near:
        return f"unknown key; did you mean {near[0]}?"
    others = [key for key in _keys(model) if key.rpartition(".")[2] == name]
    if others and _joined(place) not in others:
        return f"unknown key here; did you mean {' or '.join(others[:3])}?"
    kind = _kind(section)
    return f"unknown key{f' of kind: {kind}' if kind else ''}; known here: {', '.join(known)}"


def _section_at(place: Place, model: type[Section], values: Any) -> type[Section]:
    for part in place:
        values = values[part]
        inner = _sections(model.model_fields[str(part)].annotation)
        kinds = [each for each in inner if _kind(each) == values.get("kind")]
        model = (kinds or inner)[0]
    return model


def _kind(section: type[Section]) -> str | None:
    field = section.model_fields.get("kind")
    return get_args(field.annotation)[0] if field else None


def _keys(model: type[Section], within: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield f"{within}{name}"
        for section in _sections(field.annotation):
            yield from _keys(section, f"{within}{name}.")


def _sections(annotation: Any) -> list[type[Section]]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return [annotation]
    return [section for part in get_args(annotation) for section in _sections(part)]


def _hint(found: Any) -> str:
    """YAML 1.1 takes 1e-4 for text."""
    number = re.fullmatch(r"([-+]?\d+)(\.\d*)?e([-+]?)(\d+)", str(found), re.IGNORECASE)
    if isinstance(found, str) and number:
        whole, part, sign, exponent = number.groups()
        return f"; YAML takes {found} for text, write {whole}{part or '.0'}e{sign or '+'}{exponent}"
    return ""
