"""Running programs away from what a host or a user might add."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from buildsys import programs

from .errors import MissingTool, StandinError

PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"

_PACKAGES = {"createrepo_c": "createrepo-c"}
"""Names of Debian's packages."""


def run(argv: Sequence[str], env: Mapping[str, str] | None = None) -> str:
    """Run a tool without the user's environment, locale, time zone and umask; give what it wrote to stdout.

    Raises:
        MissingTool: it is not installed.
        StandinError: it failed; with the last lines it said.
    """
    clean = {"PATH": PATH, "LC_ALL": "C", "TZ": "UTC", **(env or {})}
    try:
        done = programs.run(argv, env=clean, umask=0o022)
    except FileNotFoundError:
        package = f" (Debian's package {_PACKAGES[argv[0]]})" if argv[0] in _PACKAGES else ""
        raise MissingTool(f"the stand-in packages need {argv[0]}{package}, which is not installed") from None
    if done.status:
        said = (done.out + done.err).strip().splitlines()[-20:]
        raise StandinError("\n  ".join([f"{argv[0]} failed (exit status {done.status}):", *said]))
    return done.out
