"""Packages for these tests, all from one source package in two versions, and what a set asks of them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.sites.packages import Key, make_key, run


@dataclass(frozen=True)
class Stone:
    """What stands in a package's part of the spec."""

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
    """Build all packages, by one rpmbuild."""
    key, stranger = make_key(place / "key", "quarry"), make_key(place / "stranger", "stranger")
    specs = []
    for version, stones in VERSIONS.items():
        spec = place / f"stones-{version}.spec"
        spec.write_text(_spec(version, stones))
        specs.append(spec)
    macros = (f"_topdir {place}/top", "_build_id_links none", "clamp_mtime_to_source_date_epoch 1")
    define = [word for macro in macros for word in ("--define", macro)]
    # Older than the sets they go into, as published packages are.
    run("rpmbuild", "-bb", *define, *specs, env={"SOURCE_DATE_EPOCH": "1500000000"})
    made = Stones(place / "all", key, stranger)
    made.folder.mkdir()
    for file in sorted((place / "top/RPMS").rglob("*.rpm")):
        name = file.name.removesuffix("-1.noarch.rpm")
        made.files[name] = made.folder / file.name
        shutil.move(file, made.files[name])
    key.sign(*made.files.values())
    return made


def _spec(version: str, stones: Mapping[str, Stone]) -> str:
    lines = ["Name: stones", f"Version: {version}", "Release: 1", "Summary: none", "License: none"]
    lines += ["BuildArch: noarch", "%description", "None."]
    for name, stone in stones.items():
        lines += [f"%package -n {name}", "Summary: none"]
        for tag in ("requires", "obsoletes", "conflicts"):
            lines += [f"{tag.capitalize()}: {value}"] if (value := getattr(stone, tag)) else []
        lines += [f"%description -n {name}", "None."]
        lines += [f"%post -n {name} -p <lua>", stone.post] if stone.post else []
        lines += [f"%files -n {name}", f"/usr/share/{name}"]
    lines += ["%install", "mkdir -p %{buildroot}/usr/share"]
    lines += [f"echo {name} {version} >%{{buildroot}}/usr/share/{name}" for name in stones]
    return "\n".join(lines) + "\n"
