"""Whether steps may mount and enter the roots of images here: tried, and the first lack named."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from buildsys import programs

ENTRY = (
    "bwrap", "--unshare-ipc", "--unshare-pid", "--unshare-uts", "--unshare-net", "--hostname", "localhost",
    "--cap-drop", "ALL", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--remount-ro", "/proc",
    "--tmpfs", "/sys",
)  # fmt: skip
"""What `enter.sh` does to enter the root of an image; here the host's own root is entered."""
NAMESPACES = ("user.max_user_namespaces", "kernel.unprivileged_userns_clone")
"""Kernel settings that forbid user namespaces by the value 0."""
APPARMOR = "kernel.apparmor_restrict_unprivileged_userns"
"""One that forbids them by the value 1."""
FEWEST = 65536
"""Ids that images use: those of accounts, and nobody's."""


@dataclass(frozen=True, slots=True)
class Host:
    """Where the host keeps its settings."""

    proc: Path = Path("/proc/sys")
    etc: Path = Path("/etc")

    def setting(self, name: str) -> str:
        """A setting of the kernel; empty when it has none of this name."""
        return next(iter(_lines(self.proc / name.replace(".", "/"))), "")


def lack(host: Host | None = None) -> str | None:
    """The first thing that is missing for steps to run as this user, in one sentence; None: nothing is."""
    there = host or Host()
    checks: tuple[Callable[[Host], str | None], ...] = (_root,)
    if os.geteuid():
        checks = (_forbidden, _programs, _ids, _namespace, _entry)
    return next((found for check in checks if (found := check(there))), None)


def overlays() -> bool:
    """Whether an ordinary user can mount overlays here, in buildah's user namespace."""
    with TemporaryDirectory(prefix="buildsys-rights-") as folder:
        for name in ("lower", "upper", "work", "merged"):
            Path(folder, name).mkdir()
        # The mount goes with its namespace; what the kernel made in `work` belongs to the namespace's root.
        script = (
            'cd "$1" && mount -n -t overlay -o userxattr,lowerdir=lower,upperdir=upper,workdir=work x merged'
            " && umount -n merged; status=$?; rm -rf work/work; exit $status"
        )
        enter = ("unshare", "--mount", "sh", "-c", script, "sh", folder)
        return programs.complaint(*(enter if os.geteuid() == 0 else ("buildah", "unshare", *enter))) is None


def _root(_: Host) -> str | None:
    said = programs.complaint(*ENTRY, "true")
    return said and f"root may not make namespaces here, or mount in them: that takes CAP_SYS_ADMIN ({said})"


def _forbidden(host: Host) -> str | None:
    for setting in NAMESPACES:
        if host.setting(setting) == "0":
            return f"this kernel does not let ordinary users create user namespaces: {setting} is 0"
    return None


def _programs(_: Host) -> str | None:
    for program in ("newuidmap", "newgidmap"):
        if not programs.look_up(program).path:
            return f"{program} is not installed: it is in uidmap (Debian) or shadow-utils (Fedora)"
    return None


def _ids(host: Host) -> str | None:
    # Where a directory service gives them, these files say nothing.
    if any(line.startswith("subid:") for line in _lines(host.etc / "nsswitch.conf")):
        return None
    user = _user()
    for kind in ("uid", "gid"):
        rows = [line.split(":") for line in _lines(host.etc / f"sub{kind}")]
        given = sum(int(row[2]) for row in rows if row[0] in user and row[2:] and row[2].isdigit())
        if given < FEWEST:
            ask = f"usermod --add-sub{kind}s 100000-165535 {user[0]}"
            has = f"only {given} subordinate ids" if given else "no subordinate ids"
            return f"{user[0]} has {has} in /etc/sub{kind}: root gives some by `{ask}`"
    return None


def _namespace(host: Host) -> str | None:
    said = programs.complaint("buildah", "unshare", "true")
    if said is None:
        return None
    if host.setting(APPARMOR) == "1":
        return f"AppArmor lets ordinary users make no user namespaces: {APPARMOR} is 1"
    if alone := programs.complaint("unshare", "--user", "true"):
        return f"an ordinary user may make no user namespace here, as in a chroot: {alone}"
    return f"`buildah unshare` makes no user namespace: {said}"


def _entry(_: Host) -> str | None:
    said = programs.complaint("buildah", "unshare", *ENTRY, "true")
    return said and f"a user namespace may not mount, or make other namespaces, here: {said}"


def _user() -> tuple[str, ...]:
    """How the files of subordinate ids name this user."""
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
