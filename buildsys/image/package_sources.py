"""Where packages come from, resolved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from buildsys.logins import Login

SOURCE_PACKAGE, SOURCE_VERSION = "{source_package}", "{source_version}"
"""Stand for name and version of a source package: variables of a site whose values only a lock knows."""


@dataclass(frozen=True, slots=True)
class Repository:
    """A package repository a build may use.

    `directory` (a local tree, carried in the plan's pool) or `url`, never both; `key` is a public key: a file
    carried in the plan, a URL, a path of the image where the installer runs inside; empty when unsigned.
    """

    id: str
    directory: str
    url: str
    key: str
    checksum: str
    """Content hash of the repository's metadata where it is known without network, else empty."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where packages and base images come from, resolved.

    `installer` names the package manager (a table line of `buildsys.packages`); `inside` says whether it
    runs within the image (rdo's yum) or on the host against the mounted root.
    """

    name: str
    installer: str
    inside: bool
    repositories: tuple[Repository, ...]
    host_repositories: bool
    downloads: Mapping[str, str]
    """URL -> local file; the plan fetches other URLs."""
    gems: tuple[str, ...]
    """Local gem files."""
    stand_ins: bool
    release: str = ""
    """Release version that repository addresses may name; empty: the host's."""
    locked: bool = False
    """Whether each package is fixed by file and checksum."""
    pool: str = ""
    """Folder of verified packages, `SHA256.rpm` or `.deb`; empty: they lie in the repositories."""
    left_out: tuple[str, ...] = ()
    """Repositories that the site leaves out; images that need them cannot be built there."""
    sources: str = ""
    """Address of a source package, where SOURCE_PACKAGE and SOURCE_VERSION stand for it; empty: unknown."""
    addresses: Mapping[str, str] = field(default_factory=dict)
    """URL of a download -> other URL from which the plan fetches it."""
    logins: tuple[Login, ...] = field(default=(), repr=False, compare=False)
    """Credentials from URLs of the site, for fetching; they are never part of a plan."""
    notes: tuple[str, ...] = ()
    """Sentences that the summary repeats: stand-ins, repositories left out, unverified downloads."""
