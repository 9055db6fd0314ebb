"""What packages hold, and what is written of it: pure."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import pytest

from buildsys.standins.data import load
from buildsys.standins.payload import Entry, Package, packages, split_version
from buildsys.standins.rpm_file import Aspect, Dependency, File, FileFlag, Script, Sense
from buildsys.standins.rpms import as_rpm
from buildsys.standins.tools import Busybox, StandinError, find_busybox, read_busybox

STANDINS = Path(__file__).parents[2] / "recipes/stable-pike/standins"


def held(tiny: Path, busybox: Busybox, more: str = "") -> dict[str, Package]:
    tiny.write_text(tiny.read_text() + more)
    return {package.name: package for package in packages(load(tiny), tiny.parent / "payload", busybox)}


def test_a_package_holds_files_scripts_links_and_the_directories_around_them(
    tiny: Path, busybox: Busybox
) -> None:
    more = "    applets: [cat, /usr/sbin/chroot]\n    links: {/etc/rock: stone.conf}\n"
    more += "modes: {/etc/stone.conf: '0600'}\n"
    (tiny.parent / "payload/stone/usr/lib/stone").mkdir(parents=True)
    program = tiny.parent / "payload/stone/usr/lib/stone/roll"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o700)
    stone = held(tiny, busybox, more)["stone"]
    assert stone.requires == ("filesystem", "busybox")
    assert (stone.epoch, stone.version, stone.release) == ("1", "2.0", "1.el7")
    assert stone.entries == (
        Entry("/etc/rock", "link", 0o777, target="stone.conf"),
        Entry("/etc/stone.conf", "file", 0o600, b"hard = yes\n"),
        Entry("/usr/bin/cat", "link", 0o777, target="busybox"),
        Entry("/usr/bin/stone", "file", 0o755, b"#!/bin/sh\necho stone of stone 2.0\n"),
        # filesystem has /usr and /usr/bin; what nobody has belongs to the package that needs it.
        Entry("/usr/lib", "directory", 0o755),
        Entry("/usr/lib/stone", "directory", 0o755),
        Entry("/usr/lib/stone/roll", "file", 0o755, b"#!/bin/sh\n"),
        Entry("/usr/sbin", "directory", 0o755),
        Entry("/usr/sbin/chroot", "link", 0o777, target="../bin/busybox"),
    )


def test_the_name_of_the_busybox_package_tells_its_bytes(tiny: Path, busybox: Busybox) -> None:
    one = held(tiny, busybox)["busybox"]
    other = held(tiny, replace(busybox, digest="f" * 64))["busybox"]
    assert (one.version, one.release) == ("1.35.0", "0.0123456789ab.el7")
    assert one.release != other.release


def test_a_path_in_two_packages_is_refused(tiny: Path, busybox: Busybox) -> None:
    with pytest.raises(StandinError, match=r"^/usr/bin/stone is in more than one package: stone, sand$"):
        held(tiny, busybox, "  sand: {version: 1-1, programs: [stone]}\n")


def test_an_applet_that_busybox_lacks_is_refused(tiny: Path, busybox: Busybox) -> None:
    with pytest.raises(StandinError, match=r"^busybox 1\.35\.0 lacks applets of the stand-ins: quern$"):
        held(tiny, busybox, "    applets: [quern]\n")


def test_a_payload_of_no_package_is_refused(tiny: Path, busybox: Busybox) -> None:
    (tiny.parent / "payload/stnoe").mkdir()
    with pytest.raises(StandinError, match=r"there is no package 'stnoe'$"):
        held(tiny, busybox)


def test_a_link_in_a_payload_is_refused(tiny: Path, busybox: Busybox) -> None:
    (tiny.parent / "payload/stone/etc/out").symlink_to("/etc/passwd")
    with pytest.raises(StandinError, match="payload/stone/etc/out: a payload holds plain files"):
        held(tiny, busybox)


def test_compiled_modules_in_a_payload_are_left_out(tiny: Path, busybox: Busybox) -> None:
    """`pip install` compiles every module of a wheel; no plan depends on that."""
    before = held(tiny, busybox)["stone"].entries
    compiled = tiny.parent / "payload/stone/etc/__pycache__/stone.cpython-311.pyc"
    compiled.parent.mkdir()
    compiled.write_bytes(b"bytecode")
    assert held(tiny, busybox)["stone"].entries == before


@pytest.mark.parametrize(
    ("text", "parts"),
    [("1:2.0-1.el7", ("1", "2.0", "1.el7")), ("2.0-1.el7", ("", "2.0", "1.el7"))],
)
def test_a_version_is_split(text: str, parts: tuple[str, str, str]) -> None:
    assert split_version(text) == parts


def test_a_name_that_is_not_plain_is_refused(tiny: Path, busybox: Busybox) -> None:
    (tiny.parent / "payload/stone/etc/a b").write_text("")
    with pytest.raises(StandinError, match="payload/stone/etc/a b: names in a payload have plain char"):
        held(tiny, busybox)


def test_what_is_written_of_a_package(tiny: Path, busybox: Busybox) -> None:
    more = "    links: {/etc/rock: stone.conf}\n    post: |\n      date +%s > /dev/null\n"
    more += "unverified: [/etc/stone.conf]\nowners: {/usr/bin/stone: mason}\n"
    stone = as_rpm(held(tiny, busybox, more)["stone"], load(tiny))
    assert (stone.file_name, stone.full_version) == ("stone-2.0-1.el7.noarch.rpm", "1:2.0-1.el7")
    assert stone.requires == (Dependency("filesystem"), Dependency("filesystem", Sense.POST))
    assert stone.post == Script("date +%s > /dev/null")
    assert stone.summary == "A stand-in for stone, not stone itself"
    assert stone.files == (
        File("/etc/rock", stat.S_IFLNK | 0o777, target="stone.conf"),
        File(
            "/etc/stone.conf",
            stat.S_IFREG | 0o644,
            b"hard = yes\n",
            flags=FileFlag.CONFIG | FileFlag.NOREPLACE,
            unverified=Aspect.DIGEST | Aspect.SIZE | Aspect.TIME,
        ),
        File("/usr/bin/stone", stat.S_IFREG | 0o755, b"#!/bin/sh\necho stone of stone 2.0\n", owner="mason"),
    )


def test_nothing_of_the_published_data_is_out_of_place() -> None:
    everything = packages(
        load(STANDINS / "packages.yaml"), STANDINS / "payload", read_busybox(find_busybox())
    )
    assert len(everything) == len({package.name for package in everything})
    owned = {entry.path for package in everything for entry in package.entries}
    dangling = {
        entry.path: entry.target
        for package in everything
        for entry in package.entries
        if entry.kind == "link" and entry.target.startswith("/") and entry.target not in owned
    }
    assert dangling == {}
