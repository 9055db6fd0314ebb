"""Packages that try what no package may: signed like the stand-ins, so that only a wall can stop them.

What their scripts try does no harm where it succeeds: settings are written as they are, and what is made
outside of the root is an empty file whose name the test gave. `REPORT`, in the root, says what succeeded.
"""

from __future__ import annotations

import stat
import struct
from dataclasses import replace
from pathlib import Path

from buildsys.standins.rpm_file import SHELL, File, Rpm, Script
from tests import rpms

REPORT = "/var/lib/hostile/report"
"""A file of the root: a line for each of `ATTEMPTS` in their order, `ATTEMPT: done` or `ATTEMPT: refused`."""
LEAVE = "/usr/libexec/hostile-leave"
MAJOR, MINOR = 7, 0
"""A block device that every host has the driver of: the first loop device."""


def directory(folder: Path, path: str, mode: int) -> Path:
    """A package that brings a directory with this mode, as `filesystem` brings /sys; empty, owned by root."""
    name = f"hostile-mode-{path.strip('/').replace('/', '-')}-{mode:04o}"
    return _write(folder, name, File(path, stat.S_IFDIR | mode))


def files_below(folder: Path, *paths: str) -> Path:
    """A package with a file at each path: below /proc and /sys if none is named."""
    paths = paths or ("/proc/hostile", "/proc/sys/kernel/hostile", "/sys/hostile", "/sys/kernel/hostile")
    return _write(folder, "hostile-files", *(_file(path, "hostile\n") for path in paths))


def link(folder: Path, path: str, target: str) -> Path:
    """A package that brings a symbolic link where a root has a directory: `/sys`, `/dev`, `/var/lib/rpm`."""
    name = f"hostile-link-{path.strip('/').replace('/', '-')}"
    return _write(folder, name, File(path, stat.S_IFLNK | 0o777, target=target))


def link_and_file(folder: Path, path: str, target: str, file: str) -> Path:
    """A package that brings a link and a file through it: `path` -> `target`, and `path`/`file`."""
    name = f"hostile-through-{path.strip('/').replace('/', '-')}"
    entries = (File(path, stat.S_IFLNK | 0o777, target=target), _file(f"{path}/{file}", "hostile\n"))
    return _write(folder, name, *entries)


def climbing_file(folder: Path, outside: Path) -> Path:
    """A package with a file whose path climbs out of any root, to `outside`: an absolute path of the host."""
    return _write(folder, "hostile-climbing", _file(f"/usr/share{'/..' * 16}{outside}", "hostile\n"))


def device(folder: Path, path: str = "/dev/hostile") -> Path:
    """A package that brings a block device which everybody may read and write."""
    node = File(path, stat.S_IFBLK | 0o666, device=MAJOR << 8 | MINOR)
    return _write(folder, "hostile-device", node)


def escaping(folder: Path, outside: Path) -> Path:
    """A package whose %post tries every road out of its root.

    Each road that leads out leaves a file beside `outside` on the host: `OUTSIDE.ATTEMPT`. Its directory must
    exist on the host, and not in the root. The shell may be busybox's; what is not there counts as refused.
    The script itself succeeds.
    """
    script = SCRIPT.replace("@OUTSIDE@", str(outside))
    program = File(LEAVE, stat.S_IFREG | 0o755, leaving_program(f"{outside}.second-chroot"))
    report = File(str(Path(REPORT).parent), stat.S_IFDIR | 0o755)
    return _write(folder, "hostile-escaping", program, report, post=script)


ATTEMPTS = (
    "mount",
    "bind-mount",
    "proc-mount",
    "remount-proc",
    "remount-sys",
    "umount-proc-sys",
    "mknod",
    "read-device",
    "core-pattern",
    "hostname-setting",
    "sys-mode",
    "second-chroot",
    "root-of-init",
    "root-of-parent",
    "descriptors-of-parent",
    "namespaces-of-init",
)
SCRIPT = f"""\
report={REPORT}
outside=@OUTSIDE@
: >"$report"
export outside
tool() {{ if command -v busybox >/dev/null; then busybox "$@"; else "$@"; fi; }}
try() {{
  name=$1
  shift
  if ("$@") >/dev/null 2>&1; then echo "$name: done"; else echo "$name: refused"; fi >>"$report"
}}
same() {{ value=$(cat "$1") && printf '%s\\n' "$value" >"$1"; }}
mount_here() {{ tool mkdir -p /mnt && tool mount "$@" /mnt && tool umount /mnt; }}
node() {{ tool rm -f /dev/hostile-node && tool mknod /dev/hostile-node b {MAJOR} {MINOR}; }}
read_node() {{ node && tool dd if=/dev/hostile-node of=/dev/null bs=512 count=1; }}
mode_of_sys() {{ tool chmod "$(tool stat -c %a /sys)" /sys; }}
parents() {{
  pid=$PPID
  while [ "${{pid:-0}}" -gt 0 ]; do
    echo "$pid"
    pid=$(tool awk '$1 == "PPid:" {{ print $2 }}' "/proc/$pid/status")
  done
}}
climb() {{
  # The file that a name ends in, made wherever on the way up its directory is.
  place=$1
  for _ in 1 2 3 4 5 6 7 8 9 10 11 12; do
    place=$place/..
    (: >"$place$outside.$2") && return
  done
  return 1
}}
of_init() {{ : >"/proc/1/root$outside.root-of-init"; }}
of_parents() {{
  for pid in $(parents); do
    (: >"/proc/$pid/root$outside.root-of-parent") && return
    (: >"/proc/$pid/cwd$outside.root-of-parent") && return
    climb "/proc/$pid/cwd" root-of-parent && return
  done
  return 1
}}
by_descriptors() {{
  for entry in /proc/self/fd/* /proc/[0-9]*/fd/*; do
    [ -d "$entry" ] || continue
    climb "$entry" descriptors-of-parent && return
  done
  return 1
}}
enter_init() {{ tool nsenter -t 1 -m -r {SHELL} -c ': >"$outside.namespaces-of-init"'; }}
try mount mount_here -t tmpfs none
try bind-mount mount_here --bind /proc/sys
try proc-mount mount_here -t proc proc
try remount-proc tool mount -o remount,rw /proc
try remount-sys tool mount -o remount,rw /sys
try umount-proc-sys tool umount /proc/sys
try mknod node
try read-device read_node
try core-pattern same /proc/sys/kernel/core_pattern
try hostname-setting same /proc/sys/kernel/hostname
try sys-mode mode_of_sys
try second-chroot {LEAVE}
try root-of-init of_init
try root-of-parent of_parents
try descriptors-of-parent by_descriptors
try namespaces-of-init enter_init
tool rm -f /dev/hostile-node
exit 0
"""


def outcome(root: Path) -> dict[str, str]:
    """What the script of `escaping` reported in a root: attempt to `done` or `refused`."""
    lines = (root / REPORT[1:]).read_text().splitlines()
    return dict(line.split(": ") for line in lines)


def _write(folder: Path, name: str, *files: File, post: str = "") -> Path:
    package: Rpm = replace(rpms.rpm(name, "1", *files), post=Script(post) if post else None)
    key = rpms.stand_in_key()
    return rpms.write(folder, package, lambda content: key.sign(content, SIGNED))


SIGNED = 1504051200
"""When: no earlier than the key was made."""


def _file(path: str, text: str) -> File:
    return File(path, stat.S_IFREG | 0o644, text.encode())


def leaving_program(made: str) -> bytes:
    """A program for x86-64 that leaves a chroot by a second one and makes a file: exit status 0 then.

    A shell cannot: its chroot changes the directory too. The program keeps its working directory outside of
    the second root and climbs up from there, trying to make the file at each step.
    """
    base, head = 0x400000, 64 + 56
    mkdir, chroot, chdir, open_, leave = 83, 161, 80, 2, 60
    steps = 64

    def code(room: int, up: int, file: int) -> bytes:
        call = b"\x0f\x05"
        success = b"\x31\xff" + _load(_EAX, leave) + call  # edi: 0
        failure = _load(_EDI, 1) + _load(_EAX, leave) + call
        climb = _load(_EAX, chdir) + _load(_EDI, up) + call
        climb += _load(_EAX, open_) + _load(_EDI, file) + _load(_ESI, 0o101) + _load(_EDX, 0o600) + call
        climb += b"\x85\xc0\x79" + struct.pack("b", 4 + len(failure))  # not negative: on to success
        climb += b"\xff\xcb\x75" + struct.pack("b", -len(climb) - 4)  # ebx, less one, is not zero: again
        return b"".join(
            [
                _load(_EAX, mkdir) + _load(_EDI, room) + _load(_ESI, 0o755) + call,
                _load(_EAX, chroot) + _load(_EDI, room) + call,
                _load(_EBX, steps) + climb + failure + success,
            ]
        )

    texts = (b"hostile-room\0", b"..\0", made.lstrip("/").encode() + b"\0")
    start = base + head + len(code(0, 0, 0))
    places = [start + sum(map(len, texts[:number])) for number in range(len(texts))]
    body = code(*places) + b"".join(texts)
    size = head + len(body)
    elf = b"\x7fELF\2\1\1" + b"\0" * 9
    elf += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, base + head, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    elf += struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 0x1000)
    return elf + body


_EAX, _EDX, _EBX, _ESI, _EDI = b"\xb8", b"\xba", b"\xbb", b"\xbe", b"\xbf"


def _load(register: bytes, value: int) -> bytes:
    """The instruction that loads a number into a register."""
    return register + struct.pack("<I", value)
