"""A request, image by image: which packages each step adds.

An image is solved against its parent's packages as they were just solved, without building it. What a base
image holds is installed, to the solver; what the images of the set add to it is asked for exactly.
"""

import hashlib
import re
from operator import attrgetter
from pathlib import Path
from typing import Any

from .solver_library import Job, Library, Row, Unreadable


def metadata(folder: str) -> Row:
    """What tells one state of a repository from another, and which is the newer one."""
    content = Path(folder, "repodata", "repomd.xml").read_bytes()
    # A text that is made by createrepo; the two things wanted of it need no parser.
    revision = re.search(rb"<revision>([^<]*)</revision>", content)
    times = re.findall(rb"<timestamp>(\d+)(?:\.\d+)?</timestamp>", content)
    return {
        "sha256": hashlib.sha256(content).hexdigest(),
        "revision": revision.group(1).decode(errors="replace") if revision else "",
        "time": max(map(int, times), default=0),
    }


# ── a set, image by image ───────────────────────────────────────────────────────────────────────────────────


class State:
    """What an image holds, as far as it is known: packages added to its base, names taken away from it."""

    def __init__(self, added: Any = frozenset(), removed: Any = frozenset()) -> None:
        self.added = added
        self.removed = removed

    def then(self, new: Any, gone: Any, removed: Any) -> "State":
        """The state after a transaction."""
        slots = {package.slot for package in new}
        kept = (old for old in self.added if old.slot not in slots and old not in gone)
        added = frozenset(old for old in kept if old.name not in removed) | new
        return State(added, (self.removed | removed) - {package.name for package in new})


class Solving:
    """One request, image by image."""

    def __init__(self, request: Row, opened: Any) -> None:
        self.request = request
        self.opened = opened
        """Opens the repositories, with what is installed in a root."""
        self.libraries: Any = {}
        self.versions: Any = {}
        self.states: Any = {}
        self.images: Any = {}
        self.absent: Any = {}
        self.problems: Any = []
        self.known: Any = {}

    def answer(self) -> Row:
        """The packages of every image and payload, or why there are none."""
        for image in self.request["images"]:
            self.image(image)
        library = self.libraries[min(self.libraries)] if self.libraries else self.library("")
        return {
            "images": self.images,
            "absent": self.absent,
            "payloads": {row["name"]: self.payload(library, row) for row in self.request["payloads"]},
            "problems": self.problems,
            "repositories": {name: metadata(folder) for name, folder in sorted(library.folders().items())},
            "keys": self.keys(library),
        }

    def library(self, root: str) -> Library:
        """The repositories, with a base image's packages installed."""
        if root not in self.libraries:
            self.libraries[root] = self.opened(root)
            self.versions[root] = Versions(self.libraries[root])
        library: Library = self.libraries[root]
        if root and not library.installed:
            # rpm says so on stderr, and goes on with an empty database.
            raise Unreadable(root)
        return library

    def image(self, image: Row) -> None:
        """Find an image's own transactions: those of its steps, as far as they can be solved."""
        if image["parent"] in self.absent:
            self.absent[image["name"]] = f"it is made from {image['parent']}"
            return
        root, state = self.states.get(image["parent"], (image["root"], State()))
        library = self.library(root)
        holding = Holding(self.versions[root], image["held"])
        transactions = []
        for step in image["steps"]:
            # A new package is the newest that fits the packages that stay, not the newest of all.
            step["best"] = not step["update"] and not holding.active
            others = holding.others(state)
            library.hide(others)
            new, gone, reasons = solve(library, state, step)
            library.show(others)
            problem = holding.problem(library, state, step, new, reasons)
            if problem and problem["kind"] == "missing" and self.request["incomplete"]:
                self.absent[image["name"]] = f"no package {', '.join(problem['names'])}"
                return
            if problem:
                self.problems.append({**problem, "image": image["name"]})
                break
            transactions.append(self.rows(library, new))
            state = state.then(new, gone, set(step["remove"]))
        self.states[image["name"]] = (root, state)
        self.images[image["name"]] = transactions

    def rows(self, library: Library, packages: Any) -> Any:
        """Packages as the lock names them. One that two repositories have alike is taken from one of them."""
        for package in packages:
            if package.nevra not in self.known:
                self.known[package.nevra] = library.describe(package)
        return [self.known[name] for name in sorted(package.nevra for package in packages)]

    def payload(self, library: Library, row: Row) -> Row:
        """The package that files are copied out of."""
        found = library.called(row["name"], newest=not row["held"])
        held = [package for package in found if package.nevra == row["held"]]
        if row["held"] and not held:
            called = {row["held"]: row["name"]}
            self.problems.append({"kind": "vanished", "image": "", "names": [*called], "called": called})
        elif not found:
            self.problems.append({"kind": "missing", "image": "", "names": [row["name"]]})
        else:
            return self.rows(library, (held or found)[:1])[0]
        return {}

    def keys(self, library: Library) -> Row:
        """Where keys are: those of the host's repositories; of files that packages bring, the package."""
        if self.request["host_repositories"]:
            return library.keys()
        found = {}
        for path in self.request["key_files"]:
            for package in by_name(library.holding(path)):
                if package.nevra in self.known:
                    found[path] = package.nevra
        return found


# ── packages that stay as they are ──────────────────────────────────────────────────────────────────────────


class Versions:
    """All packages by name, and of which of them there are several versions."""

    def __init__(self, library: Library) -> None:
        self.all = {package.nevra for package in library.known.values()}
        slots: Any = {}
        for package in library.known.values():
            slots.setdefault(package.slot, []).append(package)
        self.several = {key: found for key, found in slots.items() if len(found) > 1}
        self.installed = {key for key, found in self.several.items() if any(p.installed for p in found)}


class Holding:
    """Packages of an image that stay at their version: no other of them is to be seen.

    `rows` are those of the lock so far; None: nothing is held, whatever is best is taken.
    """

    def __init__(self, versions: Versions, rows: Any) -> None:
        self.versions = versions
        self.active = rows is not None
        self.slots = {row["nevra"]: (row["name"], row["arch"]) for row in rows or ()}
        self.vanished = {key: name for name, key in self.slots.items() if name not in versions.all}

    def others(self, state: State) -> Any:
        """What else there is of the packages that are held, or that the parent holds."""
        if not self.active:
            return []
        keep = set(self.slots) | {package.nevra for package in state.added}
        slots = {*self.slots.values(), *(package.slot for package in state.added), *self.versions.installed}
        # Of one that vanished others must be seen, to find out whether it is needed.
        return [
            package
            for key in slots & set(self.versions.several) - set(self.vanished)
            for package in self.versions.several[key]
            if package.nevra not in keep and not package.installed
        ]

    def problem(self, library: Library, state: State, step: Row, new: Any, reasons: Any) -> Row:
        """What is wrong with an answer; None when nothing is."""
        gone = {self.vanished[package.slot]: package.name for package in new if package.slot in self.vanished}
        if gone:
            return {"kind": "vanished", "names": sorted(gone), "called": gone}
        if not reasons:
            return None
        absent = missing(library, step)
        if absent:
            return {"kind": "missing", "names": absent}
        if self.active:
            new, _, still = solve(library, state, step)
            if not still:
                slots, names = {package.slot for package in new}, {package.nevra for package in new}
                moved = [name for name, key in self.slots.items() if key in slots and name not in names]
                return {"kind": "held", "names": sorted(moved)}
        # Some versions name the repository of each package, in a line for each that has it.
        plain = (re.sub(r" from \S+(?= |,|$)", "", line) for line in reasons)
        return {"kind": "unsolvable", "reasons": list(dict.fromkeys(plain))}


# ── one transaction ─────────────────────────────────────────────────────────────────────────────────────────


def solve(library: Library, state: State, step: Row) -> Any:
    """Packages that a step adds, those they take the place of, and why there is no answer."""
    nothing: Any = frozenset()
    absent = missing(library, step)
    if absent:
        return nothing, nothing, [f"no package {name}" for name in absent]
    found, reasons = attempt(library, state, step, nothing)
    if reasons:
        # A package of the parent is in the way: as few of them as possible make room.
        found, still = attempt(library, state, step, state.added)
        if still:
            return nothing, nothing, reasons
        loose = fewest(state.added - found, lambda some: not attempt(library, state, step, some)[1])
        found, _ = attempt(library, state, step, loose)
    new = found - state.added
    slots = {package.slot for package in found}
    gone = frozenset(old for old in state.added - found if old.slot not in slots)
    if not all(library.replaced(old, new) for old in gone):
        # No request removes that package.
        return nothing, nothing, reasons
    return new, gone, []


def attempt(library: Library, state: State, step: Row, loose: Any) -> Any:
    """Solve with the parent's packages as they are, but for those that may be newer or make room."""
    job = Job(step)
    job.best = step["best"] and not loose
    if step["update"]:
        job.any_version = by_name(state.added)
    else:
        job.keep, job.optional = by_name(state.added - loose), by_name(loose)
    job.erase = [package for package in library.installed if package.name in state.removed]
    # A package that an ancestor has already is neither an error nor a reason for another version.
    have = {package.name for package in state.added}
    job.names = [name for name in step["install"] if name not in have]
    found, reasons = library.solve(job)
    return frozenset(found), reasons


def fewest(candidates: Any, enough: Any) -> Any:
    """Of things that are enough together, few that still are: halves, quarters … are tried without."""
    kept = by_name(candidates)
    size = len(kept)
    while size:
        start = 0
        while start < len(kept):
            rest = kept[:start] + kept[start + size :]
            if enough(frozenset(rest)):
                kept = rest
            else:
                start += size
        size //= 2
    return frozenset(kept)


def by_name(packages: Any) -> Any:
    """In an order that no library and no run of the interpreter decides."""
    return sorted(packages, key=attrgetter("nevra"))


def missing(library: Library, step: Row) -> Any:
    """Packages that are in no repository."""
    return [name for name in step["install"] if not library.offers(name)]
