"""Instructions of a Containerfile that stand in a block, as keys of an overlay."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from typing import Any

from buildsys.diagnostics import Diagnostic, Refused
from buildsys.importers.kolla.templates import CLOSE, OPEN, Block
from buildsys.importers.network import wanting
from buildsys.importers.overlay import Changes, Step
from buildsys.importers.untaken import untaken
from buildsys.recipe.containerfile import read_instructions
from buildsys.recipe.scan import Instruction
from buildsys.resolve import syntax

_MARK = re.compile(f"{OPEN}([0-9]+){CLOSE}")
_PAIR = re.compile(r"(?P<name>[^\s=]+)=(?P<value>.*)", re.DOTALL)
_MANAGERS = {"apt", "apt-get", "dnf", "microdnf", "yum"}
_SHELL, _ENV = ("/bin/sh", "-c"), "/usr/bin/env"
_VARIABLE = re.compile(r"\$\{?(\w+)")


class Blocks:
    """Turns blocks into changes of one image; what it cannot turn is kept in `found`."""

    def __init__(self, found: list[Diagnostic]) -> None:
        self._found = found

    def turn(self, block: Block, changes: Changes, *, before: bool) -> None:
        """Take a block over; `before`: its steps come in front of the image's own.

        What is a setting of the image and no step takes the place of its own, wherever the block stands.
        """
        try:
            instructions = read_instructions(block.text, block.spot.file)
        except Refused as refused:
            self._found += (
                untaken(item.spot, f"the block '{block.name}'", item.message, item.hint)
                for item in refused.diagnostics
            )
            return
        reader = _Block(block, changes, self._found)
        steps = [(step, item.spot) for item in instructions for step in reader.steps(item)]
        if before:
            changes.before += steps
        else:
            changes.steps += steps

    def settings(self, block: Block) -> Changes:
        """What a block of every image sets; its steps have no place."""
        own = Changes()
        self.turn(block, own, before=False)
        why = "steps of `common:` come before those of an image, and these come after"
        for step, spot in own.steps:
            what = f"'{next(iter(step))}' in the block '{block.name}'"
            self._found.append(untaken(spot, what, why, "add the step to the images that need it"))
        return own


class _Block:
    """Turns the instructions of one block, in order."""

    def __init__(self, block: Block, changes: Changes, found: list[Diagnostic]) -> None:
        self._block = block
        self._changes = changes
        self._found = found
        self._user = "root"
        self._within = ""

    def steps(self, item: Instruction) -> Iterator[Step]:
        """The steps of one instruction; what it sets goes to the changes."""
        marks = [int(number) for number in _MARK.findall(item.value)]
        if marks and _MARK.fullmatch(item.value) and (packages := self._block.expressions[marks[0]].packages):
            yield {"packages": list(packages)}
        elif marks:
            self._lose(item)
            spot = self._block.expressions[marks[0]].spot
            self._found.append(
                untaken(spot, "an expression", "only kolla-build can fill it in", "write it out")
            )
        elif item.word == "RUN":
            yield from self._run(item)
        else:
            self._set(item)

    def _refuse(self, item: Instruction, why: str, hint: str = "") -> None:
        self._found.append(untaken(item.spot, item.word, why, hint))

    def _lose(self, item: Instruction) -> None:
        """Keep in mind the variables that an instruction would have given a value."""
        if item.word in {"ARG", "ENV"}:
            self._changes.lost.update(re.findall(r"(?:^|\s)(\w+)", item.value))

    def _run(self, item: Instruction) -> Iterator[Step]:
        command = _list(item.value)
        packages = None if command else _packages(item.value)
        lost = next((name for name in _VARIABLE.findall(item.value) if name in self._changes.lost), "")
        if self._user != "root":
            self._refuse(
                item, f"it would run as {self._user}, and a `run` is root's", "use setpriv or su in it"
            )
        elif self._within:
            hint = f"begin it with cd {shlex.quote(self._within)}"
            self._refuse(item, f"it would run in {self._within}, and a `run` begins in /", hint)
        elif item.value.startswith("--"):
            self._refuse(item, "a `run` has no options")
        elif packages is not None:
            yield from packages
        elif lost:
            self._refuse(
                item, f"the value of {lost}, which it uses, is not taken over", "write the value out"
            )
        elif program := wanting(item.value):
            hint = "packages and `download:` come from the site; what else it fetches goes into files/"
            self._refuse(item, f"{program} wants the network, and a `run` has none", hint)
        else:
            yield {"run": [*self._environment(), *(command or [*_SHELL, item.value])]}

    def _environment(self) -> list[str]:
        """What gives a command the variables that are set before it: a `run` has those of its parent."""
        variables = self._changes.maps.get("env", {})
        return [_ENV, *(f"{name}={value}" for name, (value, _) in variables.items())] if variables else []

    def _set(self, item: Instruction) -> None:
        value, changes = item.value, self._changes
        match item.word:
            case "ENV" | "LABEL":
                self._pairs(item, "env" if item.word == "ENV" else "labels")
            case "MAINTAINER":
                changes.merge("labels", "maintainer", value, item.spot)
            case "USER":
                # Steps are root's anyway; which user the image has, Kolla's own template says further on.
                self._user = "root" if set(value.split(":")) <= {"root", "0"} else value
                if self._user != "root":
                    hint = f"to change the image's user, write user: {value}"
                    self._refuse(item, "Kolla's template sets the image's user after its blocks", hint)
            case "WORKDIR":
                self._within = value if value.strip("/") else ""
                changes.scalars["workdir"] = value, item.spot
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
            case "ADD" | "COPY":
                why = "what it copies lies in the context of kolla-build"
                self._refuse(item, why, "put it into files/ beside the overlay, and write a step: copy:")
            case _:
                self._lose(item)
                self._refuse(item, "a recipe has nothing of the kind")

    def _pairs(self, item: Instruction, key: str) -> None:
        try:
            words = shlex.split(item.value)
        except ValueError:
            self._lose(item)
            self._refuse(item, "a quotation mark has no partner")
            return
        if words and "=" not in words[0]:  # the old way: a name, and the rest is the value
            name, _, value = item.value.partition(" ")
            words = [f"{name}={value.strip()}"]
        for word in words:
            pair = _PAIR.fullmatch(word)
            if pair is None:
                self._refuse(item, f"'{word}' is not of the form NAME=VALUE")
            elif "$" in pair["value"]:
                if key == "env":
                    self._changes.lost.add(pair["name"])
                self._refuse(item, f"the value of {pair['name']} is made of another", "write the value out")
            else:
                if key == "env":
                    self._changes.lost.discard(pair["name"])
                self._changes.merge(key, pair["name"], pair["value"], item.spot)

    def _health_check(self, item: Instruction) -> None:
        options, said = {}, item.value
        while match := re.match(r"--(interval|timeout|start-period|retries)=(\S+)\s+", said):
            options[match[1]] = (
                int(match[2]) if match[1] == "retries" and re.fullmatch("[0-9]+", match[2]) else match[2]
            )
            said = said[match.end() :]
        word, _, command = said.partition(" ")
        if said.upper() == "NONE":
            self._changes.scalars["healthcheck"] = None, item.spot
        elif word.upper() == "CMD" and command.strip():
            what = _list(command.strip()) or command.strip()
            value: Any = {"command": what, **options} if options else what
            self._changes.scalars["healthcheck"] = value, item.spot
        else:
            self._refuse(item, "it is not understood")


def _list(value: str) -> list[str]:
    """The words of an instruction in its JSON form; none: it is another."""
    try:
        words = json.loads(value) if value.startswith("[") else []
    except ValueError:
        return []
    return words if all(isinstance(word, str) for word in words) else []


def _packages(text: str) -> list[Step] | None:
    """What a command does, if all that it does is to install and remove packages, and to clean up."""
    steps: list[Step] = []
    for part in text.split("&&"):
        try:
            program, *words = shlex.split(part) or [""]
        except ValueError:
            return None
        named = [word for word in words if not word.startswith("-")]
        if program not in _MANAGERS or not named:
            if (program, *words) in _CLEANING:
                continue
            return None
        if not _HARMLESS.issuperset(word for word in words if word.startswith("-")):
            return None  # another option might choose repositories, or have a value behind it
        verb, *packages = named
        if (
            verb in {"clean", "makecache", "update"}
            and packages in ([], ["all"])
            and (verb != "update" or program.startswith("apt"))
        ):
            continue
        key = {"install": "packages", "remove": "remove-packages", "erase": "remove-packages"}.get(verb)
        if key is None or not packages or any(map(syntax.package, packages)):
            return None
        steps.append({key: packages})
    return steps or None


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
