"""A hostile `run`: what it can reach of the host, which is nothing."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.conftest import ROOT

# A root of a program that can leave a chroot: the host's own files with one more, MARK, below.
PREPARE = """\
set -e
mount -t tmpfs none "$1"
mkdir "$1/root" "$1/below"
touch "$1/below/MARK"
mount -t overlay none -o "lowerdir=$1/below:/" "$1/root"
printf '/\\0PATH=/usr/sbin:/usr/bin:/sbin:/bin\\0MINE=1\\0' >"$1/settings"
exec unshare --mount --propagation private --pid --fork --kill-child --mount-proc --ipc --uts --net -- \\
    bash "$2/buildsys/plan/runtime/namespace.sh" run "$1/root" "$1/settings" python3 -c "$3"
"""
HOSTILE = """\
import os

def attempt(name, doing):
    try:
        doing()
    except OSError as error:
        print(name, error.strerror)
    else:
        print(name, "done")

def leave():
    os.mkdir("/dev/shm/deep")
    os.chroot("/dev/shm/deep")
    for _ in range(99):
        os.chdir("..")
    os.chroot(".")

print("environment", os.environ["MINE"], os.environ.get("SECRET"))
attempt("sysctl", lambda: open("/proc/sys/kernel/core_pattern", "w"))
attempt("device", lambda: os.mknod("/dev/shm/disk", 0o60600, os.makedev(8, 0)))
attempt("terminal", os.openpty)
attempt("chroot", leave)
print("outside", not os.path.exists("/MARK"))
"""


def test_it_stays_inside(tmp_path: Path) -> None:
    command = ["unshare", "--mount", "bash", "-c", PREPARE, "sh", str(tmp_path), str(ROOT), HOSTILE]
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "SOURCE_DATE_EPOCH": "1", "SECRET": "x"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == [
        "environment 1 None",
        "sysctl Read-only file system",
        "device Operation not permitted",
        "terminal done",
        "chroot done",
        "outside False",
    ], done.stderr
