"""The package repositories that are enabled on this host, by its own package manager."""

from __future__ import annotations

from buildsys.diagnostics import NOWHERE, Code, Diagnostic, Refused
from buildsys.packages import PackageManager
from buildsys.programs import answer, look_up


def host_repositories(manager: PackageManager) -> tuple[str, ...]:
    """The names of the enabled repositories; none if the package manager cannot list them."""
    program, *words = manager.enabled
    return manager.host_repositories(answer(look_up(program).name, *words) or "")


def require_host_repositories(manager: PackageManager) -> None:
    """Make sure that this host has package repositories.

    Raises:
        Refused: none is enabled (`no-host-repositories`).
    """
    if not host_repositories(manager):
        message = f"this site takes packages from the host's own repositories, and {manager.name} has none"
        program, *words = manager.listing
        listing = f"`{' '.join((look_up(program).name, *words))}`"
        hint = f"enable some ({listing} lists them), or choose another site with --site"
        raise Refused([Diagnostic(NOWHERE, Code.NO_HOST_REPOSITORIES, message, hint)])
