"""Turn the shell text of a RUN into steps where a recipe has some: packages, downloads, pip.

A text is cut at each `&&` of its own. Parts that are understood become steps; the others
stay shell commands.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from buildsys.importers.command_line import known_words, split_commands, split_pipe
from buildsys.importers.overlay_text import Step
from buildsys.packages import MANAGERS, PackageManager
from buildsys.recipe.schema import types

CALLED = {program: manager for manager in MANAGERS.values() for program in manager.programs}
"""The package manager that each program is."""
SCRATCH = "/var/tmp"  # noqa: S108 - in an image
"""Folder in the image for files that are fetched and then used up."""


@dataclass(frozen=True, slots=True)
class Shell:
    """A part that stays a shell command, and its working directory."""

    text: str
    within: str


@dataclass(frozen=True, slots=True)
class Unsaid:
    """A part that no step can express and that later parts do not need."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Steps:
    """A part that becomes steps; no steps if an image does not need it, such as cleaning a cache."""

    steps: tuple[Step, ...]
    lost: tuple[Unsaid, ...] = ()
    """Parts of it that no step can express."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file that is downloaded."""

    url: str
    to: str
    then: str = ""
    """A command that reads the file from stdin, after which the file is removed; empty: the file stays."""
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Wheels:
    """Python packages that pip installs."""

    program: tuple[str, ...]
    """The words that call pip."""
    options: tuple[str, ...]
    names: tuple[str, ...]


Part = Shell | Steps | Fetched | Wheels | Unsaid


@dataclass(slots=True)
class Place:
    """The context of a part: the state that earlier parts of the text leave."""

    within: str = "/"
    variables: Mapping[str, str] = field(default_factory=dict)
    """Variables with known values."""
    file: Callable[[str], str] = lambda _: ""
    """Returns the path in files/ for a file of the builder's; empty if the builder has no such file."""


def parts(text: str, place: Place) -> tuple[Part, ...]:
    """Split a text into parts, in order; a text that no step can express is one part."""
    found: list[Part] = []
    within, kept = place.within, _Kept(dict(place.variables))
    pieces = split_commands(text)
    for piece in pieces:
        if (verified := _verified(piece, found, within)) is not None:
            found[-1] = verified
            continue
        part = _part(piece, Place(within, kept.variables, place.file))
        last = found[-1] if found else None
        if isinstance(part, Shell):
            if where := _CD.fullmatch(piece):
                within = posixpath.normpath(posixpath.join(within, where[1]))
            if isinstance(last, Shell):
                found[-1] = Shell(f"{last.text} && {piece}", last.within)
            elif kept.is_lost:
                return (Shell(text, place.within),)
            else:
                found.append(Shell(" && ".join([*kept.pieces, piece]), part.within))
            kept.add(piece)
            continue
        if kept.changes_programs and isinstance(part, Wheels):
            return (Shell(text, place.within),)
        found.append(part)
    any_step = (
        part.steps if isinstance(part, Steps) else isinstance(part, Fetched | Wheels) for part in found
    )
    if not any(any_step):
        return (Shell(text, place.within),)
    return tuple(part for part in found if not (isinstance(part, Shell) and kept.is_all(part.text)))


@dataclass(slots=True)
class _Kept:
    """State that earlier commands leave in a shell and that later commands need again."""

    variables: dict[str, str]
    """Variables with known values."""
    pieces: list[str] = field(default_factory=list)
    is_lost: bool = False
    """Whether the shell has state that cannot be repeated."""

    def add(self, piece: str) -> None:
        """Remember a command that changes the shell's state."""
        if not _LASTING.match(piece):
            self.is_lost = self.is_lost or bool(_OPAQUE.match(piece))
            return
        self.pieces.append(piece)
        if match := _ASSIGNED.fullmatch(piece):
            self.variables[match[1]] = match[2].strip("\"'")

    @property
    def changes_programs(self) -> bool:
        """Whether earlier commands can change which program a name means."""
        return any(re.match(r"source\s|\.\s|(?:export\s+)?PATH=", piece) for piece in self.pieces)

    def is_all(self, text: str) -> bool:
        """Whether a text only repeats state that is remembered already."""
        return all(
            _CD.fullmatch(piece) or piece == "true" or piece in self.pieces for piece in split_commands(text)
        )


_CD = re.compile(r"cd\s+([\w./-]+)")
_LASTING = re.compile(r"(?:\w+=\S*$|export\s|set\s+[-+]|umask\s|source\s|\.\s|alias\s)")
"""Commands whose effect lasts in a shell, except `cd`."""
_OPAQUE = re.compile(r"(?:\w+=|trap\s|pushd\s|popd|eval\s|cd\s+[^\w./-]|read\s)")
_ASSIGNED = re.compile(r"(?:export\s+)?(\w+)=([\w./:@%+-]*|'[^']*'|\"[^\"$`\\]*\")")


def _part(piece: str, place: Place) -> Part:
    head, bar, rest = split_pipe(piece)
    words = known_words(head, place.variables)
    if words is None:
        return Shell(piece, place.within)
    if bar:
        fetched = _fetched(words, place, piped=True)
        return Fetched(fetched.url, fetched.to, rest.strip()) if fetched else Shell(piece, place.within)
    for understand in (_packages, _wheels, _copied):
        if (part := understand(words, place)) is not None:
            return part
    return _fetched(words, place, piped=False) or Shell(piece, place.within)


# ── packages ────────────────────────────────────────────────────────────────────────────────────────────────


def _packages(words: list[str], _: Place) -> Part | None:
    while words and words[0].startswith(_HARMLESS_VARIABLES):
        words = words[1:]
    if not words:
        return None
    program, *rest = words
    manager = CALLED.get(program.rpartition("/")[2])
    if manager is None:
        return Steps(()) if tuple(words) in _CLEANING else None
    if (update := _update(manager, rest)) is not None:
        return update
    named = [item for item in rest if not item.startswith("-")]
    if not named or not _HARMLESS.issuperset(item for item in rest if item.startswith("-")):
        return None  # another option might choose repositories or take a value
    verb, *packages = named
    if verb in {"clean", "makecache"} and packages in ([], ["all"]):
        return Steps(())
    if verb == "update" and not packages and not manager.update_installs:
        return Steps(())
    if verb in {"module", "reinstall"} and packages:
        return Unsaid(f"'{program} {verb} {' '.join(packages)}'", "the site's repositories decide that")
    key = {"install": "packages", "remove": "remove-packages", "erase": "remove-packages"}.get(verb)
    if key is None or not packages or any(map(types.PACKAGE_NAME.problem, packages)):
        return None
    # A package that is not installed need not be removed.
    return Steps(({key: packages} if verb == "install" else {key: packages, "optional": True},))


def _update(manager: PackageManager, rest: list[str]) -> Steps | None:
    """Read `dnf -y update` of all installed packages."""
    if not manager.update_installs or not {"-y", "--assumeyes"} & set(rest):
        return None
    items = iter(rest)
    without: list[str] = []
    others: list[str] = []
    for item in items:
        if item in {"-x", "--exclude", "--excludepkgs"}:
            without.append(next(items, ""))
        elif item.startswith(("--exclude=", "--excludepkgs=")):
            without.append(item.partition("=")[2])
        elif item not in _HARMLESS:
            others.append(item)
    if others not in (["update"], ["upgrade"]):
        return None
    lost = Unsaid(f"'--excludepkgs {' '.join(without)}'", "an update here is of all that is installed")
    return Steps(({"update": True},), (lost,) if without else ())


_HARMLESS_VARIABLES = ("DEBIAN_FRONTEND=", "LANG=", "LC_ALL=")
_HARMLESS = {
    "-q", "-qq", "-qy", "-y", "-yq", "-yqq", "--allowerasing", "--assume-yes", "--assumeyes", "--nodocs",
    "--no-install-recommends", "--quiet", "--setopt=tsflags=nodocs", "--yes",
}  # fmt: skip
"""Options without a value that only affect how packages are fetched, which the site decides."""
_CLEANING = {("rm", "-rf", path) for manager in MANAGERS.values() for path in manager.caches}


# ── pip ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _wheels(words: list[str], _: Place) -> Part | None:
    program = words[:3] if words[1:3] == ["-m", "pip"] else words[:1]
    last = program[-1].rpartition("/")[2]
    if not re.fullmatch(r"pip(?:[23](?:\.\d+)?)?", last) or (len(program) == 3 and "python" not in words[0]):
        return None
    options: list[str] = []
    names: list[str] = []
    rest = iter(words[len(program) :])
    installs = False
    for item in rest:
        if item in _NETWORK_OPTIONS:
            continue
        if item in {"-c", "--constraint"}:
            options += [item, next(rest, "")]
        elif item.startswith("-"):
            if item not in _PIP_OPTIONS and not item.startswith(_PIP_VALUES):
                return None
            options.append(item)
        elif not installs:
            if item != "install":
                return None
            installs = True
        elif not _REQUIREMENT.fullmatch(item):
            return None
        else:
            names.append(item)
    return Wheels(tuple(program), tuple(options), tuple(names)) if installs and names else None


_NETWORK_OPTIONS = {"--no-cache-dir", "--quiet", "-q", "--disable-pip-version-check"}
_PIP_OPTIONS = {"--upgrade", "-U", "--user", "--no-deps", "--ignore-installed", "-I", "--force-reinstall",
                "--break-system-packages"}  # fmt: skip
_PIP_VALUES = ("--target=", "--prefix=", "--root=", "--constraint=")
_VERSION = r"[<>=!~]=?=?[\w.*+!-]+"
_REQUIREMENT = re.compile(rf"[A-Za-z0-9][\w.-]*(?:\[[\w,.-]+\])?(?:{_VERSION}(?:,{_VERSION})*)?")


def requirement(text: str) -> bool:
    """Whether a text is the name of a Python package, with or without a version, and not an address."""
    return bool(_REQUIREMENT.fullmatch(text))


# ── files ───────────────────────────────────────────────────────────────────────────────────────────────────


def _copied(words: list[str], place: Place) -> Part | None:
    """Read `cp FILE PATH` of a file of the builder's."""
    if words[0] != "cp":
        return None
    named = [item for item in words[1:] if not item.startswith("-")]
    if len(named) != 2 or not named[1].startswith("/") or not (path := place.file(named[0])):
        return None
    to = named[1] + posixpath.basename(named[0]) if named[1].endswith("/") else named[1]
    return Steps(({"copy": path, "to": to},))


def _fetched(words: list[str], place: Place, *, piped: bool) -> Fetched | None:
    """Read `curl` or `wget` of one address into one file."""
    program, *rest = words
    options = {"curl": _CURL, "wget": _WGET}.get(program.rpartition("/")[2])
    if options is None:
        return None
    url, to, folder, remote = "", "", "", program.endswith("wget")
    items = iter(rest)
    for item in items:
        if item in options["output"] or item == ">":
            to = next(items, "")
        elif item in options["folder"]:
            folder = next(items, "")
        elif item.startswith(("--output=", "--output-document=")):
            to = item.partition("=")[2]
        elif item.startswith(">"):
            to = item[1:]
        elif item in {"-O", "--remote-name"}:
            remote = True
        elif item in options["value"]:
            next(items, "")
        elif item.startswith("-"):
            letters = item[1:]
            if item.split("=")[0] in options["harmless"]:
                continue
            if not letters or not set(letters) <= options["letters"]:
                return None
            remote = remote or ("O" in letters and program.endswith("curl"))
            if letters[-1] in options["last"]:
                to = next(items, "")
        elif url:
            return None
        else:
            url = item
    if types.URL.problem(url) or url.startswith("file:"):
        return None
    name = posixpath.basename(unquote(urlsplit(url).path)) or "download"
    if piped:
        shown = to in {"", "-"} and not (remote and program.endswith("curl"))
        return Fetched(url, f"{SCRATCH}/{name}") if shown else None
    if not to and not remote:
        return None
    to = posixpath.normpath(posixpath.join(place.within, folder, to or name))
    return Fetched(url, to) if to.startswith("/") and not types.PATH.problem(to) else None


_CURL: dict[str, set[str]] = {
    "output": {"-o", "--output"},
    "folder": {"--output-dir"},
    "value": {"--retry", "--connect-timeout", "--max-time", "-m", "--retry-delay"},
    "harmless": {"--location", "--silent", "--show-error", "--fail", "--create-dirs", "--insecure",
                 "--compressed", "--progress-bar", "--retry-connrefused", "--tlsv1.2"},
    "letters": set("fLsSqkOo#"),
    "last": set("o"),
}  # fmt: skip
_WGET: dict[str, set[str]] = {
    "output": {"-O", "--output-document"},
    "folder": {"-P", "--directory-prefix"},
    "value": {"-t", "--tries", "-T", "--timeout"},
    "harmless": {"--quiet", "--no-verbose", "--no-check-certificate", "--progress", "--tries", "--timeout"},
    "letters": set("qncO"),
    "last": set("O"),
}


def _verified(piece: str, found: list[Part], within: str) -> Fetched | None:
    """Read the checksum in `echo CHECKSUM FILE | sha256sum -c` for the file that the last part fetched."""
    match = re.fullmatch(
        r"echo\s+[\"']?(?P<sum>[0-9a-f]{64})\s+\*?(?P<file>[\w./-]+)[\"']?\s*\|\s*sha256sum\s+(?:-c|--check)"
        r"(?:\s+(?:-|--quiet|--status|--strict))*",
        piece,
    )
    last = found[-1] if found else None
    if match is None or not isinstance(last, Fetched) or last.then:
        return None
    if posixpath.normpath(posixpath.join(within, match["file"])) != last.to:
        return None
    return Fetched(last.url, last.to, sha256=match["sum"])
