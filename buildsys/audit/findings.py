"""Packages of images that an advisory is about."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from buildsys.audit.advisory import Advisory, Severity
from buildsys.audit.exceptions import AuditException
from buildsys.audit.versions import compare
from buildsys.plan.inventory import InstalledPackage, Inventory
from buildsys.sbom.purl import distribution


@dataclass(frozen=True, slots=True)
class Finding:
    """A vulnerable package."""

    package: InstalledPackage
    """`package.image` installs it."""
    images: tuple[str, ...]
    """All images that have it."""
    advisory: Advisory
    exception: AuditException | None
    """The one that covers it today; None: it counts."""

    @property
    def severity(self) -> Severity:
        """That of the advisory."""
        return self.advisory.severity


def find(
    inventories: Sequence[Inventory],
    advisories: Iterable[Advisory],
    exceptions: Sequence[AuditException],
    today: date,
) -> list[Finding]:
    """The vulnerable packages of the images, by the image that installs them, package and advisory."""
    about: dict[tuple[str, str, bool], list[Advisory]] = defaultdict(list)
    for item in advisories:
        about[item.kind, item.package, item.source].append(item)
    holders: dict[tuple[InstalledPackage, str], list[str]] = defaultdict(list)
    for inventory in inventories:
        release = "-".join(distribution(inventory.packages))
        for package in inventory.packages:
            holders[package, release].append(inventory.image)
    found = []
    for (package, release), images in holders.items():
        for advisory in _matching(package, release, about):
            names = frozenset({package.name, source(package)[0]})
            cover = (
                item
                for item in exceptions
                if item.covers(advisory, names, package.image) and not item.expired(today)
            )
            found.append(Finding(package, tuple(images), advisory, next(cover, None)))
    return sorted(found, key=lambda item: (item.package.image, item.package.name, item.advisory.id))


def source(package: InstalledPackage) -> tuple[str, str]:
    """Name and version of the source package; those of the package itself if the lock does not know it."""
    written = package.origin.source
    if package.format == "deb":
        name, _, version = written.partition("_")
        return name or package.name, version or package.evr
    stem = written.removesuffix(".rpm").rpartition(".")[0]
    name, version, release = (*stem.rsplit("-", 2), "", "")[:3]
    return (name, f"{version}-{release}") if version and release else (package.name, package.evr)


def _matching(
    package: InstalledPackage, release: str, about: dict[tuple[str, str, bool], list[Advisory]]
) -> Iterator[Advisory]:
    name, version = source(package)
    seen: set[str] = set()
    for key, evr in (
        ((package.format, package.name, False), package.evr),
        ((package.format, name, True), version),
    ):
        for item in about.get(key, ()):
            if item.id not in seen and _is_affected(item, package, release, evr):
                seen.add(item.id)
                yield item


def _is_affected(item: Advisory, package: InstalledPackage, release: str, evr: str) -> bool:
    if item.distribution and not _is_release(release, item.distribution):
        return False
    if item.arch not in {"", "noarch", package.arch} and package.arch != "noarch":
        return False
    if item.introduced and compare(package.format, evr, item.introduced) < 0:
        return False
    if item.last:
        return compare(package.format, evr, item.last) <= 0
    return not item.fixed or compare(package.format, evr, item.fixed) < 0


def _is_release(release: str, wanted: str) -> bool:
    """Whether an image of `almalinux-9.4` is meant by `almalinux-9`; an unknown release is meant by all."""
    return not release.strip("-") or release == wanted or release.startswith(f"{wanted}.")
