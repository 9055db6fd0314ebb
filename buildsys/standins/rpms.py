"""Stand-in packages as signed RPM files: rpmbuild and rpmsign, kept from everything a host might add."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from .data import BUSYBOX, MissingTool, StandinData, StandinError
from .payload import Package
from .spec import spec_text

TOOLS = {"rpmbuild": "rpm", "rpmsign": "rpm", "gpg": "gnupg", "gpgconf": "gnupg", "createrepo_c": "createrepo-c"}
"""Programs called, and the packages of Debian that hold them."""

_PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"

# Only rpm's own macros and these are read: none of the distribution's, the host's or the user's.
_MACROS = """\
%_topdir {top}
%_buildhost stand-in
%_target_platform %{{_target_cpu}}-standin-linux
%optflags %{{nil}}
%use_source_date_epoch_as_buildtime 1
%clamp_mtime_to_source_date_epoch 1
%_binary_payload w.ufdio
%_binary_filedigest_algorithm 8
%_build_id_links none
%debug_package %{{nil}}
%__os_install_post %{{nil}}
%__gpg {gpg}
%_gpg_name {key}
%_gpg_digest_algo sha256
%_gpg_sign_cmd_extra_args --batch --no-tty --faked-system-time {epoch}!
"""


def run(argv: Sequence[str], env: Mapping[str, str] | None = None) -> str:
    """Run a tool away from the host's locale, time zone, home and umask; give what it wrote to stdout.

    Raises:
        MissingTool: it is not installed.
        StandinError: it failed; with the last lines it said.
    """
    clean = {"PATH": _PATH, "LC_ALL": "C", "TZ": "UTC", **(env or {})}
    try:
        done = subprocess.run(argv, env=clean, umask=0o022, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              check=False)  # fmt: skip
    except FileNotFoundError:
        hint = f" (Debian's package {TOOLS[argv[0]]})" if argv[0] in TOOLS else ""
        raise MissingTool(f"the stand-in packages need {argv[0]}{hint}, which is not installed") from None
    if done.returncode:
        last = "\n  ".join((done.stdout + done.stderr).strip().splitlines()[-20:])
        raise StandinError(f"{argv[0]} failed (exit status {done.returncode}):\n  {last}")
    return done.stdout


def build_rpms(packages: Sequence[Package], data: StandinData, secret_key: Path, top: Path) -> list[Path]:
    """Build and sign all packages below `top`; the files are sorted by name.

    Raises:
        StandinError: a tool is missing or failed.
    """
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
    run(["rpmbuild", *_macros(top, data.epoch), "-bb", *specs], env)
    rpms = sorted((top / "RPMS").rglob("*.rpm"), key=lambda file: file.name)
    _sign(rpms, data.epoch, secret_key, top)
    return rpms


def _macros(top: Path, epoch: int, key: str = "") -> list[str]:
    """Options that make rpm's tools read our macros and no others."""
    file = top / f"macros{key}"
    gpg = shutil.which("gpg", path=_PATH) or "gpg"
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
            macros = _macros(top, epoch, key)
            run(["rpmsign", *macros, "--addsign", *map(str, part)], {"HOME": str(top), "GNUPGHOME": home})

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(sign, filter(None, parts)))


@contextmanager
def _keyring(secret_key: Path) -> Iterator[tuple[str, str]]:
    """A keyring that holds one secret key, and the key's fingerprint; its agent ends with it."""
    # Not below the output: the agent's socket must have a short path.
    with tempfile.TemporaryDirectory(prefix="stand-ins-") as home:
        env = {"HOME": home, "GNUPGHOME": home}
        run(["gpg", "--batch", "--quiet", "--import", str(secret_key)], env)
        try:
            listed = run(["gpg", "--batch", "--with-colons", "--list-secret-keys"], env)
            yield home, next(line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr:"))
        finally:
            run(["gpgconf", "--kill", "gpg-agent"], env)
