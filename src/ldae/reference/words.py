"""What a JSON schema allows, in words."""

from typing import Any

Schema = dict[str, Any]
TYPES = {
    "boolean": "`true` or `false`",
    "integer": "integer",
    "null": "`null`",
    "number": "number",
    "string": "text",
}
BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}


def resolved(schema: Schema, definitions: Schema, *, kind: str | None) -> Schema:
    """`schema` with its reference followed; where there are several, that of the `kind`."""
    if "discriminator" in schema:
        mapping = schema["discriminator"]["mapping"]
        reference = mapping[kind] if kind in mapping else next(iter(mapping.values()))
    elif "$ref" in schema:
        reference = schema["$ref"]
    else:
        return schema
    found: Schema = definitions[reference.rpartition("/")[2]]
    return found | {key: schema[key] for key in ("description",) if key in schema}


def in_words(schema: Schema) -> str:
    """The values that a key takes: type, range, number of entries."""
    if "anyOf" in schema:
        return " or ".join(in_words(each) for each in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        return " ".join(f"`{word}`" for word in schema.get("enum", [schema.get("const")]))
    if schema["type"] == "array":
        return _entries(schema)
    if schema["type"] == "object":
        keys = in_words(schema["propertyNames"])
        return f"{in_words(schema['additionalProperties'])} for each of {keys}"
    if "pattern" in schema:
        return f"text like `{schema['pattern']}`"
    return " ".join([TYPES[schema["type"]], _range(schema)]).strip()


def _entries(schema: Schema) -> str:
    if "prefixItems" in schema:
        each = {in_words(item) for item in schema["prefixItems"]}
        return f"{schema['minItems']} × {' / '.join(sorted(each))}"
    some = ", at least one" if schema.get("minItems") else ""
    return f"list of {in_words(schema['items'])}{some}"


def _range(schema: Schema) -> str:
    if {"minimum", "maximum"} <= schema.keys():
        return f"{_plain(schema['minimum'])} to {_plain(schema['maximum'])}"
    return ", ".join(
        f"{sign} {_plain(schema[key])}" for key, sign in BOUNDS.items() if key in schema
    )


def _plain(number: float) -> str:
    return f"{number:g}"
