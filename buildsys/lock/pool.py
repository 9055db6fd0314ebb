"""The pool: packages, keys and downloads that a lock names, fetched once for all sets and plans.

A file enters by rename once its checksum is the lock's and, for packages, its signature is by a key of the
site. Nothing in the pool changes afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote, urljoin

from buildsys import files
from buildsys.diagnostics import Diagnostic, Refused
from buildsys.image import ImageSet, LockedPackage, Repository
from buildsys.lock import requests
from buildsys.lock.keys import Keys, is_whole, keyring
from buildsys.lock.lockfile import Lock
from buildsys.lock.pool_files import Places, Unfetched, fetch, is_sound, seal
from buildsys.lock.requests import present
from buildsys.lock.solver import Blame, solver_of
from buildsys.packages import manager_of

AT_ONCE = 4
"""Files fetched at the same time."""

Say = Callable[[str], None]


def fill(image_set: ImageSet, lock: Lock, places: Places, *, store: str = "", say: Say) -> ImageSet:
    """Fetch what a plan of this set carries and the pool lacks; returns the set with the paths.

    `image_set` is resolved, and not locked yet; images that cannot be built at the site are left out.

    Raises:
        Refused: files cannot be fetched (`not-fetched`), are not there any more (`package-vanished`), are cut
            short (`package-truncated`), are not what the lock names (`wrong-checksum`), or are signed by
            no key of the site (`unknown-signer`). Files without a problem are in the pool all the same.
    """
    image_set = present(image_set, lock.absent)
    filling = _Filling(image_set, lock, places, store)
    if any(filling.missing()) or not filling.keys.are_there():
        with _alone(places.pool):
            filling.run(say)
    site = image_set.site
    keys = filling.keys.files()
    # Leave out repositories without their key, so that none of their packages is trusted.
    repositories = tuple(
        replace(item, key=str(keys.get(item.id, "")))
        for item in site.repositories
        if item.id in keys or not item.key
    )
    if site.host_repositories:
        repositories = tuple(Repository(name, "", "", str(key), "") for name, key in keys.items())
    files = {
        step.url: str(places.file(lock.downloads[step.url])) for step, _ in requests.downloads(image_set)
    }
    return replace(
        image_set,
        site=replace(
            site,
            repositories=repositories,
            downloads={**site.downloads, **files},
            pool=str(places.packages),
        ),
    )


@contextmanager
def _alone(pool: Path) -> Iterator[None]:
    """Exclusive lock on a pool: a second process waits, and finds less to fetch."""
    for folder in ("packages", "files", "part"):
        (pool / folder).mkdir(parents=True, exist_ok=True)
    with files.locked(pool / "lock"):
        yield


class _Filling:
    """The files that a lock names and the pool lacks."""

    def __init__(self, image_set: ImageSet, lock: Lock, places: Places, store: str) -> None:
        self._set = image_set
        self._places = places
        self._lock = lock
        self._blame = Blame(image_set, lock)
        self._repositories = {item.id: item for item in image_set.site.repositories}
        self.keys = Keys(image_set, lock, places, store)
        wanted = [item for name in image_set.images for item in lock.images[name].packages()]
        wanted += [lock.payloads[item.name] for item, _ in requests.payloads(image_set)]
        self._wanted = {item.checksum: item for item in wanted}
        self._found: list[Diagnostic] = []
        self._solver = solver_of(image_set.site)
        self._signed = manager_of(image_set.site).format.signed
        self._unfetched: Mapping[str, Unfetched] = {}

    def missing(self) -> tuple[list[LockedPackage], list[str]]:
        """Packages, and URLs of downloads, that are missing in the pool or damaged."""
        packages = [item for item in self._wanted.values() if not self._has(item)]
        urls = dict.fromkeys(step.url for step, _ in requests.downloads(self._set))
        return packages, [url for url in urls if not self._has_download(url)]

    def _has(self, package: LockedPackage) -> bool:
        return is_sound(self._places.package(package), package.checksum.rpartition(":")[2], package.size)

    def _has_download(self, url: str) -> bool:
        sha256 = self._lock.downloads[url]
        return is_sound(self._places.file(sha256), sha256)

    def run(self, say: Say) -> None:
        """Fetch what is missing."""
        packages, urls = self.missing()
        size = f"{sum(item.size for item in packages) / 2**20:.1f} MiB"
        if what := [*_count(len(packages), f"package{{}} ({size})"), *_count(len(urls), "download{}")]:
            say(f"fetching {' and '.join(what)}")
        with ThreadPoolExecutor(AT_ONCE) as workers:
            list(workers.map(self._download, urls))
            if self._set.site.host_repositories:
                self._unfetched = self._solver.bring(self._set, packages, self._part, self._places)
            arrived = [
                item for item, came in zip(packages, workers.map(self._bring, packages), strict=True) if came
            ]
        self._enter(arrived)
        if self._found:
            raise Refused(self._found)

    # ── fetching ────────────────────────────────────────────────────────────────────────────────────────────

    def _part(self, checksum: str) -> Path:
        return self._places.pool / "part" / checksum.rpartition(":")[2]

    def _bring(self, package: LockedPackage) -> bool:
        """Fetch a package; with a wrong checksum, once more. Returns whether its checksum is right."""
        part = self._part(package.checksum)
        for attempt in (1, 2):
            try:
                self._fetch(package, part)
            except Unfetched as error:
                self._found.append(self._blame.not_fetched(package, error))
                return False
            size, sum_is = part.stat().st_size, f"sha256:{files.sha256(part)}"
            if sum_is == package.checksum:
                return True
            short = size < package.size and not (self._signed and is_whole(part))
            part.unlink()
            # The solver has already tried packages of the host's repositories twice.
            if attempt == 2 or package.repository not in self._repositories:
                self._found.append(self._blame.wrong(package, sum_is, size if short else None))
                break
        return False

    def _fetch(self, package: LockedPackage, part: Path) -> None:
        repository = self._repositories.get(package.repository)
        if repository is None:
            if package.checksum in self._unfetched:
                raise self._unfetched[package.checksum]
            if not part.exists():
                raise Unfetched("the host's repositories no longer have it", gone=True)
        elif repository.directory:
            try:
                part.write_bytes((Path(repository.directory) / package.location).read_bytes())
            except FileNotFoundError as error:
                raise Unfetched(str(error), gone=True) from error
        else:
            url = urljoin(f"{repository.url.rstrip('/')}/", quote(package.location, safe="/:%+~,;=@!()$&'*"))
            fetch(url, part, size=package.size)

    def _download(self, url: str) -> None:
        sha256 = self._lock.downloads[url]
        part = self._part(sha256)
        try:
            fetch(self._set.site.addresses.get(url, url), part)
        except Unfetched as error:
            self._found.append(self._blame.download_not_fetched(url, error))
            return
        now = files.sha256(part)
        if now == sha256:
            _enter(part, self._places.file(sha256))
        else:
            part.unlink()
            self._found.append(self._blame.wrong_download(url, now, sha256))

    # ── entering ────────────────────────────────────────────────────────────────────────────────────────────

    def _enter(self, packages: Iterable[LockedPackage]) -> None:
        """Move packages with a right signature into the pool, in rounds: some contain the keys of others."""
        waiting = {self._part(item.checksum): item for item in packages}
        unsigned = {item.id for item in self._repositories.values() if not item.key}
        for part, item in list(waiting.items()):
            if not self._signed or item.repository in unsigned:
                self._admit(part, waiting.pop(part))
        if not waiting and not self._lock.keys:
            return
        with keyring(self.keys.fetch()) as ring:
            while True:
                refused = ring.refused([*waiting])
                for part in [part for part in waiting if part not in refused]:
                    self._admit(part, waiting.pop(part))
                brought = self.keys.brought()
                if not brought:
                    break
                for key in brought:
                    ring.add(key)
        for part, item in waiting.items():
            self._found.append(self._blame.unknown_signer(item, refused[part]))

    def _admit(self, part: Path, package: LockedPackage) -> None:
        _enter(part, self._places.package(package))


def _enter(part: Path, place: Path) -> None:
    part.chmod(0o444)
    seal(part)
    part.replace(place)


def _count(number: int, things: str) -> list[str]:
    return [f"{number} {things.format('' if number == 1 else 's')}"] if number else []
