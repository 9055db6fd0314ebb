"""The programs of this host: paths, versions, what is missing; and the only door through which they are run.

Starting a program costs more than compiling a set, and importing sh as much again: `require` does neither
while the programs are those whose versions it recorded the last time.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

from buildsys import files
from buildsys.diagnostics import NOWHERE, Code, Diagnostic, Refused

if TYPE_CHECKING:
    import asyncio

Version = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Need:
    """The oldest version of a program that works, and what an older one lacks."""

    oldest: Version
    reason: str


NEEDS: Mapping[str, Need] = {
    "bash": Need((5, 0), "steps take the time from EPOCHREALTIME, which bash 5.0 brought"),
    "make": Need((4, 2), "runs share jobs by --jobserver-auth, which make 4.2 brought"),
    "buildah": Need((1, 27), "images are committed with --omit-history, which buildah 1.27 brought"),
    "podman": Need((4, 0), "tests end their containers with rm --time, which podman 4.0 brought"),
    "skopeo": Need((1, 2), "configurations are read by inspect --raw --config and put back by copy --quiet"),
}
"""Programs whose version matters; any version of the others works."""

TESTED: Mapping[str, Version] = {
    "bash": (5, 2), "make": (4, 3), "buildah": (1, 28), "podman": (4, 3), "skopeo": (1, 9), "rpm": (4, 18),
    "dnf": (4, 14), "dnf5": (5, 4), "bwrap": (0, 8), "python": (3, 11),
}  # fmt: skip
"""The oldest version of each program that was tested. An older one may work."""

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
"""Program -> (package for apt, package for dnf), where the package has another name."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A program of this host. Empty path: it is missing. Empty version: it does not matter or is unknown."""

    name: str
    path: str
    version: Version = ()

    def mistake(self) -> Diagnostic | None:
        """The error if it is missing or too old."""
        if not self.path:
            command = install_command([self.name])
            first = f"`{command}`" if command else f"install {self.name}"
            hint = f"{first}; in a clone of buildsys, `make setup` installs all that is missing"
            return Diagnostic(NOWHERE, Code.MISSING_TOOL, f"{self.name} is needed and is not installed", hint)
        need = NEEDS.get(self.name)
        if need is None or self.version >= need.oldest:
            return None
        wanted = f"{self.name} {dotted(need.oldest)} or newer is needed"
        has = f"is version {dotted(self.version)}" if self.version else "does not say its version"
        return Diagnostic(NOWHERE, Code.OLD_TOOL, f"{wanted}, {self.path} {has}", need.reason)


def require(names: Iterable[str], notebook: Path) -> None:
    """Check that these programs are here and new enough. `notebook`: file of known versions.

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
    """Find a program, and its version if it matters; `known` saves running it.

    `A|B` is the first of them that is installed.
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
    """The first version number in the output of `PATH --version`; empty if there is none."""
    match = re.search(r"\d+(?:\.\d+)+", answer(path, "--version") or "")
    return tuple(map(int, match[0].split("."))) if match else ()


def dotted(version: Version) -> str:
    """A version with dots."""
    return ".".join(map(str, version))


def install_command(names: Iterable[str]) -> str | None:
    """The command that installs these programs; None without programs, or without a known package manager."""
    managers = ("apt-get install --no-install-recommends", f"{look_up('dnf|dnf5').name} install")
    for index, command in enumerate(managers):
        if shutil.which(command.split()[0]):
            packages = {PACKAGES[name][index] if name in PACKAGES else name for name in names}
            sudo = "" if os.geteuid() == 0 else "sudo "
            return f"{sudo}{command} {' '.join(sorted(packages))}" if packages else None
    return None


# ── this host ───────────────────────────────────────────────────────────────────────────────────────────────


def complaint(program: str, *words: str) -> str | None:
    """None if a program succeeds, else the last line of its stderr."""
    try:
        output(program, *words)
    except ToolFailed as failed:
        return str(failed)
    except (Refused, OSError):
        return f"{program} cannot be started"
    return None


def can_import(interpreter: str, module: str) -> bool:
    """Whether another Python has a module."""
    return answer(interpreter, "-c", f"import {module}") is not None


# ── the door to programs ────────────────────────────────────────────────────────────────────────────────────
#
# `output` and `answer` call a program in one line, by sh. `run`, `lines` and `start` are for what sh lacks:
# another environment or umask, stdin and stdout that are files, stderr that stays the terminal's.

Running = subprocess.Popen[bytes]
"""A program that still runs."""
TimedOut = subprocess.TimeoutExpired
"""A program ran longer than it may, and was killed."""


class ToolFailed(Exception):  # noqa: N818 - reads as what happened
    """A program failed; the text is the last line of its stderr. `status`: negative for a signal."""

    def __init__(self, message: str, status: int = 1) -> None:
        self.status = status
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Result:
    """A program that has ended."""

    status: int
    """Exit status; negative: the signal that ended it."""
    stdout: bytes
    stderr: bytes
    errors: str = "replace"
    """Treatment of bytes that are not UTF-8, in `out` and `err`."""

    @property
    def out(self) -> str:
        """Its stdout as text."""
        return self.stdout.decode("utf-8", self.errors)

    @property
    def err(self) -> str:
        """Its stderr as text."""
        return self.stderr.decode("utf-8", self.errors)

    @property
    def complaint(self) -> str:
        """The last line of stderr, without the time and level that programs in Go write; else the status."""
        last = self.err.strip().splitlines()[-1:] or [f"exit status {self.status}"]
        return _MESSAGE.sub(r"\1", last[0]).replace('\\"', '"')


_MESSAGE = re.compile(r'^time=.*? msg="(.*)"$')


def run(
    argv: Sequence[str],
    *,
    given: str | IO[bytes] = "",
    to: IO[bytes] | None = None,
    check: bool = False,
    timeout: float | None = None,
    env: Mapping[str, str] | None = None,
    umask: int = -1,
    session: bool = False,
    errors: str = "replace",
) -> Result:
    """Run a program to its end.

    `given`: its stdin, text or a file. `to`: the file that gets its stdout. `timeout`: seconds. `session`:
    run it in a session of its own, out of reach of the terminal's signals.

    Raises:
        FileNotFoundError: it is not installed.
        ToolFailed: it fails, and `check` is set.
        TimedOut: it ran too long.
    """
    source: dict[str, Any] = (
        {"input": given.encode("utf-8", "surrogateescape")} if isinstance(given, str) else {"stdin": given}
    )
    done = subprocess.run(
        argv, **source, stdout=to or subprocess.PIPE, stderr=subprocess.PIPE, check=False, timeout=timeout,
        env=env, umask=umask, start_new_session=session,
    )  # fmt: skip
    result = Result(done.returncode, done.stdout or b"", done.stderr, errors)
    if check and result.status:
        raise ToolFailed(result.complaint, result.status)
    return result


def lines(argv: Sequence[str], env: Mapping[str, str] | None = None) -> Iterator[str]:
    """The lines of a program's stdout as they come; its stderr is ours. Ctrl-C ends it.

    Raises:
        ToolFailed: it ends with another status than 0.
    """
    with subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, text=True, errors="replace") as running:
        try:
            for line in running.stdout or ():
                yield line.rstrip("\n")
        except KeyboardInterrupt:
            running.terminate()
            raise
    if running.returncode:
        raise ToolFailed(f"exit status {running.returncode}", running.returncode)


def start(argv: Sequence[str], env: Mapping[str, str], *, captured: bool = False) -> Running:
    """Start a program that the caller waits for and ends.

    `captured`: no stdin, pipes for stdout and stderr, and a session of its own.
    """
    if not captured:
        return subprocess.Popen(argv, env=env)
    return subprocess.Popen(
        argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        start_new_session=True,
    )  # fmt: skip


def start_shown(argv: Sequence[str], env: Mapping[str, str]) -> tuple[Running, int]:
    """Start a program whose stdout and stderr the caller shows: the process, and the end of a pipe to read.

    Reading does not block. All open descriptors are handed on: make's job server may be among them.
    """
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    try:
        return subprocess.Popen(argv, env=env, stdout=writing, stderr=writing, close_fds=False), reading
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)


async def converse(
    argv: Sequence[str],
    env: Mapping[str, str],
    given: bytes,
    put: Callable[[int, bytes], None],
    *,
    orphan: Literal["TERM", "KILL"] = "TERM",
) -> int:
    """Run a program in a session of its own; `put` takes the descriptor, 1 or 2, and bytes as they come.

    A cancelled caller ends it: first by SIGTERM, after a second by SIGKILL. `orphan`: the signal that the
    kernel sends if this process dies.

    Returns:
        Its exit status; a signal as a negative number.

    Raises:
        OSError: it cannot be started.
    """
    import asyncio

    process = await asyncio.create_subprocess_exec(
        "setpriv", "--pdeathsig", orphan, *argv, env=env, start_new_session=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip

    async def copy(stream: asyncio.StreamReader | None, descriptor: int) -> None:
        while stream is not None and (data := await stream.read(1 << 16)):
            put(descriptor, data)

    async def give() -> None:
        if process.stdin is not None:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                process.stdin.write(given)
                await process.stdin.drain()
            process.stdin.close()

    try:
        await asyncio.gather(give(), copy(process.stdout, 1), copy(process.stderr, 2))
        return await process.wait()
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(process.wait()), 1)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


def output(program: str, *words: str) -> str:
    """The stdout of a program.

    Raises:
        Refused: it is not installed (`missing-tool`).
        ToolFailed: it fails.
    """
    import sh

    try:
        # File names are bytes, but sh takes only text that can be encoded.
        plain = [os.fsencode(word).decode("latin-1") for word in words]
        printed = sh.Command(program)(*plain, _tty_out=False, _encoding="latin-1")
        return os.fsdecode(str(printed).encode("latin-1"))
    except sh.CommandNotFound as error:
        raise Refused(_missing(program)) from error
    except sh.ErrorReturnCode as error:
        last = error.stderr.decode(errors="replace").strip().splitlines()[-1:] or [str(error)]
        raise ToolFailed(_MESSAGE.sub(r"\1", last[0]), error.exit_code) from error


def answer(program: str, *words: str) -> str | None:
    """The stdout of a program; None if it fails or cannot be started."""
    with contextlib.suppress(ToolFailed, Refused, OSError):
        return output(program, *words)
    return None


def _missing(program: str) -> list[Diagnostic]:
    mistake = Tool(program, "").mistake()
    return [mistake] if mistake else []


# ── programs of one purpose ─────────────────────────────────────────────────────────────────────────────────


def commit_folder(folder: Path, message: str, author: str, seconds: int) -> bool:
    """Commit a folder to `main` of its own git repository, created if missing; False if nothing changed.

    `author` is `Name <address>`, `seconds` since 1970: equal folders make equal first commits anywhere.

    Raises:
        ToolFailed: git refuses.
    """
    import sh

    name, _, address = author.rstrip(">").rpartition(" <")
    identity = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER") for what, value in (
        ("NAME", name), ("EMAIL", address), ("DATE", f"@{seconds} +0000"))}  # fmt: skip
    # The user's configuration, hooks and line ends above all, must not change the commit.
    alone = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "PATH": os.environ["PATH"]}

    def git(*words: str) -> str:
        try:
            command = sh.Command("git").bake("-C", str(folder), _tty_out=False, _env={**identity, **alone})
            return str(command(*words)).strip()
        except sh.CommandNotFound as error:
            raise Refused(_missing("git")) from error
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


# ── recorded versions ───────────────────────────────────────────────────────────────────────────────────────


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
    with contextlib.suppress(OSError):  # a version that is not recorded is asked for again
        files.write(notebook, json.dumps(known, indent=1) + "\n")
