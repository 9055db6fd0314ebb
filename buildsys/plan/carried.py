"""What a plan carries of packages: files, keys, and where an installer finds them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from buildsys.files import sha256
from buildsys.image import CopyPayload, ImageSet, LockedPackage, Repository, Site, Transaction
from buildsys.packages import runtime_of


def pool_files(image_set: ImageSet) -> Iterator[tuple[str, Path]]:
    """Each file below the plan's pool/, and what it is a link or a copy of."""
    site = image_set.site
    if site.locked:
        directories = {item.id: Path(item.directory) for item in site.repositories}
        for package in _locked_packages(image_set):
            if site.pool:
                source = Path(site.pool, package.pooled)
            else:
                source = directories[package.repository] / package.location
            yield f"pool/packages/{package.file}", source
    for repository in site.repositories:
        if repository.directory and not site.locked:
            root = Path(repository.directory)
            for folder, _, files in os.walk(root):
                for name in files:
                    path = Path(folder, name)
                    yield f"pool/repos/{repository.id}/{path.relative_to(root).as_posix()}", path
        if key_place(repository, site) == "carried":
            yield f"pool/keys/{repository.id}", Path(repository.key)


def _locked_packages(image_set: ImageSet) -> Iterator[LockedPackage]:
    for image in image_set.images.values():
        for step in image.instructions:
            if isinstance(step, Transaction):
                yield from step.packages
            elif isinstance(step, CopyPayload) and step.locked is not None:
                yield step.locked


def unsigned_files(image_set: ImageSet) -> list[str]:
    """Files of packages whose repository has no key: only the lock's checksum says that they are right."""
    open_to_all = {item.id for item in image_set.site.repositories if not item.key}
    return sorted({item.file for item in _locked_packages(image_set) if item.repository in open_to_all})


def repositories_file(image_set: ImageSet) -> str:
    """The package manager's whole configuration in a plan without a lock; nothing of the host's is read."""
    site = image_set.site
    keys = {item.id: _key_file(key_place(item, site), item.id) for item in site.repositories}
    return runtime_of(site).configuration(site, keys)


def _key_file(place: str, repository: str) -> str:
    """The path of a repository's key when the plan runs; `@PLAN@` is the plan directory; empty: none."""
    if place == "none":
        return ""
    if place.startswith("/"):
        return place
    return f"@PLAN@/{'pool' if place == 'carried' else 'state'}/keys/{repository}"


def key_place(repository: Repository, site: Site) -> str:
    """Where a repository's key is: `carried` in the pool, a path of the image, an address, or `none`."""
    if not repository.key:
        return "none"
    if "://" in repository.key or (site.inside and not site.locked and repository.key.startswith("/")):
        return repository.key
    return "carried"


def key_said(repository: Repository, site: Site) -> str:
    """A repository's key as a build key's input: its content where that is known, else where it is."""
    match key_place(repository, site):
        case "none":
            return ""
        case "carried":
            return sha256(Path(repository.key))
        case where:
            return where
