"""Hostile programs of an image: what they can reach of the host, which is nothing."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.conftest import ROOT

# A root with programs that can leave a chroot: the host's own files with one more, MARK, below.
PREPARE = """\
set -e
mount -t tmpfs none "$1"
mkdir "$1/root" "$1/above" "$1/work"
mount -t overlay none -o "lowerdir=/,upperdir=$1/above,workdir=$1/work" "$1/root"
touch "$1/root/MARK"
eval "${BEFORE-}"
mkdir "$1/plan" "$1/scratch"
cp "$SETTINGS" "$1/settings"
given=("$1/settings")
[[ $2 == run ]] || given=("$1/plan" "$1/scratch")
unshare --mount --propagation private --pid --fork --kill-child --mount-proc --ipc --uts --net -- \\
    bash "$LIB/namespace.sh" "$2" "$1/root" "${given[@]}" python3 -c "$3"
eval "${AFTER-}"
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

def disk():
    os.mknod("/tmp/disk", 0o60600, os.makedev(8, 0))
    open("/tmp/disk", "rb")

print("environment", os.environ.get("MINE"), os.environ.get("SECRET"))
attempt("sysctl", lambda: open("/proc/sys/kernel/core_pattern", "w"))
attempt("device", disk)
attempt("terminal", os.openpty)
attempt("chroot", leave)
print("outside", not os.path.exists("/MARK"))
"""


def enter(
    place: Path, mode: str, *settings: str, program: str = HOSTILE, **more: str
) -> subprocess.CompletedProcess[str]:
    """Let a program run as `mode` says, in an image with these settings: working directory, environment."""
    (place / "settings").write_text("".join(f"{word}\0" for word in settings))
    environment = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "SOURCE_DATE_EPOCH": "1",
        "SECRET": "x",
        "SETTINGS": str(place / "settings"),
        "LIB": str(ROOT / "buildsys/plan/runtime"),
        **more,
    }
    (place / "entered").mkdir()
    command = ["unshare", "--mount", "bash", "-c", PREPARE, "sh", str(place / "entered"), mode, program]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_a_run_stays_inside(tmp_path: Path) -> None:
    done = enter(tmp_path, "run", "/", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "MINE=1")
    assert done.stdout.splitlines() == [
        "environment 1 None",
        "sysctl Read-only file system",
        "device Operation not permitted",
        "terminal done",
        "chroot done",
        "outside False",
    ], done.stderr


def test_an_installer_of_the_image_stays_inside(tmp_path: Path) -> None:
    """It may make devices, as packages do; they have no power."""
    done = enter(tmp_path, "within")
    assert done.stdout.splitlines() == [
        "environment None None",
        "sysctl Read-only file system",
        "device Permission denied",
        "terminal No such file or directory",
        "chroot done",
        "outside False",
    ], done.stderr


def test_the_environment_of_an_image_means_nothing_to_programs_of_the_host(tmp_path: Path) -> None:
    done = enter(tmp_path, "run", "/usr", "LD_PRELOAD=./evil.so", "MINE=2", "python3", "=x", "-u=MINE")
    assert done.stdout.startswith("environment 2 None\n"), done.stderr
    # `env` hands it on; who is told of it then is the shell that changes the directory, and the program.
    assert done.stderr.count("evil.so") == 2


def test_the_resolver_of_the_host_is_borrowed(tmp_path: Path) -> None:
    """Where the image's is a link, at its end; where it has none, until the program has ended."""
    done = enter(
        tmp_path,
        "within",
        program="""if 1:
            import os
            print(open("/etc/resolv.conf").read() == open("/etc/hosts").read() == "mine\\n")
            print(os.path.realpath("/etc/resolv.conf"))
            try:
                open("/etc/hosts", "w")
            except OSError as error:
                print(error.strerror)
        """,
        ONLINE="1",
        BEFORE="""
            rm -f "$1"/root/etc/{hosts,resolv.conf}
            mkdir "$1/root/deep"
            ln -s ../deep/resolv "$1/root/etc/resolv.conf"
            echo mine >"$1/mine"
            for file in hosts resolv.conf; do mount --bind "$1/mine" "/etc/$file"; done
        """,
        AFTER='ls "$1/root/deep/"; ls "$1/root/etc/hosts" || :',
    )
    assert done.stdout.splitlines() == ["True", "/deep/resolv", "Read-only file system"], done.stderr
    assert "hosts': No such file" in done.stderr


def test_a_lying_readlink_leads_nowhere(tmp_path: Path) -> None:
    """The image's own says where the resolver lies: here, on the host."""
    done = enter(
        tmp_path,
        "within",
        program="print(1)",
        ONLINE="1",
        BEFORE="""
            echo mine >"$1/mine"
            printf '%s\\n' '#!/bin/sh' "echo /../../../../../$1/mine" >"$1/root/usr/bin/readlink"
        """,
        AFTER='cat "$1/mine"',
    )
    assert (done.stdout, done.returncode) == ("1\nmine\n", 0), done.stderr
