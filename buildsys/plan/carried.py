"""What a plan carries of packages: files, keys, and where an installer finds them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from buildsys.files import sha256
from buildsys.image import CopyPayload, ImageSet, LockedPackage, Repository, Site, Transaction


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
    """The installer's whole configuration, nothing of the host's. `@PLAN@` is the plan directory."""
    lines = [
        "[main]",
        "gpgcheck=1",
        "localpkg_gpgcheck=1",
        "best=1",
        "skip_if_unavailable=0",
        "install_weak_deps=0",
        "installonly_limit=0",
        "plugins=0",
        "reposdir=/dev/null",
        "varsdir=/dev/null",
        "color=never",
        "obsoletes=1",
        "deltarpm=0",
        "clean_requirements_on_remove=0",
        "retries=3",
        # What an installer writes besides packages lies in the private /dev of the root, and is gone with it.
        "cachedir=/dev/buildsys/cache",
        "logdir=/dev/buildsys/log",
        "persistdir=/dev/buildsys/state",
        # A run asks the repositories once, when it begins; see plan/runtime/repositories.sh.
        "keepcache=1",
        "metadata_expire=never",
    ]
    for item in image_set.site.repositories:
        where = f"file://@PLAN@/pool/repos/{item.id}" if item.directory else item.url
        lines += ["", f"[{item.id}]", f"name={item.id}", f"baseurl={where}"]
        match key_place(item, image_set.site):
            case "none":
                lines.append("gpgcheck=0")
            case "carried":
                lines.append(f"gpgkey=file://@PLAN@/pool/keys/{item.id}")
            case path if path.startswith("/"):
                lines.append(f"gpgkey=file://{path}")
            case _:
                lines.append(f"gpgkey=file://@PLAN@/state/keys/{item.id}")
    return "\n".join(lines) + "\n"


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
