"""Ask the distribution's solver for the exact packages of every image, parents first."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from buildsys.diagnostics import NOWHERE, Diagnostic, Refused, Spot
from buildsys.graph import ImageGraph
from buildsys.image import (
    Bootstrap,
    CopyPayload,
    Image,
    ImageSet,
    Install,
    LockedPackage,
    PackageName,
    ParentImage,
    Uninstall,
    UpdateAll,
)
from buildsys.lock.file import Lock

SOLVER = Path(__file__).with_name("dnf_solver.py")


def request_hash(image_set: ImageSet) -> str:
    """Hash of all that decides the solver's answer and is known without network."""
    asked = request(image_set, cache="")
    checksums = [(item.id, item.checksum) for item in image_set.site.repositories]
    for item in asked["repositories"]:
        del item["url"]
    text = json.dumps([asked, checksums], sort_keys=True)
    return hashlib.sha256(text.encode() + SOLVER.read_bytes()).hexdigest()


def request(image_set: ImageSet, *, cache: str) -> dict[str, Any]:
    """What the solver is asked, as JSON-able data: repositories, and per image its steps about packages."""
    site = image_set.site
    images = [image_set.images[name] for name in ImageGraph(image_set.images).order()]
    return {
        "release": site.release,
        "cache": cache,
        "host_repositories": site.host_repositories,
        "repositories": [
            {"id": item.id, "url": item.url or Path(item.directory).resolve().as_uri()}
            for item in site.repositories
        ],
        "images": [
            {
                "name": image.name,
                "parent": image.parent.name if isinstance(image.parent, ParentImage) else "",
                "steps": [_step(step) for step in package_steps(image)],
            }
            for image in images
        ],
        "payloads": sorted({item.name for item in _payloads(image_set)}),
    }


def package_steps(image: Image) -> Iterator[Bootstrap | Install | UpdateAll | Uninstall]:
    """The instructions that change which packages the image holds; a lock has a transaction for each."""
    for step in image.instructions:
        if isinstance(step, Bootstrap | Install | UpdateAll | Uninstall):
            yield step


def _step(step: Bootstrap | Install | UpdateAll | Uninstall) -> dict[str, Any]:
    match step:
        case Bootstrap(packages=packages) | Install(packages=packages):
            return {"install": [item.name for item in packages], "remove": [], "update": False}
        case Uninstall(packages=packages):
            return {"install": [], "remove": [item.name for item in packages], "update": False}
        case UpdateAll():
            return {"install": [], "remove": [], "update": True}


def _payloads(image_set: ImageSet) -> Iterator[PackageName]:
    for image in image_set.images.values():
        for step in image.instructions:
            if isinstance(step, CopyPayload):
                yield step.package


def solve(image_set: ImageSet, *, cache: Path | None = None) -> Lock:
    """Solve the whole set.

    Raises:
        Refused: a repository cannot be reached (`repository-unreachable`), a package is in none
            (`package-missing`, at the recipe's line), or the solver finds no solution (`package-unsolvable`).
    """
    asked = request(image_set, cache=str(cache) if cache else "")
    done = subprocess.run(
        [_interpreter(), "-I", str(SOLVER)],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"the solver failed:\n{done.stderr}")
    answer = json.loads(done.stdout)
    if "unreachable" in answer:
        hint = "check the site's addresses and this host's network"
        raise Refused([Diagnostic(NOWHERE, "repository-unreachable", answer["unreachable"], hint)])
    if answer["problems"]:
        raise Refused([item for problem in answer["problems"] for item in _problem(image_set, problem)])
    images = {
        name: tuple(tuple(_package(row) for row in rows) for rows in transactions)
        for name, transactions in answer["images"].items()
    }
    payloads = {name: _package(row) for name, row in answer["payloads"].items()}
    return Lock(image_set.name, image_set.site.name, request_hash(image_set), images, payloads)


def _package(row: dict[str, str]) -> LockedPackage:
    return LockedPackage(**row)


def _problem(image_set: ImageSet, problem: dict[str, Any]) -> Iterator[Diagnostic]:
    image = image_set.images.get(problem["image"])
    spots = _asked(image) if image else {item.name: item.spot for item in _payloads(image_set)}
    for name in problem["names"]:
        message = f"no repository of the site '{image_set.site.name}' has a package '{name}'"
        yield Diagnostic(spots.get(name, NOWHERE), "package-missing", message)
    if not problem["names"] and image is not None:
        named = [spot for name, spot in spots.items() if any(name in line for line in problem["reasons"])]
        message = (
            f"the packages of '{image.name}' cannot be installed together: {'; '.join(problem['reasons'])}"
        )
        yield Diagnostic(named[0] if named else image.spot, "package-unsolvable", message)


def _asked(image: Image) -> dict[str, Spot]:
    return {
        item.name: item.spot
        for step in package_steps(image)
        if not isinstance(step, UpdateAll)
        for item in step.packages
    }


def _interpreter() -> str:
    """The interpreter dnf itself runs under: the one that has its modules."""
    program = shutil.which("dnf")
    if program is None:
        raise Refused([Diagnostic(NOWHERE, "tool-missing", "locking needs dnf, which this machine lacks")])
    first = Path(program).read_bytes().split(b"\n", 1)[0].decode(errors="replace")
    return first.removeprefix("#!").split()[0]
