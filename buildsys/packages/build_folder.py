"""The folder of an image while a Containerfile builds it: packages, keys, caches and logs go there.

The export removes it at the end of each stretch of commands.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from buildsys.image import LockedPackage, Repository, Site
from buildsys.packages.manager import Argv

CARE = "/.buildsys"
VERBS = f"{CARE}/verbs.sh"
DPKG = f"{CARE}/apt-inside.sh"
POOL = f"{CARE}/packages"
PAYLOAD = f"{CARE}/payload"


def checked(packages: Sequence[LockedPackage]) -> Iterator[Argv]:
    """Commands that compare the files of locked packages with the lock's checksums."""
    for item in packages:
        yield ("sh", VERBS, "checked", item.checksum.removeprefix("sha256:"), f"{POOL}/{item.file}")


def key_is_carried(item: Repository, site: Site) -> bool:
    """Whether a repository's key is a file of the site, and so of the context."""
    within = site.inside and not site.locked and item.key.startswith("/")
    return bool(item.key) and "://" not in item.key and not within
