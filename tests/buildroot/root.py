"""A build root as mock lays it out, made of files of this host: rpmbuild, and what a plan calls.

There is no Python, no dnf, no apt, no mmdebstrap and no OCI runtime in it, and whoever enters has no network.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PACKAGES = """
    attr bash bubblewrap buildah coreutils dash diffutils findutils golang-github-containers-common grep gzip
    libc-bin libmagic-mgc login make mawk mount passwd rpm rpm-common rpm2cpio sed skopeo tar uidmap
    util-linux
""".split()
"""Debian's packages of what `export rpm-spec` names as BuildRequires, and of rpmbuild."""
UNREAD = tuple(
    f"/usr/share/{name}/" for name in ("bash-completion", "doc", "info", "lintian", "locale", "man")
)
BUILDER = 1000
"""Number of mockbuild, as in mock's roots."""
FILES = {
    "etc/passwd": f"root:x:0:0:root:/root:/bin/bash\nmockbuild:x:{BUILDER}:135:mock:/builddir:/bin/bash\n",
    "etc/group": "root:x:0:\nmock:x:135:\n",
    "etc/subuid": "mockbuild:100000:65536\n",
    "etc/subgid": "mockbuild:100000:65536\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
    "etc/hosts": "127.0.0.1 localhost\n",
    "etc/pam.d/runuser": "auth sufficient pam_rootok.so\naccount required pam_permit.so\n"
    "session required pam_permit.so\n",
    "builddir/.rpmmacros": "%_topdir /builddir/build\n",
}
FOLDERS = (
    "dev",
    "proc",
    "sys",
    "run",
    "root",
    "tmp",
    "var/tmp",
    "var/lib",
    "builddir/build/SOURCES",
    "builddir/build/SPECS",
)

ENTER = """\
set -eu
root=$1 how=$2
shift 2
if [ "$how" != chroot ]; then mount --bind "$root" "$root"; fi
cd "$root"
mount -t proc -o nosuid,nodev,noexec proc proc
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs sys
mount -t tmpfs -o mode=0755,nosuid,nodev tmpfs run
mount -t tmpfs -o mode=0755,nosuid tmpfs dev
mkdir dev/shm
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs dev/shm
for node in null:1:3 zero:1:5 full:1:7 random:1:8 urandom:1:9 tty:5:0; do
    minor=${node##*:} major=${node#*:}
    mknod -m 0666 "dev/${node%%:*}" c "${major%:*}" "$minor"
done
ln -s /proc/self/fd dev/fd
for node in stdin:0 stdout:1 stderr:2; do ln -s "/proc/self/fd/${node#*:}" "dev/${node%:*}"; done
if [ "$how" = chroot ]; then exec chroot . "$@"; fi
mkdir run/old
pivot_root . run/old
umount -l /run/old
rmdir /run/old
exec chroot . "$@"
"""
"""mock's default isolation has the root as `/` of its namespace, its old one is `chroot`."""
APART = "unshare --mount --propagation private --net --pid --ipc --uts --fork --kill-child".split()


@dataclass(frozen=True)
class Root:
    """A build root."""

    place: Path

    def run(
        self,
        *words: str,
        user: str = "root",
        how: str = "pivot",
        settings: Mapping[str, str] | None = None,
        apart: Sequence[str] = APART,
        timeout: float = 300,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside, from `/builddir`, with nothing of the caller's environment."""
        home = "/builddir" if user == "mockbuild" else "/root"
        clean = {"HOME": home, "LANG": "C", "PATH": "/usr/bin:/bin:/usr/sbin:/sbin", **(settings or {})}
        inner = [
            "env",
            "-i",
            "-C",
            "/builddir",
            *(f"{name}={value}" for name, value in clean.items()),
            *words,
        ]
        if user != "root":
            inner = ["setpriv", f"--reuid={BUILDER}", "--regid=135", "--clear-groups", *inner]
        return subprocess.run(
            [*apart, "sh", "-c", ENTER, "enter", str(self.place), how, *inner],
            check=False,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd="/",
            timeout=timeout,
        )


def make_root(place: Path, *more: str) -> Root:
    """Copy the files of the packages, and of `more`, and the libraries of their programs, from this host."""
    place.mkdir(mode=0o755)
    for folder in ("usr/bin", "usr/sbin", "usr/lib", "usr/lib64", *FOLDERS):
        (place / folder).mkdir(parents=True, exist_ok=True)
    for link in ("bin", "sbin", "lib", "lib64"):
        (place / link).symlink_to(f"usr/{link}")
    for folder in ("tmp", "var/tmp"):
        (place / folder).chmod(0o1777)
    _copy(_listed(*more), place)
    for name, text in FILES.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    subprocess.run(["chown", "-R", f"{BUILDER}:135", str(place / "builddir")], check=True)
    return Root(place)


def _listed(*more: str) -> Iterator[Path]:
    done = subprocess.run(
        ["dpkg-query", "--listfiles", *PACKAGES, *more], check=True, capture_output=True, text=True
    )
    # A link of update-alternatives belongs to no package.
    for line in ("/usr/bin/awk", *done.stdout.splitlines()):
        if line.startswith("/") and not line.startswith((*UNREAD, "/var/")) and not Path(line).is_dir():
            yield Path(line)


def _copy(names: Iterable[Path], place: Path) -> None:
    """Copy files, what links lead to, and libraries."""
    waiting = list(names)
    while waiting:
        programs = [name for name in waiting if _put(name, place, waiting)]
        listed = subprocess.run(["ldd", *programs], check=False, capture_output=True, text=True).stdout
        waiting = [Path(word) for word in listed.split() if word.startswith("/") and not word.endswith(":")]


def _put(name: Path, place: Path, more: list[Path]) -> bool:
    """Copy a file unless it is there, note in `more` what a link leads to. Whether it may have libraries."""
    name = name.parent.resolve() / name.name
    target = place / name.relative_to("/")
    if target.is_symlink() or target.exists() or not (name.is_symlink() or name.exists()):
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(name, target, follow_symlinks=False)
    if name.is_symlink():
        more.append(name.parent / name.readlink())
        return False
    # Copying drops the bit of newuidmap.
    target.chmod(name.stat().st_mode & 0o7777)
    with name.open("rb") as file:
        return file.read(4) == b"\x7fELF"
