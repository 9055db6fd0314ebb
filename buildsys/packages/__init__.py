"""Package managers: one plug-in each, registered in the table below.

All that differs between them lies in their plug-ins: see `buildsys.packages.manager.PackageManager`. No other
module compares the name of one; `tests/test_project.py` holds that.
"""

from __future__ import annotations

from buildsys.image import Site
from buildsys.packages.apt import Apt
from buildsys.packages.dnf import Dnf
from buildsys.packages.manager import PackageInstruction, PackageManager, Runtime
from buildsys.packages.yum import Yum
from buildsys.packages.zypper import Zypper

__all__ = ["MANAGERS", "PackageInstruction", "PackageManager", "Runtime", "manager_of", "runtime_of"]

MANAGERS: dict[str, PackageManager] = {
    manager.name: manager
    for manager in (
        Dnf(),
        Yum(),
        Apt(),
        Zypper(),
    )
}
"""By the value of `installer:` in a site, in the order of the documentation."""


def manager_of(site: Site) -> PackageManager:
    """The package manager of a site."""
    return MANAGERS[site.installer]


def runtime_of(site: Site) -> Runtime:
    """The verbs by which a plan for a site installs packages."""
    return manager_of(site).runtime(locked=site.locked)
