"""Questions for the solver's program, and what each library that is here answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from buildsys.lock import dnf_solver
from tests.lock.index import Entry

LIBRARIES = ("dnf4", "dnf5")


def answers(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What each library that is here answers."""
    interpreter, _ = dnf_solver.interpreter_of_dnf()
    given = [dnf_solver.run(request, interpreter, [library]) for library in LIBRARIES]
    here = [answer for answer in given if "unimportable" not in answer]
    assert here
    yield from here


def request(repositories: dict[str, Path], images: Sequence[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """A request for these images."""
    return {
        "database": "var/lib/rpm",
        "release": "",
        "cache": "",
        "host_repositories": False,
        "plugins": [],
        "repositories": [{"id": name, "url": path.as_uri()} for name, path in repositories.items()],
        "key_files": [],
        "incomplete": False,
        "payloads": [],
        "images": list(images),
        **more,
    }


def image(
    name: str, parent: str, *steps: dict[str, Any], held: Sequence[Entry] | None = None, root: str = ""
) -> dict[str, Any]:
    """An image, and which packages it is to keep."""
    keep = held if held is None else [{"name": e.name, "arch": e.arch, "nevra": e.nevra} for e in held]
    return {"name": name, "parent": parent, "root": root, "steps": list(steps), "held": keep}


def step(*install: str, remove: Sequence[str] = (), update: bool = False) -> dict[str, Any]:
    """A step that installs, removes or updates."""
    return {"install": list(install), "remove": list(remove), "update": update}


def brief(answer: dict[str, Any]) -> str:
    """An answer without what is the same of every package, and without the words of either library."""
    rows = []
    for name, transactions in answer["images"].items():
        rows += [
            " ".join(
                [
                    f"{name}:",
                    *(f"{row['name']}-{row['version']}.{row['arch']}@{row['repository']}" for row in rows_of),
                ]
            )
            for rows_of in transactions
        ]
    rows += [
        " ".join([f"{problem['image']}:", problem["kind"], *problem.get("names", [])])
        for problem in answer["problems"]
    ]
    return "\n".join(rows) + "\n"
