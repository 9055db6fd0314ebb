"""Stand-in packages as signed RPM files: rpmbuild and rpmsign, kept from everything a host might add."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from .data import BUSYBOX, StandinData
from .errors import StandinError
from .payload import Package
from .spec import spec_text
from .tools import PATH, run

_LONGEST_FOR_SOCKETS = 64
_FIT_FOR_MACROS = re.compile(r"[A-Za-z0-9/._+-]+")

# Only rpm's own macros and these are read: none of the distribution's, the host's or the user's.
_MACROS = """\
%_topdir {top}
%_buildhost stand-in
%_target_platform %{{_target_cpu}}-standin-linux
%optflags %{{nil}}
%use_source_date_epoch_as_buildtime 1
%clamp_mtime_to_source_date_epoch 1
%_binary_payload w0.gzdio
%_binary_filedigest_algorithm 8
%_build_id_links none
%debug_package %{{nil}}
%__os_install_post %{{nil}}
%__gpg {gpg}
%_gpg_name {key}
%_gpg_digest_algo sha256
%_gpg_sign_cmd_extra_args --batch --no-tty --faked-system-time {epoch}!
"""


def build_rpms(packages: Sequence[Package], data: StandinData, secret_key: Path, top: Path) -> list[Path]:
    """Build and sign all packages below `top`; the files are sorted by name.

    Raises:
        StandinError: a tool is missing or failed.
    """
    if not _FIT_FOR_MACROS.fullmatch(str(top)):
        raise StandinError(f"rpmbuild cannot work below {top}: set TMPDIR to a path of plain characters")
    # Two specs: busybox's package belongs to one architecture, all others to any.
    groups = {
        "buildsys-stand-ins": [package for package in packages if package.name != BUSYBOX],
        "buildsys-busybox": [package for package in packages if package.name == BUSYBOX],
    }
    specs = []
    for name, group in groups.items():
        _write_files(group, data.epoch, top / "SOURCES" / name)
        spec = top / f"{name}.spec"
        spec.write_text(spec_text(name, group, data, noarch=name != "buildsys-busybox"), "utf-8")
        specs.append(str(spec))
    env = {"HOME": str(top), "SOURCE_DATE_EPOCH": str(data.epoch)}
    run(["rpmbuild", *_macros(top / "macros", top, data.epoch), "-bb", *specs], env)
    rpms = sorted((top / "RPMS").rglob("*.rpm"), key=lambda file: file.name)
    _sign(rpms, data.epoch, secret_key, top)
    return rpms


def _macros(file: Path, top: Path, epoch: int, key: str = "") -> list[str]:
    """Options, and the file they name, that make rpm's tools read our macros and no others."""
    gpg = shutil.which("gpg", path=PATH) or "gpg"
    file.write_text(_MACROS.format(top=top, epoch=epoch, gpg=gpg, key=key), "utf-8")
    return ["--macros", f"/usr/lib/rpm/macros:/usr/lib/rpm/platform/%{{_target}}/macros:{file}"]


def _write_files(packages: Sequence[Package], epoch: int, root: Path) -> None:
    """Lay the files of all packages out as they will be installed; the spec says owners and modes."""
    root.mkdir(parents=True)
    for entry in sorted(entry for package in packages for entry in package.entries):
        path = root / entry.path[1:]
        path.parent.mkdir(parents=True, exist_ok=True)
        match entry.kind:
            case "directory":
                path.mkdir(exist_ok=True)
            case "link":
                path.symlink_to(entry.target)
            case "file":
                path.write_bytes(entry.content)
    for path in (root, *root.rglob("*")):
        os.utime(path, (epoch, epoch), follow_symlinks=False)


def _sign(rpms: Sequence[Path], epoch: int, secret_key: Path, top: Path) -> None:
    """Sign in place, with one gpg-agent for each processor: the agent is what takes the time."""
    workers = min(os.cpu_count() or 1, 8)
    parts = [rpms[start::workers] for start in range(workers)]

    def sign(part: Sequence[Path]) -> None:
        with _keyring(secret_key) as (home, key):
            macros = _macros(home / "macros", top, epoch, key)
            run(
                ["rpmsign", *macros, "--addsign", *map(str, part)], {"HOME": str(top), "GNUPGHOME": str(home)}
            )

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(sign, filter(None, parts)))


@contextmanager
def _keyring(secret_key: Path) -> Iterator[tuple[Path, str]]:
    """A directory with a keyring of one secret key, and the key's fingerprint; its agent ends with it."""
    # The path of the agent's socket must be short, and TMPDIR may be long.
    place = None if len(tempfile.gettempdir()) <= _LONGEST_FOR_SOCKETS else "/tmp"  # noqa: S108 - mkdtemp
    with tempfile.TemporaryDirectory(prefix="stand-ins-", dir=place) as home:
        env = {"HOME": home, "GNUPGHOME": home}
        run(["gpg", "--batch", "--quiet", "--import", str(secret_key)], env)
        try:
            listed = run(["gpg", "--batch", "--with-colons", "--list-secret-keys"], env)
            yield (
                Path(home),
                next(line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr:")),
            )
        finally:
            run(["gpgconf", "--kill", "gpg-agent"], env)
