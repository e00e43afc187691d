"""The JSON schema that the workflow checks its configuration against."""

from pathlib import Path

from ldae.runtime import write_json
from ldae.settings import json_schema


def schema(*, output: Path) -> None:
    """Write the configuration's JSON schema, generated from `ldae.config`.

    Args:
        output: the file to write, `workflow/schemas/config.schema.json`.
    """
    write_json(output, json_schema())
