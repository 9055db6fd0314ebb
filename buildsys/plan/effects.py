"""What the step of an image does to the packages and files of the image: its script, read back."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_TRANSACTION = re.compile(r"[a-z]+_(?:bootstrap|transaction)")
_REMOVAL = re.compile(r"[a-z]+_remove")
_SOLVED = re.compile(r"[a-z]+_(?:bootstrap|install|update)")


@dataclass(frozen=True, slots=True)
class Installed:
    """Packages of one transaction are installed."""

    files: Mapping[str, str]
    """Package file -> place of its request; empty: no recipe names it."""


@dataclass(frozen=True, slots=True)
class Removed:
    """Packages are removed, by name."""

    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class Copied:
    """A file is put at `path`."""

    path: str
    sha256: str
    source: str
    spot: str


@dataclass(frozen=True, slots=True)
class Opened:
    """Files of a package will be copied: its name and its file."""

    package: str
    file: str


@dataclass(frozen=True, slots=True)
class Taken:
    """The file `inside` of an opened package is put at `path`."""

    path: str
    package: str
    inside: str
    spot: str


@dataclass(frozen=True, slots=True)
class Deleted:
    """Paths are removed; patterns of fnmatch."""

    patterns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Edited:
    """The content of a file is changed."""

    path: str


@dataclass(frozen=True, slots=True)
class Moved:
    """A path is moved."""

    path: str
    to: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """Something whose packages the plan does not know."""

    what: str


Effect = Installed | Removed | Copied | Opened | Taken | Deleted | Edited | Moved | Unknown
_ROW = re.compile(r"        (\S+) +# (.*)")
_NO_PLACE = frozenset({"along", "before the others"})


def effects(text: str) -> Iterator[Effect]:
    """What a step does to the inventory, in order."""
    spot = ""
    rows: dict[str, str] = {}
    for line in _logical_lines(text):
        stripped = line.strip()
        verb = stripped.partition(" ")[0]
        if stripped == "words=(":
            rows = {}
        elif row := _ROW.fullmatch(line):
            (file,) = shlex.split(row[1])
            rows[file] = "" if row[2] in _NO_PLACE else row[2]
        elif verb == "at":
            spot = stripped.split(" ")[1]
        else:
            yield from _act(verb, stripped, rows, spot)


def _logical_lines(text: str) -> Iterator[str]:
    """The lines of a step; a line whose quotes are open goes on with the next one."""
    whole = ""
    for line in text.split("\n"):
        whole = f"{whole}\n{line}" if whole else line
        if "'" in whole and not _ROW.fullmatch(whole) and not whole.lstrip().startswith("#"):
            try:
                shlex.split(whole)
            except ValueError:
                continue
        yield whole
        whole = ""


def _act(verb: str, line: str, rows: Mapping[str, str], spot: str) -> Iterator[Effect]:
    if _TRANSACTION.fullmatch(verb):
        files = {file: place for file, place in rows.items() if file.endswith((".rpm", ".deb"))}
        if files:
            yield Installed(files)
        else:
            yield Unknown("packages that no lock names")
    elif _REMOVAL.fullmatch(verb):
        yield Removed(frozenset(word for word in _words(line)[1:] if not word.startswith("--")))
    elif _SOLVED.fullmatch(verb):
        yield Unknown("packages that no lock names")
    elif verb == "containerfile":
        yield Unknown("a Containerfile")
    elif verb == "from_payload":
        match _words(line):
            case [_, package, file, *_]:
                yield Opened(package, file)
            case _:  # without a lock: the file is not known
                pass
    elif verb in _FILES:
        words = _words(line)
        match words[1:] if words[:1] == ["optional"] else words:
            case ["remove", *patterns]:
                yield Deleted(tuple(word.rstrip("/") for word in patterns if word.startswith("/")))
            case ["replace", _, _, path] | ["comment", _, path] | ["append_file", _, path]:
                yield Edited(path)
            case ["append", path, *_]:
                yield Edited(path)
            case ["move", path, to]:
                yield Moved(path, to)
            case ["context", _, _, sha256, to]:
                yield Copied(to, sha256, "context", spot)
            case ["pooled" | "download", _, sha256, to]:
                yield Copied(to, "" if sha256.startswith("url-") else sha256, "download", spot)
            case ["payload", _, _, package, source, to]:
                name = source.rstrip("/").rsplit("/", 1)[-1]
                yield Taken(f"{to}{name}" if to.endswith("/") else to, package, source, spot)
            case ["other", _, _, image, source, to]:
                name = source.rstrip("/").rsplit("/", 1)[-1]
                yield Copied(f"{to}{name}" if to.endswith("/") else to, "", f"image {image}", spot)
            case _:  # another form: the file is not listed, rather than wrongly
                pass


_FILES = frozenset(
    "append append_file comment context download move optional other payload pooled remove replace".split()
)


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:  # quotes that never end: a damaged step
        return []
