"""What the shell text of a RUN does, as far as a recipe has steps for it: packages, downloads, pip.

A text is cut at each `&&` of its own. Of the parts, those that are understood become steps; what lies
between stays a command of the shell.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from buildsys.importers.overlay import Step
from buildsys.recipe.schema import types

MANAGERS = {"apt", "apt-get", "dnf", "microdnf", "yum"}
SCRATCH = "/var/tmp"  # noqa: S108 - in an image
"""Where what is fetched lies until it is used."""


@dataclass(frozen=True, slots=True)
class Shell:
    """A part that stays as it is, and the folder it begins in."""

    text: str
    within: str


@dataclass(frozen=True, slots=True)
class Unsaid:
    """A part without a step for it, which what comes after it does not need."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Steps:
    """A part that is one or more steps; none: what it does, no image needs."""

    steps: tuple[Step, ...]
    lost: tuple[Unsaid, ...] = ()
    """What of it no step says."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file that is downloaded."""

    url: str
    to: str
    then: str = ""
    """What reads it from its standard input, after which it goes; empty: it stays."""
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Wheels:
    """Python packages that pip installs."""

    program: tuple[str, ...]
    """What calls pip."""
    options: tuple[str, ...]
    names: tuple[str, ...]


Part = Shell | Steps | Fetched | Wheels | Unsaid


@dataclass(slots=True)
class Place:
    """Where a part stands: what goes before it in the same text."""

    within: str = "/"
    variables: Mapping[str, str] = field(default_factory=dict)
    """Values that are known."""
    file: Callable[[str], str] = lambda _: ""
    """The path in files/ of a file of the builder's; empty: it is no such file."""


def parts(text: str, place: Place) -> tuple[Part, ...]:
    """The parts of a text, in order; a text that no step says is one."""
    found: list[Part] = []
    within, kept = place.within, _Kept(dict(place.variables))
    pieces = chain(text)
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
    said = (part.steps if isinstance(part, Steps) else isinstance(part, Fetched | Wheels) for part in found)
    if not any(said):
        return (Shell(text, place.within),)
    return tuple(part for part in found if not (isinstance(part, Shell) and kept.is_all(part.text)))


@dataclass(slots=True)
class _Kept:
    """What a shell remembers of earlier commands, which a later one of its own has to be told."""

    variables: dict[str, str]
    """Values that are known."""
    pieces: list[str] = field(default_factory=list)
    is_lost: bool = False
    """Whether it remembers what cannot be told again."""

    def add(self, piece: str) -> None:
        """Remember a command, if that is what it is for."""
        if not _LASTING.match(piece):
            self.is_lost = self.is_lost or bool(_OPAQUE.match(piece))
            return
        self.pieces.append(piece)
        if match := _ASSIGNED.fullmatch(piece):
            self.variables[match[1]] = match[2].strip("\"'")

    @property
    def changes_programs(self) -> bool:
        """Whether another program might be meant by a name."""
        return any(re.match(r"source\s|\.\s|(?:export\s+)?PATH=", piece) for piece in self.pieces)

    def is_all(self, text: str) -> bool:
        """Whether a text does nothing but what is remembered anyway."""
        return all(_CD.fullmatch(piece) or piece == "true" or piece in self.pieces for piece in chain(text))


_CD = re.compile(r"cd\s+([\w./-]+)")
_LASTING = re.compile(r"(?:\w+=\S*$|export\s|set\s+[-+]|umask\s|source\s|\.\s|alias\s)")
"""What lasts in a shell; leaving aside `cd`."""
_OPAQUE = re.compile(r"(?:\w+=|trap\s|pushd\s|popd|eval\s|cd\s+[^\w./-]|read\s)")
_ASSIGNED = re.compile(r"(?:export\s+)?(\w+)=([\w./:@%+-]*|'[^']*'|\"[^\"$`\\]*\")")


def _part(piece: str, place: Place) -> Part:
    head, bar, rest = _piped(piece)
    words = _words(head, place.variables)
    if words is None:
        return Shell(piece, place.within)
    if bar:
        fetched = _fetched(words, place, piped=True)
        return Fetched(fetched.url, fetched.to, rest.strip()) if fetched else Shell(piece, place.within)
    for understand in (_packages, _wheels, _copied):
        if (part := understand(words, place)) is not None:
            return part
    return _fetched(words, place, piped=False) or Shell(piece, place.within)


# ── the shell ───────────────────────────────────────────────────────────────────────────────────────────────


def chain(text: str) -> list[str]:
    """The commands of a text that is nothing but commands joined by `&&`; else the text, as one.

    Where a shell ends with the first command that fails, `;` and the end of a line do the same.
    """
    ends = bool(_ENDS_EARLY.match(text)) and not _CONTROLS.search(text)
    pieces: list[str] = []
    begun, depth, quote = 0, 0, ""
    position = 0
    while position < len(text):
        sign = text[position]
        if sign == "\\" and quote != "'":
            position += 2
            continue
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"`":
            quote = sign
        elif sign in "({":
            depth += 1
        elif sign in ")}":
            depth -= 1
        elif depth == 0:
            if text.startswith("&&", position):
                pieces.append(text[begun:position].strip())
                position += 2
                begun = position
                continue
            if sign in ";\n" and ends:
                pieces.append(text[begun:position].strip())
                begun = position + 1
            elif sign in ";\n" or text.startswith("||", position) or _is_background(text, position):
                return [text]
        position += 1
    pieces.append(text[begun:].strip())
    if ends and not pieces[-1]:
        pieces.pop()
    return [text] if quote or depth or not all(pieces) or _CONTROL.match(text) else pieces


_ENDS_EARLY = re.compile(r"\s*set\s+-[a-z]*e[a-z]*(?:\s+-o\s+pipefail)?\s*(?:;|&&|\n)")
_CONTROLS = re.compile(
    r"(?<![\w./-])(?:if|for|while|until|case|function|do|done|then|fi|esac)(?![\w./-])|\{\s|<<"
)
_CONTROL = re.compile(r"\s*(?:if|for|while|until|case|function)\s")


def _is_background(text: str, position: int) -> bool:
    return text[position] == "&" and "&" not in text[position + 1 : position + 2] and not (
        position and text[position - 1] in "<>&"
    ) and text[position + 1 : position + 2] != ">"  # fmt: skip


def _piped(piece: str) -> tuple[str, str, str]:
    """A command, and what reads its output."""
    quote = ""
    for position, sign in enumerate(piece):
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"`":
            quote = sign
        elif sign == "|" and "|" not in piece[position + 1 : position + 2]:
            return piece[:position], "|", piece[position + 1 :]
    return piece, "", ""


def _words(piece: str, variables: Mapping[str, str]) -> list[str] | None:
    """The words of a plain command, with known variables filled in; None: only a shell knows them."""

    def value(match: re.Match[str]) -> str:
        return variables.get(match[1] or match[2], match[0])

    if "'" not in piece:
        piece = re.sub(r"\$(?:\{(\w+)\}|(\w+))", value, piece)
    if "$" in piece or "`" in piece or "<" in _QUOTED.sub("", piece):
        return None
    try:
        return [text for text in shlex.split(piece) if text not in _NOWHERE] or None
    except ValueError:
        return None


_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_NOWHERE = {">/dev/null", "1>/dev/null", "2>/dev/null", "2>&1", "&>/dev/null"}


# ── packages ────────────────────────────────────────────────────────────────────────────────────────────────


def _packages(words: list[str], _: Place) -> Part | None:
    while words and words[0].startswith(_HARMLESS_VARIABLES):
        words = words[1:]
    if not words:
        return None
    program, *rest = words
    if program.rpartition("/")[2] not in MANAGERS:
        return Steps(()) if tuple(words) in _CLEANING else None
    if (update := _update(program, rest)) is not None:
        return update
    named = [item for item in rest if not item.startswith("-")]
    if not named or not _HARMLESS.issuperset(item for item in rest if item.startswith("-")):
        return None  # another option might choose repositories, or have a value behind it
    verb, *packages = named
    if verb in {"clean", "makecache"} and packages in ([], ["all"]):
        return Steps(())
    if verb == "update" and not packages and program.startswith("apt"):
        return Steps(())
    if verb in {"module", "reinstall"} and packages:
        return Unsaid(f"'{program} {verb} {' '.join(packages)}'", "the site's repositories decide that")
    key = {"install": "packages", "remove": "remove-packages", "erase": "remove-packages"}.get(verb)
    if key is None or not packages or any(map(types.PACKAGE_NAME.problem, packages)):
        return None
    # What is not there need not be removed.
    return Steps(({key: packages} if verb == "install" else {key: packages, "optional": True},))


def _update(program: str, rest: list[str]) -> Steps | None:
    """`dnf -y update` of all that is installed."""
    if program.rpartition("/")[2] not in {"dnf", "microdnf", "yum"} or not {"-y", "--assumeyes"} & set(rest):
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
"""Options that have no value and choose nothing but how packages come: the site says that."""
_CLEANING = {
    ("rm", "-rf", "/var/cache/yum"),
    ("rm", "-rf", "/var/cache/dnf"),
    ("rm", "-rf", "/var/lib/apt/lists/*"),
}


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
    """Whether a text is the name of a Python package, perhaps with a version, and no address."""
    return bool(_REQUIREMENT.fullmatch(text))


# ── files ───────────────────────────────────────────────────────────────────────────────────────────────────


def _copied(words: list[str], place: Place) -> Part | None:
    """`cp FILE PATH` of a file that lies beside what is read."""
    if words[0] != "cp":
        return None
    named = [item for item in words[1:] if not item.startswith("-")]
    if len(named) != 2 or not named[1].startswith("/") or not (path := place.file(named[0])):
        return None
    to = named[1] + posixpath.basename(named[0]) if named[1].endswith("/") else named[1]
    return Steps(({"copy": path, "to": to},))


def _fetched(words: list[str], place: Place, *, piped: bool) -> Fetched | None:
    """`curl` or `wget` of one address into one file."""
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
    """What `echo CHECKSUM FILE | sha256sum -c` says of the file that was just fetched."""
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
