"""Hostile programs of an image: what they can reach of the host, which is nothing."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.runtime.roots import make_plan

# A root with programs that can leave a chroot: the host's own files and MARK. On the host lies CANARY.
PREPARE = """\
set -e
mount -t tmpfs none "$1"
mkdir "$1/root" "$1/above" "$1/work"
mount -t overlay none -o "lowerdir=/,upperdir=$1/above,workdir=$1/work" "$1/root"
touch "$1/root/MARK" "$1/CANARY"
eval "${BEFORE-}"
PLAN=$1/plan STATE=$1/plan/state SCRATCH=$1/scratch ROOT=$1/root SOURCES=() BS_EPOCH=1 KIT_PROGRAMS=env
mkdir -p "$STATE" "$SCRATCH"
cp -r "$LIB" "$PLAN"
exec 6<"$1"
. "$LIB/enter.sh"
ONLINE=${WITH_NETWORK-}
status=0
case $2 in
    run) enter run -- python3 -c "$3" </dev/null ;;
    within) within python3 -c "$3" ;;
    kit) with_kit env python3 -c "$3" </dev/null ;;
    inside) printf "python3 -c '%s'\\n" "$3" | inside ;;
esac || status=$?
eval "${AFTER-}"
exit "$status"
"""
HOSTILE = """\
import ctypes, os, sys

libc = ctypes.CDLL(None, use_errno=True)

def attempt(name, doing):
    try:
        doing()
    except OSError as error:
        print(name, error.strerror)
    else:
        print(name, "done")

def call(*words):
    if libc.syscall(*words) == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

def leave():
    os.mkdir("/dev/shm/deep")
    os.chroot("/dev/shm/deep")
    for _ in range(99):
        os.chdir("..")
    os.chroot(".")

def disk():
    os.mknod("/tmp/disk", 0o60600, os.makedev(8, 0))
    open("/tmp/disk", "rb")

def others():
    # Whatever a process of this namespace has open, stands in or calls its root.
    for process in filter(str.isdigit, os.listdir("/proc")):
        for name in ("root", "cwd", *("fd/" + n for n in os.listdir("/proc/" + process + "/fd"))):
            for up in ("", "/..", "/../..", "/../../.."):
                if os.path.exists("/proc/" + process + "/" + name + up + "/CANARY"):
                    print("reached", process, name)

print("environment", os.environ.get("MINE"), os.environ.get("SECRET"))
with open("/proc/1/environ", "rb") as given:
    print("given", b"SECRET" in given.read())
print("open", [n for n in os.listdir("/proc/self/fd") if int(n) > 3])
attempt("sysctl", lambda: open("/proc/sys/kernel/core_pattern", "w"))
attempt("proc", lambda: os.chmod("/proc", 0o711))
attempt("device", disk)
attempt("sys", lambda: os.chmod("/sys", 0o711))
print("hardware", os.listdir("/sys"))
attempt("mount", lambda: call(165, b"none", b"/tmp", b"tmpfs", 0, 0))
attempt("user namespace", lambda: call(272, 0x10000000))
attempt("keys", lambda: call(250, 0, 0, 0, 0, 0))
attempt("handle", lambda: call(304, 0, 0, 0))
others()
attempt("chroot", leave)
print("outside", not os.path.exists("/MARK"))
"""
SEALED = """\
environment {mine} None
given False
open []
sysctl Read-only file system
proc Read-only file system
device {device}
sys done
hardware []
mount Operation not permitted
user namespace Operation not permitted
keys Operation not permitted
handle Operation not permitted
chroot Operation not permitted
outside False
"""
MODES = {
    # A recipe makes no devices; packages do, and these have no power.
    "run": {"mine": "1", "device": "Operation not permitted"},
    "within": {"mine": "None", "device": "Permission denied"},
    "kit": {"mine": "None", "device": "Permission denied"},
}

CANARIES = """
OLDPWD LANG LANGUAGE LC_TIME TMPDIR USER LOGNAME MAIL SHELL TERM SUDO_USER XDG_RUNTIME_DIR http_proxy
MAKEFLAGS MAKELEVEL BS_STORE PYTHONPATH RPM_CONFIGDIR TAR_OPTIONS CONTAINERS_CONF HISTFILE
"""
SEARCH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def enter(
    place: Path, mode: str, *settings: str, program: str = HOSTILE, **more: str
) -> subprocess.CompletedProcess[str]:
    """Let a program run as `mode` says, in an image with these settings: working directory, environment."""
    environment = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "SECRET": "x",
        "SETTINGS": str(place / "settings"),
        "LIB": str(place / "plan/lib"),
        **more,
    }
    make_plan(place / "plan")
    (place / "settings").write_text("".join(f"{word}\0" for word in settings))
    (place / "entered").mkdir()
    command = ["unshare", "--mount", "bash", "-c", PREPARE, "sh", str(place / "entered"), mode, program]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("mode", MODES)
def test_who_enters_stays_inside(tmp_path: Path, mode: str) -> None:
    """On every road the same: recipes, the image, packages that the host's rpm installs."""
    before = Path("/sys").stat().st_mode
    done = enter(tmp_path, mode, "/", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "MINE=1")
    assert done.stdout == SEALED.format(**MODES[mode]), done.stderr
    assert Path("/sys").stat().st_mode == before


def test_data_instructions_stay_inside(tmp_path: Path) -> None:
    """They have no /proc at all, and else the same: the shell that runs them is the image's."""
    program = (
        HOSTILE.partition('print("environment')[0]
        + """\
attempt("mount", lambda: call(165, b"none", b"/tmp", b"tmpfs", 0, 0))
attempt("device", disk)
attempt("chroot", leave)
print("outside", not os.path.exists("/MARK"))
print(os.listdir("/proc"))
"""
    )
    done = enter(tmp_path, "inside", program=program)
    refused = "mount Operation not permitted\ndevice Permission denied\nchroot Operation not permitted\n"
    wanted = f"{refused}outside False\n[]\n"
    assert done.stdout == wanted, done.stderr


@pytest.mark.parametrize("mode", [*MODES, "inside"])
def test_nothing_of_the_caller_is_in_an_environment(tmp_path: Path, mode: str) -> None:
    """Neither variables nor the working directory, where the root has one of that name."""
    program = """if 1:
        import os
        print(*sorted(name + "=" + value for name, value in os.environ.items()), sep="\\n")
        print(os.getcwd())
    """
    before = f"cd /usr/share; for name in {' '.join(CANARIES.split())}; do export $name=/usr/share; done"
    done = enter(tmp_path, mode, program=program, BEFORE=before)
    common = {"HOME=/root", f"PATH={SEARCH}", "SOURCE_DATE_EPOCH=1", "PWD=/", "/"}
    own = {"HOSTNAME=localhost"} if mode == "run" else {"LC_ALL=C", "TZ=UTC"}
    shells = {"OLDPWD=/", "SHLVL=0", "SHLVL=1", "_=/usr/bin/python3", "LC_CTYPE=C.UTF-8"}
    assert set(done.stdout.splitlines()) - shells == common | own, done.stderr


def test_the_environment_of_an_image_means_nothing_to_programs_of_the_host(tmp_path: Path) -> None:
    done = enter(tmp_path, "run", "/usr", "LD_PRELOAD=./evil.so", "MINE=2", "python3", "=x", "-u=MINE")
    assert done.stdout.startswith("environment 2 None\n"), done.stderr
    # Only the program itself looks for it.
    assert done.stderr.count("evil.so") == 1


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
        WITH_NETWORK="1",
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
        WITH_NETWORK="1",
        BEFORE="""
            echo mine >"$1/mine"
            printf '%s\\n' '#!/bin/sh' "echo /../../../../../$1/mine" >"$1/root/usr/bin/readlink"
        """,
        AFTER='cat "$1/mine"',
    )
    assert (done.stdout, done.returncode) == ("1\nmine\n", 0), done.stderr
