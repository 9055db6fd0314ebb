"""As a new user would: a fresh clone, the README's first command twice, and the images against the facts.

Then the same in bare roots of three releases of Debian, with one plan carried to each; equal keys, equal ids.
Then all of it by rpmbuild, in a build root without Python, dnf and network.
Then the oracle: changes of that set, and many of small ones, each held against a build from nothing.
Then the same set from packages that no plan carries: the site `rdo`, against a stand-in for the vault.
Last stable-zed, of real packages: its tests, its scenarios, and the same ids elsewhere and without network.

`make acceptance` runs it. What is committed counts; images go into a container store of its own, below
`build/acceptance`. Exit status 0 says that every image is as the facts say, and that `rdo` builds all it can.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PLACE = ROOT / "build/acceptance"
CLONE, STORE, RUN = PLACE / "clone", PLACE / "store", PLACE / "run"


def main() -> int:
    """Run the whole story and return the exit status of the comparison."""
    clear()
    step("a fresh clone", ["git", "clone", "--quiet", str(ROOT), str(CLONE)], ROOT)
    step("the first build", ["make", "stable-pike"], CLONE)
    step("the second build, nothing changed", ["make", "stable-pike"], CLONE)
    compare = [sys.executable, "-m", "tests.conformance.clone", str(CLONE)]
    compare += ["--report", str(PLACE / "report.md")]
    step("the images held against the facts (build/acceptance/report.md)", compare, ROOT)
    other = [sys.executable, "-m", "tests.releases.acceptance", "--roots", str(ROOT / "build/roots")]
    other += ["--carry", "build/stable-pike", str(PLACE / "releases"), "bookworm", "trixie", "sid"]
    step("the same from bare roots of three releases (build/acceptance/releases/report.md)", other, CLONE)
    root = [sys.executable, "-m", "tests.buildroot.acceptance", str(PLACE / "buildroot")]
    step("the same by rpmbuild in a build root: root, an ordinary user, vfs", root, CLONE)
    step("every image tried", ["make", "test-stable-pike"], CLONE)
    step("the second time, nothing is left to try", ["make", "test-stable-pike"], CLONE)
    store = f"--root {STORE} --runroot {RUN}"
    page = [sys.executable, "-m", "tests.report.acceptance", str(CLONE / "build/stable-pike"), store]
    step("its report, and one of 1,000 images: size, seconds, first paint in Chromium", page, ROOT)
    pike = [sys.executable, "-m", "tests.oracle.pike", "recipes/stable-pike", "build", str(PLACE / "oracle")]
    step("the oracle: a list of changes, and what rpm and dnf say of every image", pike, CLONE)
    os.environ["BS_ORACLE"] = "long"
    oracle = [sys.executable, "-m", "pytest", "-s", "tests/oracle"]
    step("the oracle: any changes of any set, and whoever is killed meanwhile", oracle, ROOT)
    vault = [sys.executable, "-m", "tests.sites.acceptance", str(PLACE / "vault")]
    step("the set from a stand-in for the vault (build/acceptance/vault/report.md)", vault, CLONE)
    packages = [sys.executable, "-m", "tests.releases.packages", str(PLACE / "dist")]
    packages += ["--roots", str(ROOT / "build/roots")]
    step("Debian packages and RPMs built, installed where no clone is, and used", packages, ROOT)
    zed = [sys.executable, "-m", "tests.zed.acceptance", str(PLACE / "zed")]
    step("stable-zed: built, tried, both scenarios; elsewhere the same ids", zed, CLONE)
    exported = [sys.executable, "-m", "tests.zed.exported", store, str(PLACE / "zed")]
    step("its keystone by exported Containerfiles, beside the plan's", exported, CLONE)
    return 0


def clear() -> None:
    """Remove what an earlier run left, its mounts first."""
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for mount in sorted((mount for mount in mounts if mount.startswith(f"{PLACE}/")), reverse=True):
        subprocess.run(["umount", mount], check=True)
    shutil.rmtree(PLACE, ignore_errors=True)
    PLACE.mkdir(parents=True)


def step(title: str, command: Sequence[str], folder: Path) -> None:
    """Run a command as a person at a shell would; say how long it took; leave with its status if it fails."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    environment["BS_STORE"] = f"--root {STORE} --runroot {RUN}"
    sys.stdout.write(f"\n== {title}\n")
    sys.stdout.flush()
    begun = time.monotonic()
    status = subprocess.run(command, cwd=folder, env=environment, check=False).returncode
    sys.stdout.write(f"== {time.monotonic() - begun:.1f} s, exit status {status}\n")
    if status:
        sys.exit(status)


if __name__ == "__main__":
    sys.exit(main())
