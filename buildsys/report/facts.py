"""What is known of a set: recipes, and where they exist its plan, results, lock and store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from buildsys.graph import ImageGraph
from buildsys.image import BaseImage, ImageTest, ParentImage
from buildsys.plan import read
from buildsys.report.sharing import Sharing, sharing
from buildsys.report.timeline import Timeline, timeline
from buildsys.run import record
from buildsys.testing import passed

if TYPE_CHECKING:
    from buildsys.image import Image, ImageSet
    from buildsys.lock.lockfile import Lock
    from buildsys.run.record import LastRun
    from buildsys.storage import Stored
    from buildsys.testing.result import Outcome

State = Literal["failed", "blocked", "stale", "built", "fresh", "unbuilt"]
"""`built`: by the last run; `fresh`: by an earlier one; `stale`: built, but the plan has changed since;
`blocked`: an image that it needs failed."""

Verdict = Literal["passed", "failed", "outdated", "never"]
"""`outdated`: the test or an image is another one since; `never`: it was not run yet."""

LOG_LINES = 40
"""Lines of the log of a failure."""


@dataclass(frozen=True, slots=True)
class Package:
    """A package that an image installs itself."""

    name: str
    version: str
    arch: str
    bytes: int
    """Of its installed files, or else of the package; 0: unknown."""


@dataclass(frozen=True, slots=True)
class Tried:
    """The tests of an image, or a scenario."""

    name: str
    state: Verdict
    outcome: Outcome | None
    """None: it was never run."""
    about: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """One image."""

    name: str
    needs: tuple[str, ...]
    """The images of the set that it needs, the one that it is made from first."""
    parent: str
    """The image of the set that it is made from; empty: none."""
    base: str
    """Reference of the base image that it is made from; empty: an image of the set, or an empty root."""
    reference: str
    at: str
    """Where its recipe is written: `file:line:column`."""
    profiles: tuple[str, ...]
    labels: Mapping[str, str]
    state: State
    id: str
    """Empty: not built."""
    reason: str
    """Why the last run built it, or why it did not."""
    seconds: float | None
    """How long its last build took, or the try that failed; None: unknown."""
    failed_at: str
    """file:line:column of the instruction that failed; else empty."""
    log: tuple[str, ...]
    """The last lines of its log, if it failed."""
    size: int | None
    own: int | None
    """Bytes of all its layers, and of the ones that it adds; None: unknown."""
    packages: tuple[Package, ...]
    """By name."""
    test: Tried | None
    """None: it has no tests."""


@dataclass(frozen=True, slots=True)
class SetFacts:
    """A set at a site."""

    name: str
    site: str
    images: Mapping[str, Facts]
    """Parents first."""
    children: Mapping[str, tuple[str, ...]]
    planned: bool
    last: LastRun | None
    """None: there was no run."""
    run: Timeline | None
    """The last run that built something; None: neither of the last two runs did."""
    sharing: Sharing | None
    """None: no store was asked, or it did not answer."""
    locked: bool
    """Whether the packages are known."""
    scenarios: tuple[Tried, ...]
    notes: tuple[str, ...]

    def below(self, name: str) -> frozenset[str]:
        """All images that are made from this one, however far away; not what only copies from it."""
        found: set[str] = set()
        waiting = [*self.children[name]]
        while waiting:
            child = waiting.pop()
            if child not in found and self.images[child].parent in {name, *found}:
                found.add(child)
                waiting += self.children[child]
        return frozenset(found)


def ids(directory: Path) -> dict[str, str]:
    """Ids of the images of a plan that were built, current or not."""
    found = {name: read.result(directory, name).get("image_id", "") for name in read.names(directory)}
    return {name: identity for name, identity in found.items() if isinstance(identity, str) and identity}


def bases(image_set: ImageSet) -> list[str]:
    """References of images that were built elsewhere and that images of the set are made from."""
    found = {
        item.parent.reference: None
        for item in image_set.images.values()
        if isinstance(item.parent, BaseImage)
    }
    return [*found]


def collect(
    image_set: ImageSet, directory: Path, lock: Lock | None, stored: Mapping[str, Stored] | None
) -> SetFacts:
    """Collect what is known.

    `directory` is that of the plan, which need not exist. `stored` has images by id and bases by reference;
    None: no store can be asked.
    """
    planned = read.exists(directory)
    seconds = {
        name: spent
        for name, spent in record.remembered(directory, image_set.images).items()
        if 0 <= spent < read.LONGEST
    }
    graph = ImageGraph(image_set.images)
    images = {name: image_set.images[name] for name in graph.order()}
    needs = {name: tuple(item.dependencies()) for name, item in images.items()}
    current = read.current(directory) if planned else {}
    results = {name: read.result(directory, name) if planned else {} for name in images}
    identities = {name: identity for name, identity in ids(directory).items() if name in images}
    shared = _sharing(image_set, identities, stored)
    packages = _packages(images, directory, lock) if lock or planned else None
    spans = read.spans(directory) if planned else []
    in_run = {span.image for span in spans}
    # A run of tests begins with a build, which finds all fresh: the one before it is worth a look.
    run = timeline(
        spans or (read.spans(directory, earlier=True) if planned else []),
        lambda spent: graph.critical_path(dict.fromkeys(images, 0.0) | {**spent}),
    )
    found: dict[str, Facts] = {}
    for name, item in images.items():
        result = results[name]
        state = _state(name, result, current, in_run, (found[need].state for need in needs[name]))
        identity = identities.get(name, "")
        known = (stored or {}).get(identity)
        found[name] = Facts(
            name=name,
            needs=needs[name],
            parent=item.parent.name if isinstance(item.parent, ParentImage) else "",
            base=item.parent.reference if isinstance(item.parent, BaseImage) else "",
            reference=str(item.reference),
            at=str(item.spot),
            profiles=item.profiles,
            labels=item.config.labels,
            state=state,
            id=identity,
            reason=str(result.get("reason") or ""),
            seconds=_failed_after(result) if state == "failed" else seconds.get(name),
            failed_at=str(result.get("at") or "") if state == "failed" else "",
            log=tuple(read.log_end(directory, name, LOG_LINES)) if state == "failed" else (),
            size=known.size if known else None,
            own=shared.own.get(name) if shared else None,
            packages=(packages or {}).get(name, ()),
            test=_tried_image(directory, item, current.get(name, "")),
        )
    return SetFacts(
        name=image_set.name,
        site=image_set.site.name,
        images=found,
        children=_children(needs),
        planned=planned,
        last=record.last_run(directory) if planned else None,
        run=run,
        sharing=shared,
        locked=bool(packages and any(packages.values())),
        scenarios=tuple(_tried_scenarios(directory, image_set, current)),
        notes=(*(read.notes(directory) if planned else image_set.site.notes), *_absent(image_set)),
    )


def _absent(image_set: ImageSet) -> Iterator[str]:
    """A sentence for each reason for which the site cannot build some images."""
    for reason in dict.fromkeys(item.reason for item in image_set.absent.values()):
        names = sorted(name for name, item in image_set.absent.items() if item.reason == reason)
        yield f"the site {image_set.site.name} cannot build {', '.join(names)}: {reason}"


def _children(needs: Mapping[str, Iterable[str]]) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {name: [] for name in needs}
    for name, others in needs.items():
        for other in others:
            found[other].append(name)
    return {name: tuple(sorted(others)) for name, others in found.items()}


# ── what was built ──────────────────────────────────────────────────────────────────────────────────────────


def _state(
    name: str,
    result: Mapping[str, object],
    current: Mapping[str, str],
    in_run: Iterable[str],
    needed: Iterable[State],
) -> State:
    if name in current:
        return "built" if name in in_run and result.get("status") == "built" else "fresh"
    if result.get("status") == "failed":
        return "failed"
    if any(state in {"failed", "blocked"} for state in needed):
        return "blocked"
    return "stale" if result.get("image_id") else "unbuilt"


def _failed_after(result: Mapping[str, object]) -> float | None:
    seconds = result.get("seconds")
    return float(seconds) if isinstance(seconds, (int, float)) and 0 <= seconds < read.LONGEST else None


def _sharing(
    image_set: ImageSet, identities: Mapping[str, str], stored: Mapping[str, Stored] | None
) -> Sharing | None:
    if stored is None:
        return None
    named = {name: stored[identity] for name, identity in identities.items() if identity in stored}
    if not named:
        return None
    elsewhere = {name: stored[name] for name in bases(image_set) if name in stored}
    return sharing(elsewhere | named, identities)


# ── packages ────────────────────────────────────────────────────────────────────────────────────────────────


def _packages(
    images: Mapping[str, Image], directory: Path, lock: Lock | None
) -> dict[str, tuple[Package, ...]]:
    """The packages that images install themselves: from the lock, else from the keys of the plan."""
    found = {}
    for name in images:
        if lock is not None:
            locked = lock.images[name].packages() if name in lock.images else ()
            packages = {
                Package(item.name, item.evr, item.arch, item.installed or item.size) for item in locked
            }
        else:
            packages = {*_planned_packages(directory, name)}
        found[name] = tuple(sorted(packages, key=lambda item: (item.name, item.version, item.arch)))
    return found


def _planned_packages(directory: Path, name: str) -> Iterator[Package]:
    try:
        lines = read.inputs(directory, name)
    except FileNotFoundError:
        return
    for line in lines:
        match line.split():
            case ["package", package, version, arch, *_]:
                yield Package(package, version, arch, 0)
            case _:  # another kind of input
                pass


# ── tests ───────────────────────────────────────────────────────────────────────────────────────────────────


def _tried_image(directory: Path, image: Image, identity: str) -> Tried | None:
    if image.test == ImageTest():
        return None
    outcome = passed.kept(directory, "image", image.name)
    return Tried(image.name, _verdict(outcome, image.test.hash, {image.name: identity}), outcome)


def _tried_scenarios(directory: Path, image_set: ImageSet, current: Mapping[str, str]) -> Iterator[Tried]:
    for name, scenario in image_set.scenarios.items():
        used = {image: current.get(image, "") for image in scenario.images}
        outcome = passed.kept(directory, "scenario", name)
        yield Tried(name, _verdict(outcome, scenario.hash, used), outcome, scenario.about)


def _verdict(outcome: Outcome | None, digest: str, used: Mapping[str, str]) -> Verdict:
    """The verdict about a test with this hash, and about images with these ids."""
    if outcome is None:
        return "never"
    if (outcome.hash, dict(outcome.ids)) != (digest, dict(used)):
        return "outdated"
    return "passed" if outcome.passed else "failed"
