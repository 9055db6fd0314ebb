"""The hostile packages: without a wall they succeed, so a test in which they fail has seen the wall."""

from __future__ import annotations

import platform
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from buildsys.standins.tools import find_busybox
from tests import hostile_packages as hostile
from tests.sites.packages import run


@pytest.mark.parametrize(
    ("make", "held"),
    [
        (lambda folder: hostile.directory(folder, "/sys", 0o711), "drwx--x--x /sys "),
        (lambda folder: hostile.files_below(folder, "/proc/x"), "-rw-r--r-- /proc/x "),
        (lambda folder: hostile.link(folder, "/sys", "/host"), "lrwxrwxrwx /sys /host"),
        (hostile.device, "brw-rw-rw- /dev/hostile "),
        (
            lambda folder: hostile.link_and_file(folder, "/sys", "/srv", "x"),
            "lrwxrwxrwx /sys /srv\n-rw-r--r-- /sys/x ",
        ),
    ],
)
def test_what_they_bring(tmp_path: Path, make: Callable[[Path], Path], held: str) -> None:
    form = "[%{FILEMODES:perms} %{FILENAMES} %{FILELINKTOS}\n]"
    assert run("rpm", "-qp", "--nosignature", "--qf", form, make(tmp_path)) == f"{held}\n"


@pytest.mark.real
@pytest.mark.skipif(platform.machine() != "x86_64", reason="the program that leaves a chroot is for x86-64")
def test_without_a_wall_the_script_leaves_its_root(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "host/canary"
    outside.parent.mkdir()
    for name in ("bin", "dev", "mnt", "proc", "sys", "tmp", "var/lib/rpm"):
        (root / name).mkdir(parents=True)
    shutil.copy(find_busybox(), root / "bin/busybox")
    for applet in ("cat", "sh"):
        (root / "bin" / applet).symlink_to("busybox")
    package = hostile.escaping(tmp_path / "packages", outside)
    words = ("rpm", "--root", root, "--dbpath", "/var/lib/rpm", "--nodeps", "--nosignature", "-i", package)
    # A chroot alone. What the script mounts goes with the namespace.
    mount = 'mount -t proc proc "$0/proc"; mount -o bind,ro "$0/proc/sys" "$0/proc/sys"; "$@"'
    alone = ("unshare", "--mount", "--pid", "--fork", "--uts")
    run(*alone, "sh", "-ec", mount, root, *words)
    outcome = hostile.outcome(root)
    assert tuple(outcome) == hostile.ATTEMPTS
    roads = {name for name in ("second-chroot", "descriptors-of-parent") if outcome[name] == "done"}
    assert "second-chroot" in roads
    left = {path.name.removeprefix("canary.") for path in outside.parent.iterdir()}
    assert left >= roads
    assert stat.S_ISREG((outside.parent / "canary.second-chroot").stat().st_mode)
