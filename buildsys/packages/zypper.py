"""zypper, of openSUSE and SLES: dnf's library solves, rpm installs; zypper itself is for Containerfiles.

Options and files: zypper(8), and the comments of /etc/zypp/zypp.conf.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from buildsys.image import LockedPackage, Site
from buildsys.packages.build_folder import CARE, PAYLOAD
from buildsys.packages.manager import Argv
from buildsys.packages.rpm import RpmManager, RpmRuntime, key_address

CONF = f"{CARE}/zypper/zypp.conf"


class Zypper(RpmManager):
    """Its repositories are the same as those of dnf, so it needs neither a solver nor verbs of its own."""

    name = "zypper"
    always_locked = True
    takes_host = False

    programs: ClassVar[Argv] = ("zypper",)
    caches: ClassVar[Argv] = ("/var/cache/zypp",)

    solving = RpmRuntime("rpm")
    upgrade = "update"
    fetched = "fetched/*"

    def install(self, names: Sequence[str], site: Site) -> Iterator[Argv]:
        """See `RpmManager.install`."""
        yield from _trust(site)
        yield self.call(site, "install", "--oldpackage", *names)

    def update(self, site: Site) -> Iterator[Argv]:
        """See `RpmManager.update`."""
        yield from _trust(site)
        yield from super().update(site)

    def fetch(self, wanted: str, site: Site) -> Iterator[Argv]:
        """See `RpmManager.fetch`."""
        yield from _trust(site)
        yield self.call(site, "--pkg-cache-dir", f"{PAYLOAD}/fetched", "download", wanted)

    def exact(self, package: LockedPackage) -> str:
        """See `RpmManager.exact`."""
        return f"{package.name}.{package.arch}={package.evr}"

    def call(self, site: Site, *words: str) -> Argv:  # noqa: ARG002 - it is always configured by files
        """See `RpmManager.call`."""
        return (
            "env", f"ZYPP_CONF={CONF}", f"ZYPP_LOGFILE={CARE}/log/zypper.log",
            "zypper", "--non-interactive", *words,
        )  # fmt: skip

    def configuration(self, site: Site) -> dict[str, str]:
        """See `PackageManager.configuration`."""
        lines = []
        for item in site.repositories:
            where = f"file://{CARE}/repositories/{item.id}" if item.directory else item.url
            # As with dnf each package is signed, not the index.
            checks = ["gpgcheck=1", "repo_gpgcheck=0", "pkg_gpgcheck=1"] if item.key else ["gpgcheck=0"]
            lines += [
                f"[{item.id}]",
                f"name={item.id}",
                f"baseurl={where}",
                "enabled=1",
                "autorefresh=1",
                *checks,
            ]
        main = [
            "[main]", f"reposdir={CARE}/zypper/repositories", f"cachedir={CARE}/cache",
            f"history.logfile={CARE}/log/history", "solver.onlyRequires=true",
        ]  # fmt: skip
        return {
            "zypper/zypp.conf": "\n".join(main) + "\n",
            "zypper/repositories/site.repo": "\n".join(lines) + "\n",
        }


def _trust(site: Site) -> Iterator[Argv]:
    """Commands that import the site's keys: zypper itself would import any key that a repository offers."""
    for item in site.repositories:
        if item.key:
            yield ("rpm", "--import", key_address(item, site).removeprefix("file://"))
