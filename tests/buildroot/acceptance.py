"""All of stable-pike by rpmbuild in a build root: as root, as an ordinary user, and on vfs.

`python -m tests.buildroot.acceptance FOLDER` exports the spec, builds the plan as it is built usually, once
for each storage driver, and then by rpmbuild in the root. It prints a line a way: seconds, images, equal ids.
Exit status 1 unless all ids are equal.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tests.buildroot.root import Root, make_root
from tests.buildroot.test_build_root import BUILDSYS, Exported, packed_images, plan_results, rpmbuild
from tests.conftest import ROOT
from tests.stores import store
from tests.users import DriverStore

IMAGES = 108
WAYS = (("root", "overlay"), ("mockbuild", "overlay"), ("mockbuild", "vfs"))
"""Who builds, on which storage driver."""


def main(words: list[str]) -> int:
    """See above."""
    place = Path(words[0]).absolute()
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    spec = place / "spec"
    build = ["--build-dir", str(place / "build")]
    subprocess.run(
        [BUILDSYS, "export", "rpm-spec", "stable-pike", "-o", str(spec), *build], cwd=ROOT, check=True
    )
    usual = {driver: _usual(place, spec, driver) for driver in dict.fromkeys(driver for _, driver in WAYS)}
    exported = Exported(spec, usual)
    held = [_way(place, exported, user, driver) for user, driver in WAYS]
    return 0 if all(held) else 1


def _usual(place: Path, spec: Path, driver: str) -> dict[str, str]:
    plan = place / "stable-pike-plan"
    shutil.rmtree(plan, ignore_errors=True)
    subprocess.run(["tar", "-xzf", str(spec / "stable-pike-plan.tar.gz"), "-C", str(place)], check=True)
    begun = time.monotonic()
    with store(place / "store"):
        environment = {
            "PATH": os.environ["PATH"], "BS_STORE": DriverStore(place / "store", driver).options,
        }  # fmt: skip
        with (place / f"usual-{driver}.log").open("w") as log:
            make = ["make", "--no-print-directory", "-j2", "-C", str(plan)]
            subprocess.run(make, env=environment, check=True, stdout=log, stderr=subprocess.STDOUT)
        _say(f"usual build, {driver}: {time.monotonic() - begun:.0f} s")
    return plan_results(plan)


def _way(place: Path, exported: Exported, user: str, driver: str) -> bool:
    shutil.rmtree(place / "root", ignore_errors=True)
    root: Root = make_root(place / "root")
    exported.put(root)
    begun = time.monotonic()
    done = rpmbuild(root, user, "--define", f"store_driver {driver}", timeout=3600)
    seconds = time.monotonic() - begun
    (place / f"{user}-{driver}.log").write_text(done.stdout)
    if done.returncode:
        _say(f"{user}, {driver}: rpmbuild failed with {done.returncode}: {place}/{user}-{driver}.log")
        return False
    found = packed_images(root, "stable-pike.tar")
    equal = sum(exported.usual[driver].get(name) == identity for name, identity in found.items())
    (package,) = (root.place / "builddir/build/RPMS").rglob("*.rpm")
    size = package.stat().st_size >> 20
    _say(f"{user}, {driver}: {seconds:.0f} s, {len(found)} images, {equal} equal ids, {size} MiB")
    return len(found) == equal == IMAGES


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
