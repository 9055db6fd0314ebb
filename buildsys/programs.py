"""The programs of this host: where they are, which versions, what is missing. The only door to sh.

Starting a program costs more than compiling a set, and importing sh as much again: `require` does neither
while the programs are the ones whose versions it wrote down the last time.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from buildsys import files
from buildsys.diagnostics import NOWHERE, Code, Diagnostic, Refused

Version = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Need:
    """The oldest version of a program that will do, and why an older one will not."""

    oldest: Version
    reason: str


NEEDS: Mapping[str, Need] = {
    "bash": Need((5, 0), "steps take the time from EPOCHREALTIME, which bash 5.0 brought"),
    "make": Need((4, 2), "runs share jobs by --jobserver-auth, which make 4.2 brought"),
    "buildah": Need((1, 27), "images are committed with --omit-history, which buildah 1.27 brought"),
    "podman": Need((4, 0), "tests end their containers with rm --time, which podman 4.0 brought"),
    "skopeo": Need((1, 2), "configurations are read by inspect --raw --config and put back by copy --quiet"),
}
"""Programs whose version matters; of every other one any version will do."""

TESTED: Mapping[str, Version] = {
    "bash": (5, 2), "make": (4, 3), "buildah": (1, 28), "podman": (4, 3), "skopeo": (1, 9), "rpm": (4, 18),
    "dnf": (4, 14), "dnf5": (5, 4), "bwrap": (0, 8), "python": (3, 11),
}  # fmt: skip
"""The oldest version of each program that builds and passes the tests. An older one may do as well."""

PACKAGES: Mapping[str, tuple[str, str]] = {
    "dnf or dnf5": ("dnf", "dnf"),
    "libdnf5": ("python3-libdnf5", "python3-libdnf5"),
    "apt-get": ("apt", "apt"), "awk": ("mawk", "gawk"), "busybox": ("busybox-static", "busybox"),
    "bwrap": ("bubblewrap", "bubblewrap"), "createrepo_c": ("createrepo-c", "createrepo_c"),
    "diff": ("diffutils", "diffutils"), "dpkg-deb": ("dpkg", "dpkg"), "find": ("findutils", "findutils"),
    "flock": ("util-linux", "util-linux"), "ldd": ("libc-bin", "glibc-common"),
    "newuidmap": ("uidmap", "shadow-utils"), "rpm2archive": ("rpm", "rpm"), "rpmkeys": ("rpm", "rpm"),
    "setfattr": ("attr", "attr"), "sha256sum": ("coreutils", "coreutils"), "sync": ("coreutils", "coreutils"),
    "unshare": ("util-linux", "util-linux"),
}  # fmt: skip
"""Where a program's package has another name: its name to apt and to dnf."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A program of this host. No path: it is missing. No version: it does not matter, or is not told."""

    name: str
    path: str
    version: Version = ()

    def mistake(self) -> Diagnostic | None:
        """What is wrong with it, or nothing."""
        if not self.path:
            hint = f"install {self.name}; in a clone of buildsys, `make setup` installs all that is missing"
            return Diagnostic(NOWHERE, Code.MISSING_TOOL, f"{self.name} is needed and is not installed", hint)
        need = NEEDS.get(self.name)
        if need is None or self.version >= need.oldest:
            return None
        wanted = f"{self.name} {dotted(need.oldest)} or newer is needed"
        has = f"is version {dotted(self.version)}" if self.version else "does not say its version"
        return Diagnostic(NOWHERE, Code.OLD_TOOL, f"{wanted}, {self.path} {has}", need.reason)


def require(names: Iterable[str], notebook: Path) -> None:
    """Make sure of these programs. Their versions are kept in `notebook`, by path, time and size.

    Raises:
        Refused: some are missing (`missing-tool`) or too old (`old-tool`); all of them together.
    """
    known = _read(notebook)
    tools = [look_up(name, known) for name in dict.fromkeys(names)]
    seen = {_key(tool.path): list(tool.version) for tool in tools if tool.version}
    if not seen.items() <= known.items():
        _write(notebook, known | seen)
    if mistakes := [mistake for tool in tools if (mistake := tool.mistake())]:
        raise Refused(mistakes)


def look_up(name: str, known: Mapping[str, list[int]] | None = None) -> Tool:
    """Find a program; one whose version matters is asked for it unless it is among those `known`.

    Of `A|B` the first that is there is found.
    """
    found = ((item, path) for item in name.split("|") if (path := shutil.which(item)))
    name, path = next(found, (name.replace("|", " or "), ""))
    if not path:
        return Tool(name, "")
    if name not in NEEDS:
        return Tool(name, path)
    version = known.get(_key(path)) if known else None
    return Tool(name, path, tuple(version) if version else version_of(path))


def version_of(path: str) -> Version:
    """The first thing like a version in what `PATH --version` says; empty when there is none."""
    match = re.search(r"\d+(?:\.\d+)+", answer(path, "--version") or "")
    return tuple(map(int, match[0].split("."))) if match else ()


def dotted(version: Version) -> str:
    """A version as people write it."""
    return ".".join(map(str, version))


def install_command(names: Iterable[str]) -> str | None:
    """What installs these programs on this host; None without a program, or a package manager known here."""
    managers = ("apt-get install --no-install-recommends", f"{look_up('dnf|dnf5').name} install")
    for index, command in enumerate(managers):
        if shutil.which(command.split()[0]):
            packages = {PACKAGES[name][index] if name in PACKAGES else name for name in names}
            sudo = "" if os.geteuid() == 0 else "sudo "
            return f"{sudo}{command} {' '.join(sorted(packages))}" if packages else None
    return None


# ── what the programs say of this host ──────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Store:
    """A container store: what keeps its layers, where, and how much fits in there still."""

    driver: str
    location: str
    free: int
    """Bytes."""
    run: str
    """Where it keeps what lives only until the next start of the host."""
    options: tuple[str, ...] = ()
    """Options of the driver, `DRIVER.NAME=VALUE`: further stores to read from, the program that mounts."""

    def name(self, image: str) -> str:
        """skopeo's name of an image, given as `@ID` or by its reference; options with commas are left out."""
        options = ",".join(option for option in self.options if "," not in option)
        place = f"{self.driver}@{self.location}+{self.run}{':' if options else ''}{options}"
        return f"containers-storage:[{place}]{image}"


def store(options: str) -> Store | None:
    """The store that these options of buildah choose; None when buildah cannot open it."""
    said = answer("buildah", *shlex.split(options), "info")
    try:
        data = json.loads(said or "")["store"]
        location: str = data["GraphRoot"]
        return Store(
            data["GraphDriverName"],
            location,
            shutil.disk_usage(location).free,
            data.get("RunRoot", ""),
            tuple(data.get("GraphOptions") or ()),
        )
    except (ValueError, KeyError, OSError):
        return None


def complaint(program: str, *words: str) -> str | None:
    """Run a program for its exit status: None when it succeeds, else the last thing it writes to stderr."""
    try:
        output(program, *words)
    except ToolFailed as failed:
        return str(failed)
    except (Refused, OSError):
        return f"{program} cannot be started"
    return None


def can_import(interpreter: str, module: str) -> bool:
    """Whether another Python than this one has a module."""
    return answer(interpreter, "-c", f"import {module}") is not None


# ── the door to programs ────────────────────────────────────────────────────────────────────────────────────


class ToolFailed(Exception):  # noqa: N818 - reads as what happened
    """A program failed; carries the last thing it said."""


def installed_packages(database: Path, form: str) -> str:
    """What rpm says of every package in a database, in `form`, a query format.

    Raises:
        ToolFailed: rpm cannot read the database.
    """
    return output("rpm", "--dbpath", str(database), "--query", "--all", "--queryformat", form)


def commit_folder(folder: Path, message: str, author: str, seconds: int) -> bool:
    """Commit all of a folder to `main` of its own git repository, made if missing; False: nothing changed.

    `author` is `Name <address>`, `seconds` since 1970: equal folders make equal first commits anywhere.

    Raises:
        ToolFailed: git refuses.
    """
    import sh

    name, _, address = author.rstrip(">").rpartition(" <")
    who = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER") for what, value in (
        ("NAME", name), ("EMAIL", address), ("DATE", f"@{seconds} +0000"))}  # fmt: skip
    # What is configured here, hooks and line ends above all, must not change what is committed.
    alone = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "PATH": os.environ["PATH"]}

    def git(*words: str) -> str:
        try:
            command = sh.Command("git").bake("-C", str(folder), _tty_out=False, _env={**who, **alone})
            return str(command(*words)).strip()
        except sh.CommandNotFound as error:
            raise Refused([mistake for mistake in [Tool("git", "").mistake()] if mistake]) from error
        except sh.ErrorReturnCode as error:
            raise ToolFailed(error.stderr.decode(errors="replace").strip()) from error

    git("init", "--quiet", "--initial-branch=main")
    git("add", "--all", "--force", ".")
    tree = git("write-tree")
    branch = "refs/heads/main"
    before = git("for-each-ref", "--format=%(objectname) %(tree)", branch).split()
    if before[1:] == [tree]:
        return False
    parent = ("-p", before[0]) if before else ()
    git("update-ref", branch, git("commit-tree", tree, "-m", message, *parent))
    return True


def output(program: str, *words: str) -> str:
    """What a program writes to stdout.

    Raises:
        Refused: it is not installed (`missing-tool`).
        ToolFailed: it fails.
    """
    import sh

    try:
        plain = [os.fsencode(word).decode("latin-1") for word in words]
        said = sh.Command(program)(*plain, _tty_out=False, _encoding="latin-1")
        return os.fsdecode(str(said).encode("latin-1"))
    except sh.CommandNotFound as error:
        raise Refused([mistake for mistake in [Tool(program, "").mistake()] if mistake]) from error
    except sh.ErrorReturnCode as error:
        last = error.stderr.decode(errors="replace").strip().splitlines()[-1:] or [str(error)]
        raise ToolFailed(_MESSAGE.sub(r"\1", last[0])) from error


_MESSAGE = re.compile(r'^time=.*? msg="(.*)"$')
"""How tools written in Go say things; the time and the level are of no use to a person."""


def answer(program: str, *words: str) -> str | None:
    """What a program writes to stdout; None when it fails or cannot be started."""
    import sh

    with contextlib.suppress(sh.CommandNotFound, sh.ErrorReturnCode, OSError):
        # Names of files are bytes, which sh takes for text without a way out.
        plain = [os.fsencode(word).decode("latin-1") for word in words]
        said = sh.Command(program)(*plain, _tty_out=False, _encoding="latin-1")
        return os.fsdecode(str(said).encode("latin-1"))
    return None


# ── the versions seen the last time ─────────────────────────────────────────────────────────────────────────


def _key(path: str) -> str:
    with contextlib.suppress(OSError):
        status = Path(path).stat()
        return f"{path} {status.st_mtime_ns} {status.st_size}"
    return path


def _read(notebook: Path) -> dict[str, list[int]]:
    with contextlib.suppress(OSError, ValueError):
        data = json.loads(notebook.read_bytes())
        if isinstance(data, dict):
            return data
    return {}


def _write(notebook: Path, known: Mapping[str, list[int]]) -> None:
    with contextlib.suppress(OSError):  # what is not written down is asked for again
        files.write(notebook, json.dumps(known, indent=1) + "\n")
