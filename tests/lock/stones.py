"""Packages for these tests, all of one source in two versions, and what a set asks of them."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from buildsys.standins.rpm_file import LUA, Dependency, File, Script, dependency
from tests import rpms
from tests.sites.packages import Key, make_key


@dataclass(frozen=True)
class Stone:
    """What a package says of others, and its script after installation, in Lua."""

    requires: str = ""
    obsoletes: str = ""
    conflicts: str = ""
    post: str = ""


VERSIONS: Mapping[str, Mapping[str, Stone]] = {
    "1.0": {
        "ground": Stone(),
        "libmid": Stone(),
        "mid": Stone(requires="libmid = 1.0"),
        "mid-extra": Stone(requires="mid = 1.0"),
        "leaf": Stone(requires="mid"),
        "other": Stone(),
        "old-name": Stone(),
        "enemy": Stone(conflicts="libmid"),
        "broken": Stone(post='error("no")'),
    },
    "1.1": {
        "libmid": Stone(),
        "mid": Stone(requires="libmid = 1.1"),
        "mid-extra": Stone(requires="mid = 1.1"),
        "leaf": Stone(requires="mid"),
        "new-name": Stone(obsoletes="old-name"),
        "wants-new": Stone(requires="libmid >= 1.1"),
    },
}


@dataclass(frozen=True)
class Stones:
    """All packages, built and signed."""

    folder: Path
    key: Key
    stranger: Key
    files: dict[str, Path] = field(default_factory=dict)
    """`NAME-VERSION` -> file."""


def build(place: Path) -> Stones:
    """Write all packages."""
    key, stranger = make_key(place / "key", "quarry"), make_key(place / "stranger", "stranger")
    made = Stones(place / "all", key, stranger)
    for version, stones in VERSIONS.items():
        for name, stone in stones.items():
            file = File(f"/usr/share/{name}", stat.S_IFREG | 0o644, f"{name} {version}\n".encode())
            package = replace(
                rpms.rpm(name, version, file),
                requires=_dependencies(stone.requires),
                obsoletes=_dependencies(stone.obsoletes),
                conflicts=_dependencies(stone.conflicts),
                post=Script(stone.post, LUA) if stone.post else None,
                source=f"stones-{version}-1.src.rpm",
            )
            made.files[f"{name}-{version}"] = rpms.write(made.folder, package)
    key.sign(*made.files.values())
    return made


def _dependencies(text: str) -> tuple[Dependency, ...]:
    return (dependency(text),) if text else ()
