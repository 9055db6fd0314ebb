"""A stand-in for `centos:7`: a small Debian with a real dnf and rpm, and CentOS's files and package database.

Debian's packages come from wherever this host's apt takes its own.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
from pathlib import Path

from tests.conftest import ROOT
from tests.sites.packages import Key, run
from tests.stores import Store

CACHE = ROOT / "build/tests"
"""Debian takes a minute to unpack and is the same for every session."""
PACKAGES = ("dnf", "rpm")
LEAVE_OUT = (
    *(f"usr/share/{name}" for name in ("doc", "i18n", "locale", "man", "perl", "zoneinfo")),
    *(f"usr/lib/{name}" for name in ("file", "*/gconv", "*/perl")),
)
"""What dnf does without: half of the root."""
YUM = """\
#!/bin/sh
# As yum does, go on without packages that no repository has.
exec dnf --setopt=strict=0 "$@"
"""


def debian() -> Path:
    """An archive of a root with dnf and rpm in it; made once for this host's apt configuration."""
    apt = Path("/etc/apt")
    sources = [apt / "sources.list", *sorted(apt.glob("sources.list.d/*.sources"))]
    sources = [path for path in sources if path.is_file()]
    (suite,) = [
        line.partition("=")[2].strip('"')
        for line in Path("/etc/os-release").read_text().splitlines()
        if line.startswith("VERSION_CODENAME=")
    ]
    inputs = [suite, *PACKAGES, *LEAVE_OUT, *(path.read_text() for path in sources)]
    archive = CACHE / f"debian-{hashlib.sha256(chr(0).join(inputs).encode()).hexdigest()[:16]}.tar"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "debian.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not archive.exists():
            options = ["--quiet", "--variant=essential", f"--include={','.join(PACKAGES)}"]
            options.append(f'--customize-hook=cd "$1" && rm -rf {" ".join(LEAVE_OUT)}')
            part = archive.with_name(f"part-{archive.name}")
            run("mmdebstrap", *options, suite, part, *sources)
            part.rename(archive)
    return archive


def centos(store: Store, stand_ins: Path, key: Key, place: Path) -> str:
    """Make the image in a store; its id. `key` is the one that CentOS's own packages are signed with."""
    empty = place / "centos"
    _install(stand_ins, empty, place)
    container = store.buildah("from", "scratch").strip()
    root = Path(store.buildah("mount", container).strip())
    run("tar", "-xf", debian(), "-C", root)
    shutil.rmtree(root / "etc/yum.repos.d", ignore_errors=True)
    shutil.copytree(empty / "etc", root / "etc", dirs_exist_ok=True, symlinks=True)
    beside = shutil.ignore_patterns("*-shm", "*-wal", ".rpm.lock")  # what rpm keeps while it works
    shutil.copytree(empty / "var/lib/rpm", root / "var/lib/rpm", dirs_exist_ok=True, ignore=beside)
    # What stands in for the programs of packages that recipes add.
    shutil.copy2(empty / "usr/bin/busybox", root / "usr/bin/busybox")
    shutil.copyfile(key.public, root / "etc/pki/rpm-gpg/RPM-GPG-KEY-CentOS-7")
    (root / "etc/rpm").mkdir(exist_ok=True)
    (root / "etc/rpm/macros").write_text("%_dbpath /var/lib/rpm\n")
    # As in the real one: nothing there, and a link into /run would be Debian's.
    (root / "etc/resolv.conf").unlink(missing_ok=True)
    (root / "etc/resolv.conf").write_text("")
    yum = root / "usr/bin/yum"
    yum.write_text(YUM)
    yum.chmod(0o755)
    store.buildah("config", "--cmd", '["/bin/bash"]', container)
    return store.buildah("commit", "--quiet", "--rm", container).strip()


def _install(stand_ins: Path, root: Path, place: Path) -> None:
    config = place / "dnf.conf"
    config.write_text(
        f"[main]\nreposdir=/dev/null\n[stand-ins]\nname=stand-ins\nbaseurl=file://{stand_ins}/repo\ngpgcheck=0\n"
    )
    home = place / "home"
    home.mkdir()
    (home / ".rpmmacros").write_text("%_dbpath /var/lib/rpm\n")
    bootstrap = json.loads((stand_ins / "manifest.json").read_text())["bootstrap"]
    options = [
        "--quiet",
        "--assumeyes",
        "--config",
        str(config),
        "--installroot",
        str(root),
        "--releasever=7",
    ]
    run("dnf", *options, "install", *bootstrap, env={"HOME": str(home)})
