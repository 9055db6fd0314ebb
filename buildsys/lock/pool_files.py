"""Where what is fetched is kept, below the build directory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from buildsys.image import ImageSet, LockedPackage


@dataclass(frozen=True, slots=True)
class Places:
    """Folders shared by all sets and plans of a build directory."""

    pool: Path
    """Packages, keys and downloads by their SHA-256: verified, and never changed."""
    metadata: Path
    """What repositories held when they were last asked."""
    bases: Path
    """What base images hold, by digest."""

    @classmethod
    def below(cls, build_directory: Path, pool: Path | None = None) -> Places:
        """The usual places of a build directory; the pool may be elsewhere."""
        return cls(pool or build_directory / "pool", build_directory / "metadata", build_directory / "bases")

    @property
    def packages(self) -> Path:
        """The pool's packages."""
        return self.pool / "packages"

    def package(self, package: LockedPackage) -> Path:
        """Where a package is, or will be."""
        return self.packages / package.pooled

    def file(self, sha256: str) -> Path:
        """Where a key or a download is, or will be."""
        return self.pool / "files" / sha256


def lock_path(image_set: ImageSet, build_directory: Path) -> Path:
    """Where the lock of a set at its site lies: with the recipes.

    A site that cannot do without has one below the build directory, until there is one with the recipes.
    """
    name = f"{image_set.site.name}.yaml"
    written = Path(image_set.directory) / "locks" / name
    if not always_locked(image_set) or written.exists():
        return written
    return build_directory / "locks" / image_set.name / name


def used_lock(image_set: ImageSet, build_directory: Path, kept: Path | None) -> Path:
    """The lock that a plan takes where no other file is named; it need not be there.

    `kept` is where the lock of a repository made here lies: it keeps itself, until there is one with the
    recipes.
    """
    own = lock_path(image_set, build_directory)
    return kept if kept and not own.exists() else own


def always_locked(image_set: ImageSet) -> bool:
    """Whether the packages of a set are always named exactly: its installer takes no others."""
    return image_set.site.installer == "apt"
