"""stable-pike under the oracle: a fixed list of changes, and what rpm and dnf say of every image.

`python -m tests.oracle.pike SET BUILD PLACE` wants the set built in BUILD, in the store that BS_STORE names.
It changes a copy of the set, below PLACE, one thing after the other. What each change rebuilds is held
against what it should, and at the end all ids against one from nothing. `make acceptance` runs it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.oracle.installed import packages_of_every_image
from tests.stores import store

LONG_AGO = 981173106
NOTHING: Mapping[str, str] = {}


def main(image_set: Path, build: Path, place: Path) -> int:
    """Run the whole list; 0 when nothing was missed or needless and every reason was right."""
    shutil.rmtree(place, ignore_errors=True)
    copy = place / image_set.name
    shutil.copytree(image_set, copy)
    pike = Pike(copy, build.absolute(), os.environ["BS_STORE"])
    wrong = [*installed(pike), *changes(pike), *from_nothing(pike, place)]
    for line in wrong:
        say(f"wrong: {line}")
    say(f"stable-pike under the oracle: {len(wrong)} wrong")
    return 1 if wrong else 0


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


@dataclass(frozen=True)
class Pike:
    """The copy that is changed, its build directory, and options of the store."""

    copy: Path
    directory: Path
    options: str

    @property
    def plan(self) -> Path:
        return self.directory / self.copy.name

    def images(self) -> dict[str, dict[str, object]]:
        """The images of the plan, parents first."""
        found: dict[str, dict[str, object]] = json.loads((self.plan / "plan.json").read_text())["images"]
        return found

    def buildsys(self, verb: str, directory: Path, options: str, *words: str) -> str:
        """A verb on the changed set; what it printed."""
        command = [
            sys.executable,
            "-m",
            "buildsys",
            verb,
            str(self.copy),
            "--build-dir",
            str(directory),
            *words,
        ]
        environment = {**os.environ, "BS_STORE": options, "MAKEFLAGS": ""}
        done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
        return done.stdout

    def events(self) -> dict[str, str]:
        """Images that the last run built, each with its reason."""
        lines = map(json.loads, (self.plan / "events.jsonl").read_text().splitlines())
        return {line["image"]: line["reason"] for line in lines if line["event"] == "built"}

    def ids(self) -> dict[str, str]:
        return {path.stem: path.read_text().strip() for path in (self.plan / "state").glob("*.id")}

    def edit(self, name: str, old: str, new: str) -> str:
        """Replace a text of a file of the set that is there once; the line it begins at."""
        path = self.copy / name
        text = path.read_text()
        if text.count(old) != 1:
            sys.exit(f"{path} has changed: {old!r} is not in it once")
        path.write_text(text.replace(old, new))
        return str(text[: text.index(old)].count("\n") + 1)


def installed(pike: Pike) -> Iterator[str]:
    """What is wrong with the packages of the images."""
    begun = time.monotonic()
    found, excused = packages_of_every_image(pike.plan, pike.options, pike.copy.parent / "home")
    most = ", ".join(f"{path} ({number})" for path, number in excused.most_common(9))
    seconds = time.monotonic() - begun
    say(f"rpm -Va and dnf check: {len(pike.images())} images, {len(found)} wrong, {seconds:.1f} s")
    say(f"excused are {len(excused)} paths that recipes change themselves: {most}, …")
    yield from found


# ── changes ─────────────────────────────────────────────────────────────────────────────────────────────────


def changes(pike: Pike) -> Iterator[str]:
    """Each change, and what is wrong with what the build made of it."""
    words: tuple[str, ...] = ()
    cutoffs = 0
    for title, change in CHANGES.items():
        begun = time.monotonic()
        wanted, more = change(pike)
        words = (*words, *more)
        said = dict(
            row.split("\t")[::2]
            for row in pike.buildsys("why", pike.directory, pike.options, *words).splitlines()
        )
        before = pike.ids()
        pike.buildsys("build", pike.directory, pike.options, *words)
        built, after = pike.events(), pike.ids()
        moved = {name for name in after if before.get(name) != after[name]}
        expected = dict(wanted)
        for name, image in pike.images().items():
            if name not in expected:
                reads = [image["parent"], *image["reads"]]  # type: ignore[misc]
                changed = next((read for read in reads if read in moved), None)
                if changed is not None:
                    kind = "parent" if changed == image["parent"] else "copied-from image"
                    expected[name] = f"{kind} changed: {changed}"
        cutoffs += sum(name not in moved for name in built)
        yield from (f"{title}: missed {name}" for name in expected.keys() - built.keys())
        yield from (f"{title}: needless {name} ({built[name]})" for name in built.keys() - expected.keys())
        for name in expected.keys() & built.keys():
            if built[name] != expected[name]:
                yield f"{title}: {name}: {built[name]}, not {expected[name]}"
            if name in wanted and not said[name].startswith("decided when") and said[name] != built[name]:
                yield f"{title}: {name}: why says {said[name]}, the build {built[name]}"
        say(f"{title}: {len(built)} built, {len(moved)} moved, {time.monotonic() - begun:.1f} s")
    if not cutoffs:
        yield "no cutoff was taken"


Outcome = tuple[Mapping[str, str], tuple[str, ...]]
"""Images with a reason of their own, and further words for the verbs."""


def _remarks(pike: Pike) -> Outcome:
    for path in pike.copy.rglob("*.yaml"):
        if "standins" not in path.parts:
            path.write_text(f"# a remark\n{path.read_text()}")
    return NOTHING, ()


def _times(pike: Pike) -> Outcome:
    for path in pike.copy.rglob("*"):
        os.utime(path, (LONG_AGO, LONG_AGO))
    return NOTHING, ()


def _order(pike: Pike) -> Outcome:
    pike.edit(
        "images/cron.yaml",
        "image: cron\nfrom: base\npackages: [cronie, logrotate]\n",
        "packages: [cronie, logrotate]\nfrom: base\nimage: cron\n",
    )
    return NOTHING, ()


def _another_file(pike: Pike) -> Outcome:
    (pike.copy / "images/moved").mkdir()
    (pike.copy / "images/etcd.yaml").rename(pike.copy / "images/moved/etcd.yaml")
    return NOTHING, ()


def _another_name(pike: Pike) -> Outcome:
    pike.edit("set.yaml", "tag: current-tripleo\n", "tag: tomorrow\n")
    pike.edit("set.yaml", "namespace: tripleopike\n", "namespace: elsewhere\n")
    return NOTHING, ()


def _equal_content(pike: Pike) -> Outcome:
    path = pike.copy / "images/redis/redis-base.yaml"
    path.write_text(path.read_text() + "steps:\n  - {remove: /none, optional: true}\n")
    line = path.read_text().count("\n")
    return {"redis-base": f"recipe changed: {path}:{line}:5"}, ()


def _recipe(pike: Pike) -> Outcome:
    path = pike.copy / "images/swift/swift-base.yaml"
    path.write_text(path.read_text() + "env: {CHANGED: here}\n")
    line = path.read_text().count("\n")
    return {"swift-base": f"recipe changed: {path}:{line}:16"}, ()


def _trait(pike: Pike) -> Outcome:
    line = int(
        pike.edit("traits/pacemaker.yaml", "  - mkdir: /etc/libqb\n", "  - mkdir: [/etc/libqb, /etc/more]\n")
    )
    spot = f"{pike.copy}/traits/pacemaker.yaml:{line}:5"
    recipes = [yaml.safe_load(path.read_text()) for path in (pike.copy / "images").rglob("*.yaml")]
    users = [item["image"] for item in recipes if "pacemaker" in item.get("uses", [])]
    return dict.fromkeys(users, f"trait changed: {spot}"), ()


def _overlay(pike: Pike) -> Outcome:
    overlay = pike.copy.parent / "more.yaml"
    overlay.write_text("overlay: more\nimages:\n  memcached:\n    env:\n      MORE: here\n")
    return {"memcached": f"recipe changed: {overlay}:5:13"}, ("--overlay", str(overlay))


def _package(pike: Pike) -> Outcome:
    pike.edit(
        "standins/packages.yaml",
        "    version: 3.3.11-2.el7\n    services: [etcd]",
        "    version: 3.3.12-2.el7\n    services: [etcd]",
    )
    return {"etcd": "package etcd 3.3.11-2.el7 -> 3.3.12-2.el7"}, ()


def _removed(pike: Pike) -> Outcome:
    result = json.loads((pike.plan / "results/collectd.json").read_text())
    names = [result["reference"], f"localhost/buildsys-key/{pike.copy.name}/collectd:{result['key']}"]
    subprocess.run(["podman", *pike.options.split(), "rmi", *names], check=True, stdout=subprocess.DEVNULL)
    return {"collectd": "image missing from the store"}, ()


CHANGES: dict[str, Callable[[Pike], Outcome]] = {
    "a remark in every file": _remarks,
    "times of long ago": _times,
    "another order of keys": _order,
    "another file": _another_file,
    "another tag and namespace": _another_name,
    "another way to equal content": _equal_content,
    "a recipe": _recipe,
    "a trait": _trait,
    "an overlay": _overlay,
    "a package in the repository": _package,
    "an image removed behind our back": _removed,
}


def from_nothing(pike: Pike, place: Path) -> Iterator[str]:
    """Hold all ids against those of a build from nothing, elsewhere."""
    with store(place / "store") as empty:
        other = Pike(pike.copy, place / "build", empty.options)
        other.buildsys("build", other.directory, other.options, "--overlay", str(place / "more.yaml"))
        mine, theirs = pike.ids(), other.ids()
        missed = [name for name in theirs if mine.get(name) != theirs[name]]
        say(f"from nothing: {len(theirs)} images, {len(missed)} missed")
        yield from (f"missed: {name}" for name in missed)


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
