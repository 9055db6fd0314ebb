"""The lock file: YAML a person reads and reviews, written by `buildsys lock`, never edited by hand."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from buildsys.diagnostics import Diagnostic, Refused
from buildsys.image import LockedPackage
from buildsys.recipe import document
from buildsys.recipe.document import Written

VERSION = 1


@dataclass(frozen=True, slots=True)
class Lock:
    """The exact packages of a set at a site."""

    set: str
    site: str
    request: str
    """Hash of what the solver was asked, and of the repositories where they are known without network:
    the answer holds while it stays equal."""
    images: Mapping[str, tuple[tuple[LockedPackage, ...], ...]]
    """Per image its own transactions, in the order of its instructions."""
    payloads: Mapping[str, LockedPackage]
    """Packages files are copied out of without installing them."""


def text(lock: Lock) -> str:
    """The lock as YAML: each package once, each transaction a line."""
    known = {package.nevra: package for rows in lock.images.values() for row in rows for package in row}
    known |= {package.nevra: package for package in lock.payloads.values()}
    body = [
        f"# Exact packages of {lock.set} at the site {lock.site}. Written by `buildsys lock`: do not edit.",
        f"lock: {VERSION}",
        f"set: {lock.set}",
        f"site: {lock.site}",
        f"request: {lock.request}",
        "packages:",
        *(f"  {json.dumps(name)}: {_package(known[name])}" for name in sorted(known)),
        "images:",
        *(
            f"  {json.dumps(name)}: {json.dumps([[package.nevra for package in row] for row in rows])}"
            for name, rows in sorted(lock.images.items())
        ),
        "payloads: " + json.dumps({name: item.nevra for name, item in sorted(lock.payloads.items())}),
    ]
    content = "\n".join(body) + "\n"
    return f"{content}seal: {_seal(content)}\n"


def _package(item: LockedPackage) -> str:
    fields = [item.name, item.epoch, item.version, item.release, item.arch, item.repository, item.checksum]
    return json.dumps([*fields, item.location])


def _seal(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()


def read(path: Path, *, image_set: str, site: str) -> Lock:
    """Read a lock back.

    Raises:
        Refused: the file is no lock (`lock-unreadable`), was changed by hand (`lock-edited`), or belongs to
            another set or site (`lock-of-another`).
    """
    written = document.read(path)
    data = written.data
    if not isinstance(data, dict) or data.get("lock") != VERSION:
        raise _refused(written, "lock-unreadable", f"{path} is no lock of this version of buildsys")
    content, _, _ = path.read_text("utf-8").rpartition("seal: ")
    if data.get("seal") != _seal(content):
        raise _refused(written, "lock-edited", f"{path} was changed after `buildsys lock` wrote it")
    for key, value in (("set", image_set), ("site", site)):
        if data[key] != value:
            spot = written.spot(key)
            message = f"this lock is of the {key} '{data[key]}', not '{value}'"
            raise Refused([Diagnostic(spot, "lock-of-another", message, _HINT)])
    packages = {name: LockedPackage(*fields) for name, fields in data["packages"].items()}
    return Lock(image_set, site, data["request"], *_parts(data, packages))


def _parts(data: dict[str, Any], packages: dict[str, LockedPackage]) -> tuple[Any, Any]:
    images = {
        name: tuple(tuple(packages[nevra] for nevra in row) for row in rows)
        for name, rows in data["images"].items()
    }
    return images, {name: packages[nevra] for name, nevra in data["payloads"].items()}


_HINT = "run `buildsys lock` to write it anew"


def _refused(written: Written, code: str, message: str) -> Refused:
    return Refused([Diagnostic(written.spot(), code, message, _HINT)])
