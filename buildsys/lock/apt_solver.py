"""Ask the host's own apt for the exact packages of every image, parents first, without building one.

Each image is solved against a status file with the packages of its parent. The lock keeps the order in which
apt installs, so a build needs no solver.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from buildsys import programs
from buildsys.diagnostics import NOWHERE, Code, Diagnostic, Refused, closest
from buildsys.graph import ImageGraph
from buildsys.image import Bootstrap, Image, ImageSet, LockedPackage, ParentImage
from buildsys.lock import apt_host
from buildsys.lock.apt_host import Apt, AptFailed, alone, folder_of
from buildsys.lock.apt_index import (
    Index,
    installed_text,
    locked,
    metadata,
    reach,
    read_index,
    whole_version,
    write_lists,
)
from buildsys.lock.lockfile import Lock, LockedImage, LockedStep
from buildsys.lock.pool_files import Places, Unfetched
from buildsys.lock.requests import PackageStep, asked, package_steps, payloads
from buildsys.lock.solver import Answer, Question, problems

AT_ONCE = 2
"""Images solved side by side."""
ACTION = re.compile(r"(Inst|Conf|Remv|Purg) ([^ :]+)\S* (?:\[\S+\] )?(?:\((\S+))?")

State = Mapping[str, LockedPackage]
"""The packages of an image, by name."""


class _Refusal(Exception):  # noqa: N818 - reads as what happened
    """An image that cannot be solved; `problem` is as in `buildsys.lock.solver.problems`."""

    def __init__(self, problem: Mapping[str, Any]) -> None:
        self.problem = problem
        super().__init__()


@dataclass(frozen=True, slots=True)
class _Solved:
    """An image and all packages that it holds."""

    image: LockedImage
    state: State = field(default_factory=dict)
    unmoved: bool = False
    """Whether its packages are those of the previous lock."""


def solve(image_set: ImageSet, question: Question, places: Places) -> Answer:
    """See `buildsys.lock.solver.Solver.solve`."""
    folder = folder_of(places, image_set.architecture)
    with alone(folder):
        apt = Apt(folder, image_set.architecture)
        update(apt)
        return _Solving(image_set, question, apt, places).answer()


def repositories_hold(image_set: ImageSet, lock: Lock, places: Places) -> bool:
    """See `buildsys.lock.solver.Solver.repositories_hold`."""
    folder = folder_of(places, image_set.architecture)
    with alone(folder):
        apt = Apt(folder, image_set.architecture)
        update(apt)
        return metadata(apt.targets()) == lock.repositories


def bring(
    image_set: ImageSet,
    packages: Iterable[LockedPackage],
    part: Callable[[str], Path],
    places: Places,
) -> Mapping[str, Unfetched]:
    """See `buildsys.lock.solver.Solver.bring`."""
    return apt_host.bring(packages, part, places, image_set.architecture)


def host_keys(image_set: ImageSet, places: Places) -> Mapping[str, Sequence[str]]:  # noqa: ARG001 - there are none
    """See `buildsys.lock.solver.Solver.host_keys`: apt checks the signatures of its indices by itself."""
    return {}


def modules() -> tuple[str, str] | None:
    """See `buildsys.lock.solver.Solver.modules`."""
    return None


def update(apt: Apt) -> None:
    """Fetch the current indices of the sources.

    Raises:
        Refused: one does not answer, or its signature is wrong (`repository-unreachable`).
    """
    try:
        apt.update()
    except AptFailed as failed:
        message = f"the apt sources of this host cannot be asked: {failed}"
        hint = "`apt-get update` says more"
        raise Refused([Diagnostic(NOWHERE, Code.REPOSITORY_UNREACHABLE, message, hint)]) from failed


def solver_hash() -> str:
    """See `buildsys.lock.solver.Solver.solver_hash`: hash of the modules that call apt."""
    here = Path(__file__).parent
    content = b"".join((here / f"{name}.py").read_bytes() for name in ("apt_host", "apt_index", "apt_solver"))
    return hashlib.sha256(content).hexdigest()


class _Solving:
    """One request, image by image."""

    def __init__(self, image_set: ImageSet, question: Question, apt: Apt, places: Places) -> None:
        self._set = image_set
        self._question = question
        self._apt = apt
        self._places = places
        self._index: Index = read_index(apt)
        self._lists = Path()

    def answer(self) -> Answer:
        """The packages of every image and payload.

        Raises:
            Refused: see `solve`.
        """
        with tempfile.TemporaryDirectory(prefix="buildsys-apt-") as place:
            self._lists = Path(place, "lists")
            write_lists(self._index, self._apt.targets(), reach(self._index, self._named()), self._lists)
            return self._answer()

    def _named(self) -> Iterator[str]:
        yield from self._index.essential()
        yield from (item.name for item, _ in payloads(self._set))
        for image in self._set.images.values():
            for step in package_steps(image):
                yield from asked(step)[1:]
        for locked_image in self._question.kept.values():
            yield from (item.name for item in locked_image.packages())

    def _answer(self) -> Answer:
        solved: dict[str, _Solved] = {}
        problem: list[Mapping[str, Any]] = []
        with ThreadPoolExecutor(AT_ONCE) as workers:
            for wave in ImageGraph(self._set.images).waves():
                ready = [name for name in wave if self._parent(name) in {"", *solved}]
                for name, found in zip(
                    ready, workers.map(lambda name: self._tried(name, solved), ready), strict=True
                ):
                    if isinstance(found, _Solved):
                        solved[name] = found
                    else:
                        problem.append({**found, "image": name})
            if problem:
                raise Refused(problems(self._set, problem))
        return Answer(
            images={name: solved[name].image for name in self._set.images},
            payloads=dict(self._payload(item.name) for item, _ in payloads(self._set)),
            repositories=self._index.repositories,
            absent={},
            keys={},
        )

    def _parent(self, name: str) -> str:
        parent = self._set.images[name].parent
        return parent.name if isinstance(parent, ParentImage) else ""

    # ── an image ────────────────────────────────────────────────────────────────────────────────────────────

    def _tried(self, name: str, solved: Mapping[str, _Solved]) -> _Solved | Mapping[str, Any]:
        parent = self._parent(name)
        under = solved[parent] if parent else _Solved(LockedImage("", ()), {}, unmoved=True)
        try:
            return self._image(self._set.images[name], parent, under)
        except _Refusal as refusal:
            return refusal.problem

    def _image(self, image: Image, parent: str, under: _Solved) -> _Solved:
        steps = [*package_steps(image)]
        old = self._question.kept.get(image.name)
        same = old is not None and old.parent == parent and under.unmoved
        if old and same and [asked(step) for step in steps] == [step.asked for step in old.steps]:
            state = under.state
            for answer in old.steps:
                state = _after(state, answer)
            return _Solved(old, state, unmoved=True)
        held = {item.name: item for item in self._question.held.get(image.name, ())}
        state = under.state
        done: list[LockedStep] = []
        for step in steps:
            done.append(self._step(step, state, held))
            state = _after(state, done[-1])
        found = LockedImage(parent, tuple(done))
        return _Solved(found, state, unmoved=same and found == old)

    def _step(self, step: PackageStep, state: State, held: Mapping[str, LockedPackage]) -> LockedStep:
        kind, *wanted = words = asked(step)
        if kind == "remove":
            self._remove(wanted, state)
            return LockedStep(words, ())
        if isinstance(step, Bootstrap):
            wanted = [*dict.fromkeys([*self._index.essential(), *wanted])]
        self._require(wanted)
        command = ["dist-upgrade"] if kind == "update" else ["install", *wanted]
        try:
            lines = self._simulate(state, command, held)
        except AptFailed as failed:
            raise self._refused(state, command, held, failed) from failed
        new, early = self._order(lines, [name for name in wanted if name not in state])
        self._refuse_vanished(new, held)
        if isinstance(step, Bootstrap):
            return LockedStep(words, tuple(sorted(new, key=lambda item: item.name)))
        return LockedStep(words, tuple(new), early)

    def _simulate(self, state: State, command: list[str], held: Mapping[str, LockedPackage]) -> list[str]:
        pins = {name: whole_version(item) for name, item in held.items()}
        status = installed_text(self._fields(item) for item in state.values())
        return self._apt.simulate(self._lists, status, command, pins)

    def _refused(
        self, state: State, command: list[str], held: Mapping[str, LockedPackage], failed: AptFailed
    ) -> _Refusal:
        if held:
            try:
                new, _ = self._order(self._simulate(state, command, {}), command)
            except AptFailed:
                pass
            else:
                moved = [held[item.name].nevra for item in new if held.get(item.name, item) != item]
                return _Refusal({"kind": "held", "names": sorted(moved)})
        return _Refusal({"kind": "unsolvable", "reasons": failed.reasons})

    def _order(
        self, lines: Iterable[str], wanted: Iterable[str]
    ) -> tuple[list[LockedPackage], tuple[tuple[int, tuple[str, ...]], ...]]:
        """The packages that apt installs, in order, and the early ones: see `LockedStep.early`."""
        new: list[LockedPackage] = []
        early: list[tuple[int, tuple[str, ...]]] = []
        configured: list[str] = []
        for kind, name, version in ACTION.findall("\n".join(lines)):
            if kind == "Conf":
                configured.append(name)
            elif kind == "Inst":
                if configured:
                    early.append((len(new), tuple(configured)))
                    configured = []
                entry = self._index.find(name, version)
                if entry is None:
                    raise _vanished({f"{name} {version}": name})
                new.append(locked(entry))
            else:
                # No recipe removes it.
                reason = f"{name} would have to go for {', '.join(wanted)}"
                raise _Refusal({"kind": "unsolvable", "reasons": [reason]})
        return new, tuple(early)

    def _remove(self, wanted: list[str], state: State) -> None:
        there = [name for name in wanted if name in state]
        lines = self._simulate(state, ["purge", *there], {}) if there else []
        others = sorted({name for _, name, _ in ACTION.findall("\n".join(lines))} - {*there})
        if others:
            reasons = [f"{name} needs what is removed" for name in others]
            raise _Refusal({"kind": "unsolvable", "reasons": reasons})

    # ── packages ────────────────────────────────────────────────────────────────────────────────────────────

    def _require(self, wanted: Iterable[str]) -> None:
        absent = [name for name in wanted if name not in self._index.entries]
        absent = [name for name in absent if not self._provided(name)]
        if absent:
            near = {name: self._near(name) for name in absent}
            raise _Refusal({"kind": "missing", "names": absent, "near": near})

    def _provided(self, name: str) -> bool:
        word = re.compile(rf"(?:^|[ ,]){re.escape(name)}(?:$|[ ,])")
        entries = (entry for items in self._index.entries.values() for entry in items)
        return any(f" {name}" in entry.text and word.search(entry.get("Provides")) for entry in entries)

    def _near(self, name: str) -> str:
        # Compare only names of similar length: there are tens of thousands.
        return closest(name, (other for other in self._index.entries if abs(len(other) - len(name)) < 3))

    def _fields(self, package: LockedPackage) -> str:
        """The fields of a package, from its index; from its file if no index has it any more."""
        entry = self._index.find(package.name, whole_version(package))
        if entry is not None:
            return entry.text
        file = self._places.package(package)
        if not file.is_file():
            raise _vanished({package.nevra: package.name})
        command = ["dpkg-deb", "--field", str(file)]
        return programs.run(command, check=True).out.strip("\n")

    def _refuse_vanished(self, new: Iterable[LockedPackage], held: Mapping[str, LockedPackage]) -> None:
        gone = {
            old.nevra: old.name
            for item in new
            if (old := held.get(item.name)) and not self._index.find(old.name, whole_version(old))
        }
        if gone:
            raise _vanished(gone)

    def _payload(self, name: str) -> tuple[str, LockedPackage]:
        if name in self._question.held_payloads:
            return name, self._question.held_payloads[name]
        try:
            self._require([name])
            new, _ = self._order(self._apt.simulate(self._lists, "", ["install", name], {}), [name])
        except AptFailed as failed:
            found: Mapping[str, Any] = {"kind": "missing", "names": [name], "near": {name: str(failed)}}
            raise Refused(problems(self._set, [{**found, "image": ""}])) from failed
        except _Refusal as refusal:
            raise Refused(problems(self._set, [{**refusal.problem, "image": ""}])) from refusal
        return name, next(item for item in new if item.name == name)


def _vanished(called: Mapping[str, str]) -> _Refusal:
    """A problem: packages that no source has any more; `called`: name and version -> name."""
    return _Refusal({"kind": "vanished", "names": [*called], "called": called})


def _after(state: State, step: LockedStep) -> State:
    """The packages of an image after a step."""
    gone = step.asked[1:] if step.asked[0] == "remove" else ()
    kept = {name: item for name, item in state.items() if name not in gone}
    return kept | {item.name: item for item in step.packages}
