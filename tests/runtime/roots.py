"""Small roots to enter: one of busybox, and one for each shell of the host that may be an image's /bin/sh."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from buildsys.image.shell import FILES
from buildsys.shell import Command

RUNTIME = Path(__file__).parents[2] / "buildsys/plan/runtime"
SHELLS = ("busybox", "dash", "bash")
PROGRAMS = (
    "awk cat chmod chown cp dirname find grep ln mkdir mv readlink rm sed sha256sum stat tail touch xargs"
).split()
"""What the verbs call, and what these tests call beside them."""

# The part of a step that enters a root, and what it finds around it.
ENTER = """\
set -Eeuo pipefail
PLAN=$1 LIB=$2 ROOT=$3 SCRATCH=$4 SPOT=nowhere NETWORK='' BS_EPOCH=$SOURCE_DATE_EPOCH STATE=$4
shift 4
SOURCES=("$@")
. "$LIB/enter.sh"
status=0
inside || status=$?
printf '%s\\n' "$SPOT" >"$SCRATCH/reported"
exit "$status"
"""


@dataclass(frozen=True)
class Outcome:
    """How an entry ended: exit status, what it said, and the Spot a step would report."""

    status: int
    said: str
    spot: str


@dataclass
class Box:
    """A root on disk, with the plan beside it that is mounted into it."""

    root: Path
    plan: Path
    scratch: Path
    sources: dict[str, Path] = field(default_factory=dict)

    def do(self, *commands: Sequence[str], spot: str = "recipes/x.yaml:3:5") -> Outcome:
        """Run verbs of lib/inside.sh in the root, as a step does. A single command may be given as words."""
        lines = [Command(("at", spot)).text(), *(Command(tuple(words)).text() for words in commands)]
        return self.feed(lines)

    def works(self, *commands: Sequence[str]) -> None:
        """Run verbs that must succeed, and say nothing."""
        outcome = self.do(*commands)
        assert (outcome.status, outcome.said) == (0, "")

    def fails(self, *commands: Sequence[str]) -> str:
        """Run verbs that must fail, with an error; returns what was said."""
        outcome = self.do(*commands)
        assert outcome.status not in {0, 127}, outcome.said
        assert outcome.spot == "recipes/x.yaml:3:5"
        return outcome.said

    def feed(
        self,
        lines: Iterable[str],
        environment: Mapping[str, str] | None = None,
        open_files: Sequence[int] = (),
    ) -> Outcome:
        """Run lines of shell in the root, as a step's here-document does; the step has these files open."""
        self.scratch.mkdir(exist_ok=True)
        sources = [f"{name}={path}" for name, path in self.sources.items()]
        places = map(str, (self.plan, self.plan / "lib", self.root, self.scratch))
        done = subprocess.run(
            ["bash", "-c", ENTER, "step", *places, *sources],
            input="".join(f"{line}\n" for line in lines),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={
                "PATH": os.environ["PATH"],
                "SOURCE_DATE_EPOCH": "1517443200",
                "LC_ALL": "C",
                **(environment or {}),
            },
            pass_fds=open_files,
            check=False,
        )
        return Outcome(done.returncode, done.stdout, (self.scratch / "reported").read_text().rstrip("\n"))

    def path(self, inside: str) -> Path:
        """A path of the root as the host sees it; nothing on the way may be a link that leads out."""
        return self.root / inside.lstrip("/")

    def write(self, inside: str, text: str, mode: int = 0o644) -> Path:
        """Write a file of the root."""
        path = self.path(inside)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        return path

    def text(self, inside: str) -> str:
        """Text of a file of the root."""
        return self.path(inside).read_text()

    def mode(self, inside: str) -> str:
        """Mode bits in octal, of the link itself where it is one."""
        return f"{self.path(inside).lstat().st_mode & 0o7777:o}"

    def owner(self, inside: str) -> tuple[int, int]:
        """Numbers of user and group, of the link itself where it is one."""
        found = self.path(inside).lstat()
        return found.st_uid, found.st_gid

    def names(self, inside: str) -> list[str]:
        """Names in a directory of the root."""
        return sorted(path.name for path in self.path(inside).iterdir())


def make_root(root: Path, shell: str) -> None:
    """Fill an empty directory with the least an image has: a shell, base utilities, system accounts."""
    if shell == "busybox":
        _busybox(root)
    else:
        _host_programs(root, shell)
    for name in ("dev", "etc", "proc", "root", "sys", "tmp"):
        (root / name).mkdir()
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\nwheel:x:10:\n")


def copy_root(source: Path, target: Path) -> None:
    """Copy a root; programs, which no test changes, are links to the same files."""
    shutil.copytree(source, target, symlinks=True, copy_function=_link_program)


def make_plan(plan: Path) -> None:
    """A plan directory with the runtime in it, and nothing to build."""
    (plan / "lib").mkdir(parents=True)
    for path in (*RUNTIME.glob("*.sh"), *RUNTIME.glob("seccomp.*"), *FILES.values()):
        shutil.copy(path, plan / "lib")


def _busybox(root: Path) -> None:
    (root / "bin").mkdir(parents=True)
    program = shutil.which("busybox")
    assert program, "the tests need busybox, linked statically"
    shutil.copy(program, root / "bin/busybox")
    for name in ("sh", "[", *PROGRAMS):
        (root / "bin" / name).symlink_to("busybox")


def _host_programs(root: Path, shell: str) -> None:
    (root / "usr/bin").mkdir(parents=True)
    (root / "usr/lib").mkdir()
    (root / "bin").symlink_to("usr/bin")
    (root / "lib").symlink_to("usr/lib")
    (root / "lib64").symlink_to("usr/lib")
    for name in (shell, *PROGRAMS):
        program = shutil.which(name)
        assert program, f"the tests need {name}"
        shutil.copy(Path(program).resolve(), root / "usr/bin" / name)
        listed = subprocess.run(["ldd", program], text=True, capture_output=True, check=True).stdout
        for library in re.findall(r"(/\S+) \(0x", listed):
            target = root / "usr/lib" / library.split("/lib", 1)[1].partition("/")[2]
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists():
                shutil.copy(library, target)
    (root / "usr/bin/sh").symlink_to(shell)


def _link_program(source: str, target: str) -> None:
    if "/bin/" in source or "/lib/" in source:
        os.link(source, target, follow_symlinks=False)
    else:
        shutil.copy2(source, target, follow_symlinks=False)
