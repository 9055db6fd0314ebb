"""Ask the library of dnf 4 or dnf5 for the exact packages of every image, parents first."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from buildsys import programs
from buildsys.diagnostics import NOWHERE, Code, Diagnostic, Refused
from buildsys.files import sha256
from buildsys.graph import ImageGraph
from buildsys.image import BaseImage, Image, ImageSet, LockedPackage, ParentImage, Repository
from buildsys.lock.bases import DATABASES
from buildsys.lock.lockfile import Lock, LockedImage, LockedStep, Metadata
from buildsys.lock.pool_files import Places, Unfetched, cause, fetched_sum
from buildsys.lock.requests import asked, bases, package_steps, payloads
from buildsys.lock.solver import Answer, Question, problems
from buildsys.logins import login_for

INDEX = "repodata/repomd.xml"
SOLVER = Path(__file__).with_name("rpm_solver")
START = f"import sys; sys.path.append(sys.argv[1]); from {SOLVER.name}.program import main; main()"
"""Runs the program in the system's interpreter, which does not have buildsys."""
MODULES = {"dnf4": "python3-dnf", "dnf5": "python3-libdnf5"}
"""The distributions' package with the Python modules of each library."""
PLUGINS = ("subscription-manager", "rhsm", "spacewalk", "amazon-id", "rhui*", "azure-rhui*")
"""Plugins of dnf 4 and dnf5 that set certificates and addresses of the host's repositories."""


def solver_hash() -> str:
    """See `buildsys.lock.solver.Solver.solver_hash`: one for both libraries, which give equal locks."""
    whole = hashlib.sha256()
    for file in sorted(SOLVER.glob("*.py")):
        whole.update(hashlib.sha256(file.read_bytes()).digest())
    return whole.hexdigest()


def solve(image_set: ImageSet, question: Question, places: Places) -> Answer:
    """See `buildsys.lock.solver.Solver.solve`."""
    answer = ask(_request(image_set, question, places))
    if "unreadable" in answer:
        raise Refused([_unreadable(image_set, question, answer["unreadable"])])
    if answer["problems"]:
        raise Refused(problems(image_set, answer["problems"]))
    found = Answer(
        images={name: _image(image_set.images[name], rows) for name, rows in answer["images"].items()},
        payloads={name: LockedPackage(**row) for name, row in answer["payloads"].items()},
        repositories={name: Metadata(**row) for name, row in answer["repositories"].items()},
        absent=answer["absent"],
        keys=answer["keys"],
    )
    _refuse_weak(found)
    return found


def ask(request: Mapping[str, Any]) -> dict[str, Any]:
    """Run the solver's program on a request.

    Raises:
        Refused: it cannot reach a repository (`repository-unreachable`), or dnf or its modules for Python are
            missing (`missing-tool`).
    """
    interpreter, libraries = interpreter_of_dnf()
    answer = run(request, interpreter, libraries)
    if "unimportable" in answer:
        message = f"dnf's modules for Python are needed, and {interpreter} does not have them"
        hint = f"install {MODULES[libraries[0]]}; building from a lock does not need it"
        raise Refused([Diagnostic(NOWHERE, Code.MISSING_TOOL, message, hint)])
    if "unreachable" in answer:
        name, message = answer["repository"], answer["unreachable"]
        urls = [item["url"] for item in request["repositories"] if item["id"] == name]
        # dnf reports only that it tried all mirrors, not the cause.
        message = next(filter(None, (cause(f"{url.rstrip('/')}/{INDEX}") for url in urls)), message)
        if name:
            message = f"the repository '{name}' cannot be read: {message}"
        hint = (
            f"is {urls[0]} in reach from here?" if urls else "`dnf makecache` or `dnf5 makecache` says more"
        )
        raise Refused([Diagnostic(NOWHERE, Code.REPOSITORY_UNREACHABLE, message, hint)])
    return answer


def run(request: Mapping[str, Any], interpreter: str, libraries: Sequence[str]) -> dict[str, Any]:
    """The answer of the first of these libraries that an interpreter has, or `unimportable`."""
    with tempfile.TemporaryDirectory(prefix="buildsys-lock-") as home:
        # Debian's rpm keeps its database in the home of the caller by default, not in the root.
        Path(home, ".rpmmacros").write_text(f"%_dbpath /{request.get('database') or DATABASES[0]}\n")
        done = programs.run(
            # -B leaves no bytecode of the system's interpreter, perhaps owned by root, in this package.
            [interpreter, "-IB", "-c", START, str(SOLVER.parent)],
            given=json.dumps({**request, "libraries": libraries}),
            env={**os.environ, "HOME": home, "LC_ALL": "C.UTF-8"},
        )
    if done.status:
        raise RuntimeError(f"the solver failed:\n{done.err}")
    answer: dict[str, Any] = json.loads(done.out)
    return answer


def repositories_hold(image_set: ImageSet, lock: Lock, places: Places) -> bool:
    """See `buildsys.lock.solver.Solver.repositories_hold`: compares the checksums of the indices.

    Of the host's own repositories only dnf knows the addresses, so these count as moved.
    """
    site = image_set.site
    if site.host_repositories or {item.id for item in site.repositories} != lock.repositories.keys():
        return False
    with ThreadPoolExecutor(8) as workers:
        sums = workers.map(lambda item: _index_sum(item, places), site.repositories)
        return {item.id: now for item, now in zip(site.repositories, sums, strict=True)} == {
            name: item.sha256 for name, item in lock.repositories.items()
        }


def _index_sum(repository: Repository, places: Places) -> str:
    if repository.directory:
        return sha256(Path(repository.directory, INDEX))
    return fetched_sum(f"{repository.url.rstrip('/')}/{INDEX}", places)


def bring(
    image_set: ImageSet, packages: Iterable[LockedPackage], part: Callable[[str], Path], places: Places
) -> Mapping[str, Unfetched]:
    """See `buildsys.lock.solver.Solver.bring`: only dnf knows the addresses of the host's repositories."""
    missing = [item.checksum for item in packages if not part(item.checksum).exists()]
    if missing and image_set.site.host_repositories:
        ask(sources(image_set, places.metadata) | {"fetch": missing, "into": str(part("").absolute())})
    return {}


def host_keys(image_set: ImageSet, places: Places) -> Mapping[str, Sequence[str]]:
    """See `buildsys.lock.solver.Solver.host_keys`."""
    found: Mapping[str, Sequence[str]] = ask(sources(image_set, places.metadata) | {"fetch": []})["keys"]
    return found


def modules() -> tuple[str, str] | None:
    """See `buildsys.lock.solver.Solver.modules`. dnf 4 is a Python program and has its modules."""
    interpreter, libraries = interpreter_of_dnf()
    return (interpreter, "libdnf5") if libraries[0] == "dnf5" else None


def sources(image_set: ImageSet, cache: Path) -> dict[str, Any]:
    """The part of a request that says where packages come from; `cache` keeps metadata between calls."""
    site = image_set.site
    cache.mkdir(parents=True, exist_ok=True, mode=0o700)
    return {
        "release": site.release,
        "cache": str(cache.absolute()),
        "host_repositories": site.host_repositories,
        "plugins": os.environ.get("BS_DNF_PLUGINS", ",".join(PLUGINS)).split(","),
        "repositories": [
            {
                "id": item.id,
                "url": item.url or Path(item.directory).resolve().as_uri(),
                "login": login_for(item.url) if item.url else None,
            }
            for item in site.repositories
        ],
    }


def _request(image_set: ImageSet, question: Question, places: Places) -> dict[str, Any]:
    images = [image_set.images[name] for name in ImageGraph(image_set.images).order()]
    found = {base.database for base in question.bases.values() if base.database}
    return sources(image_set, places.metadata) | {
        "database": next(iter(sorted(found)), ""),
        "key_files": list(question.key_files),
        "incomplete": bool(image_set.site.left_out),
        "images": [_asking(image, question) for image in images],
        "payloads": [
            {"name": name, "held": item.nevra if (item := question.held_payloads.get(name)) else ""}
            for name in sorted({item.name for item, _ in payloads(image_set)})
        ],
    }


def _asking(image: Image, question: Question) -> dict[str, Any]:
    root = ""
    if isinstance(image.parent, BaseImage) and (base := question.bases.get(image.parent.reference)):
        root = str(base.root.absolute()) if base.database else ""
    held = question.held.get(image.name)
    return {
        "name": image.name,
        "parent": image.parent.name if isinstance(image.parent, ParentImage) else "",
        "root": root,
        "steps": [_step(asked(step)) for step in package_steps(image)],
        "held": held
        if held is None
        else [{"name": item.name, "arch": item.arch, "nevra": item.nevra} for item in held],
    }


def _step(words: tuple[str, ...]) -> dict[str, Any]:
    kind, *names = words
    return {
        "install": names if kind == "install" else [],
        "remove": names if kind == "remove" else [],
        "update": kind == "update",
    }


def _image(image: Image, transactions: list[list[dict[str, Any]]]) -> LockedImage:
    steps = zip(package_steps(image), transactions, strict=True)
    return LockedImage(
        image.parent.name if isinstance(image.parent, ParentImage) else "",
        tuple(LockedStep(asked(step), tuple(LockedPackage(**row) for row in rows)) for step, rows in steps),
    )


def _unreadable(image_set: ImageSet, question: Question, root: str) -> Diagnostic:
    names = {str(base.root.absolute()): reference for reference, base in question.bases.items()}
    reference = names[root]
    message = f"rpm of this host cannot read the package database of the base image {reference}"
    hint = f"`rpm --root {root} -qa` says more; a host with another rpm may read it: lock there"
    return Diagnostic(bases(image_set)[reference], Code.BASE_UNREADABLE, message, hint)


def _refuse_weak(answer: Answer) -> None:
    everything = [item for image in answer.images.values() for item in image.packages()]
    weak = {
        (item.repository, item.checksum.partition(":")[0])
        for item in (*everything, *answer.payloads.values())
        if not item.checksum.startswith("sha256:")
    }
    if weak:
        raise Refused(_unfit(weak))


def _unfit(weak: set[tuple[str, str]]) -> Iterator[Diagnostic]:
    for repository, kind in sorted(weak):
        message = f"the repository '{repository}' knows its packages by {kind}; a lock needs their sha256"
        hint = "index it again with createrepo_c, or build unlocked"
        yield Diagnostic(NOWHERE, Code.REPOSITORY_UNFIT, message, hint)


def interpreter_of_dnf() -> tuple[str, list[str]]:
    """The interpreter that has dnf's modules, and the libraries, starting with the one of this host's dnf.

    Raises:
        Refused: this host has no dnf (`missing-tool`).
    """
    program = shutil.which("dnf") or shutil.which("dnf5")
    if program is None:
        hint = "install dnf5 or dnf; building from a lock needs neither"
        raise Refused([Diagnostic(NOWHERE, Code.MISSING_TOOL, "dnf is needed and is not installed", hint)])
    with Path(program).open("rb") as stream:
        first = stream.readline(200)
    if first.startswith(b"#!"):
        return first[2:].decode(errors="replace").split()[0], ["dnf4", "dnf5"]
    # dnf5 is a binary: take the interpreter in the same folder.
    return str(Path(program).resolve().with_name("python3")), ["dnf5", "dnf4"]
