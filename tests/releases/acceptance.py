"""stable-pike on other releases of Debian: other rpm, other buildah, other Python, and nothing set up.

`python -m tests.releases.acceptance FOLDER SUITE...`, run in a clone, makes a clean root of each suite and
clones the clone into it. There it does what the README says: `make stable-pike`, twice. The images are held
against the facts, and all ids against each other: equal keys mean equal ids. FOLDER gets the results, a
folder a suite, and `report.md`.

`--carry PLAN` is a plan that was built here: it is built there too, in a store of its own. `--tests` runs the
tests that look most at the host's tools. What is committed counts.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE, STDOUT

from tests.releases import ids

SET = "stable-pike"
CLONE = "buildsys"
"""Where the clone lies in a root, seen from where commands begin."""
LEFT = ("state", "results", "logs", "events.jsonl", "events.1.jsonl")
"""What a run leaves in a plan: a copy begins without."""
SOON = 15
"""Seconds that a build with nothing to do may take, entering the root and all."""
CHOSEN = ("standins", "lock", "runtime", "testing", "plan")
"""Rooms of tests/ that look at what rpm, buildah, podman and bash of a release do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do it all on each release, compare, and say by the exit status whether all of it holds."""
    given = _parser().parse_args(arguments)
    machines = {"here": ids.collect(given.carry / "results")} if given.carry else {}
    for suite in given.suites:
        folder = given.folder.absolute() / suite
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        release = Release(suite, given.roots.absolute(), folder)
        release.build()
        machines[suite] = ids.collect(folder / "built")
        if given.carry:
            release.build_carried(given.carry)
            machines[f"{suite} (carried)"] = ids.collect(folder / "carried/results")
        if given.tests:
            release.test()
    text, holds = ids.report(machines)
    (given.folder / "report.md").write_text(text)
    sys.stdout.write(f"\n{text}")
    return 0 if holds else 1


@dataclass(frozen=True)
class Release:
    """A clean root of a release of Debian, and the folder that is `/out` in it."""

    suite: str
    roots: Path
    out: Path

    def build(self) -> None:
        """From nothing, as the README says, and once more; then the facts."""
        place = f"{CLONE}/build/{SET}"
        self.do("a fresh root, and a clone", 600, "git", "clone", "--quiet", "/project", CLONE, fresh=True)
        self.do("the first build, set-up and all", 600, "make", "-C", CLONE, SET)
        begun = time.monotonic()
        said = self.do("the second build, nothing changed", 60, "make", "-C", CLONE, SET)
        if not builds_nothing(said) or time.monotonic() - begun > SOON:
            say(f"== {self.suite}: the second build must build nothing and take {SOON} s at most")
            sys.exit(1)
        self.do("its results", 60, "cp", "-r", f"{place}/results", "/out/built")
        self.do("set-up for tests", 300, "make", "-C", CLONE, "setup")
        self.python("the facts", 300, "-m", "tests.conformance.clone", "--report", "/out/report.md")

    def build_carried(self, plan: Path) -> None:
        """The plan of another machine, with its packages, in a store that holds nothing."""
        ignore = shutil.ignore_patterns(*LEFT)
        shutil.copytree(plan, self.out / "carried", symlinks=True, ignore=ignore)
        store = "BS_STORE=--root /var/tmp/carried/root --runroot /run/carried"
        self.do(
            "a plan from elsewhere", 600, "env", store, "make", "--no-print-directory", "-C", "/out/carried"
        )

    def test(self) -> None:
        """The chosen tests."""
        rooms = [f"tests/{room}" for room in CHOSEN]
        words = [
            "--numprocesses",
            "auto",
            "--maxprocesses",
            "4",
            "--dist",
            "loadgroup",
            "--no-loadscope-reorder",
        ]
        self.python("the chosen tests", 840, "-m", "pytest", "-q", *words, *rooms)

    def python(self, title: str, limit: int, *words: str) -> None:
        """Run the Python of the clone there."""
        self.do(title, limit, "env", "-C", CLONE, ".venv/bin/python", *words)

    def do(self, title: str, limit: int, *command: str, fresh: bool = False) -> str:
        """Run a command in the root, for `limit` seconds at most; leave with its status if it fails."""
        words = ["timeout", "--foreground", "--signal=KILL", str(limit), "tools/clean-root"]
        words += ["--roots", str(self.roots), "--share", f"{self.out}:/out", *(["--fresh"] if fresh else [])]
        say(f"\n== {self.suite}: {title}")
        begun = time.monotonic()
        said = []
        with subprocess.Popen(
            [*words, self.suite, *command], stdout=PIPE, stderr=STDOUT, text=True, errors="replace"
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                sys.stdout.write(line)
                sys.stdout.flush()
                said.append(line)
        say(f"== {time.monotonic() - begun:.1f} s, exit status {process.returncode}")
        if process.returncode:
            sys.exit(process.returncode)
        return "".join(said)


def builds_nothing(said: str) -> bool:
    """Whether a build says that all images were fresh, and that there are some."""
    found = re.search(rf"^{SET}: (\d+) images: 0 built, (\d+) fresh", said, re.MULTILINE)
    return found is not None and found[1] == found[2] != "0"


def say(text: str) -> None:
    """Print a line at once: what commands print comes between."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.releases.acceptance")
    add = parser.add_argument
    add("folder", type=Path, metavar="FOLDER", help="gets the results, and report.md")
    add("suites", nargs="+", metavar="SUITE", help="bookworm, trixie, sid: whatever the mirror has")
    add("--roots", type=Path, default=Path("build/roots"), metavar="FOLDER", help="default: %(default)s")
    add("--carry", type=Path, metavar="PLAN", help="a plan that was built here")
    add("--tests", action="store_true", help="run the chosen tests too")
    return parser


if __name__ == "__main__":
    sys.exit(main())
