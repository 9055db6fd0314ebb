"""What the guard looks at, on a copy of a machine: each kind of change is seen, by its name."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.guard.judge import Difference, differences
from tests.guard.machine import MISSING, Machine, Watch, mounts

MOUNTS = """\
22 27 0:21 / /proc rw,relatime shared:5 - proc proc rw
27 1 254:0 / / rw,relatime shared:1 master:3 - ext4 /dev/vda rw
"""
IMAGES = "var/lib/containers/storage/overlay-images"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """As much of a machine as the guard looks at."""
    root = tmp_path / "root"
    for name in "dev proc/self proc/sys/kernel proc/sys/net/ipv4 run sys/class/net/lo tmp var/tmp".split():
        (root / name).mkdir(parents=True)
    for name, text in {
        "etc/passwd": "root:x:0:0::/root:/bin/sh\n",
        "home/.rpmdb/rpmdb.sqlite": "database",
        "home/.rpmdb/rpmdb.sqlite-shm": "readers",
        "proc/self/mountinfo": MOUNTS,
        "proc/sys/kernel/core_pattern": "core\n",
        "proc/sys/kernel/hostname": "host\n",
        "proc/sys/kernel/ns_last_pid": "1\n",
        "proc/sys/kernel/version": "6.1\n",
        "proc/sys/net/ipv4/ip_forward": "0\n",
        "var/lib/containers/storage/overlay-layers/layers.lock": "",
        f"{IMAGES}/images.json": "[]",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "proc/sys/kernel/version").chmod(0o444)
    return root


def replace(path: Path, text: str) -> None:
    """Put another file of the same mode in the place of one."""
    mode = path.stat().st_mode
    path.unlink()
    path.write_text(text)
    path.chmod(mode)


def watch(root: Path) -> Watch:
    return Watch(Machine(root, root / "home", root / "var/lib/containers/storage", root / "var/tmp/ours"))


CHANGES: dict[str, Callable[[Path], object]] = {
    "mode /sys": lambda root: (root / "sys").chmod(0o711),
    "mode /tmp": lambda root: (root / "tmp").chmod(0o777),
    "mode /dev": lambda root: os.chown(root / "dev", 7, 7),
    "hostname": lambda root: (root / "proc/sys/kernel/hostname").write_text("other\n"),
    "setting kernel.core_pattern": lambda root: (root / "proc/sys/kernel/core_pattern").write_text("|/x\n"),
    "setting net.ipv4.ip_forward": lambda root: (root / "proc/sys/net/ipv4/ip_forward").write_text("1\n"),
    "mount /mnt/left here": lambda root: (root / "proc/self/mountinfo").write_text(
        f"{MOUNTS}40 27 0:9 / /mnt/left\\040here rw - tmpfs none rw\n"
    ),
    "mount /": lambda root: (root / "proc/self/mountinfo").write_text(
        MOUNTS.replace("/dev/vda rw", "/dev/vda ro")
    ),
    "name /tmp/left": lambda root: (root / "tmp/left").touch(),
    "name /var/tmp/left": lambda root: (root / "var/tmp/left").mkdir(),
    "name /run/left": lambda root: (root / "run/left").symlink_to("/nowhere"),
    "name /home/.left": lambda root: (root / "home/.left").touch(),
    "name /etc/left": lambda root: (root / "etc/left").touch(),
    "interface cni0": lambda root: (root / "sys/class/net/cni0").mkdir(),
    "store overlay-images/images.json": lambda root: (root / IMAGES / "images.json").write_text("[{}]"),
    "store overlay-images/abc": lambda root: (root / IMAGES / "abc").mkdir(),
    "file /etc/passwd": lambda root: (root / "etc/passwd").write_text("toor:x:0:0::/root:/bin/sh\n"),
    "file ~/.rpmdb/rpmdb.sqlite": lambda root: (root / "home/.rpmdb/rpmdb.sqlite").write_text("databasf"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_is_seen_by_its_name(copy: Path, what: str) -> None:
    if what.startswith("mode /dev") and os.geteuid() != 0:
        pytest.skip("only root gives files away")
    looking = watch(copy)
    before = looking.whole()
    assert differences(before, looking.whole()) == []
    CHANGES[what](copy)
    assert [item.what for item in differences(before, looking.whole())] == [what]


QUIET: dict[str, Callable[[Path], object]] = {
    "the run's own folder": lambda root: (root / "var/tmp/ours").mkdir(),
    "a setting that changes by itself": lambda root: (root / "proc/sys/kernel/ns_last_pid").write_text("2"),
    "what nobody may set": lambda root: replace(root / "proc/sys/kernel/version", "6.2\n"),
    "a reader of rpm's database": lambda root: (root / "home/.rpmdb/rpmdb.sqlite-shm").write_text("other"),
    "a reader of the store": lambda root: (root / IMAGES / "images.lock").touch(),
    "what podman makes once": lambda root: (root / "run/libpod").mkdir(),
    "times of a file": lambda root: os.utime(root / "etc/passwd", (1, 1)),
    "numbers of peer groups": lambda root: (root / "proc/self/mountinfo").write_text(
        MOUNTS.replace("shared:1", "shared:77").replace("27 1", "28 1")
    ),
}


@pytest.mark.parametrize("what", QUIET)
def test_what_is_no_change_is_not_reported(copy: Path, what: str) -> None:
    looking = watch(copy)
    before = looking.whole()
    QUIET[what](copy)
    assert differences(before, looking.whole()) == []


def test_a_setting_that_changes_between_two_readings_is_left_out(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counter = copy / "proc/sys/kernel/counter"
    counter.write_text("1")
    monkeypatch.setattr("tests.guard.machine.time.sleep", lambda _: counter.write_text("2"))
    found = watch(copy).whole()
    assert "setting kernel.counter" not in found
    assert "setting kernel.core_pattern" in found


def test_a_change_says_what_was_and_what_is(copy: Path) -> None:
    looking = watch(copy)
    before = looking.whole()
    (copy / "sys").chmod(0o711)
    (copy / "tmp/left").touch()
    group = f"{os.geteuid()}:{os.getegid()}"
    assert [item.text() for item in differences(before, looking.whole())] == [
        f"mode /sys: was 'drwxr-xr-x {group}', is 'drwx--x--x {group}'",
        "name /tmp/left: was 'missing', is 'there'",
    ]


def test_a_device_that_became_a_file_is_seen(copy: Path) -> None:
    (copy / "dev/null").symlink_to("/dev/null")
    looking = watch(copy)
    before = looking.whole()
    (copy / "dev/null").unlink()
    (copy / "dev/null").touch()
    (found,) = differences(before, looking.whole())
    assert (found.what, found.was[0], found.now[0]) == ("mode /dev/null", "l", "-")


def test_equal_size_and_times_do_not_hide_another_content(copy: Path) -> None:
    looking = watch(copy)
    before, times = looking.whole(), (copy / "etc/passwd").stat()
    (copy / "etc/passwd").write_text("boot:x:0:0::/root:/bin/sh\n")
    os.utime(copy / "etc/passwd", ns=(times.st_atime_ns, times.st_mtime_ns))
    assert [item.what for item in differences(before, looking.whole())] == ["file /etc/passwd"]


def test_a_change_that_is_expected_is_left_out() -> None:
    before, after = {"store a": "1", "store b": "1", "name /tmp/x": "there"}, {"store a": "2"}
    assert differences(before, after, ["store *"]) == [Difference("name /tmp/x", "there", MISSING)]


def test_mounts_of_this_machine_have_their_plain_names() -> None:
    assert dict(mounts())[Path("/proc")].startswith("proc ")


def test_the_page_names_every_kind(copy: Path) -> None:
    page = (Path(__file__).parents[2] / "docs/explanation/guard.md").read_text("utf-8")
    table = re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)
    kinds = {what.partition(" ")[0] for what in watch(copy).whole()}
    assert sorted(table) == sorted({*kinds, "process"})


def test_the_settings_that_matter_are_among_those_of_this_machine() -> None:
    found = Watch(Machine.here()).whole()
    assert {"hostname", "mode /sys", "mode /dev/null", "file /etc/passwd"} <= found.keys()
    for name in "kernel.core_pattern kernel.printk fs.protected_symlinks vm.overcommit_memory".split():
        assert f"setting {name}" in found
    assert "setting kernel.ns_last_pid" not in found
