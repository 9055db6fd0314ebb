from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from buildsys.diagnostics import Refused
from buildsys.recipe import schema
from buildsys.recipe.document import parse
from buildsys.recipe.schema.base import key_of

RECIPES = Path(__file__).parents[2] / "recipes"
VALIDATOR = Draft202012Validator(schema.json_schema())
LANGUAGE = Path(__file__).parents[2] / "docs" / "reference" / "recipes.md"


def recipe(text: str) -> schema.Recipe:
    return schema.read(schema.Recipe, parse(f"image: a\nfrom: site\n{text}", "x.yaml"))[0]


def documented_steps() -> dict[str, tuple[set[str], bool]]:
    """The verbs of the language's table, each with its qualifiers and whether it may be optional."""
    table = re.findall(
        r"^\| `([a-z-]+): [^|]*?` ?(°?)[^|]*\| ([^|]*)\|", LANGUAGE.read_text("utf-8"), re.MULTILINE
    )
    return {
        verb: (set(re.findall(r"`([a-z0-9-]+)", qualifiers)), bool(ring) or "°" in qualifiers)
        for verb, ring, qualifiers in table
    }


def test_the_documented_steps_are_those_there_are() -> None:
    models = {
        verb: (
            {key_of(field) for field in model.model_fields} - {verb, "optional"},
            "optional" in model.model_fields,
        )
        for verb, model in schema.VERBS.items()
    }
    assert documented_steps() == models


@pytest.mark.parametrize(
    ("text", "command"), [("/bin/check", "/bin/check"), ("[a, b]", ["a", "b"]), ("{command: [a]}", ["a"])]
)
def test_a_health_check_in_its_three_forms(text: str, command: object) -> None:
    check = recipe(f"healthcheck: {text}").healthcheck
    assert check is not None
    assert check.command == command


def test_one_path_or_several() -> None:
    assert recipe("steps: [{mkdir: /a}]") == recipe("steps: [{mkdir: [/a]}]")
    assert recipe("steps: [{mkdir: [/a, /b]}]") != recipe("steps: [{mkdir: [/a]}]")


def test_uses_by_name_or_with_parameters() -> None:
    assert recipe("uses: [a, {b: c}, {d: {e: f}}]").uses == [{"a": None}, {"b": "c"}, {"d": {"e": "f"}}]


def test_what_is_left_out_is_none_and_what_is_empty_is_refused() -> None:
    assert recipe("").user is None
    with pytest.raises(Refused, match="wants text, not nothing"):
        recipe("user:")


def test_only_an_overlay_takes_a_value_away() -> None:
    text = "overlay: a\nimages: {b: {user: ~, env: {C: ~}}}"
    overlay, _ = schema.read(schema.Overlay, parse(text, "x.yaml"))
    patch = (overlay.images or {})["b"]
    assert patch.model_fields_set == {"user", "env"}
    assert (patch.user, patch.env) == (None, {"C": None})


def test_models_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        recipe("user: root").user = "nobody"  # type: ignore[misc]


# The JSON Schema ---------------------------------------------------------------------------------


def schemas(data: Any) -> Iterator[dict[str, Any]]:
    if isinstance(data, dict):
        yield data
    for inner in data.values() if isinstance(data, dict) else data if isinstance(data, list) else ():
        yield from schemas(inner)


def test_the_json_schema_covers_every_file_and_step() -> None:
    whole = schema.json_schema()
    kinds, rest = set(), whole
    while "then" in rest:
        kinds.add(rest["then"]["$ref"].rsplit("/", 1)[1])
        rest = rest["else"]
    assert kinds == {"Recipe", "Trait", "SetFile", "Site", "Overlay", "Scenario"}
    verbs = {next(iter(part["properties"])) for part in whole["$defs"].values() if "properties" in part}
    assert verbs >= schema.VERBS.keys()
    recipe = whole["$defs"]["Recipe"]
    assert recipe["required"] == ["image"]
    assert recipe["else"] == {"required": ["from"]}


def test_the_json_schema_refuses_unknown_keys_and_holds_together() -> None:
    whole = schema.json_schema()
    assert json.loads(json.dumps(whole)) == whole
    for part in schemas(whole):
        if "$ref" in part:
            assert part["$ref"].removeprefix("#/$defs/") in whole["$defs"]
        if "properties" in part and isinstance(part["properties"], dict) and part.get("type") == "object":
            assert part["additionalProperties"] is False


def test_the_json_schema_knows_nothing_of_null_but_in_overlays() -> None:
    for name, part in schema.json_schema()["$defs"].items():
        if name != "Patch":
            assert all(inner.get("type") != "null" for inner in schemas(part)), name


def test_the_json_schema_shows_the_forms_of_values_and_keys() -> None:
    definitions = schema.json_schema()["$defs"]
    mode = definitions["Chmod"]["properties"]["mode"]
    assert re.search(mode["pattern"], "0755")
    assert not re.search(mode["pattern"], "rwx")
    assert re.search(mode["pattern"], "{{ mode }}")
    env = definitions["Fragment"]["properties"]["env"]["allOf"][0]["then"]
    assert env["additionalProperties"] == {"type": "string"}
    assert not re.search(env["propertyNames"]["pattern"], "A-B")


def test_a_value_without_its_form_leaves_the_rest_readable() -> None:
    text = "image: a\nfrom: site\nuser: a b\nworkdir: /srv"
    read, mistakes = schema.read(schema.Recipe, parse(text, "x.yaml"))
    assert (read.user, read.workdir) == ("a b", "/srv")
    assert [(str(item.spot), item.code) for item in mistakes] == [("x.yaml:3:7", "bad-owner")]


def errors_of(text: str) -> list[tuple[list[str | int], str]]:
    """What an editor marks in a file: the place and the message of the best match."""
    best = best_match(VALIDATOR.iter_errors(yaml.safe_load(text)))
    return [(list(best.absolute_path), best.message)] if best else []


@pytest.mark.parametrize(
    ("text", "path", "word"),
    [
        ("image: a\nfrom: base\npakages: [x]", [], "'pakages' was unexpected"),
        ("set: a\nnamespace: b\ntag: c\nepoch: 1\nsit: d", [], "'sit' was unexpected"),
        ("trait: a\nstep: []", [], "'step' was unexpected"),
        (
            "site: a\ninstaller: dnf\nbase: {bootstrap: [x], bootstrp: y}",
            ["base"],
            "'bootstrp' was unexpected",
        ),
        ("site: a\ninstaller: dmf\nbase: {image: x}", ["installer"], "'dmf' is not one of"),
        ("image: a\nfrom: b\nsteps:\n- {mkdir: /a, moed: x}", ["steps", 0], "'moed' was unexpected"),
        ("image: a\nfrom: b\nsteps:\n- {mkdri: /a}", ["steps", 0], "'mkdri' is not one of"),
        ("image: a\nfrom: b\ntest: {service: {prot: 80}}", ["test", "service"], "'prot' was unexpected"),
        ("image: a\nfrom: b\nhealthcheck: {command: x, retires: 3}", ["healthcheck"], "'retires' was unexp"),
        ("image: a\nfrom: b\ncmd: x", ["cmd"], "'x' does not match"),
        ("image: a\nfrom: b\nuser: 42", ["user"], "42 is not of type 'string'"),
        ("image: a\nfrom: b\ncontainerfile: c", [], "False schema does not allow"),
        ("image: a", [], "'from' is a required property"),
        ("imge: a\nfrom: b", [], "'imge' is not one of"),
        (
            "overlay: a\nimages: {b: {packages: {attach: [c]}}}",
            ["images", "b", "packages"],
            "'attach' was unexp",
        ),
        ("scenario: a\ncontainers: {b: {imag: c}}\nsteps: []", ["containers", "b"], "'imag' was unexpected"),
    ],
)
def test_an_editor_marks_the_wrong_key_and_nothing_else(text: str, path: list[str | int], word: str) -> None:
    (place, message), *_ = errors_of(text)
    assert (place, word in message) == (path, True), message


def test_the_json_schema_takes_every_file_of_the_sets() -> None:
    folders = {"images", "traits", "sites", "scenarios"}
    files = [
        path
        for path in RECIPES.rglob("*.yaml")
        if path.name == "set.yaml" or folders & set(path.relative_to(RECIPES).parts[1:2])
    ]
    assert len(files) > 150
    wrong = {str(path): found for path in files if (found := errors_of(path.read_text("utf-8")))}
    assert wrong == {}
