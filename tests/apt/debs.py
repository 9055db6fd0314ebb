"""Packages of Debian's kind, made on the spot, and a source of them that apt takes."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from email.utils import formatdate
from pathlib import Path

from tests.sites.packages import run

ARCH = subprocess.run(
    ["dpkg", "--print-architecture"], text=True, capture_output=True, check=True
).stdout.strip()
PROGRAMS = "dash dpkg dpkg-deb dpkg-query dpkg-split tar xargs".split()
"""Programs of the host that a root needs for dpkg to work in it; busybox is all the others."""


def make_deb(
    folder: Path,
    name: str,
    version: str = "1.0-1",
    *,
    files: Mapping[str, str] | None = None,
    scripts: Mapping[str, str] | None = None,
    tree: Path | None = None,
    time: int = 1500000000,
    **fields: str,
) -> Path:
    """Build a package of these files and maintainer scripts; `fields` are more of its control file.

    `time` is when it is built. `depends="a, b"`, `pre_depends=…`, `provides=…`, `source=…`. Its file.
    """
    work = folder / f".{name}_{version.replace(':', '%3a')}"
    control = work / "DEBIAN"
    if tree is not None:
        shutil.copytree(tree, work, symlinks=True)
    control.mkdir(parents=True)
    for path, content in (files or {f"/usr/share/{name}/about": f"{name} {version}\n"}).items():
        place = work / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content)
    rows = {"Package": name, "Version": version, "Architecture": "all", "Maintainer": "nobody <no@body>"}
    rows |= {key.title().replace("_", "-"): value for key, value in fields.items()}
    rows |= {"Description": "made for a test"}
    (control / "control").write_text("".join(f"{key}: {value}\n" for key, value in rows.items()))
    for script, text in (scripts or {}).items():
        (control / script).write_text(f"#!/bin/sh\nset -e\n{text}\n")
        (control / script).chmod(0o755)
    built = folder / f"{name}_{version.partition(':')[2] or version}_{rows['Architecture']}.deb"
    run(
        "dpkg-deb",
        "--build",
        "--root-owner-group",
        "-Znone",
        work,
        built,
        env={"SOURCE_DATE_EPOCH": str(time)},
    )
    return built


def ground(folder: Path) -> Path:
    """A package that makes a root of an empty folder: a shell, busybox, and dpkg with what it needs."""
    tree = folder / "ground-tree"
    (tree / "bin").mkdir(parents=True)
    (tree / "lib64").mkdir()
    for name in PROGRAMS:
        program = shutil.which(name)
        assert program, f"the tests need {name}"
        shutil.copy(Path(program).resolve(), tree / "bin" / name)
        listed = subprocess.run(["ldd", program], text=True, capture_output=True, check=True).stdout
        for library in re.findall(r"(/\S+) \(0x", listed):
            place = tree / library.lstrip("/").removeprefix("usr/")
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(library, place)
    (tree / "bin/sh").symlink_to("dash")
    busybox = shutil.which("busybox")
    assert busybox, "the tests need busybox, linked statically"
    shutil.copy(busybox, tree / "bin/busybox")
    for name in subprocess.run(
        [busybox, "--list"], text=True, capture_output=True, check=True
    ).stdout.split():
        if not (tree / "bin" / name).is_symlink() and not (tree / "bin" / name).exists():
            (tree / "bin" / name).symlink_to("busybox")
    for name in ("ldconfig", "start-stop-daemon"):
        (tree / "bin" / name).unlink(missing_ok=True)
        (tree / "bin" / name).write_text("#!/bin/sh\n")
        (tree / "bin" / name).chmod(0o755)
    for place in ("dev", "proc", "sys", "tmp", "root", "usr/sbin", "etc", "var/log"):
        (tree / place).mkdir(parents=True, exist_ok=True)
    files = {"/etc/passwd": "root:x:0:0:root:/root:/bin/sh\n", "/etc/group": "root:x:0:\n"}
    return make_deb(folder, "ground", files=files, tree=tree, architecture=ARCH, essential="yes")


def index(folder: Path, *, time: int = 1700000000) -> None:
    """Write the index of a folder of packages, as of a time."""
    paragraphs = []
    for file in sorted(folder.glob("*.deb")):
        data = file.read_bytes()
        fields = run("dpkg-deb", "--field", file).rstrip("\n")
        size = f"Filename: ./{file.name}\nSize: {len(data)}\nSHA256: {hashlib.sha256(data).hexdigest()}\n"
        paragraphs.append(f"{fields}\nInstalled-Size: {len(data) // 1024 + 1}\n{size}")
    packages = "\n".join(paragraphs).encode()
    (folder / "Packages").write_bytes(packages)
    release = f"Codename: stones\nSuite: stones\nDate: {formatdate(time, usegmt=True)}\nSHA256:\n"
    release += f" {hashlib.sha256(packages).hexdigest()} {len(packages)} Packages\n"
    (folder / "Release").write_text(release)


def give(folder: Path, debs: Iterable[Path], *, time: int = 1700000000) -> None:
    """Make a source hold these packages and no others."""
    folder.mkdir(exist_ok=True)
    for file in folder.glob("*.deb"):
        file.unlink()
    for deb in debs:
        shutil.copy(deb, folder)
    index(folder, time=time)
