"""Package managers: what each instruction about packages is as a command of the runtime.

One file a manager, one table line here; `plan/runtime/NAME.sh` holds what the commands do.
"""

from __future__ import annotations

from typing import Protocol

from buildsys.image import Bootstrap, ImportKey, Install, Transaction, Uninstall, UpdateAll
from buildsys.packages import apt, dnf, rpm, yum
from buildsys.shell import Command

PackageInstruction = Bootstrap | Install | Transaction | Uninstall | UpdateAll | ImportKey


class PackageManager(Protocol):
    """What a package manager gives: the runtime verb of each instruction, and the tools it needs."""

    TOOLS: tuple[str, ...]
    """Programs of the host; of `A|B` either will do, and the first that is there is taken."""

    def command(self, step: PackageInstruction) -> Command:
        """The runtime's command for one instruction; its words after the verb are package names."""
        ...


MANAGERS: dict[str, PackageManager] = {
    "dnf": dnf.Dnf(),
    "yum": yum.Yum(),
    "rpm": rpm.Rpm(),
    "apt": apt.Apt(),
}
