"""The packages of buildsys as machines see them that never saw the clone: Debian 13, and an empty RPM root.

`python -m tests.releases.packages FOLDER` builds sdist, wheel, Debian packages and RPMs into FOLDER as
`make dist` does, or takes those that are there; then it installs and uses them:

* Debian packages in a clean root of Debian 13: the only copy of buildsys there lists its sets, writes the
  plan that the clone's own code writes, builds an image and tests it.
* RPMs by `rpm --root` in an empty root, to which the host lends its programs and libraries: the same plan
  again. buildsys-runtime alone brings no Python, and no file but documents.

Exit status 0 says that all of it holds.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.conftest import ROOT

SUITE = "trixie"


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the packages, install them, use them."""
    parser = argparse.ArgumentParser(prog="python -m tests.releases.packages")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="gets the packages")
    parser.add_argument("--roots", type=Path, default=ROOT / "build/roots", help="default: %(default)s")
    parser.add_argument("--only", choices=["debian", "rpm"], help="one kind of packages")
    given = parser.parse_args(arguments)
    folder = given.folder.absolute()
    if not list(folder.glob("*.deb")):
        do("make", "-C", str(ROOT), "dist", f"DIST={folder}")
    if given.only != "rpm":
        debian(folder, given.roots.absolute())
    if given.only != "debian":
        rpm(folder)
    return 0


def debian(folder: Path, roots: Path) -> None:
    """Use the Debian packages in a clean root."""
    debs = folder / "debs"
    debs.mkdir(exist_ok=True)
    for path in folder.glob("*.deb"):
        (debs / path.name).unlink(missing_ok=True)
        os.link(path, debs / path.name)
    clean = [str(ROOT / "tools/clean-root"), "--roots", str(roots)]
    do(*clean, "--fresh", "--lend", f"{debs}:/dist", SUITE, "/project/tests/releases/use-debs")


def rpm(folder: Path) -> None:
    """Use the RPMs in an empty root; its plan is the clone's."""
    place = folder / "rpm-root"
    do("rm", "-rf", "--one-file-system", str(place))
    (place / "work").mkdir(parents=True)
    libraries = next((ROOT / ".venv/lib").glob("python3*/site-packages"))
    script = str(ROOT / "tests/releases/use-rpms")
    do(
        "unshare",
        "--mount",
        "--propagation",
        "private",
        script,
        str(place),
        str(folder),
        str(libraries),
        str(ROOT),
    )
    clone = place / "clone"
    clone.mkdir()
    (clone / "recipes").symlink_to(ROOT / "recipes")
    do(str(ROOT / ".venv/bin/buildsys"), "plan", "stable-pike", folder=clone)
    plans = [str(path / "build/stable-pike") for path in (place / "work", clone)]
    do("diff", "-r", "--exclude=state", *plans)


def do(*command: str, folder: Path = ROOT) -> None:
    """Run a command in a folder; leave with its status if it fails."""
    sys.stdout.write(f"$ {' '.join(command)}\n")
    sys.stdout.flush()
    status = subprocess.run(command, cwd=folder, check=False).returncode
    if status:
        sys.exit(status)


if __name__ == "__main__":
    sys.exit(main())
