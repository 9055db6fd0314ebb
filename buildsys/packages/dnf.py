"""dnf, dnf 4 or dnf5: on the host it installs into the mounted root and needs nothing inside it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from buildsys.image import Site
from buildsys.packages.build_folder import CARE, PAYLOAD
from buildsys.packages.manager import Argv
from buildsys.packages.rpm import TOOLS, RpmManager, RpmRuntime


class Dnf(RpmManager):
    """dnf 4 only warns of options of dnf5; dnf5 knows those of dnf 4."""

    name = "dnf"
    programs: ClassVar[Argv] = ("dnf", "microdnf")
    caches: ClassVar[Argv] = ("/var/cache/dnf",)
    enabled: ClassVar[Argv] = ("dnf|dnf5", "--quiet", "repolist", "--enabled")
    listing: ClassVar[Argv] = ("dnf|dnf5", "repolist", "--all")
    begins = "rpm"
    new_site = """\
about: Packages of the repositories that are enabled on this host.
installer: dnf
base: {bootstrap: [bash, coreutils, filesystem, setup]}   # dnf fills an empty root with these
repositories: host
"""

    solving = RpmRuntime("dnf", ("dnf|dnf5", *TOOLS))
    program = "dnf"
    upgrade = "upgrade"
    kept = (
        *RpmManager.kept,
        f"system_cachedir={CARE}/cache", f"system_state_dir={CARE}/state",
        f"transaction_history_dir={CARE}/state",
    )  # fmt: skip

    def fetch(self, wanted: str, site: Site) -> Iterator[Argv]:
        """See `RpmManager.fetch`."""
        # dnf5 checks no signature with --downloadonly: the first call checks, the second reads its cache.
        yield self.call(site, "--setopt=keepcache=1", "--setopt=tsflags=test", "install", wanted)
        yield self.call(site, "install", "--downloadonly", f"--setopt=destdir={PAYLOAD}/fetched", wanted)
