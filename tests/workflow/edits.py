"""Every key of a configuration, and for each an edit that leaves the configuration valid."""

from collections.abc import Iterator
from functools import reduce
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import yaml
from pydantic import ValidationError

from ldae.config import Config, Section

PROJECT = Path(__file__).parents[2]
Edit = dict[str, Any]  # values by key


def configuration(*files: str) -> dict[str, Any]:
    """Files of the project, later ones laid over earlier ones."""
    read = (yaml.safe_load((PROJECT / file).read_text()) for file in files)
    return reduce(overlaid, read)


def overlaid(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """`below` with `above` laid over it, section by section."""
    result = dict(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(below.get(key), dict)
        result[key] = overlaid(below[key], value) if both else value
    return result


def keys(section: Section, within: str = "") -> Iterator[tuple[str, Any, Any]]:
    """The name, value and annotation of every key that is no section itself."""
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, Section):
            yield from keys(value, f"{within}{name}.")
        else:
            yield f"{within}{name}", value, field.annotation


def edited(values: dict[str, Any], edit: Edit) -> dict[str, Any]:
    """A copy of `values` with other values at the keys of `edit`."""
    result = dict(values)
    for key, value in edit.items():
        first, _, rest = key.partition(".")
        result[first] = edited(result[first], {rest: value}) if rest else value
    return result


def valid_edit(values: dict[str, Any], key: str, value: Any, annotation: Any) -> Edit:
    """The first other value of `key` that goes with the rest."""
    for other in _others(value, annotation):
        if other == value:
            continue
        try:
            Config.model_validate(edited(values, {key: other}))
        except ValidationError:
            continue
        return {key: other}
    raise AssertionError(f"{key}: no other value than {value!r} was accepted; give one in EDITS")


def _others(value: Any, annotation: Any) -> Iterator[Any]:
    choices = list(_choices(annotation))
    if choices:
        yield from (choice for choice in choices if choice != value)
    match value:
        case bool():
            yield not value
        case int():
            yield from (value + 1, 2 * value, value // 2, value - 1)
        case float():
            yield from (1.5 * value, value / 2, value + 0.1)
        case None:
            yield from (3, "elsewhere")
        case str():
            yield f"{value}-too"
        case dict():
            for name in value:
                yield value | {name: value[name] + 1}
        case tuple():
            for place, item in enumerate(value):
                for other in _others(item, None):
                    if other != item:
                        yield [*value[:place], other, *value[place + 1 :]]
            yield list(value[:-1])


def _choices(annotation: Any) -> Iterator[str]:
    if get_origin(annotation) is Literal:
        yield from get_args(annotation)
