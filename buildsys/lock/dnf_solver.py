"""Ask the distribution's own solver, in one process, for the packages of a whole image set.

Run by the interpreter that has `dnf` (the system's, of whatever age, not the project's environment): reads a
request as JSON from standard input and writes the answer to standard output. Imports nothing of buildsys.

An image is solved against its parent's packages as they were just solved, without building it. What a base
image holds is installed, to the solver; what the images of the set add to it is asked for exactly.
"""

import hashlib
import json
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import dnf  # type: ignore[import-not-found]
import dnf.rpm  # type: ignore[import-not-found]
import hawkey  # type: ignore[import-not-found]

Row = Any
"""A map, as it came out of JSON or goes there."""


def main() -> None:
    """Answer one request."""
    request = json.load(sys.stdin)
    # Whatever libraries say belongs to the person, not into the answer.
    answer_to, sys.stdout = sys.stdout, sys.stderr
    try:
        with tempfile.TemporaryDirectory(prefix="buildsys-lock-") as work:
            answer = fetch(request, work) if "fetch" in request else Solving(request, work).answer()
    except dnf.exceptions.Error as error:
        answer = {"unreachable": " ".join(str(error).split())}
    except Unreadable as error:
        answer = {"unreadable": str(error)}
    json.dump(answer, answer_to)
    answer_to.flush()


# ── repositories ────────────────────────────────────────────────────────────────────────────────────────────


class Unreadable(Exception):  # noqa: N818 - reads as what happened
    """A package database that is there, and of which rpm makes nothing; carries its root."""


def open_base(request: Row, work: str, root: str = "") -> Any:
    """The repositories as dnf sees them; what is installed in `root` is installed to it."""
    base = dnf.Base()
    conf = base.conf
    if request["host_repositories"]:
        conf.read()
        conf.substitutions.update_from_etc("/")
        base.init_plugins(["*"], request["plugins"])
        base.pre_configure_plugins()
    conf.installroot = root or work
    conf.logdir = conf.persistdir = work
    conf.cachedir = request["cache"] or work
    conf.install_weak_deps = False
    release = request["release"] or (request["host_repositories"] and dnf.rpm.detect_releasever("/"))
    conf.substitutions["releasever"] = release or ""
    if request["host_repositories"]:
        base.read_all_repos()
        base.configure_plugins()
    else:
        conf.reposdir = []
        conf.plugins = False
    for repository in request["repositories"]:
        base.repos.add_new_repo(repository["id"], conf, baseurl=[repository["url"]])
    for repository in base.repos.iter_enabled():
        # What counts is what they hold now.
        repository._repo.expire()  # noqa: SLF001
        repository.skip_if_unavailable = False
    try:
        base.fill_sack(load_system_repo=bool(root))
    except OSError as error:
        raise Unreadable(root) from error
    if root and not hawkey.Query(base.sack).installed():
        # rpm says so on stderr, and goes on with an empty database.
        raise Unreadable(root)
    return base


def metadata(repository: Any) -> Row:
    """What tells one state of a repository from another, and which is the newer one."""
    content = Path(repository._repo.getCachedir(), "repodata", "repomd.xml").read_bytes()  # noqa: SLF001
    # A text that is made by createrepo; the two things wanted of it need no parser.
    revision = re.search(rb"<revision>([^<]*)</revision>", content)
    times = re.findall(rb"<timestamp>(\d+)(?:\.\d+)?</timestamp>", content)
    return {
        "sha256": hashlib.sha256(content).hexdigest(),
        "revision": revision.group(1).decode(errors="replace") if revision else "",
        "time": max(map(int, times), default=0),
    }


def fetch(request: Row, work: str) -> Row:
    """Fetch packages with this host's own configuration; each is put into a folder by its checksum."""
    base = open_base(request, work)
    wanted = set(request["fetch"])
    found: Any = {}
    for package in hawkey.Query(base.sack):
        checksum = describe(package)["checksum"]
        if checksum in wanted:
            found.setdefault(checksum, package)
    for repository in base.repos.iter_enabled():
        repository.pkgdir = work
    base.download_packages(list(found.values()))
    for checksum, package in found.items():
        shutil.copyfile(package.localPkg(), str(Path(request["into"], checksum.partition(":")[2])))
    return {"missing": sorted(wanted - set(found))}


def describe(package: Any) -> Row:
    """A package as the lock names it."""
    kind, value = package.returnIdSum()
    location = package.location
    if package.baseurl:
        location = f"{package.baseurl.rstrip('/')}/{location}"
    return {
        "name": package.name,
        "epoch": str(package.epoch),
        "version": package.version,
        "release": package.release,
        "arch": package.arch,
        "repository": package.reponame,
        "checksum": f"{kind}:{value}",
        "location": location,
        "size": package.downloadsize,
        "source": package.sourcerpm or "",
        "installed": package.installsize,
    }


def slot(package: Any) -> Any:
    """Of packages that share this, an image holds one."""
    return package.name, package.arch


def nevra(package: Any) -> str:
    """A package's whole name."""
    epoch = f"{package.epoch}:" if package.epoch else ""
    return f"{package.name}-{epoch}{package.version}-{package.release}.{package.arch}"


# ── a set, image by image ───────────────────────────────────────────────────────────────────────────────────


class State:
    """What an image holds, as far as it is known: packages added to its base, names taken away from it."""

    def __init__(self, added: Any = frozenset(), removed: Any = frozenset()) -> None:
        self.added = added
        self.removed = removed

    def then(self, new: Any, gone: Any, removed: Any) -> "State":
        """The state after a transaction."""
        slots = {slot(package) for package in new}
        kept = (old for old in self.added if slot(old) not in slots and old not in gone)
        added = frozenset(old for old in kept if old.name not in removed) | new
        return State(added, (self.removed | removed) - {package.name for package in new})


class Solving:
    """One request, image by image."""

    def __init__(self, request: Row, work: str) -> None:
        self.request = request
        self.work = work
        self.bases: Any = {}
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
        base = self.bases[min(self.bases)] if self.bases else self.base("")
        return {
            "images": self.images,
            "absent": self.absent,
            "payloads": {row["name"]: self.payload(base.sack, row) for row in self.request["payloads"]},
            "problems": self.problems,
            "repositories": {item.id: metadata(item) for item in base.repos.iter_enabled()},
            "keys": self.keys(base),
        }

    def base(self, root: str) -> Any:
        """The repositories, with a base image's packages installed."""
        if root not in self.bases:
            self.bases[root] = open_base(self.request, self.work, root)
            self.versions[root] = Versions(self.bases[root].sack)
        return self.bases[root]

    def image(self, image: Row) -> None:
        """Find an image's own transactions: those of its steps, as far as they can be solved."""
        if image["parent"] in self.absent:
            self.absent[image["name"]] = f"it is made from {image['parent']}"
            return
        root, state = self.states.get(image["parent"], (image["root"], State()))
        sack = self.base(root).sack
        holding = Holding(self.versions[root], image["held"])
        transactions = []
        for step in image["steps"]:
            # What is new beside packages that stay is the newest that fits them, not the newest there is.
            step["best"] = not step["update"] and not holding.active
            others = holding.others(state)
            sack.add_excludes(others)
            new, gone, reasons = solve(sack, state, step)
            sack.remove_excludes(others)
            problem = holding.problem(sack, state, step, new, reasons)
            if problem and problem["kind"] == "missing" and self.request["incomplete"]:
                self.absent[image["name"]] = f"no package {', '.join(problem['names'])}"
                return
            if problem:
                self.problems.append({**problem, "image": image["name"]})
                break
            transactions.append(self.rows(new))
            state = state.then(new, gone, set(step["remove"]))
        self.states[image["name"]] = (root, state)
        self.images[image["name"]] = transactions

    def rows(self, packages: Any) -> Any:
        """Packages as the lock names them. One that two repositories have alike is taken from one of them."""
        return [self.known.setdefault(nevra(item), describe(item)) for item in sorted(packages, key=nevra)]

    def payload(self, sack: Any, row: Row) -> Row:
        """The package that files are copied out of."""
        found = hawkey.Query(sack).available().filterm(name=row["name"])
        held = [package for package in found if nevra(package) == row["held"]]
        if row["held"] and not held:
            self.problems.append({"kind": "vanished", "image": "", "names": [row["held"]]})
        elif not found:
            self.problems.append({"kind": "missing", "image": "", "names": [row["name"]]})
        else:
            return self.rows(held[:1] or [found.latest()[0]])[0]
        return {}

    def keys(self, base: Any) -> Row:
        """Where keys are: those of the host's repositories; of files that packages bring, the package."""
        if self.request["host_repositories"]:
            return {item.id: list(item.gpgkey) for item in base.repos.iter_enabled()}
        found = {}
        for path in self.request["key_files"]:
            for package in hawkey.Query(base.sack).available().filterm(file=path):
                if nevra(package) in self.known:
                    found[path] = nevra(package)
        return found


# ── packages that stay as they are ──────────────────────────────────────────────────────────────────────────


class Versions:
    """All packages of a sack by name, and of which of them there are several versions."""

    def __init__(self, sack: Any) -> None:
        self.all = {}
        slots: Any = {}
        for package in hawkey.Query(sack):
            name = nevra(package)
            self.all[name] = package
            slots.setdefault(slot(package), []).append((name, package))
        self.several = {key: found for key, found in slots.items() if len(found) > 1}
        self.installed = {key for key, found in self.several.items() if any(p.installed for _, p in found)}


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
        keep = set(self.slots) | {nevra(package) for package in state.added}
        slots = (
            set(self.slots.values()) | {slot(package) for package in state.added} | self.versions.installed
        )
        # Of one that vanished others must be seen, to find out whether it is needed.
        return [
            package
            for key in slots & set(self.versions.several) - set(self.vanished)
            for name, package in self.versions.several[key]
            if name not in keep and not package.installed
        ]

    def problem(self, sack: Any, state: State, step: Row, new: Any, reasons: Any) -> Row:
        """What is wrong with an answer; None when nothing is."""
        moved = sorted(self.vanished[slot(package)] for package in new if slot(package) in self.vanished)
        if moved:
            return {"kind": "vanished", "names": moved}
        if not reasons:
            return None
        absent = missing(sack, step)
        if absent:
            return {"kind": "missing", "names": absent}
        if self.active:
            new, _, still = solve(sack, state, step)
            if not still:
                slots, names = {slot(package) for package in new}, {nevra(package) for package in new}
                moved = [name for name, key in self.slots.items() if key in slots and name not in names]
                return {"kind": "held", "names": sorted(moved)}
        return {"kind": "unsolvable", "reasons": reasons}


# ── one transaction ─────────────────────────────────────────────────────────────────────────────────────────


def solve(sack: Any, state: State, step: Row) -> Any:
    """Packages that a step adds, those they take the place of, and why there is no answer."""
    nothing: Any = frozenset()
    absent = missing(sack, step)
    if absent:
        return nothing, nothing, [f"no package {name}" for name in absent]
    found, reasons = attempt(sack, state, step, nothing)
    if reasons:
        # A package of the parent is in the way: as few of them as possible make room.
        found, still = attempt(sack, state, step, state.added)
        if still:
            return nothing, nothing, reasons
        loose = fewest(state.added - found, lambda some: not attempt(sack, state, step, some)[1])
        found, _ = attempt(sack, state, step, loose)
    new = found - state.added
    slots = {slot(package) for package in found}
    gone = frozenset(old for old in state.added - found if slot(old) not in slots)
    if not all(replaced(sack, old, new) for old in gone):
        # Nobody asked for that one to go.
        return nothing, nothing, reasons
    return new, gone, []


def attempt(sack: Any, state: State, step: Row, loose: Any) -> Any:
    """Solve with the parent's packages as they are, but for those that may be newer or make room."""
    goal = hawkey.Goal(sack)
    for package in state.added:
        any_version = hawkey.Selector(sack).set(name=package.name, arch=package.arch)
        if step["update"]:
            goal.install(select=any_version)
        elif package in loose:
            goal.install(select=any_version, optional=True)
        else:
            goal.install(package)
    for package in hawkey.Query(sack).installed().filterm(name=sorted(state.removed)):
        goal.erase(package)
    if step["update"]:
        goal.upgrade_all()
    # What an ancestor of the set holds already is no error, and no reason to have another of it.
    have = {package.name for package in state.added}
    for name in step["install"]:
        if name not in have:
            goal.install(select=hawkey.Subject(name).get_best_selector(sack))
    if not goal.run(ignore_weak_deps=True, force_best=step["best"] and not loose):
        return frozenset(), [line for rule in goal.problem_rules() for line in rule]
    return frozenset([*goal.list_installs(), *goal.list_upgrades(), *goal.list_downgrades()]), []


def fewest(candidates: Any, enough: Any) -> Any:
    """Of things that are enough together, few that still are: halves, quarters … are tried without."""
    kept = sorted(candidates, key=nevra)
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


def replaced(sack: Any, old: Any, new: Any) -> bool:
    """Whether one of the new packages takes the place of an old one of another name."""
    return bool(hawkey.Query(sack).filterm(pkg=list(new)).filterm(obsoletes=[old])) if new else False


def missing(sack: Any, step: Row) -> Any:
    """Packages that are in no repository."""
    return [name for name in step["install"] if not hawkey.Subject(name).get_best_query(sack)]


if __name__ == "__main__":
    main()
