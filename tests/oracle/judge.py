"""The judge: after each round of changes an incremental build is held against one from nothing.

*Missed*: the build from nothing gives another id. *Needless*: rebuilt although nothing it is made from
changed, by `World.inputs` and the ids of the images it reads. *Wrong*: the decision or the reason is another
than it should be, or `why` says another than the build. *Cutoffs*: rebuilt to an equal id, no reader built.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial
from io import StringIO
from pathlib import Path
from unittest.mock import patch

from buildsys import cli, diagnostics
from buildsys.plan import compile as compiling
from tests.busybox import OURS
from tests.oracle.changes import ALONE, KINDS, Change, Spots
from tests.oracle.ground import Ground, set_base
from tests.oracle.world import World
from tests.sites.packages import run
from tests.stores import Store

LONG_AGO = 981173106
Key = tuple[str, tuple[object, ...], tuple[str, ...]]
"""Image, inputs of its own, ids of the images it reads."""
Choose = Callable[[str, list[str]], str]
"""For a kind of change, one of what it may choose from."""


@dataclass
class Count:
    """What was found, over all rounds."""

    rounds: int = 0
    builds: int = 0
    rebuilt: int = 0
    missed: list[str] = field(default_factory=list)
    needless: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    cutoffs: int = 0

    def __str__(self) -> str:
        return (
            f"oracle: {self.rounds} rounds, {self.builds} images rebuilt of {self.rebuilt}: "
            f"{len(self.missed)} missed, {len(self.needless)} needless, {len(self.wrong)} wrong reasons, "
            f"{self.cutoffs} cutoffs"
        )

    def add(self, other: Count) -> None:
        """Take another count into this one."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)

    def blame(self) -> str:
        """All that is not as it should be; empty when all is."""
        return "\n".join([*self.missed, *self.needless, *self.wrong])


@dataclass
class Bench:
    """A world on disk, the store it is built in incrementally, and what is known of that store."""

    place: Path
    ground: Ground
    world: World
    store: Store
    count: Count
    ids: dict[str, str] = field(default_factory=dict)
    """By image, as of the last build."""
    keys: dict[str, Key] = field(default_factory=dict)
    """What each was remembered with last."""
    known: dict[Key, str] = field(default_factory=dict)
    """All that the store can know, and its id."""
    given: set[tuple[str, str]] = field(default_factory=set)
    """Images and ids of which this plan noted what others copy."""
    alike: dict[Key, set[Key]] = field(default_factory=dict)
    """Keys of images that differ in nothing but ids of images they copy equal files from."""
    spots: Spots = field(default_factory=dict)
    then: dict[str, str] = field(default_factory=dict)
    """Where things stood when the image they belong to was looked at last."""
    build: str = "build-0"
    kinds: list[str] = field(default_factory=list)

    # ── the files ───────────────────────────────────────────────────────────────────────────────────────────

    def write(self, *, old_times: bool = False) -> None:
        """Write the world; files that say the same are left as they are."""
        world, written = self.world, set()
        spots: dict[str, str] = {}
        for name, text, places in world.texts(str(self.place / "repository")):
            path = self.place / name
            written.add(path)
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists() or path.read_text() != text:
                path.write_text(text)
                if old_times:
                    os.utime(path, (LONG_AGO, LONG_AGO))
            spots |= {key: f"{file}:{line}:{column}" for key, (file, line, column) in places.items()}
        key = self.place / world.home / "files/KEY"
        key.parent.mkdir(exist_ok=True)
        key.write_bytes(self.ground.key.public.read_bytes())
        for name, (_, runs) in world.files.items():
            (self.place / world.home / "files" / name).chmod(0o755 if runs else 0o644)
        for path in (self.place / world.home / "images").rglob("*.yaml"):
            if path not in written:
                path.unlink()
        self.spots = spots
        self._publish()
        diagnostics._lines.cache_clear()

    def _publish(self) -> None:
        folder = self.place / "repository"
        wanted = {self.ground.packages[name] for name in self.world.repository}
        if {path.name for path in folder.glob("*.rpm")} == {path.name for path in wanted} and (
            folder / "repodata"
        ).exists():
            return
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for path in wanted:
            shutil.copyfile(path, folder / path.name)
        # Locks do not go back behind what they know.
        stamp = ("--revision", str(1700000000 + self.count.rounds), "--set-timestamp-to-revision")
        run("createrepo_c", "--quiet", "--simple-md-filenames", *stamp, folder)

    # ── the tool ────────────────────────────────────────────────────────────────────────────────────────────

    def buildsys(self, *words: str, store: Store | None = None) -> str:
        """A verb, in this process; what it printed."""
        out, err = StringIO(), StringIO()
        environment = self.environment(store or self.store)
        with patch.dict(os.environ, environment, clear=True), redirect_stdout(out), redirect_stderr(err):
            status = cli.run([*words])
        assert status == 0, f"{self.kinds[-3:]} {words}\n{err.getvalue()}"
        return out.getvalue()

    def environment(self, store: Store) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        return {
            **kept,
            "BS_STORE": store.options,
            "BS_SPACE_MIB": "1",
            "BS_PAUSE": "0.05",
        }

    def words(self, build: str) -> list[str]:
        overlay = ["--overlay", "more.yaml"] if self.world.overlay else []
        locking = ["--unlocked"] if self.world.flavour.startswith("unlocked") else []
        return [f"{self.world.home}/", "--build-dir", build, *overlay, *locking]

    def lock(self) -> None:
        if self.world.flavour == "locked":
            words = [word for word in self.words(self.build) if word != "--unlocked"]
            self.buildsys("lock", *words, "--update")

    def run(self, build: str, store: Store) -> dict[str, tuple[str, str]]:
        """Run a plan as `buildsys build` does; what became of each image that was looked at, and why."""
        program = self.place / build / "demo/lib/run.sh"
        done = subprocess.run(
            ["bash", str(program)], env=self.environment(store), check=False, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{self.kinds[-3:]}\n{done.stderr}"
        events = (self.place / build / "demo/events.jsonl").read_text().splitlines()
        ends = (event for event in map(json.loads, events) if event["event"] in {"built", "fresh", "failed"})
        return {event["image"]: (event["event"], event["reason"]) for event in ends}

    def named(self, store: Store) -> dict[str, str]:
        """Id of each image by the names the world gives them now."""
        names = store.names()
        prefix = f"localhost/{self.world.namespace}/"
        return {
            name: names[reference].removeprefix("sha256:")
            for name in self.world.recipes
            if (reference := f"{prefix}{name}:{self.world.tag}") in names
        }

    # ── rounds ──────────────────────────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        """Build for the first time."""
        self.write()
        set_base(self.store, self.world.base)
        self.lock()
        self._build(dict.fromkeys(self.world.recipes, "never built here"), {})

    def round(self, names: Iterable[str], choose: Choose) -> list[str]:
        """Apply a few changes of which no two concern the same image by themselves, and judge.

        Those that there was something to change for are returned.
        """
        taken: set[str] = set()
        changes: list[Change] = []
        applied: list[str] = []
        for name in names:
            change = self._apply(name, choose, taken, alone=bool(changes))
            if change is None:
                continue
            changes.append(change)
            applied.append(name)
            taken |= change.reasons.keys() | ({change.outside[1]} if change.outside else set())
            if name in ALONE:
                break
        self.kinds.append("+".join(applied))
        self.count.rounds += 1
        self.write(old_times=any(change.old_times for change in changes))
        self._outside(changes)
        set_base(self.store, self.world.base)
        self.lock()
        words = {name: words for change in changes for name, words in change.reasons.items()}
        reasons = {name: said(self.spots, self.then) for name, said in words.items()}
        gone = {change.outside[1] for change in changes if change.outside and change.outside[0] == "remove"}
        self._build(reasons, dict.fromkeys(gone, "image missing from the store"))
        return applied

    def _apply(self, name: str, choose: Choose, taken: set[str], *, alone: bool) -> Change | None:
        """A change, unless there is nothing to change that way, or it would meet one before it."""
        if name in ALONE and alone:
            return None
        kept = deepcopy(self.world)
        change = KINDS[name](self.world, partial(choose, name))
        if change is not None and not taken & (
            change.reasons.keys() | ({change.outside[1]} - {""} if change.outside else set())
        ):
            return change
        vars(self.world).update(vars(kept))
        return None

    def _outside(self, changes: Iterable[Change]) -> None:
        for what, name in (change.outside for change in changes if change.outside):
            match what:
                case "clone":
                    self.build = f"build-{self.count.rounds}"
                    self.keys.clear()
                    self.then.clear()
                    self.given.clear()
                    self.alike.clear()
                case "touch" | "older":
                    times = None if what == "touch" else (LONG_AGO, LONG_AGO)
                    for path in (self.place / self.world.home).rglob("*"):
                        os.utime(path, times)
                case _:
                    self._behind_our_back(what, name)

    def _behind_our_back(self, what: str, name: str) -> None:
        """What others do to an image in the store."""
        result = json.loads((self.place / self.build / f"demo/results/{name}.json").read_text())
        reference, key = result["reference"], f"localhost/buildsys-key/demo/{name}:{result['key']}"
        if what == "rename":
            self.store.buildah("tag", "localhost/ground-content:3", reference)
            return
        names = [reference, key] if what == "remove" else [reference]
        run("podman", *self.store.options.split(), "rmi", *names)
        if what == "remove":
            self.known.pop(self.keys[name], None)

    # ── judgement ───────────────────────────────────────────────────────────────────────────────────────────

    def _build(self, direct: Mapping[str, str], missing: Mapping[str, str]) -> None:
        named = self.named(self.store)
        self.buildsys("plan", *self.words(self.build))
        said = dict(self._why())
        events = self.run(self.build, self.store)
        now = self.named(self.store)
        clean = self._from_nothing()
        takers = [other for name in self.world.recipes for other in self.world.takes(name)]
        self.given |= {(name, clean[name]) for name in takers if events.get(name, ("fresh",))[0] == "built"}
        wanted = self._expected(direct, missing, named, clean)
        about = ", ".join(self.kinds[-4:])
        for name in self.world.recipes:
            self.count.rebuilt += 1
            state, reason = events.get(name, ("fresh", "nothing changed"))
            if now.get(name) != clean[name]:
                self.count.missed.append(f"missed: {name} after {about}")
            expected = wanted[name]
            if state == "built":
                self.count.builds += 1
                if expected[0] != "stale":
                    self.count.needless.append(f"needless: {name} ({reason}) after {about}")
                elif not self._alone(name, events) and clean[name] == self.ids.get(name):
                    self.count.cutoffs += 1
            got = ({"built": "stale"}.get(state, state), reason)
            if state == "fresh":
                got = ("renamed", reason) if reason != "nothing changed" else got
            if got != expected:
                self.count.wrong.append(f"build: {name}: {got}, not {expected}, after {about}")
            if said[name] != self._foretold(name, wanted):
                foretold = self._foretold(name, wanted)
                self.count.wrong.append(f"why: {name}: {said[name]}, not {foretold}, after {about}")
        self._remember(events, clean)

    def _alone(self, name: str, events: Mapping[str, tuple[str, str]]) -> bool:
        """Whether nobody reads an image, or all who do were built too."""
        readers = [other for other in self.world.recipes if name in self.world.reads(other)]
        return all(events.get(other, ("fresh",))[0] == "built" for other in readers)

    def _why(self) -> Iterator[tuple[str, tuple[str, str]]]:
        for row in self.buildsys("why", *self.words(self.build)).splitlines():
            name, state, reason = row.split("\t")
            yield name, (state, reason)

    def _from_nothing(self) -> dict[str, str]:
        """Ids of a build in another directory and a store that holds the base images alone."""
        build = "nothing"
        shutil.rmtree(self.place / build, ignore_errors=True)
        with self.ground.store() as empty:
            set_base(empty, self.world.base)
            self.buildsys("plan", *self.words(build), store=empty)
            self.run(build, empty)
            return self.named(empty)

    def key(self, name: str, ids: Mapping[str, str]) -> Key:
        return name, self.world.inputs(name), tuple(ids[other] for other in self.world.reads(name))

    def content(self, name: str, ids: Mapping[str, str]) -> Key | None:
        """A key with what is copied in the place of ids; none where this plan did not note it."""
        taken = self.world.takes(name)
        if not taken or any((other, ids[other]) not in self.given for other in taken):
            return None
        reads = [other for other in self.world.reads(name) if other not in taken]
        copies = [repr((other, self.world.recipes[other].lines, self.world.epoch)) for other in taken]
        return name, self.world.inputs(name), (*(ids[other] for other in reads), *copies)

    def _expected(
        self,
        direct: Mapping[str, str],
        missing: Mapping[str, str],
        named: Mapping[str, str],
        ids: Mapping[str, str],
    ) -> dict[str, tuple[str, str]]:
        """What should become of each image and why; `ids` are those of the build from nothing."""
        found = {}
        for name in self.world.recipes:
            key = self.key(name, ids)
            before = self.keys.get(name)
            if key in self.known:
                found[name] = self._known(name, key, named)
            elif self._alike(name, ids):
                found[name] = ("renamed", "the files that it copies from other images did not change")
            elif before is None:
                found[name] = ("stale", "never built here")
            elif name in direct:
                found[name] = ("stale", direct[name])
            elif before[2] != key[2]:
                pairs = zip(self.world.reads(name), before[2], key[2], strict=True)
                changed = next(other for other, old, new in pairs if old != new)
                kind = "parent" if changed == self.world.recipes[name].parent else "copied-from image"
                found[name] = ("stale", f"{kind} changed: {changed}")
            elif name in missing:
                found[name] = ("stale", missing[name])
            else:
                found[name] = ("unforeseen", f"{before} {key}")
        return found

    def _alike(self, name: str, ids: Mapping[str, str]) -> bool:
        content = self.content(name, ids)
        return content is not None and not self.alike.get(content, set()).isdisjoint(self.known)

    def _known(self, name: str, key: Key, named: Mapping[str, str]) -> tuple[str, str]:
        """What should become of an image that is in the store: perhaps it needs its name."""
        if named.get(name) == self.known[key]:
            return "fresh", "nothing changed"
        if name in self.keys and self.keys[name] != key:
            return "renamed", "built from these inputs before; its name moves back to that image"
        if name not in named:
            return "renamed", "its name is missing; the store has the image under its key"
        return "renamed", "its name is used by another image; the store has the image under its key"

    def _foretold(self, name: str, wanted: Mapping[str, tuple[str, str]]) -> tuple[str, str]:
        """What `why` should say of an image before the build."""
        for other in self.world.reads(name):
            state, reason = self._foretold(other, wanted)
            if state == "stale":
                return "waits", f"decided when {other} is built"
            if state == "waits":
                return state, reason
        return wanted[name]

    def _remember(self, events: Mapping[str, object], ids: Mapping[str, str]) -> None:
        for name in self.world.recipes:
            key = self.key(name, ids)
            self.known[key] = ids[name]
            if name in events:
                self.keys[name] = key
                if content := self.content(name, ids):
                    self.alike.setdefault(content, set()).add(key)
                mine = (f"{name}.", "trait.", "overlay.", "common")
                self.then |= {what: spot for what, spot in self.spots.items() if what.startswith(mine)}
        self.ids = dict(ids)


@contextmanager
def bench(place: Path, ground: Ground, world: World, count: Count) -> Iterator[Bench]:
    """A world that is built for the first time, in a store of its own."""
    place.mkdir(parents=True)
    here = Path.cwd()
    # Who works on the runtime meanwhile changes an input of every image.
    shutil.copytree(compiling.RUNTIME, place / "runtime")
    with ground.store() as made, patch.object(compiling, "RUNTIME", place / "runtime"):
        try:
            os.chdir(place)
            started = Bench(place, ground, world, made, count)
            started.start()
            yield started
        finally:
            os.chdir(here)
            shutil.rmtree(place, ignore_errors=True)
