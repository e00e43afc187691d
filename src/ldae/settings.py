"""Settings as they travel: from YAML or a rule's JSON into a stage's model, and out as a schema."""

import hashlib
import json
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError
from yaml.constructor import ConstructorError

from ldae.config import Config, Section
from ldae.errors import UserError
from ldae.faults import describe

S = TypeVar("S", bound=Section)


def load_settings(model: type[S], *texts: str) -> S:
    """Parse `texts` into `model`.

    Args:
        model: the sections a stage reads.
        texts: either the one JSON object a rule passes, which must hold exactly the model's keys,
            or paths of YAML files, later ones laid over earlier ones, that may hold a whole
            configuration; the model's sections are taken.

    Raises:
        UserError: naming the file or option, the key and what is wrong with it.
    """
    if len(texts) == 1 and texts[0].lstrip().startswith("{"):
        return _parse(model, _json(texts[0]), "--settings")
    sections: dict[str, Any] = {}
    for text in texts:
        if not Path(text).is_file():
            raise UserError(f"--settings: {text} is neither a JSON object nor a file")
        sections = _overlay(sections, read_yaml(Path(text)))
    known = {name: value for name, value in sections.items() if name in model.model_fields}
    return _parse(model, known, " + ".join(texts))


def read_yaml(path: Path) -> dict[str, Any]:
    """The sections in a file of settings.

    Raises:
        UserError: it is not valid YAML, has a key twice, or holds something else.
    """
    try:
        with path.open(encoding="utf-8") as file:
            content = yaml.load(file, _Loader)  # a safe one
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        found = "nothing" if content is None else type(content).__name__
        raise UserError(f"{path}: expected sections of settings, found {found}")
    return content


def json_schema() -> dict[str, Any]:
    """The JSON schema of a whole configuration: `workflow/schemas/config.schema.json`."""
    schema = Config.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | schema


def fingerprint(*parts: Any) -> str:
    """Sixteen hex digits that change when any of `parts` (settings, strings, numbers) does."""
    plain = [part.model_dump(mode="json") if isinstance(part, Section) else part for part in parts]
    text = json.dumps(plain, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(f"--settings: not valid JSON: {error}") from None


class _Loader(yaml.SafeLoader):
    """YAML of which no key is lost: others take the last of two equal ones."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        names = [key.value for key in keys]
        for place, key in enumerate(keys):
            if key.value in names[:place]:
                problem = f"the key {key.value} is there twice"
                raise ConstructorError(problem=problem, problem_mark=key.start_mark)
        return super().construct_mapping(node, deep)


def _overlay(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(below.get(key), dict)
        merged[key] = _overlay(below[key], value) if both else value
    return merged


def _parse(model: type[S], values: Any, source: str) -> S:
    try:  # strictly: text is no number, however much it looks like one
        return model.model_validate_json(json.dumps(values, default=repr), strict=True)
    except ValidationError as error:
        raise UserError(f"{source}: {describe(error, model, values)}") from None
