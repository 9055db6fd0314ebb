"""apt: solves when the lock is made; the image's own dpkg installs."""

from __future__ import annotations

from collections.abc import Iterator

from buildsys.image import Bootstrap, ImportKey, Install, Transaction, Uninstall, UpdateAll
from buildsys.shell import Command

CONFIGURE = "--configure="
"""Begins a word between files of packages: those that are configured before more are unpacked."""


class Apt:
    """`plan/runtime/apt.sh`, verb by verb; what is not locked never reaches it."""

    TOOLS: tuple[str, ...] = ("dpkg-deb",)

    def command(self, step: Bootstrap | Install | Transaction | Uninstall | UpdateAll | ImportKey) -> Command:
        """See `buildsys.packages.PackageManager.command`."""
        match step:
            case Transaction(bootstrap=True, packages=packages):
                return Command(("apt_bootstrap", *(item.file for item in packages)))
            case Transaction():
                return Command(("apt_transaction", *in_order(step)))
            case Uninstall(packages=names, optional=optional):
                flag = ("--optional",) if optional else ()
                return Command(("apt_remove", *flag, *(item.name for item in names)))
            case ImportKey(path=path):
                return Command(("apt_import_key", path))
            case Bootstrap() | Install() | UpdateAll():
                raise AssertionError(f"{step} is not locked")


def in_order(step: Transaction) -> Iterator[str]:
    """The files of a transaction as dpkg is to unpack them, and what is configured between them."""
    early = dict(step.early)
    for count, item in enumerate(step.packages):
        if count in early:
            yield CONFIGURE + ",".join(early[count])
        yield item.file
