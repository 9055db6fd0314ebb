"""rpm on the host, for a locked plan: exact files out of the pool, no solver and no repository metadata."""

from __future__ import annotations

from buildsys.packages.dnf import Dnf


class Rpm(Dnf):
    """`plan/runtime/rpm.sh`; what is not locked never reaches it."""

    TOOLS: tuple[str, ...] = ("rpm", "rpmkeys", "rpm2archive")
    PREFIX = "rpm"
