"""An ordinary user of this machine, made for a test and removed with all that is theirs."""

from __future__ import annotations

import fcntl
import os
import pwd
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.stores import Store

PREFIX = "bs-test-"
"""How such users are called; behind it stands the number of the process that made them, and a count."""
PLACE = Path("/var/tmp")
"""Where their homes lie: below a root's home nobody else can read."""

SHARED = Path("/usr")
"""What every user may read."""

Done = subprocess.CompletedProcess[str]


@dataclass(frozen=True)
class DriverStore(Store):
    """A store with a driver of its own."""

    driver: str = "overlay"

    @property
    def options(self) -> str:
        """See `Store.options`."""
        return f"{super().options} --storage-driver {self.driver}"


@dataclass(frozen=True)
class User:
    """An ordinary user, with a home and subordinate ids."""

    name: str
    home: Path

    @property
    def project(self) -> Path:
        """Where this user finds the project, wherever it lies; only while a command of theirs runs."""
        return self.home / "project"

    @property
    def python(self) -> Path:
        """Where this user finds the Python of the tests, which may lie in root's home; likewise."""
        program = Path(sys.executable).resolve()
        if SHARED in program.parents:
            return program
        return self.home / "python" / program.relative_to(sys.base_prefix)

    def login(
        self,
        *words: str,
        settings: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        mounts: str = "true",
        timeout: float = 300,
    ) -> Done:
        """Run a command in a login of this user: `settings` is all that its environment has of ours.

        `mounts`: shell text that root runs before, in the mount namespace of the command; `$1` is the home.
        """
        assigned = shlex.join(["env", *(f"{name}={value}" for name, value in (settings or {}).items())])
        text = f"cd {shlex.quote(str(cwd or self.home))} && exec {assigned} {shlex.join(words)}"
        script = (
            'for name in project python; do mkdir -p "$1/$name"; mount --bind "$2" "$1/$name"\n'
            'set -- "$1" "${@:3}"; done\n'
            f'{mounts}\nexec "${{@:2}}"'
        )
        apart = ["unshare", "--mount", "--propagation", "private", "bash", "-euc", script, "bash"]
        places = [str(self.home), str(ROOT), sys.base_prefix]
        return subprocess.run(
            [*apart, *places, "runuser", "--login", self.name, "--command", text],
            check=False,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd="/",
            timeout=timeout,
        )

    def buildsys(self, *words: str, settings: Mapping[str, str] | None = None, timeout: float = 300) -> Done:
        """Run the command, in a login of this user."""
        given = {**self.settings, **(settings or {})}
        return self.login(*self._argv, *words, cwd=self.project, timeout=timeout, settings=given)

    def command(self, *words: str) -> str:
        """The command as a line of shell; it wants `settings`."""
        return shlex.join([*self._argv, *words])

    @property
    def settings(self) -> dict[str, str]:
        """What Python needs to find the project and its libraries where this user sees them."""
        packages = self.project / Path(sysconfig.get_path("purelib")).relative_to(ROOT)
        libraries = self.python.parent.parent / "lib"
        return {"PYTHONPATH": f"{self.project}:{packages}", "LD_LIBRARY_PATH": str(libraries)}

    @property
    def _argv(self) -> tuple[str, ...]:
        return str(self.python), "-m", "buildsys"

    def give(self, path: Path) -> None:
        """Make a folder and all below it this user's."""
        subprocess.run(["chown", "-R", f"{self.name}:", str(path)], check=True)

    def store(self, driver: str) -> DriverStore:
        """A store of this user's."""
        return DriverStore(self.home / driver, driver)


@contextmanager
def user(*, subordinate: bool = True) -> Iterator[User]:
    """A new user; without `subordinate`, one that root has given no subordinate ids."""
    alone = ["runuser", "--user", "nobody", "--", "unshare", "--user", "true"]
    if subprocess.run(alone, check=False, capture_output=True, cwd="/").returncode:
        pytest.skip("nobody may make user namespaces here, as in a chroot")
    with _alone():
        clear()
        taken = {entry.pw_name for entry in pwd.getpwall()}
        names = (f"{PREFIX}{os.getpid()}-{number}" for number in range(len(taken) + 1))
        name = next(name for name in names if name not in taken)
        home = PLACE / name
        command = ["useradd", "--create-home", "--home-dir", str(home), "--shell", "/bin/bash"]
        subprocess.run([*command, name], check=True, capture_output=True)
        home.chmod(0o755)
        if not subordinate:
            for kind in ("uid", "gid"):
                rows = [row.split(":") for row in Path(f"/etc/sub{kind}").read_text().splitlines()]
                for _, first, count in (row for row in rows if row[0] == name):
                    ids = f"{first}-{int(first) + int(count) - 1}"
                    subprocess.run(["usermod", f"--del-sub{kind}s", ids, name], check=True)
    try:
        yield User(name, home)
    finally:
        with _alone():
            _remove(name)


def clear() -> None:
    """Remove users of tests that were killed."""
    for entry in pwd.getpwall():
        number = entry.pw_name.removeprefix(PREFIX).partition("-")[0]
        if entry.pw_name.startswith(PREFIX) and number.isdigit() and not Path("/proc", number).exists():
            _remove(entry.pw_name)


@contextmanager
def _alone() -> Iterator[None]:
    """One test at a time changes the accounts."""
    # The file is there on every machine that has accounts, and nothing is written to it.
    with Path("/etc/passwd").open() as accounts:
        fcntl.flock(accounts, fcntl.LOCK_EX)
        yield


def _remove(name: str) -> None:
    """End what the user runs, and remove the account with its home and its ids."""
    account = pwd.getpwnam(name)
    ids = _ids(name) | {account.pw_uid}
    for _ in range(50):
        running = [path for path in Path("/proc").glob("[0-9]*") if _owner(path) in ids]
        for path in running:
            with suppress(ProcessLookupError):
                os.kill(int(path.name), signal.SIGKILL)
        if not running:
            break
        time.sleep(0.1)
    subprocess.run(["userdel", "--force", name], check=True, capture_output=True)
    shutil.rmtree(account.pw_dir, ignore_errors=True)
    for place in ("/tmp", "/var/tmp", "/run/user"):
        for left in Path(place).glob("*"):
            if _owner(left) == account.pw_uid:
                shutil.rmtree(left, ignore_errors=True)
    Path("/var/mail", name).unlink(missing_ok=True)


def _ids(name: str) -> set[int]:
    """The subordinate ids of a user, as far as processes have them."""
    rows = [row.split(":") for row in Path("/etc/subuid").read_text().splitlines()]
    own: Mapping[int, int] = {int(row[1]): int(row[2]) for row in rows if row[0] == name}
    return {first + number for first, count in own.items() for number in range(count)}


def _owner(path: Path) -> int:
    try:
        return path.stat().st_uid
    except OSError:
        return -1
