"""What these tests stand on: signed packages and base images, made once; stores that begin from a copy."""

from __future__ import annotations

import itertools
import shutil
import stat
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from buildsys.standins.rpm_file import File, dependency
from buildsys.standins.tools import find_busybox
from tests import rpms
from tests.busybox import APPLETS
from tests.sites.packages import Key, make_key
from tests.stores import Store, store

BASE = "localhost/ground:1"
BASES = (1, 2, 3)
"""Contents that the base image's name may mean in turn."""
REQUIRES = {"mid": ("libmid",)}
"""What a package needs besides itself, in its own version."""
VERSIONS: Mapping[str, tuple[str, ...]] = {
    "root": ("1.0",),
    "libmid": ("1.0", "1.1", "1.2"),
    "mid": ("1.0", "1.1", "1.2"),
    "leaf": ("1.0", "1.1", "1.2"),
    "tool": ("1.0", "1.1", "1.2"),
    "other": ("1.0", "1.1"),
}


@dataclass(frozen=True)
class Ground:
    """Packages by `NAME-VERSION`, the key they are signed with, and a store that holds the base images."""

    place: Path
    key: Key
    packages: Mapping[str, Path] = field(repr=False)
    template: Path
    numbers: Iterator[int] = field(default_factory=itertools.count)

    @contextmanager
    def store(self) -> Iterator[Store]:
        """A store with nothing in it but the base images."""
        with store(self.place / f"store-{next(self.numbers)}") as made:
            subprocess.run(["cp", "-a", str(self.template), str(made.place)], check=True)
            yield made


@contextmanager
def ground(place: Path) -> Iterator[Ground]:
    """Make it all; takes seconds."""
    key = make_key(place / "key", "oracle")
    packages = _packages(place / "packages")
    key.sign(*packages.values())
    with store(place / "template") as template:
        for number in BASES:
            _base(template, place / f"base-{number}", number)
        yield Ground(place, key, packages, template.place)


def set_base(made: Store, number: int) -> None:
    """Let the base image's name mean another content."""
    made.buildah("tag", f"localhost/ground-content:{number}", BASE)


def _root(tree: Path) -> None:
    for name in ("bin", "dev", "etc", "proc", "srv", "sys", "tmp", "var/lib"):
        (tree / name).mkdir(parents=True)
    shutil.copy(find_busybox(), tree / "bin/busybox")
    for applet in APPLETS:
        (tree / "bin" / applet).symlink_to("busybox")


def _base(template: Store, scratch: Path, number: int) -> None:
    _root(scratch)
    (scratch / "etc/ground").write_text(f"{number}\n")
    container = template.buildah("from", "scratch").strip()
    template.buildah("copy", "--quiet", container, str(scratch), "/")
    template.buildah("commit", "--quiet", "--rm", container, f"localhost/ground-content:{number}")


def _packages(place: Path) -> dict[str, Path]:
    """All packages."""
    made = {}
    for name, versions in VERSIONS.items():
        for version in versions:
            if name == "root":
                top = place / f"tree-{version}"
                _root(top)
                files = tuple(rpms.tree(top))
            else:
                text = f"{name} {version}\n".encode()
                files = (File(f"/usr/share/{name}", stat.S_IFREG | 0o644, text),)
            requires = tuple(dependency(f"{need} = {version}") for need in REQUIRES.get(name, ()))
            package = replace(rpms.rpm(name, version, *files), requires=requires)
            made[f"{name}-{version}"] = rpms.write(place, package)
    return made
