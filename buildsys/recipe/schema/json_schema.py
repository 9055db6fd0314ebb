"""The models as one JSON Schema, for completion and checks in editors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from buildsys.recipe.schema.documents import Overlay, Recipe, SetFile, Site, Trait
from buildsys.recipe.schema.tests import Scenario

Schema = dict[str, Any]

TEMPLATE: Schema = {
    "type": "string",
    "pattern": r"\{\{.*\}\}",
    "description": "A variable that holds the value.",
}


def json_schema() -> Schema:
    """One schema for all files of an image set; the key of its name identifies the kind of a file."""
    from pydantic.json_schema import models_json_schema

    kinds = (Recipe, Trait, SetFile, Site, Overlay, Scenario)
    _, whole = models_json_schema([(kind, "validation") for kind in kinds])
    definitions: dict[str, Schema] = whole["$defs"]
    for definition in definitions.values():
        for schema in _every(definition):
            _tidy(schema)
    definitions["Template"] = TEMPLATE
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A file of an image set",
        "oneOf": [{"$ref": f"#/$defs/{kind.__name__}"} for kind in kinds],
        "$defs": dict(sorted(definitions.items())),
    }


def _tidy(schema: Schema) -> None:
    """Remove titles and defaults, allow a variable in place of any value, give keys their form."""
    for pattern, value in schema.pop("patternProperties", {}).items():
        schema["additionalProperties"] = value
        schema["propertyNames"] = {"pattern": pattern, **schema["propertyNames"]}
    for key, value in list(schema.get("properties", {}).items()):
        value.pop("title", None)
        value.pop("default", None)
        if not _takes_text(value) and "const" not in value:
            schema["properties"][key] = {"anyOf": [value, {"$ref": "#/$defs/Template"}]}


def _takes_text(schema: Schema) -> bool:
    choices = schema.get("anyOf", []) + schema.get("oneOf", [])
    return schema.get("type") == "string" or not schema or any(_takes_text(choice) for choice in choices)


def _every(schema: Schema) -> Iterator[Schema]:
    """A schema and all schemas within it."""
    yield schema
    for value in schema.values():
        for inner in value if isinstance(value, list) else [value]:
            if isinstance(inner, dict):
                yield from _every(inner)
