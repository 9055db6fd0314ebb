"""zypper: the commands of Containerfiles, as they were tried with zypper 1.14, and the plans of dnf."""

from __future__ import annotations

import pytest

from buildsys.image import (
    Install,
    LockedPackage,
    PackageName,
    Repository,
    Site,
    Transaction,
    Uninstall,
    UpdateAll,
)
from buildsys.packages import MANAGERS, PackageInstruction, runtime_of
from buildsys.shell import line
from tests.plan.sets import site

FILES = "ZYPP_CONF=/.buildsys/zypper/zypp.conf ZYPP_LOGFILE=/.buildsys/log/zypper.log"
ZYPPER = f"env {FILES} zypper --non-interactive"
KEYS = ["rpm --import /.buildsys/keys/signed", "rpm --import https://r.example/key"]
LEAF = LockedPackage(
    "leaf", "2", "1.0", "1", "noarch", "signed", f"sha256:{'5' * 64}", "leaf-1.0-1.noarch.rpm"
)
REPOSITORIES = (
    Repository("signed", "/srv/repo", "", "/srv/key", ""),
    Repository("far", "", "https://r.example/os/", "https://r.example/key", ""),
    Repository("open", "", "https://r.example/open/", "", ""),
)


def here(*, locked: bool = True) -> Site:
    return site("zypper", repositories=REPOSITORIES, locked=locked)


@pytest.mark.parametrize(
    ("step", "commands"),
    [
        (
            Transaction((LEAF,), (), bootstrap=False),
            [*KEYS, f"{ZYPPER} install --oldpackage leaf.noarch=2:1.0-1"],
        ),
        (Install((PackageName("a"), PackageName("b"))), [*KEYS, f"{ZYPPER} install --oldpackage a b"]),
        (UpdateAll(), [*KEYS, f"{ZYPPER} update"]),
        (Uninstall((PackageName("a"),), optional=False), ["rpm --erase a"]),
    ],
    ids=["locked", "named", "update", "removed"],
)
def test_commands(step: PackageInstruction, commands: list[str]) -> None:
    assert [line(argv) for argv in MANAGERS["zypper"].commands(step, here(), carried=False)] == commands


def test_what_is_carried_needs_no_zypper() -> None:
    step = Transaction((LEAF,), (), bootstrap=False)
    commands = [line(argv) for argv in MANAGERS["zypper"].commands(step, here(), carried=True)]
    assert commands[-1].startswith("rpm --upgrade ")
    assert not [command for command in commands if "zypper" in command]


def test_a_package_whose_files_are_copied() -> None:
    commands = [line(argv) for argv in MANAGERS["zypper"].unpack("leaf", LEAF, here(), carried=False)]
    assert commands[1:4] == [
        *KEYS,
        f"{ZYPPER} --pkg-cache-dir /.buildsys/payload/fetched download leaf.noarch=2:1.0-1",
    ]
    assert commands[4].endswith("/.buildsys/payload/fetched/*/leaf-[0-9]*.rpm")


def test_repositories_are_the_sites() -> None:
    texts = MANAGERS["zypper"].configuration(here())
    assert "reposdir=/.buildsys/zypper/repositories\n" in texts["zypper/zypp.conf"]
    signed, far, unsigned = texts["zypper/repositories/site.repo"].split("[")[1:]
    assert "baseurl=file:///.buildsys/repositories/signed\n" in signed
    assert "baseurl=https://r.example/os/\n" in far
    for text in (signed, far):
        assert "\ngpgcheck=1\nrepo_gpgcheck=0\npkg_gpgcheck=1\n" in text
    assert "\ngpgcheck=0\n" in unsigned


@pytest.mark.parametrize("locked", [False, True])
def test_a_plan_needs_rpm_alone(locked: bool) -> None:  # noqa: FBT001 - a case
    assert runtime_of(here(locked=locked)) == MANAGERS["dnf"].runtime(locked=True)
    assert MANAGERS["zypper"].always_locked
