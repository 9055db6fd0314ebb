"""Release notes in Markdown: images, digests, packages, and changes since an earlier export."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from buildsys.exporters.images import described
from buildsys.exporters.request import Export, Request, packages
from buildsys.image import LockedPackage
from buildsys.packages.change import Held, PackageChange, package_changes


def export(request: Request) -> Export:
    """One file, with packages if the set is locked, and changes if the option `--since` is given."""
    return Export({"RELEASE-NOTES.md": "\n".join(_lines(request)) + "\n"})


def _lines(request: Request) -> Iterator[str]:
    first = request.naming(request.images[0].reference)
    yield f"# {request.set.name}, {_cell(first.tag)}"
    yield ""
    known = sum(1 for name in request.names if name in request.digests)
    yield f"{len(request.names)} images of the site {request.set.site.name}, {known} with their digest."
    for note in request.set.site.notes:
        yield f"\n> {note}"
    if request.previous is not None:
        yield from _changes(request, request.previous)
    yield from ("", "## Images", "", "| image | reference | digest |", "|---|---|---|")
    for name in request.names:
        digest = request.digests.get(name, "")
        yield f"| {name} | `{request.reference(name)}` | {f'`{digest}`' if digest else ''} |"
    yield from _packages(request)


def _packages(request: Request) -> Iterator[str]:
    users: dict[str, tuple[LockedPackage, list[str]]] = {}
    for image in request.images:
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


def _changes(request: Request, before: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    now = {image.name: described(request, image) for image in request.images}
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
    yield from (f"  * {_package_change(change)}" for change in changes)


def _package_change(change: PackageChange) -> str:
    name = f"{change.name}.{change.arch}"
    if not change.old:
        return f"{name} {_cell(change.new)} is new"
    return (
        f"{name} {_cell(change.old)} → {_cell(change.new)}" if change.new else f"{name} {change.old} is gone"
    )


def _held(entry: Mapping[str, Any]) -> Held:
    """Packages of an entry of `images.json`, by name and architecture."""
    held: dict[tuple[str, str], tuple[tuple[str, str], ...]] = {}
    for item in entry.get("packages") or ():
        key = item["name"], item["arch"]
        held[key] = (*held.get(key, ()), (item["evr"], ""))
    return held


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
