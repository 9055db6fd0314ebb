"""A root, a host with canaries around it, and the runtime's functions, which work on one from the other."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.runtime.roots import make_plan, make_root

STEP = """\
set -Eeuo pipefail
shopt -s inherit_errexit
export LC_ALL=C
PLAN=$1 ROOT=$2 INSTALLER=$3 LIB=$1/lib STATE=$1/state SCRATCH=$1/state/scratch.app.1
IMAGE=app SPOT=app.yaml:1:1 SET=tiny SITE=here HOST='' NETWORK='' INSIDE='' RELEASE='' SOURCES=()
BS_EPOCH=1500000000
mkdir -p "$SCRATCH"
for room in log database enter packages; do . "$LIB/$room.sh"; done
eval "$4"
"""
KERNEL = ("core_pattern", "hostname", "modprobe", "sysrq")
"""Settings below /proc/sys/kernel that a host has of its own."""
PLACES = ("/", "/dev", "/etc", "/home", "/proc", "/root", "/sys", "/tmp", "/usr", "/var", "/var/lib")
FILES = ("/etc/passwd", "/etc/group", "/etc/shadow", "/etc/hosts", "/etc/resolv.conf")


@dataclass
class Ground:
    """A plan, a root of busybox that it works on, and a folder of the host that nobody inside may reach."""

    plan: Path
    root: Path
    host: Path

    def do(self, installer: str, script: str) -> subprocess.CompletedProcess[str]:
        """Run a script as a step of the plan does, with the installer's functions."""
        argv = ["bash", "-c", STEP, "step", str(self.plan), str(self.root), installer, script]
        return subprocess.run(
            argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=120
        )

    def install(self, *packages: Path) -> subprocess.CompletedProcess[str]:
        """Install packages into the root by the host's rpm; their signatures are not what is tried here."""
        (folder,) = {package.parent for package in packages}
        names = " ".join(f"'/dev/buildsys/new/{package.name}'" for package in packages)
        # The root's shell is of no package.
        update = f"rpm_call --upgrade --nodeps --nosignature -- {names}; rpm_make_mount_points"
        return self.do("rpm", f"RPM_LENT=('new={folder}'); {update}")

    def query(self, *words: str) -> str:
        """What rpm says of the root's database."""
        done = self.do("rpm", f"rpm_run --query {' '.join(words)}")
        return done.stdout


def make_ground(place: Path) -> Ground:
    """A ground below a folder."""
    ground = Ground(place / "plan", place / "root", place / "host")
    make_plan(ground.plan)
    for folder in ("state", "keys", "steps", "pool/packages", "pool/keys", "pool/repos"):
        (ground.plan / folder).mkdir(parents=True)
    (ground.plan / "steps/app.sh").write_text("")
    make_root(ground.root, "busybox")
    for folder in ("mnt", "var/lib/rpm", "var/log", "usr/share"):
        (ground.root / folder).mkdir(parents=True)
    ground.host.mkdir()
    (ground.host / "CANARY").write_text("as it was\n")
    return ground


def machine(host: Path) -> dict[str, str]:
    """What nobody inside may change: places, files and settings of this machine, and a folder of it."""
    return dict(_facts(host))


def _facts(host: Path) -> Iterator[tuple[str, str]]:
    for place in PLACES:
        found = os.lstat(place)
        yield place, f"{found.st_mode:o} {found.st_uid}:{found.st_gid}"
    for file in FILES:
        if os.path.exists(file):  # noqa: PTH110
            yield file, hashlib.sha256(Path(file).read_bytes()).hexdigest()
    for name in KERNEL:
        if (setting := Path("/proc/sys/kernel", name)).exists():
            yield name, setting.read_text()
    for path in sorted(host.rglob("*")):
        yield str(path), path.read_text() if path.is_file() else "folder"
