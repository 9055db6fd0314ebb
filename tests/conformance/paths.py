"""Paths inside an image: links are resolved within its root, as a process in the image would see them."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from fnmatch import fnmatchcase

from .model import Entry, Tree

_LINKS = 40
"""As many links as Linux follows before it says ELOOP."""


def canonical(tree: Tree, path: str, *, follow: bool = False) -> str:
    """The path with every link among its parents resolved, and the last part too with `follow`.

    What does not exist stays as it is written, so the answer names the place where it would be; so does
    a loop of links, which then is what it is: a link.
    """
    return _canonical(tree, path, follow=follow, budget=_LINKS)


def _canonical(tree: Tree, path: str, *, follow: bool, budget: int) -> str:
    if budget == 0:
        return path
    here = ""
    parts = [part for part in path.split("/") if part and part != "."]
    for index, part in enumerate(parts):
        if part == "..":
            here = here.rpartition("/")[0]
            continue
        step = f"{here}/{part}"
        entry = tree.entry(step) if follow or index < len(parts) - 1 else None
        if entry is not None and entry.kind == "link":
            start = entry.target if entry.target.startswith("/") else f"{here}/{entry.target}"
            rest = "/".join([start, *parts[index + 1 :]])
            return _canonical(tree, rest, follow=follow, budget=budget - 1)
        here = step
    return here or "/"


def look(tree: Tree, path: str, *, follow: bool = True) -> Entry | None:
    """What the path names once links are resolved."""
    return tree.entry(canonical(tree, path, follow=follow))


def read(tree: Tree, path: str) -> bytes | None:
    """The content of a regular file, None when the path names none."""
    entry = look(tree, path)
    return entry.read() if entry is not None and entry.kind == "file" else None


def walk(tree: Tree, path: str) -> Iterator[str]:
    """A canonical path and all that is below it, without following links."""
    yield path
    for name in tree.names(path):
        yield from walk(tree, posixpath.join(path, name))


def glob(tree: Tree, pattern: str) -> list[str]:
    """Canonical paths of what a shell pattern names; a path without wildcards names itself if it exists."""
    found = ["/"]
    parts = [part for part in pattern.split("/") if part]
    for index, part in enumerate(parts):
        following: list[str] = []
        for place in found:
            folder = canonical(tree, place, follow=True)
            names = tree.names(folder) if is_pattern(part) else (part,)
            matches = (name for name in names if _matches(part, name))
            following += [posixpath.join(folder, name) for name in matches]
        last = index == len(parts) - 1
        found = [path for path in following if look(tree, path, follow=not last) is not None]
    return [canonical(tree, path, follow=pattern.endswith("/")) for path in found]


def is_pattern(text: str) -> bool:
    """Whether a shell would expand it."""
    return any(char in text for char in "*?[")


def pattern_matches(pattern: str, path: str) -> bool:
    """Whether a shell pattern could name this path."""
    wanted, given = pattern.strip("/").split("/"), path.strip("/").split("/")
    return len(wanted) == len(given) and all(map(_matches, wanted, given))


def _matches(part: str, name: str) -> bool:
    if not is_pattern(part):
        return part == name
    hidden = name.startswith(".") and not part.startswith(".")
    return not hidden and fnmatchcase(name, part.replace("[^", "[!"))
