"""Has anything moved since a lock was made? A look without the solver: "no" is certain, "yes" is not."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from buildsys.diagnostics import Refused
from buildsys.files import sha256
from buildsys.image import ImageSet, Repository
from buildsys.lock import apt_solver, requests
from buildsys.lock.bases import digest_of
from buildsys.lock.fetch import Unfetched, fetch
from buildsys.lock.lockfile import Lock
from buildsys.lock.pool_files import Places
from buildsys.lock.present import present

INDEX = "repodata/repomd.xml"


def unmoved(image_set: ImageSet, lock: Lock, places: Places, *, store: str) -> bool:
    """Whether all repositories hold what they held, and base images and downloads are what they were.

    What cannot be found out this way counts as moved: the solver will say what is wrong.
    """
    image_set = present(image_set, lock.absent)
    site = image_set.site
    if site.installer == "apt":
        return apt_solver.sources_hold(places) == lock.repositories
    if site.host_repositories or {item.id for item in site.repositories} != lock.repositories.keys():
        return False
    unknown = {step.url for step, _ in requests.downloads(image_set) if not step.sha256}
    part = places.pool / "part"
    part.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(8) as workers:
        bases = workers.map(
            lambda item: digest_of(item[0], item[1], store) == lock.bases[item[0]],
            requests.bases(image_set).items(),
        )
        indices = workers.map(
            lambda item: _index(item, part) == lock.repositories[item.id].sha256, site.repositories
        )
        files = workers.map(
            lambda url: _sha256(site.addresses.get(url, url), part) == lock.downloads[url], sorted(unknown)
        )
        try:
            return all([*bases, *indices, *files])
        except (Refused, Unfetched, OSError):
            return False


def _index(repository: Repository, part: Path) -> str:
    if repository.directory:
        return sha256(Path(repository.directory, INDEX))
    return _sha256(f"{repository.url.rstrip('/')}/{INDEX}", part)


def _sha256(url: str, part: Path) -> str:
    file = part / f"look-{hashlib.sha256(url.encode()).hexdigest()}"
    fetch(url, file)
    try:
        return sha256(file)
    finally:
        file.unlink()
