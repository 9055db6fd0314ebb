"""Expand `uses`: find each trait, give it its parameters, and make a Part of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from buildsys.diagnostics import Code, Diagnostic, Problem, Spot, closest
from buildsys.graph import reach, rings
from buildsys.recipe import schema, substitution
from buildsys.recipe.document import Written, is_template, strings
from buildsys.recipe.library import Source
from buildsys.resolve.cycles import diagnostic
from buildsys.resolve.fragment import Part, part
from buildsys.resolve.source import Notes, filled, filled_part
from buildsys.resolve.written_steps import Surroundings

Scope = Mapping[str, Any]
Parts = dict[tuple[str, str], Part]
"""The parts of some traits in order, by trait and parameters: what is asked for twice counts once."""
Uses = Sequence[dict[str, Any] | None]
"""Traits as a fragment names them; None where an overlay took one away."""

RESERVED = frozenset({"image", "set", "tag", "namespace", "prefix", "registry", "stand_ins"})
"""Names no variable and no parameter may have."""
VARIABLE = re.compile(r"[a-z_][a-z0-9_]*")
MOST = 1000
"""Traits one fragment may bring in, all in all."""


class _TooMany(Exception):  # noqa: N818 - not an error of ours
    pass


class Traits:
    """The traits of a set. What one gives with equal parameters is worked out once and shared."""

    def __init__(
        self,
        traits: Mapping[str, Source[schema.Trait]],
        values: Scope,
        around: Surroundings,
        found: list[Diagnostic],
    ) -> None:
        self._traits = traits
        self._variables = values
        self._around = around
        self._found = found
        self._known: dict[tuple[str, str, str], Parts] = {}
        self._reported: set[tuple[Spot, str, str]] = set()
        self._parameters = {name: _parameters(trait, found) for name, trait in traits.items()}
        self._needs_image = _needing_image(traits)
        edges = {name: _used(trait.written, traits) for name, trait in traits.items()}
        for ring in rings(edges):
            hint = "take one of them out of the ring"
            found.append(diagnostic(ring, edges, Code.TRAIT_CYCLE, "traits use one another in a ring", hint))

    def parts(self, uses: Uses, notes: Notes, path: tuple[str, ...], image: str) -> Parts:
        """The parts of all traits that uses written at `path` bring in, also by way of others."""
        try:
            return self._all(uses, notes.written, path, image, ())
        except _TooMany:
            message, hint = f"this brings in more than {MOST} traits", "traits that use traits multiply"
            self._note(notes.spot(*path), Code.TOO_MANY_TRAITS, message, hint)
            return {}

    def needs_image(self, written: Written) -> bool:
        """Whether a fragment gives different things to different images."""
        return _says_image(written) or any(self._needs_image[name] for name in _used(written, self._traits))

    def _all(
        self,
        uses: Uses,
        written: Written,
        path: tuple[str | int, ...],
        image: str,
        within: tuple[str, ...],
    ) -> Parts:
        parts: Parts = {}
        for number, use in enumerate(uses):
            if use is None:
                continue
            for key, item in self._one(use, written, (*path, number), image, within).items():
                parts.setdefault(key, item)
        if len(parts) > MOST:
            raise _TooMany
        return parts

    def _one(
        self,
        use: dict[str, Any],
        written: Written,
        path: tuple[str | int, ...],
        image: str,
        within: tuple[str, ...],
    ) -> Parts:
        if len(use) != 1:
            hint = "write a list item for each trait"
            self._note(written.spot(*path), Code.WRONG_TYPE, "an item of `uses` names one trait", hint)
            return {}
        ((name, given),) = use.items()
        trait = self._traits.get(name)
        if trait is None:
            hint = closest(name, self._traits) or f"known traits: {', '.join(sorted(self._traits)) or 'none'}"
            self._note(
                written.key_spot(*path, name), Code.UNKNOWN_TRAIT, f"no trait is called '{name}'", hint
            )
            return {}
        if name in within:  # a ring, which is reported once
            return {}
        bound = self._bind(name, given, written, (*path, name), image)
        if bound is None:
            return {}
        parameters = repr(bound)
        key = (name, parameters, image if self._needs_image[name] else "")
        known = self._known.get(key)
        if known is None:
            before = len(self._found)
            known = self._known[key] = self._expand(trait, bound, image, (*within, name), parameters)
            if len(self._found) > before:
                self._add_place_of_use(before, written.key_spot(*path, name))
        return known

    def _add_place_of_use(self, start: int, spot: Spot) -> None:
        """Tell a mistake in a trait once, with the place of its first use, which may be what is wrong."""
        fresh = self._found[start:]
        del self._found[start:]
        for item in fresh:
            what = (item.spot, item.code, item.message)
            if what not in self._reported:
                self._reported.add(what)
                self._found.append(replace(item, related=(*item.related, (spot, "used here"))))

    def _expand(
        self, trait: Source[schema.Trait], bound: Scope, image: str, within: tuple[str, ...], parameters: str
    ) -> Parts:
        scope = {**self._variables, "image": image, **bound}
        ready = filled(trait, scope, self._found)
        if ready is None:
            return {}
        fragment, notes = ready
        parts = self._all(fragment.uses or [], notes.written, ("uses",), image, within)
        return {**parts, (within[-1], parameters): part(fragment, notes, self._around)}

    def _bind(
        self, name: str, given: Any, written: Written, path: tuple[str | int, ...], image: str
    ) -> dict[str, Any] | None:
        """The value of each parameter of a trait, or None when what is given does not fit."""
        declared = self._parameters[name]
        required = [parameter for parameter, default in declared.items() if default is None]
        values: dict[str, Any] = {}
        if isinstance(given, dict):
            for key in given.keys() - declared.keys():
                hint = closest(key, declared) or (
                    f"it has {', '.join(declared)}" if declared else "it has none"
                )
                message = f"the trait '{name}' has no parameter '{key}'"
                self._note(written.key_spot(*path, key), Code.UNKNOWN_PARAMETER, message, hint)
            values = given
        elif given is not None:
            single = required[0] if required else next(iter(declared)) if len(declared) == 1 else None
            if single is None:
                few = (
                    f"name it: {{{name}: {{{next(iter(declared))}: …}}}}"
                    if declared
                    else f"write just {name}"
                )
                message = (
                    f"the trait '{name}' has no single parameter"
                    if declared
                    else f"the trait '{name}' takes nothing"
                )
                self._note(written.spot(*path), Code.UNKNOWN_PARAMETER, message, few)
                return None
            values = {single: given}
        missing = [parameter for parameter in required if values.get(parameter) is None]
        if missing:
            message = f"the trait '{name}' needs {' and '.join(map(repr, missing))}"
            hint = f"write {{{name}: {{{', '.join(f'{parameter}: …' for parameter in required)}}}}}"
            self._note(written.key_spot(*path), Code.MISSING_PARAMETER, message, hint)
        if missing or values.keys() - declared.keys():
            return None
        return self._with_defaults(name, declared, values, image)

    def _with_defaults(self, name: str, declared: Scope, values: Scope, image: str) -> dict[str, Any] | None:
        scope = {**self._variables, "image": image, **values}
        trait = self._traits[name].written
        for parameter in declared:
            if values.get(parameter) is None:
                # A default may be made of the parameters before it.
                default = filled_part(trait.part("parameters", parameter), scope, self._found)
                if default is None:
                    return None
                scope[parameter] = default
        return {parameter: scope[parameter] for parameter in declared}

    def _note(self, spot: Spot, code: Code, message: str, hint: str) -> None:
        self._found.append(Diagnostic(spot, code, message, hint))


def _parameters(trait: Source[schema.Trait], found: list[Diagnostic]) -> dict[str, Any]:
    declared: dict[str, Any] = trait.written.data.get("parameters") or {}
    for name in declared:
        problem = reserved(name)
        if problem is not None:
            found.append(Diagnostic(trait.written.key_spot("parameters", name), *problem))
    return declared


def reserved(name: str) -> Problem | None:
    """What is wrong with the name of a variable or a parameter, or nothing."""
    if not VARIABLE.fullmatch(name):
        return Code.BAD_NAME, f"'{name}' cannot name a variable", "use a-z, 0-9 and '_'"
    if name in RESERVED:
        return (
            Code.BAD_NAME,
            f"'{name}' cannot be defined: the word has a meaning of its own",
            "choose another name",
        )
    return None


def _used(written: Written, traits: Mapping[str, Any]) -> dict[str, Spot]:
    """The traits a trait names in its `uses`, each with its Spot."""
    used: dict[str, Spot] = {}
    uses = written.data.get("uses")
    for number, use in enumerate(uses if isinstance(uses, list) else []):
        for name in [use] if isinstance(use, str) else use:
            if name in traits:
                used.setdefault(name, written.key_spot("uses", number, name))
    return used


def _needing_image(traits: Mapping[str, Source[schema.Trait]]) -> dict[str, bool]:
    """Which traits give each image something else: those that say `image`, or use one that does."""
    needing = {name: _says_image(trait.written) for name, trait in traits.items()}
    users: dict[str, set[str]] = {name: set() for name in traits}
    for name, trait in traits.items():
        for used in _used(trait.written, traits):
            users[used].add(name)
    for user in reach([name for name, needs in needing.items() if needs], users):
        needing[user] = True
    return needing


def _says_image(written: Written) -> bool:
    if not written.templated:
        return False
    uses = written.data.get("uses") or []
    # A trait whose name is filled in could be any trait.
    unknown = isinstance(uses, str) or any(isinstance(use, str) and is_template(use) for use in uses)
    return unknown or "image" in substitution.names_in(strings(written.data))
