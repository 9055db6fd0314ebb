"""What an ordinary user lacks, in one sentence each; what a host says is written down here."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from buildsys import programs
from buildsys.run.rights import Host, lack, lacks_namespace

SOMEONE = 4242


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    """A host on which an ordinary user lacks nothing."""
    there = Host(tmp_path / "proc", tmp_path / "etc", tmp_path / "self")
    there.etc.mkdir()
    there.process.mkdir()
    (there.process / "mountinfo").write_text("1 0 8:1 / / rw - ext4 disk rw\n")
    for kind in ("uid", "gid"):
        (there.etc / f"sub{kind}").write_text(f"other:1:1\n{SOMEONE}:100000:65536\n")
    monkeypatch.setattr(os, "geteuid", lambda: SOMEONE)
    monkeypatch.setattr(programs, "complaint", lambda *_: None)
    return there


def setting(host: Host, name: str, value: str) -> None:
    file = host.proc / name.replace(".", "/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{value}\n")


def test_nothing_is_missing(host: Host) -> None:
    assert lack(host) is None


@pytest.mark.parametrize("name", ["user.max_user_namespaces", "kernel.unprivileged_userns_clone"])
def test_a_kernel_without_user_namespaces(host: Host, name: str) -> None:
    setting(host, name, "1")
    assert lack(host) is None
    setting(host, name, "0")
    assert lack(host) == f"this kernel does not let ordinary users create user namespaces: {name} is 0"


@pytest.mark.parametrize("name", ["newuidmap", "newgidmap"])
def test_a_program_that_is_missing(host: Host, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        programs, "look_up", lambda asked: programs.Tool(asked, "" if asked == name else "/x")
    )
    assert lack(host) == f"{name} is not installed: it is in uidmap (Debian) or shadow-utils (Fedora)"


def test_ids_by_the_name_of_the_user(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = pwd.struct_passwd(("ann", "x", SOMEONE, SOMEONE, "", "/", "/bin/sh"))
    monkeypatch.setattr(pwd, "getpwuid", lambda _: entry)
    for kind in ("uid", "gid"):
        (host.etc / f"sub{kind}").write_text("ann:100000:32768\nann:200000:32768\n")
    assert lack(host) is None
    (host.etc / "subgid").write_text("ann:100000:1000\n")
    ids = "265536-331071"
    ask = f"usermod --add-subuids {ids} --add-subgids {ids} ann"
    (host.etc / "subuid").write_text("ann:200000:65536\n")
    assert lack(host) == f"ann has only 1000 subordinate ids in /etc/subgid: root gives some by `{ask}`"
    (host.etc / "subuid").unlink()
    ids = "101000-166535"
    ask = f"usermod --add-subuids {ids} --add-subgids {ids} ann"
    assert lack(host) == f"ann has no subordinate ids in /etc/subuid: root gives some by `{ask}`"
    (host.etc / "nsswitch.conf").write_text("passwd: files\nsubid: sss\n")
    assert lack(host) is None


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("true", "`buildah unshare` makes no user namespace: no"),
        ("bwrap", "a user namespace may not mount, or make other namespaces, here: no"),
    ],
)
def test_a_namespace_that_cannot_be_used(
    host: Host, program: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        programs, "complaint", lambda *words: "no" if words[:3:2] == ("buildah", program) else None
    )
    assert lack(host) == said
    setting(host, "kernel.apparmor_restrict_unprivileged_userns", "1")
    if program == "true":
        said = "AppArmor lets ordinary users make no user namespaces"
        said += ": kernel.apparmor_restrict_unprivileged_userns is 1"
    assert lack(host) == said


def test_a_chroot(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "complaint", lambda *_: "unshare failed")
    assert lack(host) == "an ordinary user may make no user namespace here: unshare failed"
    (host.process / "mountinfo").write_text("1 0 0:5 / /proc rw - proc proc rw\n")
    assert lack(host) == "an ordinary user may make no user namespace in a chroot: unshare failed"
    assert lacks_namespace(host) == lack(host)


def test_a_program_without_its_rights(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "newuidmap"
    program.touch()
    monkeypatch.setattr(programs, "look_up", lambda asked: programs.Tool(asked, str(program)))
    again = "apt-get install --reinstall uidmap"
    assert lack(host) == f"{program} has neither setuid nor a capability: root puts them back by `{again}`"
    program.chmod(0o4755)
    assert lack(host) is None
    program.chmod(0o755)
    monkeypatch.setattr(os, "listxattr", lambda _: ["security.capability"])
    assert lack(host) is None


def test_a_process_that_gains_no_rights(host: Host) -> None:
    (host.process / "status").write_text("Name:\tx\nNoNewPrivs:\t1\n")
    reason = "this process may not gain the rights of newuidmap: whatever started it set no_new_privs"
    assert lack(host) == reason
    assert lacks_namespace(host) == reason
