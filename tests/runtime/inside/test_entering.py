"""Entering a root: what is found there, what is refused, and that nothing of it stays."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.runtime.roots import Box


def tree(root: Path) -> dict[str, tuple[int, int]]:
    """Mode and size of everything in a root."""
    return {
        str(path.relative_to(root)): (path.lstat().st_mode, 0 if path.is_dir() else path.lstat().st_size)
        for path in root.rglob("*")
    }


@pytest.mark.parametrize("missing", [("dev",), ("dev", "proc", "sys"), ()], ids=len)
def test_nothing_stays_in_the_root(box: Box, missing: tuple[str, ...]) -> None:
    for name in missing:
        box.path(name).rmdir()
    before = tree(box.root)
    box.works(("require", "^root:", "/etc/passwd"))
    assert tree(box.root) == before
    box.fails(("require", "^none:", "/etc/passwd"))
    assert tree(box.root) == before


@pytest.mark.parametrize("name", ["dev", "proc", "sys"])
def test_a_link_in_the_place_of_a_mount_is_refused(box: Box, name: str, tmp_path: Path) -> None:
    """A host that mounted over it would mount over its own directory."""
    (tmp_path / "host").mkdir()
    box.path(name).rmdir()
    box.path(name).symlink_to(tmp_path / "host")
    outcome = box.do(("file", "", "/made"))
    assert outcome.status == 1
    assert outcome.said == f"error: /{name} of the root is a symbolic link; it must be a directory\n"
    assert list((tmp_path / "host").iterdir()) == []
    assert not box.path("/made").exists()


def test_the_devices_are_few(box: Box) -> None:
    assert box.feed(["echo /dev/* >/devices"]).status == 0
    names = {path.removeprefix("/dev/") for path in box.text("/devices").split()}
    devices = {"null", "zero", "full", "random", "urandom", "tty"}
    links = {"core", "fd", "ptmx", "stderr", "stdin", "stdout"}
    assert names == devices | links | {"buildsys", "pts", "shm"}


def test_the_network_is_away(box: Box) -> None:
    program = shutil.which("busybox")
    assert program
    shutil.copy(program, box.path("/busybox"))
    assert box.feed(["/busybox ip -o link >/links"]).status == 0
    (link,) = box.text("/links").splitlines()
    assert " lo: " in link


def test_the_environment_of_the_host_is_away(box: Box) -> None:
    assert box.feed(["export -p >/environment"]).status == 0
    names = {line.split()[1].split("=")[0] for line in box.text("/environment").splitlines() if "=" in line}
    assert names - {"PWD", "OLDPWD", "SHLVL", "_"} == {"HOME", "LC_ALL", "PATH", "SOURCE_DATE_EPOCH", "TZ"}


def test_a_root_may_lie_where_a_substitution_has_signs(box: Box) -> None:
    there = box.root.with_name("R&D \\1")
    box.root = box.root.rename(there)
    box.works(("file", "", "/made"))
    assert box.path("/made").exists()
    assert {path.name for path in there.parent.iterdir()} == {there.name, "plan", "scratch"}


def test_a_root_without_a_shell_fails(box: Box) -> None:
    for name in ("bin/sh", "usr/bin/sh"):
        path = box.path(name)
        if path.is_symlink():
            path.unlink()
    outcome = box.do(("file", "", "/made"))
    assert outcome.status != 0
    assert "/bin/sh" in outcome.said


def test_what_was_not_written_whole_is_not_run(box: Box) -> None:
    """On a full disk the instructions may arrive cut short, or not at all."""
    box.scratch.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8k", "full", str(box.scratch)], check=True)
    try:
        outcome = box.do(("file", "", "/made"), ("file", "", "/" + "x" * 20000))
    finally:
        subprocess.run(["umount", str(box.scratch)], check=True)
    assert outcome.status != 0
    assert "No space left on device" in outcome.said
    assert not box.path("/made").exists()


def test_a_hostile_shell_gets_no_hand_on_the_host(box: Box, tmp_path: Path) -> None:
    """What it leaves in the place of files that the host reads or writes is looked at by nobody."""
    mine = tmp_path / "mine"
    mine.write_text("as it was\n")
    for name in ("inside", "spot", "edited"):
        box.write(f"/links/{name}", "").unlink()
        box.path(f"/links/{name}").symlink_to(mine)
    plant = "rm -f /dev/buildsys/scratch/*; cp -P /links/* /dev/buildsys/scratch/"
    assert box.feed([plant, "exit 3"]).spot == "nowhere"
    box.works(("file", "", "/made"))
    assert mine.read_text() == "as it was\n"


def test_nothing_of_the_callers_is_open(box: Box, tmp_path: Path) -> None:
    """Its functions stay outside as well, which bash as a root's shell would take over."""
    with (tmp_path / "lock").open("w") as lock:
        tell = (
            f"for number in 3 4 5 {lock.fileno()}; do (: >&$number) 2>/dev/null && echo open; done; type own"
        )
        function = {"BASH_FUNC_own%%": "() { :; }"}
        outcome = box.feed([f"({tell}) >/told 2>&1 || :"], function, (lock.fileno(),))
    assert outcome.status == 0
    assert "open" not in box.text("/told")
    assert "not found" in box.text("/told")
