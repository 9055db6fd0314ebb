"""The files that a plan carries: the set's context, packages, keys, and the configuration that names them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from buildsys.files import sha256
from buildsys.image import CopyPayload, ImageSet, LockedPackage, Repository, Site, Transaction
from buildsys.image.ignore import context
from buildsys.packages import runtime_of

LINK, FOLDER, SAME = "link", "folder", "same"


@dataclass(frozen=True, slots=True)
class ContextFile:
    """A file of the set's context as the plan carries it: `path` below the source, content hash, mode.

    An empty folder, a hard link and, in the context of a Containerfile, a symbolic link have the mode FOLDER,
    SAME or LINK. The hash of a symbolic link is its target; of a hard link, the first path of the same file.
    """

    path: str
    hash: str
    mode: str
    attributes: tuple[tuple[str, str], ...] = ()
    """Extended attributes that an image can hold: name, and value as `0x` and hexadecimal digits."""


@dataclass(frozen=True, slots=True)
class Carried:
    """What the plan directory holds for the steps, by content: context files and the pool."""

    context: Mapping[Path, tuple[ContextFile, ...]]
    """Source of a `CopyContext`, or context folder of a `Containerfile` -> its files.

    A source that is a file has one entry, with an empty `path`.
    """
    downloads: Mapping[str, str]
    """URL -> SHA-256 of the pooled file."""
    gems: Mapping[str, str]
    """Gem as a recipe names it -> file name in the pool."""
    given: Mapping[str, tuple[str, ...]]
    """Image -> the paths that other images copy from it."""
    gem_hashes: Mapping[str, str]
    """File name in the pool -> SHA-256: these gems and the gems that they may depend on."""
    payloads: Mapping[tuple[str, str], str]
    """File of a locked package and a path in it -> hash of the files that a copy takes, if it is known."""
    capabilities: Mapping[tuple[str, str], tuple[tuple[str, str], ...]]
    """The same -> paths below it that have capabilities, and these: archives of packages do not hold them."""
    build_times: Mapping[str, int]
    """File of a locked package -> when it was built, in seconds since 1970; unknown for the others."""
    keys: Mapping[str, str]
    """Repository -> SHA-256 of its key, or the place of a key that is not in the pool."""


# ── the context ─────────────────────────────────────────────────────────────────────────────────────────────


def context_files(root: Path) -> Iterator[ContextFile]:
    """The files that a `CopyContext` of this source copies."""
    if not root.is_dir():
        yield _context_file(root, "", attributes(root))
        return
    first: dict[tuple[int, int], str] = {}
    for folder, folders, files in os.walk(root, onerror=_raise):
        folders.sort()
        here = Path(folder).relative_to(root)
        if not folders and not files:
            yield ContextFile(here.as_posix() if here.parts else "", "", FOLDER)
        for name in sorted(files):
            path, relative = Path(folder, name), (here / name).as_posix()
            found = path.stat()
            known = first.setdefault((found.st_dev, found.st_ino), relative)
            # A symbolic link is copied as a file of its own with the content of its target.
            if known != relative and not path.is_symlink():
                yield ContextFile(relative, known, SAME)
            else:
                yield _context_file(path, relative, attributes(path))


def _raise(error: OSError) -> None:
    raise error


def builder_context(folder: str) -> Iterator[ContextFile]:
    """The files that a Containerfile sees of its context folder."""
    for path in context(folder):
        whole = Path(folder, path)
        if whole.is_symlink():
            yield ContextFile(path.as_posix(), str(whole.readlink()), LINK)
        elif whole.is_dir():
            yield ContextFile(path.as_posix(), "", FOLDER)
        else:
            yield _context_file(whole, path.as_posix())


def _context_file(path: Path, relative: str, given: tuple[tuple[str, str], ...] = ()) -> ContextFile:
    # Only the executable bit survives a checkout on any host, so only that bit counts.
    mode = "755" if os.access(path, os.X_OK) else "644"
    return ContextFile(relative, sha256(path), mode, given)


def attributes(path: Path) -> tuple[tuple[str, str], ...]:
    """The extended attributes of a file that a layer holds: capabilities and those of users.

    Without `user.xdg`, where desktops keep the origin of a file, and without ACLs: buildah leaves these out
    of layers, so `resolve.context` refuses them.
    """
    try:
        names = sorted(os.listxattr(path))
    except OSError:  # the file system has no attributes
        return ()
    held = [name for name in names if name == "security.capability" or name.startswith("user.")]
    return tuple(
        (name, f"0x{os.getxattr(path, name).hex()}") for name in held if not name.startswith("user.xdg.")
    )


# ── packages and repositories ───────────────────────────────────────────────────────────────────────────────


def pool_files(image_set: ImageSet) -> Iterator[tuple[str, Path]]:
    """Each path below the plan's pool/, and the file that it is a link or a copy of."""
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
    """Files of packages whose repository has no key: the lock's checksum alone proves them."""
    unsigned = {item.id for item in image_set.site.repositories if not item.key}
    return sorted({item.file for item in _locked_packages(image_set) if item.repository in unsigned})


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


def key_input(repository: Repository, site: Site) -> str:
    """A repository's key as an input of build keys: the hash of a key in the pool, else its place."""
    match key_place(repository, site):
        case "none":
            return ""
        case "carried":
            return sha256(Path(repository.key))
        case where:
            return where
