"""Release notes in Markdown: the images, their digests and packages, and what changed since the last time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from buildsys.exporters.images import described
from buildsys.exporters.request import Export, Subject, packages
from buildsys.image import LockedPackage
from buildsys.packages.change import Held, PackageChange, package_changes


def export(subject: Subject) -> Export:
    """One file. Packages are told where they are locked, changes when `--since` is given."""
    return Export({"RELEASE-NOTES.md": "\n".join(_lines(subject)) + "\n"})


def _lines(subject: Subject) -> Iterator[str]:
    first = subject.naming(subject.images[0].reference)
    yield f"# {subject.set.name}, {_cell(first.tag)}"
    yield ""
    known = sum(1 for name in subject.names if name in subject.digests)
    yield f"{len(subject.names)} images of the site {subject.set.site.name}, {known} with their digest."
    for note in subject.set.site.notes:
        yield f"\n> {note}"
    if subject.previous is not None:
        yield from _changes(subject, subject.previous)
    yield from ("", "## Images", "", "| image | reference | digest |", "|---|---|---|")
    for name in subject.names:
        digest = subject.digests.get(name, "")
        yield f"| {name} | `{subject.reference(name)}` | {f'`{digest}`' if digest else ''} |"
    yield from _packages(subject)


def _packages(subject: Subject) -> Iterator[str]:
    users: dict[str, tuple[LockedPackage, list[str]]] = {}
    for image in subject.images:
        for item in packages(image):
            users.setdefault(item.nevra, (item, []))[1].append(image.name)
    if not users:
        return
    yield from (
        "",
        "## Packages",
        "",
        "Each with the images that install it; their children have it too.",
        "",
    )
    yield from ("| package | version | installed by |", "|---|---|---|")
    for _, (item, names) in sorted(users.items()):
        yield f"| {item.name} | {_cell(item.evr)} | {', '.join(dict.fromkeys(names))} |"


def _changes(subject: Subject, before: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    now = {image.name: described(subject, image) for image in subject.images}
    yield from ("", "## Changes", "")
    lines = [
        *(f"* **{name}** is new" for name in sorted(now.keys() - before.keys())),
        *(f"* **{name}** is gone" for name in sorted(before.keys() - now.keys())),
        *(
            line
            for name in sorted(now.keys() & before.keys())
            for line in _change(name, before[name], now[name])
        ),
    ]
    yield from lines or ["None."]


def _change(name: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    changes = list(package_changes(_held(before), _held(now)))
    moved = [key for key in ("digest", "parent", "reference") if before.get(key) != now[key]]
    if changes or moved:
        yield f"* **{name}**{': ' if moved else ''}{', '.join(f'another {key}' for key in moved)}"
    yield from (f"  * {_said(change)}" for change in changes)


def _said(change: PackageChange) -> str:
    name = f"{change.name}.{change.arch}"
    if not change.old:
        return f"{name} {_cell(change.new)} is new"
    return (
        f"{name} {_cell(change.old)} → {_cell(change.new)}" if change.new else f"{name} {change.old} is gone"
    )


def _held(told: Mapping[str, Any]) -> Held:
    """Packages by name and architecture."""
    held: dict[tuple[str, str], tuple[tuple[str, str], ...]] = {}
    for item in told.get("packages") or ():
        key = item["name"], item["arch"]
        held[key] = (*held.get(key, ()), (item["evr"], ""))
    return held


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
