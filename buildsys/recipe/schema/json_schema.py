"""The models as one JSON Schema, for completion and checks in editors.

Choices are conditions (`if`, `then`). With `oneOf` an editor reports that a value fits no choice, and marks
the whole value. With a condition it checks the choice that is meant, and marks the wrong key.
"""

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

    # set.yaml names a site, and a file of a site has no other name of a kind: it comes last.
    kinds = (SetFile, Trait, Overlay, Scenario, Recipe, Site)
    _, whole = models_json_schema([(kind, "validation") for kind in kinds])
    definitions: dict[str, Schema] = whole["$defs"]
    for definition in definitions.values():
        for schema in _every(definition):
            _tidy(schema)
    definitions["Template"] = TEMPLATE
    for definition in definitions.values():
        for schema in _every(definition):
            _condition(schema, definitions)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A file of an image set",
        "type": "object",
        **_chain([{"$ref": f"#/$defs/{kind.__name__}"} for kind in kinds], definitions),
        "$defs": dict(sorted(definitions.items())),
    }


def _condition(schema: Schema, definitions: dict[str, Schema]) -> None:
    """Replace choices by conditions: on the type of a value, and on the key that one kind of map has."""
    for word in ("anyOf", "oneOf"):
        choices = list(_flat(schema.get(word, [])))
        by_type: dict[str, list[Schema]] = {}
        for choice in choices:
            by_type.setdefault(str(_resolved(choice, definitions).get("type", "")), []).append(choice)
        if not choices or "" in by_type:
            continue
        del schema[word]
        rules = {kind: _one(group, definitions) for kind, group in by_type.items()}
        if len(rules) == 1:
            schema.update(*rules.values())
        else:
            schema["type"] = list(rules)
            schema["allOf"] = [{"if": {"type": kind}, "then": rule} for kind, rule in rules.items()]


def _one(choices: list[Schema], definitions: dict[str, Schema]) -> Schema:
    """One schema for choices of the same type."""
    if len(choices) == 1:
        return choices[0]
    if all(_resolved(choice, definitions).get("required") for choice in choices):
        return _chain(choices, definitions)
    return {"anyOf": choices}


def _chain(choices: list[Schema], definitions: dict[str, Schema]) -> Schema:
    """Conditions for maps that differ by their first required key, which the others lack."""
    parts = [_resolved(choice, definitions) for choice in choices]
    known = sorted({key for part in parts for key in part["properties"]})
    heads = [part["required"][0] for part in parts]
    rest: Schema = {"propertyNames": {"enum": known}, "anyOf": [{"required": [head]} for head in heads]}
    for head, choice in reversed(list(zip(heads, choices, strict=True))):
        rest = {"if": {"required": [head]}, "then": choice, "else": rest}
    return rest


def _flat(choices: list[Schema]) -> Iterator[Schema]:
    """Choices, and those within them, in their order."""
    for choice in choices:
        inner = [choice[word] for word in ("anyOf", "oneOf") if word in choice]
        if inner and len(choice) == 1:
            yield from _flat(inner[0])
        else:
            yield choice


def _resolved(schema: Schema, definitions: dict[str, Schema]) -> Schema:
    name = str(schema.get("$ref", "")).removeprefix("#/$defs/")
    return definitions[name] if name else schema


def _tidy(schema: Schema) -> None:
    """Remove titles and defaults, allow a variable in place of any value, give keys their form."""
    for pattern, value in schema.pop("patternProperties", {}).items():
        schema["additionalProperties"] = value
        schema["propertyNames"] = {"pattern": pattern, **schema["propertyNames"]}
    for key, value in list(schema.get("properties", {}).items()):
        if value is False:  # a key that another one excludes
            continue
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
