"""A request on standard input, its answer on standard output, both JSON."""

import importlib
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from .solver_library import Library, Row, Unreachable, Unreadable
from .solving import Solving

LIBRARIES = {"dnf4": "Dnf4", "dnf5": "Dnf5"}
"""Modules here, and the class that each has."""


def main() -> None:
    """Answer one request by the first of these libraries that the interpreter can import."""
    request = json.load(sys.stdin)
    # Whatever libraries say belongs to the person, not into the answer.
    answer_to, sys.stdout = sys.stdout, sys.stderr
    library = _library(request["libraries"])
    try:
        with tempfile.TemporaryDirectory(prefix="buildsys-lock-") as work:
            if library is None:
                answer = {"unimportable": request["libraries"]}
            elif "fetch" in request:
                answer = _fetch(library(request, work, ""), request, work)
            else:
                answer = Solving(request, lambda root: library(request, work, root)).answer()
    except Unreachable as error:
        answer = {"unreachable": error.reason, "repository": error.repository}
    except Unreadable as error:
        answer = {"unreadable": str(error)}
    json.dump(answer, answer_to)
    answer_to.flush()


def _library(names: Any) -> Any:
    for name in names:
        try:
            return getattr(importlib.import_module(f".{name}", __package__), LIBRARIES[name])
        except ImportError:
            continue
    return None


def _fetch(library: Library, request: Row, work: str) -> Row:
    """Fetch packages with this host's own configuration; each is put into a folder by its checksum."""
    wanted = set(request["fetch"])
    found: Any = {}
    for package in library.known.values():
        if not package.installed:
            checksum = library.describe(package)["checksum"]
            if checksum in wanted:
                found.setdefault(checksum, package)
    names = {package: checksum.partition(":")[2] for checksum, package in found.items()}
    for package, file in library.download(list(names), work):
        shutil.copyfile(file, str(Path(request["into"], names[package])))
    return {"keys": library.keys()}
