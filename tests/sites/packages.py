"""Packages, keys and repositories made for one test."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from buildsys.standins.openpgp import SigningKey, read_secret_key
from buildsys.standins.rpm_file import File, dependency
from tests import rpms

DNF = "dnf" if shutil.which("dnf") else "dnf5"
"""The program of this host."""


def run(*command: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    """Run a program; what it printed. What it printed is shown when it fails."""
    words = [str(word) for word in command]
    done = subprocess.run(
        words,
        cwd=cwd,
        env={**os.environ, **(env or {})},
        check=False,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout}"
    return done.stdout


@dataclass(frozen=True)
class Key:
    """A key that signs packages."""

    home: Path
    secret: SigningKey = field(repr=False)

    @property
    def public(self) -> Path:
        return self.home / "public.asc"

    def sign(self, *packages: Path) -> None:
        """Sign packages, in the place of whoever signed them before."""
        for package in packages:
            rpms.sign(package, lambda content: self.secret.sign(content, int(time.time())))


def make_key(home: Path, name: str) -> Key:
    """A new key that nobody knows yet."""
    home.mkdir(mode=0o700, parents=True)
    gpg = ("gpg", "--homedir", home, "--batch", "--quiet")
    run(*gpg, "--passphrase", "", "--quick-generate-key", name, "rsa2048", "sign", "never")
    (home / "public.asc").write_text(run(*gpg, "--armor", "--export", name))
    secret = read_secret_key(run(*gpg, "--armor", "--export-secret-keys", name))
    run("gpgconf", "--homedir", home, "--kill", "gpg-agent")
    return Key(home, secret)


def stand_in_key(home: Path) -> Key:
    """The published key of the stand-in packages."""
    home.mkdir(mode=0o700, parents=True)
    (home / "public.asc").write_bytes((rpms.STAND_INS / "keys/RPM-GPG-KEY-stand-in").read_bytes())
    return Key(home, rpms.stand_in_key())


def make_package(
    folder: Path,
    name: str,
    version: str = "1.0",
    *,
    files: Mapping[str, str | Path] | None = None,
    post: str = "",
    requires: Iterable[str] = (),
) -> Path:
    """Write a package that holds these files: texts, copies, links (`-> TARGET`); it is not signed."""
    files = {f"/usr/share/{name}/about": f"{name} {version}\n"} if files is None else files
    package = replace(
        rpms.rpm(name, version, *(_file(path, content) for path, content in files.items()), release="1.el7"),
        requires=tuple(dependency(text) for text in requires),
        post=rpms.script(post),
    )
    return rpms.write(folder, package)


def _file(path: str, content: str | Path) -> File:
    if isinstance(content, Path):
        return File(path, content.stat().st_mode, content.read_bytes())
    if content.startswith("-> "):
        return File(path, stat.S_IFLNK | 0o777, target=content.removeprefix("-> "))
    return File(path, stat.S_IFREG | 0o644, content.encode())


def make_repository(folder: Path) -> None:
    """Write the index of a folder of packages."""
    run("createrepo_c", "--quiet", "--simple-md-filenames", folder)
