"""Instructions of a Containerfile as steps and settings of an image."""

from __future__ import annotations

import json
import posixpath
import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from buildsys.diagnostics import Diagnostic, Spot
from buildsys.importers.command_line import network_program
from buildsys.importers.overlay_text import Changes, Step, untaken
from buildsys.importers.run_text import (
    SCRATCH,
    Fetched,
    Place,
    Shell,
    Steps,
    Unsaid,
    Wheels,
    parts,
)
from buildsys.recipe.scan import Instruction
from buildsys.recipe.schema import types
from buildsys.shell import word, words

WHEELS = "wheels"
"""The folder in files/ that pip installs from."""
_PAIR = re.compile(r"(?P<name>[^\s=]+)=(?P<value>.*)", re.DOTALL)
_SHELL, _ENV = ("/bin/sh", "-c"), "/usr/bin/env"
_VARIABLE = re.compile(r"\$\{?(\w+)")
_FLAG = re.compile(r"--([\w-]+)(?:=(\S+))?\s+")
_ROOT = {"root", "0"}
_OPEN = frozenset("$*?[")

OPEN, CLOSE = "\ue000", "\ue001"
"""Enclose the number of an expression that only the builder can fill in."""
UNKNOWN = (
    "what it copies lies in the context of kolla-build",
    "put it into files/ next to the overlay, and write a step: copy:",
)
"""Reason and hint for a file that is not found."""
FindFile = Callable[[str], Path | None]
"""Finds a file of the builder's by the name that a COPY uses; None if it is not found."""


class Reading:
    """Converts instructions into changes of one image, in order; `found` collects the others."""

    def __init__(
        self,
        image: str,
        changes: Changes,
        found: list[Diagnostic],
        find: FindFile,
        unknown: tuple[str, str] = UNKNOWN,
    ) -> None:
        self._unknown = unknown
        self.image = image
        self.changes = changes
        self._found = found
        self._find = find
        self._within = "/"
        self._made = True
        self._shell = list(_SHELL)
        self.exports = False
        """Whether `export` sets the variables of commands, and not `env`, which some images lack."""
        self.arguments: dict[str, str] = {}
        """Variables of commands that are not in the image's configuration."""
        self.user: tuple[str, Spot] | None = None
        """The last USER, with its place."""

    def steps(self, item: Instruction) -> Iterator[Step]:
        """Yield the steps of one instruction; its settings go into `changes`."""
        match item.word:
            case "RUN":
                yield from self._run(item)
            case "ADD" | "COPY":
                yield from self._copy(item)
            case "USER":
                self._user(item)
            case "WORKDIR":
                self._workdir(item)
            case "SHELL" if shell := _list(item.value):
                self._shell = shell
            case _:
                self._set(item)

    def pip(self, asked: Wheels, spot: Spot) -> Iterator[Step]:
        """Yield steps that install Python packages from wheels in files/."""
        folder = f"{WHEELS}/{self.image}"
        path = f"{folder}/requirements.txt"
        before = self.changes.files.get(path, "")
        wanted = dict.fromkeys([*str(before).split(), *asked.names])
        self.changes.files[path] = "".join(f"{name}\n" for name in wanted)
        if not before:
            hint = (
                f"on a host like the image: cd files/{folder} && pip download --requirement requirements.txt"
            )
            what, why = f"what pip downloads for '{self.image}'", f"it is installed from files/{folder}"
            self._found.append(untaken(spot, what, why, hint))
        place = f"{SCRATCH}/{WHEELS}"
        yield {"copy": folder, "to": place}
        offline = ["install", "--no-index", f"--find-links={place}"]
        yield self._with_variables([*asked.program, *offline, *asked.options, *asked.names])
        yield {"remove": place, "recursive": True}

    def lose(self, item: Instruction) -> None:
        """Remember the variables of an instruction that is not taken over."""
        if item.word in {"ARG", "ENV"}:
            self.changes.lost.update(re.findall(r"(?:^|\s)(\w+)", item.value))

    def _refuse(self, item: Instruction, why: str, hint: str = "") -> None:
        self._found.append(untaken(item.spot, item.word, why, hint))

    # ── commands ────────────────────────────────────────────────────────────────────────────────────────────

    def _run(self, item: Instruction) -> Iterator[Step]:
        if item.value.startswith("--"):
            self._refuse(item, "a `run` has no options")
            return
        command = _list(item.value)
        text = words(command) if command else item.value
        place = Place(self._within, self.arguments | self._variables(), self._file)
        found = (Shell(text, self._within),) if command else parts(text, place)
        shells = [part for part in found if isinstance(part, Shell)]
        lost = next((name for name in _VARIABLE.findall(item.value) if name in self.changes.lost), "")
        user = self.user[0] if self.user else ""
        if user and (len(shells) < len(found) or types.ACCOUNT_NAME.problem(user)):
            self._refuse(item, f"it would run as {user}, and a `run` is root's", "use setpriv or su in it")
            return
        if lost and shells:
            why = f"the value of {lost}, which it uses, is not taken over"
            self._refuse(item, why, "write the value out")
            return
        if program := next(filter(None, (network_program(part.text) for part in shells)), ""):
            hint = "packages and `download:` come from the site; what else it fetches goes into files/"
            self._refuse(item, f"{program} wants the network, and a `run` has none", hint)
            return
        for part in found:
            match part:
                case Shell():
                    yield from self._make_folder()
                    argv = command if command and part.within == "/" and not user else None
                    yield self._with_variables(argv or self._called(part, user))
                case Steps():
                    yield from part.steps
                    self._found += (untaken(item.spot, lost.what, lost.why) for lost in part.lost)
                case Fetched():
                    yield from self._download(part, item.spot)
                case Wheels():
                    yield from self.pip(part, item.spot)
                case Unsaid():
                    self._found.append(untaken(item.spot, part.what, part.why))

    def _make_folder(self) -> Iterator[Step]:
        """Make the folder that WORKDIR names, before the first command in it."""
        if not self._made:
            self._made = True
            yield {"mkdir": self._within}

    def _called(self, part: Shell, user: str) -> list[str]:
        """Return the argv of a shell command in its working directory, as its user."""
        text = part.text if part.within == "/" else f"cd {word(part.within)} && {part.text}"
        return ["su", "-s", self._shell[0], user, "-c", text] if user else [*self._shell, text]

    def _download(self, part: Fetched, spot: Spot) -> Iterator[Step]:
        checksum = {"sha256": part.sha256} if part.sha256 else {}
        if not checksum:
            self.changes.downloads[part.url] = spot
        yield {"download": part.url, "to": part.to, **checksum}
        if part.then:
            text = f"cat {word(part.to)} | {part.then}"
            yield self._with_variables([*self._shell, text])
            yield {"remove": part.to}

    def _with_variables(self, argv: Sequence[str]) -> Step:
        """Add the variables that are set before a command: a `run` has only those of its parent."""
        pairs = [f"{name}={value}" for name, value in (self.arguments | self._variables()).items()]
        if not pairs:
            return {"run": [*argv]}
        if not self.exports:
            return {"run": [_ENV, *pairs, *argv]}
        export = f"export {words(pairs)}"
        if [*argv[:-1]] == self._shell:
            return {"run": [*self._shell, f"{export}; {argv[-1]}"]}
        return {"run": [*_SHELL, f'{export}; exec "$@"', "sh", *argv]}

    def _variables(self) -> dict[str, str]:
        return {name: value for name, (value, _) in self.changes.maps.get("env", {}).items()}

    # ── files ───────────────────────────────────────────────────────────────────────────────────────────────

    def _file(self, source: str) -> str:
        """Return the path in files/ for a file of the builder's; empty if it is not found."""
        path = self._find(source)
        if path is None:
            return ""
        there = f"{self.image}/{path.name}"
        if self.changes.files.setdefault(there, path) != path:
            there = f"{self.image}/{source.strip('/')}"
            self.changes.files[there] = path
        return there

    def _copy(self, item: Instruction) -> Iterator[Step]:
        flags, value = {}, item.value
        while match := _FLAG.match(value):
            flags[match[1]], value = match[2] or "", value[match.end() :]
        try:
            named = _list(value) or shlex.split(value)
        except ValueError:
            named = []
        unknown = set(flags) - {"chmod", "chown", "from", "link"}
        if len(named) < 2 or unknown or any("$" in name for name in named):
            self._refuse(item, f"--{min(unknown)} has no like here" if unknown else "it is not understood")
            return
        *sources, to = named
        target = posixpath.join(self._within, to)
        kept = {key: flags[flag] for key, flag in (("mode", "chmod"), ("owner", "chown")) if flag in flags}
        steps: list[Step] = []
        for source in sources:
            step = self._copied(item, source, target, flags.get("from"), several=len(sources) > 1)
            if step is None:
                return
            steps.append({**step, **kept})
        yield from steps

    def _copied(
        self, item: Instruction, source: str, target: str, origin: str | None, *, several: bool
    ) -> Step | None:
        into = posixpath.join(target, posixpath.basename(source))
        folder = several or target.endswith("/")
        if origin is not None:
            if not origin or _OPEN & set(origin + source) or "/" in origin or ":" in origin:
                self._refuse(item, f"'{origin}' is not an image of the set", "add one that has the files")
                return None
            return {"copy": posixpath.join("/", source), "from": origin, "to": into if folder else target}
        if not types.URL.problem(source):
            if item.word == "COPY" or source.startswith("file:"):
                self._refuse(item, "COPY takes no address")
                return None
            name = posixpath.basename(source.partition("?")[0])
            self.changes.downloads[source] = item.spot
            return {"download": source, "to": posixpath.join(target, name) if folder else target}
        path = self._find(source)
        if path is None:
            self._refuse(item, *self._unknown)
            return None
        inside = self._file(source)
        return {"copy": inside, "to": (into if folder and not path.is_dir() else target).rstrip("/") or "/"}

    # ── settings ────────────────────────────────────────────────────────────────────────────────────────────

    def _user(self, item: Instruction) -> None:
        name, colon, group = item.value.partition(":")
        root = name in _ROOT and (not colon or group in _ROOT)
        if name in _ROOT and not root:
            why = "root's group is root here"
            self._refuse(item, why, "use setpriv or su in the commands that need it")
        self.user = None if root else (item.value, item.spot)

    def _workdir(self, item: Instruction) -> None:
        if "$" in item.value:
            self._refuse(item, "its path is made of another value", "write the value out")
            return
        path = item.value.strip("\"'")
        self._within = posixpath.normpath(posixpath.join(self._within, path))
        self.changes.scalars["workdir"] = path if path.startswith("/") else self._within, item.spot
        self._made = self._within == "/"

    def _set(self, item: Instruction) -> None:
        value, changes = item.value, self.changes
        match item.word:
            case "ENV" | "LABEL":
                self._pairs(item, "env" if item.word == "ENV" else "labels")
            case "MAINTAINER":
                changes.merge("labels", "maintainer", value, item.spot)
            case "CMD" | "ENTRYPOINT":
                changes.scalars[item.word.lower()] = _list(value) or [*_SHELL, value], item.spot
            case "STOPSIGNAL":
                changes.scalars["stop-signal"] = value, item.spot
            case "EXPOSE":
                ports = (port if "/" in port else f"{port}/tcp" for port in value.split())
                changes.lists.setdefault("ports", {}).update(dict.fromkeys(ports, item.spot))
            case "VOLUME":
                volumes = _list(value) or value.split()
                changes.lists.setdefault("volumes", {}).update(dict.fromkeys(volumes, item.spot))
            case "HEALTHCHECK":
                self._health_check(item)
            case _:
                self.lose(item)
                self._refuse(item, "a recipe has nothing of the kind")

    def _pairs(self, item: Instruction, key: str) -> None:
        try:
            pairs = shlex.split(item.value)
        except ValueError:
            self.lose(item)
            self._refuse(item, "a quotation mark has no partner")
            return
        if pairs and "=" not in pairs[0]:  # the old form: NAME VALUE
            name, _, value = item.value.partition(" ")
            pairs = [f"{name}={value.strip()}"]
        for text in pairs:
            pair = _PAIR.fullmatch(text)
            if pair is None:
                self._refuse(item, f"'{text}' is not of the form NAME=VALUE")
            elif OPEN in text:
                if key == "env":
                    self.changes.lost.add(pair["name"])
                why = f"the value of {pair['name']} is one that only kolla-build can fill in"
                self._refuse(item, why, "write it out")
            elif "$" in pair["value"]:
                if key == "env":
                    self.changes.lost.add(pair["name"])
                self._refuse(item, f"the value of {pair['name']} is made of another", "write the value out")
            else:
                if key == "env":
                    self.changes.lost.discard(pair["name"])
                self.changes.merge(key, pair["name"], pair["value"], item.spot)

    def _health_check(self, item: Instruction) -> None:
        options, rest = {}, item.value
        while match := re.match(r"--(interval|timeout|start-period|retries)=(\S+)\s+", rest):
            options[match[1]] = (
                int(match[2]) if match[1] == "retries" and re.fullmatch("[0-9]+", match[2]) else match[2]
            )
            rest = rest[match.end() :]
        first, _, command = rest.partition(" ")
        if rest.upper() == "NONE":
            self.changes.scalars["healthcheck"] = None, item.spot
        elif first.upper() == "CMD" and command.strip():
            what = _list(command.strip()) or command.strip()
            value: Any = {"command": what, **options} if options else what
            self.changes.scalars["healthcheck"] = value, item.spot
        else:
            self._refuse(item, "it is not understood")


def _list(value: str) -> list[str]:
    """Return the words of an instruction in JSON form; empty for the shell form."""
    try:
        found = json.loads(value) if value.startswith("[") else []
    except (ValueError, RecursionError):
        return []
    return found if all(isinstance(text, str) for text in found) else []
