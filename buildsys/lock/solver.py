"""Solvers: what they are asked, what they answer, and Diagnostics for what they cannot solve or fetch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, Protocol, cast

from buildsys.diagnostics import NOWHERE, Code, Diagnostic, Spot
from buildsys.graph import ImageGraph
from buildsys.image import Image, ImageSet, LockedPackage, Site
from buildsys.lock.bases import Base
from buildsys.lock.lockfile import Lock, LockedImage, Metadata
from buildsys.lock.pool_files import Places, Unfetched
from buildsys.lock.requests import downloads, names, package_steps, payloads, where
from buildsys.packages import manager_of

Kind = Literal["missing", "unsolvable", "vanished", "held"]


@dataclass(frozen=True, slots=True)
class Question:
    """What a solver is asked, besides the set itself."""

    bases: Mapping[str, Base] = field(default_factory=dict)
    """Base images by their reference: their packages are installed."""
    held: Mapping[str, Sequence[LockedPackage]] = field(default_factory=dict)
    """Images whose packages stay at the versions they have."""
    held_payloads: Mapping[str, LockedPackage] = field(default_factory=dict)
    kept: Mapping[str, LockedImage] = field(default_factory=dict)
    """The same images, as in the lock so far."""
    key_files: Sequence[str] = ()
    """Paths of public keys that a package may contain."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of a solver."""

    images: Mapping[str, LockedImage]
    payloads: Mapping[str, LockedPackage]
    repositories: Mapping[str, Metadata]
    absent: Mapping[str, str]
    """Images with a package that is in no repository, at a site that leaves some out -> the reason."""
    keys: Mapping[str, Any]
    """Repository of the host -> addresses of its keys; else path of a key -> the package that contains it."""


class Solver(Protocol):
    """The part of a package manager that asks repositories: a module, named by its plug-in."""

    def solver_hash(self) -> str:
        """Hash of the program that answers: another one may answer otherwise."""
        ...

    def solve(self, image_set: ImageSet, question: Question, places: Places) -> Answer:
        """The exact packages of a set.

        Raises:
            Refused: a repository cannot be reached (`repository-unreachable`) or does not fit a lock
                (`repository-unfit`); rpm cannot read a base image's database (`base-unreadable`); a package
                is in no repository (`package-missing`), cannot be installed together with the others
                (`package-unsolvable`), is held but gone (`package-vanished`), or cannot be held
                (`lock-held`); a program is missing (`missing-tool`).
        """
        ...

    def repositories_hold(self, image_set: ImageSet, lock: Lock, places: Places) -> bool:
        """Whether all repositories are as they were when the lock was made. "No" may be wrong, "yes" never.

        Raises:
            Refused, Unfetched, OSError: a repository cannot be read.
        """
        ...

    def bring(
        self,
        image_set: ImageSet,
        packages: Iterable[LockedPackage],
        part: Callable[[str], Path],
        places: Places,
    ) -> Mapping[str, Unfetched]:
        """Fetch packages of the host's own repositories to the path that `part` gives for a checksum.

        Returns packages that did not come: checksum -> the reason. It tries again what may be transient.
        """
        ...

    def host_keys(self, image_set: ImageSet, places: Places) -> Mapping[str, Sequence[str]]:
        """Repository of the host -> addresses of its public keys."""
        ...

    def modules(self) -> tuple[str, str] | None:
        """The interpreter and the Python module that it needs from another package; None: no such module."""
        ...


def solver_of(site: Site) -> Solver:
    """The solver of a site's package manager."""
    return cast(Solver, import_module(manager_of(site).solver))


def problems(image_set: ImageSet, found: list[Mapping[str, Any]]) -> Iterator[Diagnostic]:
    """The Diagnostics of the problems that a solver found."""
    for problem in found:
        image = image_set.images.get(problem["image"])
        yield from _problem(image_set, image, problem)


def vanished(
    image_set: ImageSet, image: Image | None, name: str, nevra: str, repository: str = ""
) -> Diagnostic:
    """A package of the lock is no longer in its repository; `nevra` is how the lock has it."""
    words: tuple[str, ...]
    if image is None:
        spot = next((item.spot for item, _ in payloads(image_set) if item.name == name), NOWHERE)
        about, words = "", ("--update",)
    else:
        spot, about, words = where(image, name), f" of '{image.name}'", ("--update", image.name)
    there = f"the repository '{repository}'"
    if not repository:
        there = f"any repository of the site '{image_set.site.name}'"
    lacks = f"{nevra}{about} is in the lock, and is not in {there} any more"
    return Diagnostic(
        spot, Code.PACKAGE_VANISHED, lacks, f"{_command(image_set, *words)} takes what is there now"
    )


def _problem(image_set: ImageSet, image: Image | None, problem: Mapping[str, Any]) -> Iterator[Diagnostic]:
    kind: Kind = problem["kind"]
    site = image_set.site.name
    match kind:
        case "missing":
            steps = package_steps(image) if image else ()
            spots = {item.name: item.spot for item, _ in payloads(image_set)} if image is None else {}
            spots |= {item.name: item.spot for step in steps for item in names(step)}
            for name in problem["names"]:
                message = f"no repository of the site '{site}' has a package '{name}'"
                if image_set.platform:
                    message += f" for {image_set.platform}"
                hint = problem.get("near", {}).get(name, "")
                yield Diagnostic(spots.get(name, NOWHERE), Code.PACKAGE_MISSING, message, hint)
        case "vanished":
            for nevra in problem["names"]:
                yield vanished(image_set, image, problem["called"][nevra], nevra)
        case "unsolvable" if image is not None:
            reasons = problem["reasons"]
            asking = [item for step in package_steps(image) for item in names(step)]
            named = [item.spot for item in asking if any(item.name in line for line in reasons)]
            message = f"the packages of '{image.name}' cannot be installed together: {'; '.join(reasons)}"
            yield Diagnostic(named[0] if named else image.spot, Code.PACKAGE_UNSOLVABLE, message)
        case "held" if image is not None:
            stay = ", ".join(problem["names"]) or "its packages"
            message = f"'{image.name}' cannot keep {stay}: what it is made from has moved on"
            hint = f"name it too: {_command(image_set, '--update', '…', image.name)}"
            yield Diagnostic(where(image, ""), Code.LOCK_HELD, message, hint)
        case _:
            raise AssertionError(problem)


class Blame:
    """Diagnostics of files that are not as the lock has them, at the lines that ask for them."""

    def __init__(self, image_set: ImageSet, lock: Lock) -> None:
        self._set = image_set
        self._lock = lock

    def not_fetched(self, package: LockedPackage, error: Unfetched) -> Diagnostic:
        """A package cannot be fetched: it is gone, or the server does not answer."""
        image = self._image(package)
        if error.gone:
            return vanished(self._set, image, package.name, package.nevra, package.repository)
        message = f"{package.nevra} cannot be fetched: {error}"
        urls = {item.id: item.url for item in self._set.site.repositories}
        where = urls.get(package.repository) or f"the repository '{package.repository}'"
        hint = f"is {where} in reach from here?"
        return Diagnostic(self._spot(package), Code.NOT_FETCHED, message, hint)

    def wrong(self, package: LockedPackage, checksum: str, size: int | None) -> Diagnostic:
        """A package came twice with a wrong checksum; `size`: its bytes, if it is incomplete."""
        about = f"{package.nevra} of the repository '{package.repository}'"
        spot = self._spot(package)
        if size is not None:
            message = f"{about} comes cut short, twice: {size} bytes of {package.size}"
            hint = "the repository is damaged, or being written to: try later, or another mirror"
            return Diagnostic(spot, Code.PACKAGE_TRUNCATED, message, hint)
        now, then = checksum.partition(":")[2], package.checksum.partition(":")[2]
        message = f"{about} is not what the lock names: its sha256 is {now}, not {then}"
        hint = "it was rebuilt under the same name, or tampered with; " + self._update(package)
        return Diagnostic(spot, Code.WRONG_CHECKSUM, message, hint)

    def unknown_signer(self, package: LockedPackage, why: str) -> Diagnostic:
        """A package without a signature by a key of the site."""
        message = f"no key of the site '{self._set.site.name}' signs {package.nevra}: {why}"
        hint = f"the key of the repository '{package.repository}' is named in the site: is it the right one?"
        return Diagnostic(self._spot(package), Code.UNKNOWN_SIGNER, message, hint)

    def download_not_fetched(self, url: str, error: Unfetched) -> Diagnostic:
        """A download cannot be fetched."""
        address = self._set.site.addresses.get(url, url)
        message = f"{url} cannot be fetched: {error}"
        return Diagnostic(self._download(url), Code.NOT_FETCHED, message, f"is {address} in reach from here?")

    def wrong_download(self, url: str, now: str, then: str) -> Diagnostic:
        """A download has another checksum than in the lock."""
        message = f"{url} is not what the lock names: its sha256 is {now}, not {then}"
        hint = "find out why it changed; " + _command(self._set, "--update") + " takes it as it is now"
        return Diagnostic(self._download(url), Code.WRONG_CHECKSUM, message, hint)

    def _update(self, package: LockedPackage) -> str:
        image = self._image(package)
        words = ("--update", image.name) if image else ("--update",)
        return _command(self._set, *words) + " takes it as it is now"

    def _image(self, package: LockedPackage) -> Image | None:
        for name in ImageGraph(self._set.images).order():
            if any(item.checksum == package.checksum for item in self._lock.images[name].packages()):
                return self._set.images[name]
        return None

    def _spot(self, package: LockedPackage) -> Spot:
        image = self._image(package)
        if image is not None:
            return where(image, package.name)
        return next((item.spot for item, _ in payloads(self._set) if item.name == package.name), NOWHERE)

    def _download(self, url: str) -> Spot:
        return next((step.spot for step, _ in downloads(self._set) if step.url == url), NOWHERE)


def _command(image_set: ImageSet, *words: str) -> str:
    return f"`buildsys {' '.join(('lock', image_set.name, '--site', image_set.site.name, *words))}`"
