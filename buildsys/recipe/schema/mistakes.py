"""Check a written piece against its model; mistakes are reported in the words of recipes."""

from __future__ import annotations

import pathlib
import shlex
from collections.abc import Sequence
from typing import Any, TypeVar, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from buildsys.diagnostics import Code, Diagnostic, Refused, closest, closest_words
from buildsys.packages import MANAGERS
from buildsys.recipe.document import Written, is_template
from buildsys.recipe.schema import types
from buildsys.recipe.schema.base import Model, key_of
from buildsys.recipe.schema.documents import (
    ORIGINS,
    Fragment,
    Overlay,
    Patch,
    Recipe,
    SetFile,
    Site,
    SitePatch,
    Trait,
)
from buildsys.recipe.schema.forms import MISTAKE, Form, any_value
from buildsys.recipe.schema.locations import Path, bare, form_at, kind_at, model_at, path_in, step_of
from buildsys.recipe.schema.steps import VERBS
from buildsys.recipe.schema.tests import Scenario
from buildsys.recipe.yaml_text import flow

M = TypeVar("M", bound=Model)

NOUNS: dict[type[Model], str] = {
    Recipe: "a recipe", Trait: "a trait", Fragment: "a fragment", SetFile: "set.yaml", Site: "a site",
    Overlay: "an overlay", Patch: "a change to an image", SitePatch: "a change to a site",
    Scenario: "a scenario",
}  # fmt: skip
"""The noun of a model in a sentence; others have the name of their key."""

_WANTED = {
    "string_type": "text", "int_type": "a whole number", "bool_type": "true or false", "list_type": "a list",
    "dict_type": "a map", "model_type": "a map", "model_attributes_type": "a map",
}  # fmt: skip


def read(model: type[M], written: Written) -> tuple[M, list[Diagnostic]]:
    """A written piece as a model, and the mistakes of its values: those that lack their form.

    Raises:
        Refused: its keys and types do not fit the model; every mistake of these.
    """
    details: list[ErrorDetails] = []
    made: M | None = None
    try:
        made = model.model_validate(written.data)
    except ValidationError as error:
        details = error.errors(include_url=False)
    if found := _diagnostics(model, written, [item for item in details if item["type"] != MISTAKE]):
        raise Refused(found)
    mistakes = [_diagnostic(model, written, detail) for detail in details]
    if made is None:
        with any_value():
            made = model.model_validate(written.data)
    return made, mistakes


_READ_BEFORE_FILLING: tuple[tuple[str, ...], ...] = ((), ("parameters",), ("variables",))
"""Values that a variable cannot hold: the piece itself, and the declarations of variables."""


def check_template(model: type[Model], written: Written) -> None:
    """Check a piece that holds variables: a text may yet become a list or a number.

    Raises:
        Refused: it cannot fit the model whatever its variables hold.
    """
    try:
        model.model_validate(written.data)
    except ValidationError as error:
        certain = [
            detail
            for detail in error.errors(include_url=False)
            if detail["type"] != MISTAKE  # values are checked once they are filled in
            and (
                detail["type"] == "extra_forbidden"
                or detail["loc"][:1] in _READ_BEFORE_FILLING
                or not _may_change(detail["input"])
            )
        ]
        if found := _diagnostics(model, written, certain):
            raise Refused(found) from None
    else:
        if lacking := _diagnostics(model, written, ()):
            raise Refused(lacking)


def _may_change(value: Any) -> bool:
    return isinstance(value, str) and is_template(value)


def _diagnostics(model: type[Model], written: Written, details: Sequence[ErrorDetails]) -> list[Diagnostic]:
    # A required key that is only misspelt is reported once, as a misspelling.
    misspelt = {
        (detail["loc"][:-1], near[0])
        for detail in details
        if detail["type"] == "extra_forbidden"
        and len(near := closest_words(str(detail["loc"][-1]), _keys(model_at(model, detail["loc"][:-1]))))
        == 1
    }
    found = [
        _diagnostic(model, written, detail)
        for detail in details
        if detail["type"] != "missing" or (detail["loc"][:-1], detail["loc"][-1]) not in misspelt
    ]
    if (
        model is Recipe
        and isinstance(written.data, dict)
        and not ORIGINS & written.data.keys()
        and ((), "from") not in misspelt
    ):
        hint = "write from: site, or from: and the name of an image of the set"
        found.append(Diagnostic(written.spot(), Code.MISSING_KEY, "a recipe needs the key 'from'", hint))
    return found


def _keys(holder: type[Model] | None) -> list[str]:
    return [key_of(field) for field in holder.model_fields] if holder else []


def _diagnostic(model: type[Model], written: Written, detail: ErrorDetails) -> Diagnostic:
    kind, value = detail["type"], detail["input"]
    path = path_in(detail["loc"], written.data)
    if kind == MISTAKE:
        # pydantic's location of a key is that of its value, and a mark.
        is_key = path[-1:] == ("[key]",)
        spot = written.key_spot(*path[:-1]) if is_key else written.spot(*path)
        return Diagnostic(spot, *detail["ctx"][MISTAKE])
    if kind in ("extra_forbidden", "missing"):  # these end in a key, whatever it looks like
        path = (*path_in(detail["loc"][:-1], written.data), detail["loc"][-1])
    last = path[-1] if path else ""
    holder = model_at(model, detail["loc"][:-1])
    if kind == "extra_forbidden":
        return _unknown_key(holder, written, path)
    if kind == "missing":
        spot = written.spot(*path[:-1])
        message = f"{_noun(holder, path[:-1])} needs the key '{last}'"
        return Diagnostic(spot, Code.MISSING_KEY, message, _missing_hint(holder, str(last), written.file))
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        return _no_verb(written, path, value)
    spot = written.spot(*path)
    if kind == "literal_error":
        allowed = _choices(kind_at(model, detail["loc"]))
        hint = closest(str(value), allowed) or f"write {' or '.join(allowed)}"
        return Diagnostic(spot, Code.BAD_CHOICE, f"{_name(path)} cannot be {_shown(value)}", hint)
    wanted = _WANTED.get(kind)
    if not path:
        return Diagnostic(spot, Code.WRONG_TYPE, f"{_noun(model, path)} is a map, not {_described(value)}")
    if wanted is None:
        return Diagnostic(spot, Code.WRONG_TYPE, f"{_name(path)}: {detail['msg']}")
    message = f"{_name(path)} wants {wanted}, not {_described(value)}"
    hint = _type_hint(wanted, value, model, form_at(model, detail["loc"]))
    return Diagnostic(spot, Code.WRONG_TYPE, message, hint)


def _type_hint(wanted: str, value: Any, model: type[Model], form: Form | None) -> str:
    if value is None:
        return "write a value, or leave the key out"
    if wanted == "text" and isinstance(value, bool | int):
        return _quoted_hint(str(value).lower(), form)
    if wanted == "a list" and isinstance(value, str):
        return f"write {flow(_words(value))}"
    if wanted == "a map" and isinstance(value, list) and value and all(map(_is_assignment, value)):
        return f"write {flow(dict(item.split('=', 1) for item in value))}"
    if wanted == "a whole number" and isinstance(value, str) and value.lstrip("-").isdigit():
        return f"leave the quotes out: {value}"
    if wanted == "true or false" and isinstance(value, str) and value in ("true", "false"):
        return f"leave the quotes out: {value}"
    if model is Patch and wanted == "a map" and isinstance(value, list):
        return "an overlay says what it changes: {append: […]}, and also prepend: or remove:"
    return ""


def _missing_hint(holder: type[Model] | None, key: str, file: str) -> str:
    """A line to write for a key that must be there, where a value can be proposed."""
    place = pathlib.Path(file).absolute()
    name, folder = place.stem, place.parent.name
    lines: dict[tuple[type[Model] | None, str], str] = {
        (SetFile, "epoch"): "write epoch: 1767225600, which is 2026-01-01: no file of an image is newer",
        (SetFile, "namespace"): "write namespace: example",
        (SetFile, "tag"): "write tag: latest",
        (SetFile, "set"): f"write set: {flow(folder)}, the name of the folder",
        (Site, "base"): "write base: scratch, base: {bootstrap: [PACKAGE, …]} or base: {image: …}",
        (Site, "installer"): f"write installer: dnf, or another of {', '.join(sorted(MANAGERS))}",
        (Site, "site"): f"write site: {flow(name)}",
        (Recipe, "image"): f"write image: {flow(name)}",
        (Trait, "trait"): f"write trait: {flow(name)}",
        (Overlay, "overlay"): f"write overlay: {flow(name)}",
        (Scenario, "scenario"): f"write scenario: {flow(name)}",
    }
    return lines.get((holder, key), "")


def _quoted_hint(text: str, form: Form | None) -> str:
    """The hint for a number or a truth value where a text of this form is wanted."""
    problem = form.problem(text) if form is not None else None
    if problem is None:
        return f'quote it: "{text}"'
    if form in (types.DURATION, types.LIMIT) and form.problem(f"{text}s") is None:
        return f"write {text}s"
    return problem[2]


def _words(text: str) -> list[str]:
    """The items of a list that was written as one text."""
    try:
        return shlex.split(text) or [text]
    except ValueError:
        return [text]


def _is_assignment(item: Any) -> bool:
    return isinstance(item, str) and "=" in item.lstrip("=")


def _unknown_key(holder: type[Model] | None, written: Written, path: Path) -> Diagnostic:
    last = str(path[-1])
    spot = written.key_spot(*path)
    known = _keys(holder)
    if holder in VERBS.values():
        verb = known[0]
        if last in VERBS:
            message = f"a step does one thing, and this one has both '{verb}' and '{last}'"
            return Diagnostic(spot, Code.TWO_VERBS, message, "write two steps")
        others = ", ".join(known[1:]) or "nothing"
        message = f"the step '{verb}' has no '{last}'"
        return Diagnostic(spot, Code.UNKNOWN_KEY, message, closest(last, known) or f"'{verb}' takes {others}")
    there = _step_into(written.data, path[:-1])
    twice = [key for key in closest_words(last, known) if isinstance(there, dict) and key in there]
    hint = closest(last, {*known}.difference(twice)) or f"known keys: {', '.join(sorted(known))}"
    if twice:
        hint = f"take it out: '{twice[0]}' is there already"
    return Diagnostic(spot, Code.UNKNOWN_KEY, f"{_noun(holder, path[:-1])} has no key '{last}'", hint)


def _no_verb(written: Written, path: Path, value: Any) -> Diagnostic:
    if not isinstance(value, dict):
        message = f"a step is a map whose one key says what is done, not {_described(value)}"
        hint = "for example: - mkdir: /path"
        verb, _, rest = value.partition(":") if isinstance(value, str) else ("", "", "")
        if verb in VERBS and rest:
            hint = f"write {verb}: {rest}, with a space behind the colon"
        return Diagnostic(written.spot(*path), Code.UNKNOWN_STEP, message, hint)
    qualifiers = {key_of(field) for model in VERBS.values() for field in model.model_fields}
    for key in value:
        if key not in qualifiers:
            hint = closest(key, VERBS) or f"known steps: {', '.join(sorted(VERBS))}"
            return Diagnostic(
                written.key_spot(*path, key), Code.UNKNOWN_STEP, f"no step is called '{key}'", hint
            )
    message = "this step does not say what is done"
    hint = f"known steps: {', '.join(sorted(VERBS))}"
    return Diagnostic(written.spot(*path), Code.UNKNOWN_STEP, message, hint)


def _choices(kind: Any) -> list[str]:
    """The values of a Literal, as YAML has them."""
    return [str(item).lower() if isinstance(item, bool) else str(item) for item in get_args(bare(kind))]


def _noun(holder: type[Model] | None, path: Path) -> str:
    if holder in NOUNS:
        return NOUNS[holder]
    if holder in VERBS.values() and holder is not None:
        return f"the step '{key_of(next(iter(holder.model_fields)))}'"
    return _name(path)


def _name(path: Path) -> str:
    """The name of the value at a path, for a reader of the file."""
    last = path[-1]
    if isinstance(last, str):
        return f"'{last}'"
    holder = next((step for step in reversed(path) if isinstance(step, str)), "")
    return f"item {last + 1} of '{holder}'" if holder else f"item {last + 1}"


def _described(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return f"{str(value).lower()}"
    if isinstance(value, int):
        return f"the number {value}"
    if isinstance(value, str):
        return f"the text {_shown(value)}"
    return "a list" if isinstance(value, list) else "a map"


def _shown(value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"'{text if len(text) <= 40 else text[:39] + '…'}'"


def read_filled(model: type[M], written: Written, data: Any) -> tuple[M, list[Diagnostic]]:
    """A piece whose variables are filled in, as `read` returns it: `data` has the shape of `written`.

    A number that came by a variable may stand where text is wanted.

    Raises:
        Refused: its keys and types do not fit the model; every mistake of these.
    """
    try:
        return model.model_validate(data), []
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            if detail["type"] == "string_type" and isinstance(detail["input"], bool | int):
                _as_text(data, written.data, path_in(detail["loc"], written.data))
    return read(model, Written(written.file, data, written.marks))


def _as_text(data: Any, written: Any, path: Path) -> None:
    """Turn the number at `path` into text if it comes from a variable."""
    for step in path[:-1]:
        data, written = step_of(data, step), step_of(written, step)
    last = path[-1]
    value = step_of(data, last)
    if isinstance(step_of(written, last), str) and isinstance(value, bool | int):
        data[last] = str(value).lower() if isinstance(value, bool) else str(value)


def _step_into(data: Any, path: Path) -> Any:
    for step in path:
        data = step_of(data, step)
    return data
