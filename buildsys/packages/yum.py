"""yum inside the image: for a base whose package database the host's rpm is too new for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from buildsys.image import Site
from buildsys.packages.manager import Argv
from buildsys.packages.rpm import RpmManager, RpmRuntime


class Yum(RpmManager):
    """The image's own yum; `plan/runtime/yum.sh` runs it within the working container."""

    name = "yum"
    programs: ClassVar[Argv] = ("yum",)
    caches: ClassVar[Argv] = ("/var/cache/yum",)
    enabled: ClassVar[Argv] = ("yum", "--quiet", "repolist", "--enabled")
    listing: ClassVar[Argv] = ("yum", "repolist", "--all")

    solving = RpmRuntime("yum")
    program = "yum"
    upgrade = "update"

    def install(self, names: Sequence[str], site: Site) -> Iterator[Argv]:
        """See `RpmManager.install`."""
        yield from super().install(names, site)
        # yum ignores names that it does not know.
        yield ("rpm", "--query", "--whatprovides", *names)
