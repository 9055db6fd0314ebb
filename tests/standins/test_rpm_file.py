"""RPM files: the same bytes for ever, and what rpm makes of them."""

from __future__ import annotations

import hashlib
import shutil
import stat
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from buildsys.standins.rpm_file import (
    LUA,
    Aspect,
    Dependency,
    File,
    FileFlag,
    Rpm,
    Script,
    Sense,
    dependency,
    rpm_file,
)
from buildsys.standins.tools import find_busybox
from tests import rpms
from tests.sites.packages import run

WHEN = 1504051200
KEY = rpms.STAND_INS / "keys/RPM-GPG-KEY-stand-in"

PEBBLE = Rpm(
    name="pebble",
    epoch=2,
    version="1.0",
    release="1.el7",
    summary="A pebble",
    description="Round,\nand smooth: größer als Sand.",
    vendor="nobody",
    time=WHEN,
    requires=(dependency("sand >= 1:2-3"), Dependency("shore", Sense.POST), dependency("shore")),
    provides=(dependency("stone = 0.1"), dependency("/bin/pebble")),
    conflicts=(dependency("boulder < 9"),),
    obsoletes=(dependency("gravel"),),
    pre=Script("echo before"),
    post=Script("echo after\nexit 0"),
    files=(
        File("/usr/bin/pebble", stat.S_IFREG | 0o4755, b"#!/bin/sh\nexit 0\n"),
        File("/etc/pebble.conf", stat.S_IFREG | 0o640, b"round = yes\n", owner="mason",
             flags=FileFlag.CONFIG | FileFlag.NOREPLACE,
             unverified=Aspect.DIGEST | Aspect.SIZE | Aspect.TIME),
        File("/etc/rock", stat.S_IFLNK | 0o777, target="pebble.conf"),
        File("/usr/share/pebble", stat.S_IFDIR | 0o1750, owner="mason"),
        File("/usr/share/pebble/large", stat.S_IFREG | 0o644, b"0123456789" * 10_000),
        File("/usr/share/pebble/empty", stat.S_IFREG | 0o600),
    ),
)  # fmt: skip


def sign(content: bytes) -> bytes:
    return rpms.stand_in_key().sign(content, WHEN)


@pytest.fixture
def keyring(tmp_path: Path) -> list[str]:
    """Options that let rpm know the key, and verify all of every package."""
    database = tmp_path / "database"
    database.mkdir()
    options = ["--dbpath", str(database), "--define", "_pkgverify_level all"]
    run("rpmkeys", *options, "--import", KEY)
    return options


def test_equal_packages_are_equal_bytes_for_ever() -> None:
    """Whoever changes this digest gives every image that is built of stand-ins another id."""
    digest = hashlib.sha256(rpm_file(PEBBLE, sign)).hexdigest()
    assert digest == "12e73a2a0dc69849395e0857b44fe2bfa0903500430eae0a90415f6c8ab090d9"


def test_the_order_in_which_files_and_dependencies_are_given_is_the_same_to_it() -> None:
    turned = replace(
        PEBBLE,
        files=PEBBLE.files[::-1],
        requires=PEBBLE.requires[::-1] * 2,
        provides=PEBBLE.provides[::-1],
    )
    assert rpm_file(turned) == rpm_file(PEBBLE)


def test_rpm_reads_what_was_written(tmp_path: Path) -> None:
    file = rpms.write(tmp_path, PEBBLE)
    form = (
        "%{NAME}|%{EPOCH}|%{VERSION}|%{RELEASE}|%{ARCH}|%{SUMMARY}|%{DESCRIPTION}|%{VENDOR}|%{LICENSE}|%{SIZE}"
        "|%{BUILDTIME}|%{SOURCERPM}|%{PREIN}|%{PREINPROG}|%{POSTIN}|%{RSAHEADER}|%{SOURCEPACKAGE}"
    )
    assert run("rpm", "-qp", "--qf", form, file).split("|") == [
        "pebble", "2", "1.0", "1.el7", "noarch", "A pebble", "Round,\nand smooth: größer als Sand.", "nobody",
        "Apache-2.0", "100040", str(WHEN), "pebble-1.0-1.el7.src.rpm", "echo before", "/bin/sh",
        "echo after\nexit 0", "(none)", "(none)",
    ]  # fmt: skip
    assert run("rpm", "-qp", "--provides", file).splitlines() == [
        "/bin/pebble",
        "pebble = 2:1.0-1.el7",
        "stone = 0.1",
    ]
    assert run("rpm", "-qp", "--qf", "[%{REQUIRENAME}%{REQUIREFLAGS:deptype} %{REQUIREVERSION}\n]", file) == (
        "/bin/shpre,interp \n"
        "/bin/shpost,interp \n"
        "rpmlib(CompressedFileNames)rpmlib 3.0.4-1\n"
        "rpmlib(FileDigests)rpmlib 4.6.0-1\n"
        "rpmlib(PayloadFilesHavePrefix)rpmlib 4.0-1\n"
        "sandmanual 1:2-3\n"
        "shoremanual \n"
        "shorepost \n"
    )
    assert run("rpm", "-qp", "--conflicts", "--obsoletes", file).split() == ["boulder", "<", "9", "gravel"]
    files = run("rpm", "-qp", "--qf", "[%{FILENAMES} %{FILEMODES:perms} %{FILEUSERNAME} %{FILEFLAGS:fflags} "
                                      "%{FILEVERIFYFLAGS:hex} %{FILELINKTOS}\n]", file)  # fmt: skip
    assert [line.split() for line in files.splitlines()] == [
        ["/etc/pebble.conf", "-rw-r-----", "mason", "cn", "ffffffdc"],
        ["/etc/rock", "lrwxrwxrwx", "root", "ffffffff", "pebble.conf"],
        ["/usr/bin/pebble", "-rwsr-xr-x", "root", "ffffffff"],
        ["/usr/share/pebble", "drwxr-x--T", "mason", "ffffffff"],
        ["/usr/share/pebble/empty", "-rw-------", "root", "ffffffff"],
        ["/usr/share/pebble/large", "-rw-r--r--", "root", "ffffffff"],
    ]


def test_a_package_without_files_and_one_for_an_architecture(tmp_path: Path) -> None:
    file = rpms.write(tmp_path, replace(PEBBLE, files=(), architecture="x86_64"))
    assert file.name == "pebble-1.0-1.el7.x86_64.rpm"
    assert run("rpm", "-qpl", file) == "(contains no files)\n"
    assert "pebble(x86-64) = 2:1.0-1.el7" in run("rpm", "-qp", "--provides", file).splitlines()


def test_what_rpm_must_know_is_required(tmp_path: Path) -> None:
    strange = replace(PEBBLE, version="1~rc1", release="1^git", post=Script("x = 1", LUA), pre=None)
    required = run("rpm", "-qp", "--requires", rpms.write(tmp_path, strange)).splitlines()
    assert [line.split()[0] for line in required if line.startswith(("rpmlib", "/"))] == [
        "rpmlib(BuiltinLuaScripts)",
        "rpmlib(CaretInVersions)",
        "rpmlib(CompressedFileNames)",
        "rpmlib(FileDigests)",
        "rpmlib(PayloadFilesHavePrefix)",
        "rpmlib(TildeInVersions)",
    ]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("a", Dependency("a")),
        ("a = 1:2-3", Dependency("a", Sense.EQUAL, "1:2-3")),
        ("a <= 2", Dependency("a", Sense.LESS | Sense.EQUAL, "2")),
        ("a > 2", Dependency("a", Sense.GREATER, "2")),
    ],
)
def test_a_dependency_is_read(text: str, meant: Dependency) -> None:
    assert dependency(text) == meant


@pytest.mark.parametrize("text", ["", "a b", "a =", "a == 2", "= 2", "a = 2 3"])
def test_what_is_no_dependency_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a dependency as NAME"):
        dependency(text)


def test_rpm_verifies_signature_and_digests(tmp_path: Path, keyring: list[str]) -> None:
    file = rpms.write(tmp_path, PEBBLE, sign)
    said = run("rpmkeys", *keyring, "--checksig", "--verbose", file)
    assert "signature" in said.lower()
    assert {line.rpartition(":")[2].strip() for line in said.splitlines()[1:]} == {"OK"}


@pytest.mark.parametrize("place", ["header", "payload", "signature", "unsigned"])
def test_rpm_refuses_what_was_changed(tmp_path: Path, keyring: list[str], place: str) -> None:
    content = bytearray(rpm_file(PEBBLE, None if place == "unsigned" else sign))
    if place != "unsigned":
        known = {"header": b"A pebble", "payload": b"round = yes", "signature": b"\x89\x01\x33\x04"}[place]
        at = content.index(known) + (250 if place == "signature" else 2)
        content[at] ^= 1
    file = tmp_path / "pebble.rpm"
    file.write_bytes(content)
    done = subprocess.run(["rpmkeys", *keyring, "--checksig", file], check=False, capture_output=True)
    assert done.returncode != 0


@pytest.mark.real
def test_it_installs_and_verifies_in_a_root(tmp_path: Path, keyring: list[str]) -> None:
    root = tmp_path / "root"
    for name in ("bin", "etc", "var/lib/rpm", "tmp"):
        (root / name).mkdir(parents=True)
    shutil.copy(find_busybox(), root / "bin/busybox")
    (root / "bin/sh").symlink_to("busybox")
    (root / "etc/passwd").write_text("root:x:0:0::/:/bin/sh\nmason:x:77:78::/:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\nmason:x:78:\n")
    words = ["rpm", "--root", str(root), "--dbpath", "/var/lib/rpm", *keyring[2:]]
    run(*words, "--import", KEY)
    note = Script("echo $0 $1 >>/tmp/ran")
    package = replace(PEBBLE, pre=note, post=note)
    run(*words, "--install", "--nodeps", rpms.write(tmp_path, package, sign))
    assert run(*words, "-V", "--nodeps", "pebble") == ""
    assert len((root / "tmp/ran").read_text().splitlines()) == 2
    owned = (root / "etc/pebble.conf").stat()
    assert (owned.st_uid, owned.st_gid, stat.S_IMODE(owned.st_mode), owned.st_mtime) == (77, 78, 0o640, WHEN)
    assert (root / "usr/share/pebble/large").read_bytes() == b"0123456789" * 10_000
    assert stat.S_IMODE((root / "usr/bin/pebble").stat().st_mode) == 0o4755
    (root / "etc/pebble.conf").write_text("round = no\n")
    assert run(*words, "-V", "--nodeps", "pebble") == ""
    (root / "usr/share/pebble/empty").write_text("full")
    done = subprocess.run([*words, "-V", "--nodeps", "pebble"], check=False, capture_output=True, text=True)
    assert [line.split()[-1] for line in done.stdout.splitlines()] == ["/usr/share/pebble/empty"]
    run(*words, "--erase", "pebble")
    assert not (root / "usr/share/pebble").exists()


def test_a_package_signed_anew_differs_in_its_signature_only(tmp_path: Path) -> None:
    file = rpms.write(tmp_path, PEBBLE, sign)
    before = file.read_bytes()
    rpms.sign(file, None)
    assert file.read_bytes() == rpm_file(PEBBLE)
    rpms.sign(file, sign)
    assert file.read_bytes() == before
