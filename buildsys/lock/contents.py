"""Make a lock: packages from the solver, base images by digest, keys and downloads by checksum."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from buildsys import files
from buildsys.diagnostics import NOWHERE, Code, Diagnostic, Refused
from buildsys.image import BaseImage, Image, ImageSet, LockedPackage, ParentImage, Repository
from buildsys.lock import requests
from buildsys.lock.bases import Base, digest_of, look_at
from buildsys.lock.check import differences
from buildsys.lock.lockfile import Lock, Metadata, read, write
from buildsys.lock.pool_files import Places, Unfetched, fetch, fetched_sum
from buildsys.lock.requests import absent_with_dependents, package_steps, present
from buildsys.lock.solver import Answer, Question, solver_of


@dataclass(frozen=True, slots=True)
class LockScope:
    """What stays as in an earlier lock, and what may move."""

    old: Lock | None = None
    moving: Collection[str] | None = None
    """Images whose packages may move; None: all."""

    def moves(self, image: str) -> bool:
        """Whether the packages of an image may change."""
        return self.old is None or self.moving is None or image in self.moving


def make_lock(image_set: ImageSet, places: Places, scope: LockScope, *, store: str = "") -> Lock:
    """Make the lock of a resolved set. `store`: options of buildah for the store of base images built here.

    Raises:
        Refused: see `buildsys.lock.solver.Solver.solve`; or a base image cannot be read (`base-unreachable`),
            a key or a download cannot be fetched (`not-fetched`), a repository is older than before
            (`repository-older`), or packages are for an image on top of a Containerfile's (`not-lockable`).
    """
    if refused := list(unknown(image_set)):
        raise Refused(refused)
    bases = dict(_bases(image_set, places, scope, store))
    inside = _keys_inside(image_set)
    known = {path: file for path in inside for base in bases.values() if (file := base.file(path))}
    old = scope.old
    held = {name for name in image_set.images if not scope.moves(name)}
    question = Question(
        bases=bases,
        held={
            name: tuple(old.images[name].packages()) if name in old.images else () for name in sorted(held)
        } if old else {},
        held_payloads={
            package.name: old.payloads[package.name]
            for package, image in requests.payloads(image_set)
            if old and image.name in held and package.name in old.payloads
        },
        kept={name: old.images[name] for name in sorted(held) if name in old.images} if old else {},
        key_files=[path for path in inside if path not in known],
    )  # fmt: skip
    solver = solver_of(image_set.site)
    answer = solver.solve(image_set, question, places)
    if old is not None:
        refuse_older(image_set, old, answer)
    absent = absent_with_dependents(image_set, answer.absent)
    image_set = present(image_set, absent)
    return Lock(
        set=image_set.name,
        site=image_set.site.name,
        solver=solver.solver_hash(),
        images={name: answer.images[name] for name in image_set.images},
        payloads=answer.payloads,
        repositories=_held(answer, scope),
        bases={reference: base.digest for reference, base in bases.items()},
        keys=dict(_keys(image_set, places, answer, known)),
        downloads=dict(_downloads(image_set, places, scope)),
        absent=absent,
    )


def _held(answer: Answer, scope: LockScope) -> Mapping[str, Metadata]:
    """The states of the repositories in which every package of the lock was the newest."""
    if scope.old is None or scope.moving is None:
        return answer.repositories
    return {name: scope.old.repositories.get(name, now) for name, now in answer.repositories.items()}


def refuse_older(image_set: ImageSet, old: Lock, answer: Answer) -> None:
    """Check that no repository is older than in the lock.

    Raises:
        Refused: at least one repository is older (`repository-older`).
    """
    found = []
    for name, now in answer.repositories.items():
        then = old.repositories.get(name)
        if then is None or now.time >= then.time:
            continue
        message = (
            f"the repository '{name}' is older than the lock: its metadata is of {_date(now.time)}, "
            f"the lock's of {_date(then.time)}"
        )
        hint = (
            "a mirror lags behind, or somebody keeps updates from you: try later, or another mirror; "
            f"to go back on purpose, remove the lock and run `buildsys lock {image_set.name}"
            f" --site {image_set.site.name}`"
        )
        found.append(Diagnostic(NOWHERE, Code.REPOSITORY_OLDER, message, hint))
    if found:
        raise Refused(found)


def _date(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _bases(image_set: ImageSet, places: Places, scope: LockScope, store: str) -> Iterator[tuple[str, Base]]:
    for reference, spot in requests.bases(image_set).items():
        known = scope.old.bases.get(reference) if scope.old else None
        if known is None or any(
            isinstance(image.parent, BaseImage) and image.parent.reference == reference and scope.moves(name)
            for name, image in image_set.images.items()
        ):
            known = digest_of(reference, spot, store)
        yield reference, look_at(reference, known, spot, store, places.bases)


# ── keys and downloads ─────────────────────────────────────────────────────────────────────────────────────


def is_inside(image_set: ImageSet, repository: Repository) -> bool:
    """Whether a repository's key is a file of the image, not of the set."""
    return image_set.site.inside and repository.key.startswith("/")


def _keys_inside(image_set: ImageSet) -> list[str]:
    found = (item.key for item in image_set.site.repositories if is_inside(image_set, item))
    return sorted(set(found))


def _keys(
    image_set: ImageSet, places: Places, answer: Answer, known: Mapping[str, Path]
) -> Iterator[tuple[str, str]]:
    """Repository -> `sha256:HEX` of its key, which is in the pool, or the package that contains it."""
    for repository in image_set.site.repositories:
        if "://" in repository.key:
            yield repository.id, f"sha256:{_fetched(repository.key, places, 'the key of ' + repository.id)}"
        elif is_inside(image_set, repository):
            if repository.key in known:
                yield repository.id, f"sha256:{_keep(known[repository.key], places)}"
            elif repository.key in answer.keys:
                yield repository.id, answer.keys[repository.key]
    if image_set.site.host_repositories:
        used = {item.repository for item in _packages(answer)}
        for name, urls in sorted(answer.keys.items()):
            for number, url in enumerate(urls if name in used else ()):
                yield f"{name}.{number}", f"sha256:{_fetched(url, places, 'the key of ' + name)}"


def _packages(answer: Answer) -> Iterator[LockedPackage]:
    for image in answer.images.values():
        yield from image.packages()
    yield from answer.payloads.values()


def _downloads(image_set: ImageSet, places: Places, scope: LockScope) -> Iterator[tuple[str, str]]:
    old: Mapping[str, Any] = scope.old.downloads if scope.old else {}
    done: dict[str, str] = {}
    for step, image in requests.downloads(image_set):
        if step.url in done:
            continue
        if step.sha256:
            done[step.url] = step.sha256
        elif step.url in old and not scope.moves(image.name):
            done[step.url] = old[step.url]
        else:
            address = image_set.site.addresses.get(step.url, step.url)
            done[step.url] = _fetched(address, places, step.url)
        yield step.url, done[step.url]


def _fetched(url: str, places: Places, what: str) -> str:
    """Fetch a file of unknown checksum into the pool; returns its SHA-256 in hex."""
    part = places.pool / "part" / hashlib.sha256(url.encode()).hexdigest()
    part.parent.mkdir(parents=True, exist_ok=True)
    try:
        fetch(url, part)
    except Unfetched as error:
        message = f"{what} cannot be fetched: {error}"
        hint = f"is {url} in reach from here?"
        raise Refused([Diagnostic(NOWHERE, Code.NOT_FETCHED, message, hint)]) from error
    return _keep(part, places, move=True)


def _keep(file: Path, places: Places, *, move: bool = False) -> str:
    content = file.read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    kept = places.file(sha256)
    kept.parent.mkdir(parents=True, exist_ok=True)
    if move:
        file.replace(kept)
    elif not kept.exists():
        files.write(kept, content)
    return sha256


# ── what cannot be locked ───────────────────────────────────────────────────────────────────────────────────


def unknown(image_set: ImageSet) -> Iterator[Diagnostic]:
    """A Diagnostic for each image that changes packages of a Containerfile's image (`not-lockable`)."""
    for image in image_set.images.values():
        first = next(package_steps(image), None)
        if first is None or (built := _built(image, image_set.images)) is None:
            continue
        message = (
            f"'{image.name}' cannot be locked: '{built.name}' is built by a Containerfile, "
            "and what it holds is known only then"
        )
        hint = "install the packages in that Containerfile, or build --unlocked"
        yield Diagnostic(first.spot, Code.NOT_LOCKABLE, message, hint, ((built.spot, f"'{built.name}'"),))


def _built(image: Image, images: Mapping[str, Image]) -> Image | None:
    """The nearest ancestor that a Containerfile builds."""
    while isinstance(image.parent, ParentImage):
        image = images[image.parent.name]
        if image.containerfile is not None:
            return image
    return None


# ── has anything moved? ─────────────────────────────────────────────────────────────────────────────────────


def unmoved(image_set: ImageSet, lock: Lock, places: Places, *, store: str) -> bool:
    """Whether repositories, base images and downloads are as in the lock, without asking the solver.

    "Yes" is certain. What cannot be read counts as moved: the solver then reports what is wrong.
    """
    image_set = present(image_set, lock.absent)
    site = image_set.site
    unverified = {step.url for step, _ in requests.downloads(image_set) if not step.sha256}
    with ThreadPoolExecutor(8) as workers:
        bases = workers.map(
            lambda item: digest_of(item[0], item[1], store) == lock.bases[item[0]],
            requests.bases(image_set).items(),
        )
        files = workers.map(
            lambda url: fetched_sum(site.addresses.get(url, url), places) == lock.downloads[url],
            sorted(unverified),
        )
        try:
            return all([solver_of(site).repositories_hold(image_set, lock, places), *bases, *files])
        except (Refused, Unfetched, OSError):
            return False


# ── locks that keep themselves ──────────────────────────────────────────────────────────────────────────────


def kept_lock(image_set: ImageSet, path: Path, places: Places, *, store: str = "") -> Lock:
    """The lock at `path` if it still answers this set, else a new one, which replaces it.

    Raises:
        Refused: the set cannot be solved; what was at `path` stays.
    """
    if (lock := still_good(image_set, path)) is not None:
        return lock
    lock = make_lock(image_set, places, LockScope(), store=store)
    write(lock, path)
    return lock


def still_good(image_set: ImageSet, path: Path) -> Lock | None:
    """The lock at `path`; None if it is missing, damaged, or the solver may answer otherwise now."""
    lock = last(image_set, path)
    if lock is None:
        return None
    holds = {item.id: item.checksum for item in image_set.site.repositories}
    held = {name: item.sha256 for name, item in lock.repositories.items()}
    same = (
        lock.solver == solver_of(image_set.site).solver_hash()
        and holds == held
        and not differences(image_set, lock)
    )
    return lock if same else None


def answers(image_set: ImageSet, path: Path) -> bool:
    """Whether there is a lock at `path` that answers the set as it is now."""
    lock = last(image_set, path)
    return lock is not None and not differences(image_set, lock)


def renew(image_set: ImageSet, path: Path, places: Places, *, store: str = "") -> Lock:
    """Write a lock that answers the set: keep the packages of the one at `path`, add new requests.

    Raises:
        Refused: the set cannot be solved; what was at `path` stays.
    """
    old = last(image_set, path)
    lock = make_lock(image_set, places, LockScope(old, frozenset() if old else None), store=store)
    write(lock, path)
    return lock


def last(image_set: ImageSet, path: Path) -> Lock | None:
    """The lock at `path`, whether it still answers the set or not; None if none can be read."""
    if not path.is_file():
        return None
    try:
        return read(path, image_set=image_set.name, site=image_set.site.name)
    except Refused:
        # No person reviews this file; an unreadable one is replaced.
        return None
