"""Whether steps can mount and enter the roots of images on this host, found by trying."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISUID
from tempfile import TemporaryDirectory

from buildsys import programs

ENTRY = (
    "bwrap", "--unshare-ipc", "--unshare-pid", "--unshare-uts", "--unshare-net", "--hostname", "localhost",
    "--cap-drop", "ALL", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--remount-ro", "/proc",
    "--tmpfs", "/sys",
)  # fmt: skip
"""How `enter.sh` enters the root of an image; here it is the host's own root."""
NAMESPACES = ("user.max_user_namespaces", "kernel.unprivileged_userns_clone")
"""Kernel settings whose value 0 forbids user namespaces."""
APPARMOR = "kernel.apparmor_restrict_unprivileged_userns"
"""The kernel setting whose value 1 forbids them."""
FEWEST = 65536
"""Number of ids that an image may use: 0 to 65535."""
FIRST = 100000
"""The first number that useradd gives as a subordinate id."""
CAPABILITY = "security.capability"
"""The attribute of a program that has rights without setuid."""


@dataclass(frozen=True, slots=True)
class Host:
    """The folders of the host's settings."""

    proc: Path = Path("/proc/sys")
    etc: Path = Path("/etc")
    process: Path = Path("/proc/self")

    def setting(self, name: str) -> str:
        """A setting of the kernel; empty if there is none of this name."""
        return next(iter(_lines(self.proc / name.replace(".", "/"))), "")


def lack(host: Host | None = None) -> str | None:
    """The first reason why this user cannot run steps, in one sentence; None: there is none."""
    there = host or Host()
    checks: tuple[Callable[[Host], str | None], ...] = (_root,)
    if os.geteuid():
        checks = (*BEFORE, _namespace, _entry)
    return _first(checks, there)


def lacks_namespace(host: Host | None = None) -> str | None:
    """The first reason why this user gets no user namespace, as far as that shows in milliseconds."""
    return _first((*BEFORE, _alone), host or Host())


def _first(checks: tuple[Callable[[Host], str | None], ...], host: Host) -> str | None:
    return next((found for check in checks if (found := check(host))), None)


def overlays() -> bool:
    """Whether this user can mount overlays, in buildah's user namespace."""
    with TemporaryDirectory(prefix="buildsys-rights-") as folder:
        for name in ("lower", "upper", "work", "merged"):
            Path(folder, name).mkdir()
        # The mount ends with its namespace; the kernel's folder in `work` belongs to the namespace's root.
        script = (
            'cd "$1" && mount -n -t overlay -o userxattr,lowerdir=lower,upperdir=upper,workdir=work x merged'
            " && umount -n merged; status=$?; rm -rf work/work; exit $status"
        )
        enter = ("unshare", "--mount", "sh", "-c", script, "sh", folder)
        return programs.complaint(*(enter if os.geteuid() == 0 else ("buildah", "unshare", *enter))) is None


def _root(host: Host) -> str | None:
    # As lib/chroot.sh does it.
    bound = "mount -n --make-private /proc && mount -n --rbind / /proc && mount -n --make-rprivate /proc"
    enter = (
        "unshare",
        "--mount",
        "--propagation",
        "unchanged",
        "sh",
        "-c",
        f'{bound} && exec chroot /proc "$@"',
        "sh",
    )
    complaint = programs.complaint(*(() if _root_is_a_mount(host) else enter), *ENTRY, "true")
    return (
        complaint
        and f"root may not make namespaces here, or mount in them: that takes CAP_SYS_ADMIN ({complaint})"
    )


def _forbidden(host: Host) -> str | None:
    for setting in NAMESPACES:
        if host.setting(setting) == "0":
            return f"this kernel does not let ordinary users create user namespaces: {setting} is 0"
    return None


def _programs(_: Host) -> str | None:
    for program in ("newuidmap", "newgidmap"):
        path = programs.look_up(program).path
        if not path:
            return f"{program} is not installed: it is in uidmap (Debian) or shadow-utils (Fedora)"
        if not _has_rights(path):
            again = (
                "apt-get install --reinstall uidmap"
                if programs.look_up("apt-get").path
                else "dnf reinstall shadow-utils"
            )
            return f"{path} has neither setuid nor a capability: root puts them back by `{again}`"
    return None


def _has_rights(path: str) -> bool:
    try:
        return bool(Path(path).stat().st_mode & S_ISUID) or CAPABILITY in os.listxattr(path)
    except OSError:
        return True


def _privileges(host: Host) -> str | None:
    """Whether this process may gain the rights of newuidmap."""
    if any(line.split() == ["NoNewPrivs:", "1"] for line in _lines(host.process / "status")):
        return "this process may not gain the rights of newuidmap: whatever started it set no_new_privs"
    return None


def _ids(host: Host) -> str | None:
    # A directory service may assign them; then these files are empty.
    if any(line.startswith("subid:") for line in _lines(host.etc / "nsswitch.conf")):
        return None
    user = _user()
    for kind in ("uid", "gid"):
        rows = [line.split(":") for line in _lines(host.etc / f"sub{kind}")]
        given = sum(int(row[2]) for row in rows if row[0] in user and row[2:] and row[2].isdigit())
        if given < FEWEST:
            first = _free(host)
            ids = f"{first}-{first + FEWEST - 1}"
            ask = f"usermod --add-subuids {ids} --add-subgids {ids} {user[0]}"
            has = f"only {given} subordinate ids" if given else "no subordinate ids"
            return f"{user[0]} has {has} in /etc/sub{kind}: root gives some by `{ask}`"
    return None


def _free(host: Host) -> int:
    """The first number above all subordinate ids of this host."""
    rows = [line.split(":") for kind in ("uid", "gid") for line in _lines(host.etc / f"sub{kind}")]
    ends = [
        int(row[1]) + int(row[2]) for row in rows if len(row) == 3 and row[1].isdigit() and row[2].isdigit()
    ]
    return max([FIRST, *ends])


def _alone(host: Host) -> str | None:
    alone = programs.complaint("unshare", "--user", "true")
    if alone is None:
        return None
    where = "here" if _root_is_a_mount(host) else "in a chroot"
    return f"an ordinary user may make no user namespace {where}: {alone}"


def _namespace(host: Host) -> str | None:
    complaint = programs.complaint("buildah", "unshare", "true")
    if complaint is None:
        return None
    if host.setting(APPARMOR) == "1":
        return f"AppArmor lets ordinary users make no user namespaces: {APPARMOR} is 1"
    return _alone(host) or f"`buildah unshare` makes no user namespace: {complaint}"


def _entry(_: Host) -> str | None:
    complaint = programs.complaint("buildah", "unshare", *ENTRY, "true")
    return complaint and f"a user namespace may not mount, or make other namespaces, here: {complaint}"


def _root_is_a_mount(host: Host) -> bool:
    """Whether / is the root of a mount; in a chroot it often is a plain directory."""
    lines = _lines(host.process / "mountinfo")
    return not lines or any(line.split()[4:5] == ["/"] for line in lines)


BEFORE: tuple[Callable[[Host], str | None], ...] = (_forbidden, _privileges, _programs, _ids)
"""Checks that start no program."""


def _user() -> tuple[str, ...]:
    """The names of this user in the files of subordinate ids."""
    number = os.geteuid()
    try:
        return pwd.getpwuid(number).pw_name, str(number)
    except KeyError:
        return (str(number),)


def _lines(file: Path) -> list[str]:
    try:
        return [line.strip() for line in file.read_text("utf-8", "replace").splitlines()]
    except OSError:
        return []
