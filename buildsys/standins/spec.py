"""Stand-in packages as the text of a spec file for rpmbuild: pure."""

from __future__ import annotations

from collections.abc import Iterable

from .data import BUSYBOX, StandinData
from .payload import Entry, Package


def spec_text(name: str, packages: Iterable[Package], data: StandinData, *, noarch: bool) -> str:
    """One spec file that builds all of `packages`; their files are expected in SOURCES/`name`."""
    head = [
        f"Name: {name}",
        "Version: 1",
        "Release: 1",
        "Summary: Stand-ins for packages",
        "License: Apache-2.0",
        f"Vendor: {_plain(data.vendor)}",
        *(["BuildArch: noarch"] if noarch else []),
        "",
        "%description",
        "Makes packages that stand in for real ones.",
        "",
        "%install",
        f"cp -a '%{{_sourcedir}}/{name}/.' '%{{buildroot}}/'",
    ]
    unverified = frozenset(data.unverified)
    parts = ["\n".join(head), *(_section(package, unverified) for package in packages)]
    return "\n\n".join(parts) + "\n"


def _section(package: Package, unverified: frozenset[str]) -> str:
    name = package.name
    lines = [
        f"%package -n {name}",
        *([f"Epoch: {package.epoch}"] if package.epoch else []),
        f"Version: {package.version}",
        f"Release: {package.release}",
        f"Summary: A stand-in for {name}, not {name} itself",
        *(["License: GPL-2.0-only"] if name == BUSYBOX else []),
        # Nothing is concluded from the files: what a package needs is what the data file says.
        "AutoReqProv: no",
        *(f"Provides: {_plain(provided)}" for provided in package.provides),
        *(f"Requires: {required}" for required in package.requires),
        # What a scriptlet calls must be there before it runs.
        *(f"Requires(pre): {required}" for required in package.requires if package.pre),
        *(f"Requires(post): {required}" for required in package.requires if package.post),
        "",
        f"%description -n {name}",
        f"Stands in for {name} (of {package.source}) where images are built without the real packages.",
        "It has the name, version and dependencies of the real one, and just enough files to be acted upon.",
        *_scriptlet("pre", name, package.pre),
        *_scriptlet("post", name, package.post),
        "",
        f"%files -n {name}",
        *(_file(entry, unverified) for entry in package.entries),
    ]
    return "\n".join(lines)


def _scriptlet(kind: str, name: str, text: str) -> list[str]:
    return ["", f"%{kind} -n {name}", _plain(text.rstrip("\n"))] if text else []


def _file(entry: Entry, unverified: frozenset[str]) -> str:
    """One line of %files: the mode stands there, so that the builder's umask does not matter."""
    attributes = f"%attr({entry.mode:04o}, {entry.owner}, {entry.owner})"
    match entry.kind:
        case "directory":
            return f"%dir {attributes} {entry.path}"
        case "link":
            return f"%attr(-, root, root) {entry.path}"
        case "file":
            verify = "%verify(not md5 size mtime) " if entry.path in unverified else ""
            config = "%config(noreplace) " if entry.path.startswith("/etc/") else ""
            return f"{verify}{config}{attributes} {entry.path}"


def _plain(text: str) -> str:
    """Text in which rpmbuild finds no macro."""
    return text.replace("%", "%%")
