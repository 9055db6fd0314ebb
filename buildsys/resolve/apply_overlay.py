"""Apply an overlay's changes to a Draft; changed values have Spots in the overlay."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import replace
from typing import Any, TypeVar

from buildsys import image
from buildsys.diagnostics import Code, Diagnostic, Spot, closest
from buildsys.recipe import schema
from buildsys.recipe.schema import types
from buildsys.resolve import fragment, spelling
from buildsys.resolve.fragment import Draft
from buildsys.resolve.image_tests import test_part
from buildsys.resolve.source import Notes
from buildsys.resolve.traits import Uses
from buildsys.resolve.written_steps import Surroundings, package_names

T = TypeVar("T")
Gone = MutableMapping[tuple[str, str], Spot]
_SCALARS = ("user", "cmd", "entrypoint", "healthcheck", "stop_signal", "workdir", "version_of")


def apply(patch: schema.Patch, draft: Draft, notes: Notes, around: Surroundings) -> None:
    """Change a draft as the patch says: append and remove, merge maps, replace or take away values."""
    if patch.accounts:
        there = fragment.accounts(_present(patch.accounts), notes)
        _merge(draft.accounts, patch.accounts, there, "accounts", notes, gone=draft.gone)
    if patch.repositories:
        written = fragment.repositories(_present(patch.repositories), notes)
        _merge(draft.repositories, patch.repositories, written, "repositories", notes, gone=draft.gone)
    for key, steps, change in (("before", draft.before, patch.before), ("steps", draft.steps, patch.steps)):
        if change:
            _remove_steps(steps, change.remove or [], (key, "remove"), notes, around, gone=draft.gone_steps)
            steps[:0] = fragment.steps(change.prepend or [], (key, "prepend"), notes, around)
            steps.extend(fragment.steps(change.append or [], (key, "append"), notes, around))
    if patch.packages:
        _remove(draft.packages, patch.packages.remove, "packages", draft.gone, notes)
        appended = patch.packages.append or []
        notes.check_each(("packages", "append"), types.PACKAGE_NAME, appended)
        for package in package_names(notes, ("packages", "append"), appended):
            draft.packages.setdefault(package.name, package)
    for key in _SCALARS:
        if key in patch.model_fields_set and getattr(patch, key) is None:
            _take_away(draft.scalars, key, key.replace("_", "-"), notes)
    draft.scalars.update(fragment.scalars(patch, notes))
    for key, items, changes in (
        ("env", draft.env, patch.env),
        ("labels", draft.labels, patch.labels),
        ("annotations", draft.annotations, patch.annotations),
    ):
        if changes:
            values = fragment.named(_present(changes), key, notes)
            _merge(items, changes, values, key, notes, gone=draft.gone)
    for key, spots, lists, form, spelled in (
        ("volumes", draft.volumes, patch.volumes, types.PATH, spelling.path),
        ("ports", draft.ports, patch.ports, types.PORT, spelling.port),
    ):
        if lists:
            _remove(spots, [*map(spelled, lists.remove or [])], key, draft.gone, notes)
            notes.check_each((key, "append"), form, lists.append or [])
            for text, spot in fragment.texts(lists.append or [], (key, "append"), notes):
                spots.setdefault(spelled(text), spot)
    if patch.test:
        draft.tests.append(test_part(patch.test, notes))
    elif "test" in patch.model_fields_set:
        if not draft.tests:
            _missing(notes, notes.written.key_spot("test"), "test", ())
        draft.tests.clear()


def without(patch: schema.UsesPatch, uses: Uses, notes: Notes) -> Uses:
    """The traits of a recipe without those that a patch removes."""
    kept = list(uses)
    for number, name in enumerate(patch.remove or []):
        named = [place for place, use in enumerate(kept) if use and name in use]
        for place in named:
            kept[place] = None
        if not named:
            _missing(
                notes, notes.spot("uses", "remove", number), name, (key for use in uses for key in use or ())
            )
    return kept


def _present(items: Mapping[str, T | None]) -> dict[str, T]:
    return {name: item for name, item in items.items() if item is not None}


def _merge(
    into: MutableMapping[str, T], changes: Mapping[str, Any], values: Mapping[str, T], key: str, notes: Notes,
    *, gone: Gone,
) -> None:  # fmt: skip
    for name, change in changes.items():
        if change is None:
            spot = notes.written.key_spot(key, name)
            if into.pop(name, None) is None:
                _missing(notes, spot, name, into, gone.get((key, name)))
            gone[key, name] = spot
        else:
            into[name] = values[name]


def _remove(
    items: MutableMapping[str, T], names: list[str] | None, key: str, gone: Gone, notes: Notes
) -> None:
    for number, name in enumerate(names or []):
        spot = notes.spot(key, "remove", number)
        if items.pop(name, None) is None:
            _missing(notes, spot, name, items, gone.get((key, name)))
        gone[key, name] = spot


def _remove_steps(
    steps: list[image.Instruction], unwanted: list[schema.AnyStep], path: tuple[str, ...],
    notes: Notes, around: Surroundings, *, gone: list[image.Instruction],
) -> None:  # fmt: skip
    """Remove all steps that equal an unwanted one."""
    for item in fragment.steps(unwanted, path, notes, around):
        same = [step for step in steps if _anywhere(step) == _anywhere(item)]
        before = next((step for step in gone if _anywhere(step) == _anywhere(item)), None)
        if not same and before:
            _twice(notes, item.spot, "this step", before.spot)
        elif not same:
            message = "this step cannot be removed: the image has none of its own that says just this"
            hint = "write it as `buildsys show` does, or remove it where the parent adds it"
            kin = tuple((step.spot, "a step of this kind") for step in steps if type(step) is type(item))
            notes.found.append(Diagnostic(item.spot, Code.NOTHING_TO_REMOVE, message, hint, kin[:3]))
        gone.append(item)
        steps[:] = [step for step in steps if step not in same]


def _anywhere(step: image.Instruction) -> image.Instruction:
    """A step without the folder of the file that it copies: set and overlay may have files of one name."""
    return replace(step, folder="") if isinstance(step, image.CopyContext) else step


def _take_away(items: MutableMapping[str, T], name: str, key: str, notes: Notes) -> None:
    if items.pop(name, None) is None:
        _missing(notes, notes.written.key_spot(key), key, ())


def _missing(notes: Notes, spot: Spot, name: str, known: Iterable[str], gone: Spot | None = None) -> None:
    if gone:
        _twice(notes, spot, f"'{name}'", gone)
        return
    hint = closest(name, known) or "take the line out, or remove it where the parent adds it"
    message = f"'{name}' cannot be removed: the image has none of its own"
    notes.found.append(Diagnostic(spot, Code.NOTHING_TO_REMOVE, message, hint))


def _twice(notes: Notes, spot: Spot, what: str, gone: Spot) -> None:
    related = ((gone, "removed here"),)
    message = f"{what} cannot be removed: it is gone already"
    notes.found.append(Diagnostic(spot, Code.NOTHING_TO_REMOVE, message, "take one of the two out", related))
