"""What the guard looks at, and how each thing is read."""

from __future__ import annotations

import fnmatch
import hashlib
import os
import re
import stat
import time
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

Snapshot = dict[str, str]
"""What was read: the value of each thing, by `KIND NAME`."""

MISSING = "missing"
UNREADABLE = "unreadable"

DIRECTORIES = (
    "/ /bin /boot /dev /dev/mqueue /dev/pts /dev/shm /etc /home /lib /lib64 /opt /proc /proc/sys"
    " /proc/sys/fs /proc/sys/kernel /proc/sys/net /proc/sys/vm /root /run /run/lock /sbin /srv /sys /sys/fs"
    " /sys/fs/cgroup /sys/kernel /tmp /usr /usr/bin /usr/lib"
    " /var /var/cache /var/lib /var/lib/rpm /var/log /var/spool /var/tmp"
).split()
"""Type, mode and owner of these stay. Base packages bring most of them."""
DEVICES = "/dev/full /dev/null /dev/ptmx /dev/random /dev/tty /dev/urandom /dev/zero".split()
"""Type, mode, owner and number of these stay."""
CANARIES = (
    "/etc/passwd /etc/group /etc/shadow /etc/gshadow /etc/subuid /etc/subgid /etc/hosts /etc/hostname"
    " /etc/resolv.conf /etc/machine-id /etc/fstab /etc/ld.so.conf /etc/ld.so.cache /etc/ld.so.preload"
    " /var/lib/dpkg/status ~/.bashrc ~/.profile ~/.rpmmacros ~/.gitconfig"
).split()
"""Content, mode and owner of these stay."""
DATABASES = "/var/lib/rpm /usr/lib/sysimage/rpm ~/.rpmdb".split()
"""So do all files below these, except what readers leave."""
READERS = ("*.sqlite-shm", "__db.*", ".rpm.lock")
"""Written by whoever only reads a database of rpm."""

NAMES = (
    "/ /dev /dev/shm /etc /run /run/lock /run/user /run/user/* /run/runc /run/crun /tmp /var/tmp /var/cache"
    " /var/lib ~ ~/.cache ~/.cache/buildsys ~/.config ~/.local ~/.local/share ~/.local/share/containers"
    " ~/.local/state"
).split()
"""Names in these directories are the same afterwards."""
FURNITURE = (
    "/dev/shm/*libpod*_lock*",
    "/run/crun",
    "/run/libpod",
    "/run/runc",
    "/run/user/*/crun",
    "/run/user/*/libpod",
    "/run/user/*/runc",
)
"""Made by the first podman of a machine, whatever its store, and never removed. What is in them counts."""
_FURNITURE = re.compile("|".join(map(fnmatch.translate, FURNITURE)))
RECORDS = (
    "overlay-images overlay-containers overlay-layers overlay vfs-images vfs-containers vfs-layers vfs/dir"
).split()
"""Directories of a container store that have an entry for each image, container or layer."""

VOLATILE = (
    "kernel.hung_task_*",  # counts down with each warning
    "kernel.ns_last_pid",  # the process that was started last
    "kernel.perf_*",  # lowered by the kernel when interrupts take long
    "kernel.random.*",
    "kernel.tainted",  # set by the kernel's own warnings
    "net.ipv6.conf.*.hop_limit",  # set by routers, as the next four are
    "net.ipv6.conf.*.mtu",
    "net.ipv6.neigh.*.base_reachable_time*",
    "net.ipv6.neigh.*.mcast_*",
    "net.ipv6.neigh.*.retrans_time*",
    "vm.stat_refresh",  # reading it is work, and says nothing
)
"""Kernel settings that change by themselves, or are no settings."""
PAUSE = 0.05
"""Seconds between the two readings that find settings that change by themselves."""

KEPT = ("mode ", "hostname", "setting ", "file ")
"""Kinds that nothing may change, not even for the time of a test."""


@dataclass(frozen=True)
class Machine:
    """The machine, or a copy of its parts below another root."""

    root: Path = Path("/")
    home: Path = Path("/root")
    """The caller's, below `root` where it is a copy."""
    store: Path = Path("/var/lib/containers/storage")
    """The caller's own container store."""
    ours: Path | None = None
    """The folder that all things of the run live in: no name of the machine's."""

    @classmethod
    def here(cls, ours: Path | None = None) -> Machine:
        """This machine, as the caller sees it."""
        # Not Path.home(): without HOME that is an error where nobody is in passwd.
        home = Path(os.environ.get("HOME") or ("/root" if os.geteuid() == 0 else "/"))
        return cls(home=home, store=_own_store(home), ours=ours)

    def place(self, written: str) -> Path:
        """Where a path of the tables lies."""
        if written == "~" or written.startswith("~/"):
            return self.home / written[2:]
        return self.root / written.lstrip("/")

    def name(self, path: Path | str) -> str:
        """What a path is called in a report."""
        part = os.path.relpath(path, self.root)
        return "/" if part == "." else f"/{part}"


class Watch:
    """Reads a machine, again and again; what is dear to read is remembered."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self._hashes: dict[tuple[int, ...], str] = {}
        self._listings: dict[Path, tuple[int, list[str]]] = {}
        self._settings = dict(_settings(machine.place("/proc/sys")))
        first = self._read_settings(self._settings)
        time.sleep(PAUSE)
        second = self._read_settings(self._settings)
        for what, value in second.items():
            if first.get(what) != value:
                del self._settings[what]
        network = [what for what in self._settings if what.startswith("setting net.")]
        self._network = {what: self._settings.pop(what) for what in network}

    def whole(self) -> Snapshot:
        """All there is to look at, but processes."""
        return {**self.kept(), **self.network(), **self.traces()}

    def kept(self) -> Snapshot:
        """What nothing may change at any time; but for the settings of the network, which are very many."""
        return {**dict(self._modes()), **self._read_settings(self._settings), **dict(self._files())}

    def network(self) -> Snapshot:
        """The settings of the network."""
        return self._read_settings(self._network)

    def traces(self) -> Snapshot:
        """What may be there for a while: names, mounts, interfaces, and what is in the caller's store."""
        return {**dict(self._names()), **self._mounts(), **dict(self._store())}

    def _modes(self) -> Iterator[tuple[str, str]]:
        for written in DIRECTORIES:
            yield f"mode {written}", _mode(self.machine.place(written))
        for written in DEVICES:
            yield f"mode {written}", _mode(self.machine.place(written))

    @staticmethod
    def _read_settings(settings: Mapping[str, str]) -> Snapshot:
        return {what: _line(path) for what, path in settings.items()}

    def _files(self) -> Iterator[tuple[str, str]]:
        for written in CANARIES:
            yield f"file {written}", self._content(self.machine.place(written))
        for written in DATABASES:
            place = self.machine.place(written)
            for name in _listed(place):
                if not any(fnmatch.fnmatch(name, pattern) for pattern in READERS):
                    yield f"file {written}/{name}", self._content(place / name)

    def _content(self, path: Path) -> str:
        """Mode, owner and hash; hashed again only when the file's times or size are others."""
        try:
            found = path.stat()
            where = f" to {path.readlink()}" if path.is_symlink() else ""
        except OSError:
            return MISSING
        shape = f"{stat.filemode(found.st_mode)} {found.st_uid}:{found.st_gid}{where}"
        if not stat.S_ISREG(found.st_mode):
            return shape
        key = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        if key not in self._hashes:
            try:
                self._hashes[key] = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
            except OSError:
                self._hashes[key] = UNREADABLE
        return f"{shape} {found.st_size} bytes {self._hashes[key]}"

    def _names(self) -> Iterator[tuple[str, str]]:
        machine = self.machine
        ours = machine.ours and machine.name(machine.ours)
        for written in NAMES:
            top = machine.place(written)
            for folder in top.parent.glob(top.name) if written.endswith("*") else (top,):
                shown = machine.name(folder).rstrip("/")
                for name in _listed(folder):
                    path = f"{shown}/{name}"
                    if path != ours and not _FURNITURE.match(path):
                        yield f"name {path}", "there"
        for name in _listed(machine.place("/sys/class/net")):
            yield f"interface {name}", "there"

    def _mounts(self) -> Snapshot:
        found: Snapshot = {}
        for point, what in mounts(self.machine.place("/proc/self/mountinfo")):
            kind = "store mount" if point.is_relative_to(self.machine.store) else "mount"
            name = f"{kind} {point}"
            # Mounts on one place lie above one another.
            found[name] = f"{found[name]}, below {what}" if name in found else what
        return found

    def _store(self) -> Iterator[tuple[str, str]]:
        store = self.machine.store
        for record in RECORDS:
            for name in self._entries(store / record):
                if name.endswith(".json"):
                    yield f"store {record}/{name}", self._times(store / record / name)
                else:
                    yield f"store {record}/{name}", "there"

    def _entries(self, folder: Path) -> list[str]:
        """Names in a folder of the store, which may be thousands: listed again only when there are others."""
        try:
            changed = folder.stat().st_mtime_ns
        except OSError:
            return []
        known, names = self._listings.get(folder, (0, []))
        if changed != known:
            # Lock files come with the first reader.
            names = [name for name in _listed(folder) if not name.endswith(".lock")]
            self._listings[folder] = changed, names
        return names

    @staticmethod
    def _times(path: Path) -> str:
        try:
            found = path.lstat()
        except OSError:
            return MISSING
        return f"{found.st_size} bytes of {found.st_mtime_ns}"


def mounts(table: Path = Path("/proc/self/mountinfo")) -> Iterator[tuple[Path, str]]:
    """Every mount, in the order they were made: its place, and what it is."""
    try:
        lines = os.fsdecode(table.read_bytes()).splitlines()
    except OSError:
        return
    for line in lines:
        left, _, right = line.partition(" - ")
        fields, (kind, source, options) = left.split(" "), right.split(" ", 2)
        # Numbers of mounts and of peer groups are given out anew each time.
        peers = ",".join(sorted(word.partition(":")[0] for word in fields[6:] if word))
        point, part, source = _unescaped(fields[4]), _unescaped(fields[3]), _unescaped(source)
        yield Path(point), " ".join(filter(None, (kind, source, part, fields[5], options, peers)))


def mounted_below(place: Path) -> list[Path]:
    """Where something is mounted below a folder, the innermost first."""
    return [point for point, _ in mounts() if point.is_relative_to(place)][::-1]


def _unescaped(text: str) -> str:
    """A word of a mount table; the kernel writes spaces, `#` and the like as three octal digits."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text) if "\\" in text else text


def _settings(top: Path) -> Iterator[tuple[str, str]]:
    """Settings that may be written and read, but those that change by themselves: name and path."""
    for folder, _, files in os.walk(top):
        for file in files:
            path = f"{folder}/{file}"
            name = os.path.relpath(path, top).replace(".", "/").replace("/", ".")
            mode = _bits(path)
            if mode & 0o200 and mode & 0o400 and not any(fnmatch.fnmatchcase(name, v) for v in VOLATILE):
                yield "hostname" if name == "kernel.hostname" else f"setting {name}", path


def _bits(path: str) -> int:
    try:
        return os.lstat(path).st_mode
    except OSError:
        return 0


def _line(path: str) -> str:
    """The content of a small file, as one line."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return MISSING
    except OSError:
        return UNREADABLE
    try:
        return os.read(file, 65536).decode("utf-8", "replace").strip()
    except OSError:
        return UNREADABLE
    finally:
        os.close(file)


def _mode(path: Path) -> str:
    try:
        found = path.lstat()
    except OSError:
        return MISSING
    number = f" {os.major(found.st_rdev)},{os.minor(found.st_rdev)}" if found.st_rdev else ""
    return f"{stat.filemode(found.st_mode)} {found.st_uid}:{found.st_gid}{number}"


def _listed(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries)
    except OSError:
        return []


def _own_store(home: Path) -> Path:
    """Where buildah and podman of the caller keep images."""
    data = Path(os.environ.get("XDG_DATA_HOME") or home / ".local/share")
    store, key = data / "containers/storage", "rootless_storage_path"
    files = [Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "containers/storage.conf"]
    if os.geteuid() == 0:
        store, key, files = Path("/var/lib/containers/storage"), "graphroot", []
    files += [Path("/etc/containers/storage.conf"), Path("/usr/share/containers/storage.conf")]
    for file in _first_of([os.environ.get("CONTAINERS_STORAGE_CONF", ""), *files]):
        chosen = tomllib.loads(file.read_text("utf-8")).get("storage", {}).get(key)
        if isinstance(chosen, str) and chosen:
            return Path(os.path.expandvars(chosen))
    return store


def _first_of(files: Iterable[Path | str]) -> Iterator[Path]:
    """The first of these files that is there."""
    for file in files:
        if file and Path(file).is_file():
            yield Path(file)
            return
