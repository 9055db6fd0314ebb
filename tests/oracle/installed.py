"""What `rpm -Va` and `dnf check` say of every image of a set."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path

from tests.sites.packages import DNF


def packages_of_every_image(plan: Path, options: str, home: Path) -> tuple[list[str], Counter[str]]:
    """What they find in the images of a plan; and the paths that are excused: recipes change them themselves.

    `options` of buildah choose the store; `home` is a folder that is made for dnf.
    """
    home.mkdir()
    (home / ".rpmmacros").write_text("%_dbpath /var/lib/rpm\n")
    images = json.loads((plan / "plan.json").read_text())["images"]
    commands: dict[str, list[str]] = {}
    for name, image in images.items():
        own = [line for line in (plan / "keys" / name).read_text().splitlines() if line.startswith("do ")]
        commands[name] = commands.get(str(image["parent"]), []) + own
    excused: Counter[str] = Counter()

    def look(name: str) -> list[str]:
        wrong = []
        with mounted(options, str(images[name]["reference"])) as root:
            rpm = ("rpm", "--root", str(root), "--dbpath", "/var/lib/rpm")
            if not told(*rpm, "-qa"):
                wrong.append(f"rpm -qa: {name}: no packages")
            for line in told(*rpm, "-Va"):
                path = line[line.index("/") :] if "/" in line else line
                if any(does(command, path) for command in commands[name]):
                    excused[path] += 1
                else:
                    wrong.append(f"rpm -Va: {name}: {line}")
            dnf = [DNF, "--installroot", str(root), "--releasever=/", "--setopt=reposdir=/dev/null"]
            done = subprocess.run(
                [*dnf, "check"],
                env={**os.environ, "HOME": str(home)},
                check=False,
                capture_output=True,
                text=True,
            )
            if done.returncode or "Error" in done.stdout:
                wrong.append(f"dnf check: {name}: {done.stdout}{done.stderr}")
        return wrong

    with ThreadPoolExecutor(2) as workers:
        found = [line for lines in workers.map(look, images) for line in lines]
    return found, excused


def does(command: str, path: str) -> bool:
    """Whether an instruction names a path: itself, by a pattern, or with all that is below it."""
    deep = " -R " in command or command.startswith("do run ")
    for word in re.findall(r"/[^\s'\";|&)]*", command):
        # One and the same directory in every image.
        named = re.sub("^/var/run(?=/|$)", "/run", word).rstrip("/") or "/"
        if fnmatch(path, named) or (deep and fnmatch(path, f"{named}/*")):
            return True
    return False


def told(*command: str) -> list[str]:
    return subprocess.run(command, check=False, capture_output=True, text=True).stdout.splitlines()


@contextmanager
def mounted(options: str, reference: str) -> Iterator[Path]:
    """The file tree of an image."""
    buildah = ["buildah", *options.split()]
    container = told(*buildah, "from", "--pull-never", reference)[0]
    try:
        yield Path(told(*buildah, "mount", container)[0])
    finally:
        told(*buildah, "rm", container)
