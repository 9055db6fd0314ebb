"""dnf on the host, dnf 4 or dnf5: installs into the mounted root, needs nothing inside it."""

from __future__ import annotations

from buildsys.image import Bootstrap, ImportKey, Install, Transaction, Uninstall, UpdateAll
from buildsys.shell import Command


class Dnf:
    """`plan/runtime/dnf.sh`, verb by verb."""

    TOOLS: tuple[str, ...] = ("dnf|dnf5", "rpm", "rpmkeys", "rpm2archive")
    PREFIX = "dnf"

    def command(self, step: Bootstrap | Install | Transaction | Uninstall | UpdateAll | ImportKey) -> Command:
        """See `buildsys.packages.PackageManager.command`."""
        match step:
            case Bootstrap(packages=packages):
                return self._command("bootstrap", *(item.name for item in packages))
            case Install(packages=packages):
                return self._command("install", *(item.name for item in packages))
            case Transaction(packages=locked):
                return self._command("transaction", *(item.file for item in locked))
            case Uninstall(packages=packages, optional=optional):
                flag = ("--optional",) if optional else ()
                return self._command("remove", *flag, *(item.name for item in packages))
            case UpdateAll():
                return self._command("update")
            case ImportKey(path=path):
                return self._command("import_key", path)

    def _command(self, verb: str, *words: str) -> Command:
        return Command((f"{self.PREFIX}_{verb}", *words))
