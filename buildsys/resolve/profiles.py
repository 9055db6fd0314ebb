"""Profiles: named parts of a set, from set.yaml and from the recipes that join one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fnmatch import translate
from typing import Any

from buildsys.diagnostics import Code, Diagnostic, Spot, closest
from buildsys.graph import reach, rings
from buildsys.resolve.cycles import diagnostic
from buildsys.resolve.source import Notes

Joined = Iterable[tuple[str, str, Spot]]


def profiles(
    written: Mapping[str, list[Any]], notes: Notes, images: Mapping[str, object], joined: Joined
) -> dict[str, tuple[str, ...]]:
    """The images of each profile, sorted.

    A member is an image, a glob over images, or another profile. `joined` holds what recipes say of
    themselves: image, profile and Spot.
    """
    members: dict[str, set[str]] = {}
    nested: dict[str, dict[str, Spot]] = {}
    for name, patterns in written.items():
        if name in images:
            message = f"'{name}' is the name of an image"
            notes.problem(
                ("profiles", name),
                (Code.DUPLICATE_NAME, message, "call the profile something else"),
                key=True,
            )
        members[name], nested[name] = set(), {}
        for number, pattern in enumerate(patterns):
            path = ("profiles", name, number)
            if not isinstance(pattern, str):
                message = "a member of a profile is a text, and this variable holds something else"
                notes.problem(path, (Code.WRONG_TYPE, message, ""))
                continue
            if pattern in written and pattern not in images:
                nested[name].setdefault(pattern, notes.spot(*path))
                continue
            matching = matches(pattern, images)
            members[name].update(matching)
            if not matching:
                hint = closest(pattern, [*images, *written]) or "write an image, a glob or another profile"
                message = f"'{pattern}' matches no image and no profile"
                notes.problem(path, (Code.UNKNOWN_MEMBER, message, hint))
    for image, name, spot in joined:
        if name in members:
            members[name].add(image)
        else:
            hint = closest(name, written) or "profiles are named in set.yaml; one may begin empty: NAME: []"
            notes.found.append(Diagnostic(spot, Code.UNKNOWN_PROFILE, f"no profile is called '{name}'", hint))
    for ring in rings(nested):
        hint = "take one of them out of the ring"
        notes.found.append(
            diagnostic(ring, nested, Code.PROFILE_CYCLE, "profiles hold one another in a ring", hint)
        )
    return {
        name: tuple(sorted(set().union(*(members[part] for part in {name} | reach([name], nested)))))
        for name in members
    }


def matches(pattern: str, names: Iterable[str]) -> list[str]:
    """The names that a name or a glob matches."""
    if not any(char in pattern for char in "*?["):
        return [pattern] if pattern in names else []
    expression = re.compile(translate(pattern))
    return [name for name in names if expression.match(name)]
