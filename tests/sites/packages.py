"""Packages, keys and repositories made for one test."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

MADE = 1500000000
"""When the files of packages were written, in seconds."""


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
    name: str

    @property
    def public(self) -> Path:
        return self.home / "public.asc"

    def sign(self, *packages: Path) -> None:
        """Sign packages, in the place of whoever signed them before."""
        gpg = shutil.which("gpg")
        macros = (f"_gpg_name {self.name}", f"_gpg_path {self.home}", f"__gpg {gpg}")
        define = [word for macro in macros for word in ("--define", macro)]
        run("rpmsign", *define, "--resign", *packages)
        end_agent(self.home)


def make_key(home: Path, name: str) -> Key:
    """A new key that nobody knows yet."""
    home.mkdir(mode=0o700, parents=True)
    gpg = ("gpg", "--homedir", home, "--batch", "--quiet")
    run(*gpg, "--passphrase", "", "--quick-generate-key", name, "rsa2048", "sign", "never")
    (home / "public.asc").write_text(run(*gpg, "--armor", "--export", name))
    end_agent(home)
    return Key(home, name)


def end_agent(home: Path) -> None:
    """End the agent that gpg started for this home: it would wait there for good."""
    run("gpgconf", "--homedir", home, "--kill", "gpg-agent")


def stand_in_key(home: Path, secret: Path, public: Path) -> Key:
    """The published key of the stand-in packages."""
    home.mkdir(mode=0o700, parents=True)
    run("gpg", "--homedir", home, "--batch", "--quiet", "--import", secret)
    (home / "public.asc").write_bytes(public.read_bytes())
    listing = run("gpg", "--homedir", home, "--with-colons", "--list-keys")
    fingerprint = next(line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr:"))
    end_agent(home)
    return Key(home, fingerprint)


def make_package(
    folder: Path,
    name: str,
    version: str = "1.0",
    *,
    files: Mapping[str, str | Path] | None = None,
    post: str = "",
    requires: Iterable[str] = (),
) -> Path:
    """Build a package that holds these files: texts, copies, links (`-> TARGET`); it is not signed."""
    files = {f"/usr/share/{name}/about": f"{name} {version}\n"} if files is None else files
    work = folder / f".{name}-{version}"
    for path, content in files.items():
        place = work / "tree" / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, Path):
            shutil.copy(content, place)
        elif content.startswith("-> "):
            place.symlink_to(content.removeprefix("-> "))
        else:
            place.write_text(content)
    for made in (work / "tree").rglob("*"):
        # As in what was published: older than any epoch.
        os.utime(made, (MADE, MADE), follow_symlinks=False)
    lines = [
        f"Name: {name}",
        f"Version: {version}",
        "Release: 1.el7",
        "Summary: made for a test",
        "License: none",
        "BuildArch: noarch",
        *(f"Requires: {item}" for item in requires),
        "%description",
        "Made for a test.",
        "%install",
        f"cp -a {work}/tree/. %{{buildroot}}/",
        *([f"%post {post}" if post.startswith("-p") else f"%post\n{post}"] if post else []),
        "%files",
        *files,
    ]
    (work / "package.spec").write_text("\n".join(lines) + "\n")
    define: tuple[str, ...] = ("--define", f"_topdir {work}/top", "--define", f"_rpmdir {work}/rpms")
    define += (
        "--define",
        "_build_id_links none",
        "--define",
        "_binaries_in_noarch_packages_terminate_build 0",
    )
    run("rpmbuild", "-bb", *define, work / "package.spec")
    (built,) = (work / "rpms").rglob("*.rpm")
    return built.rename(folder / built.name)


def make_repository(folder: Path) -> None:
    """Write the index of a folder of packages."""
    run("createrepo_c", "--quiet", "--simple-md-filenames", folder)
