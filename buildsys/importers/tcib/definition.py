"""Convert an image's YAML files into a recipe: steps in their order, and settings."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from buildsys.diagnostics import Code, Diagnostic, Refused, Spot
from buildsys.importers.containerfile_steps import Reading
from buildsys.importers.inexpressible import drop_inexpressible
from buildsys.importers.overlay_text import Changes, untaken
from buildsys.importers.tcib.conditions import MACHINE, settle
from buildsys.importers.tcib.jinja import Filling, Unfilled
from buildsys.importers.tcib.tree import Folder, Tree
from buildsys.recipe.containerfile_reader import read_instructions
from buildsys.recipe.document import Written, read_foreign, strings
from buildsys.recipe.scan import Instruction

_INTERNAL = {
    "tcib_distro", "tcib_extras", "tcib_from", "tcib_gather_files", "tcib_meta", "tcib_package",
    "tcib_packages", "tcib_path", "tcib_release", "tcib_rhel_modules",
}  # fmt: skip
_ORDER = {
    "tcib_args": "ARG", "tcib_labels": "LABEL", "tcib_envs": "ENV", "tcib_onbuilds": "ONBUILD",
    "tcib_volumes": "VOLUME", "tcib_workdir": "WORKDIR", "tcib_adds": "ADD", "tcib_exposes": "EXPOSE",
    "tcib_ports": "EXPOSE", "tcib_copies": "COPY", "tcib_shell": "SHELL", "tcib_runs": "RUN",
    "tcib_actions": "", "tcib_healthcheck": "HEALTHCHECK", "tcib_stopsignal": "STOPSIGNAL",
    "tcib_entrypoint": "ENTRYPOINT", "tcib_cmd": "CMD", "tcib_user": "USER",
}  # fmt: skip
"""Keys, in the order in which tcib writes their instructions."""
_UNKNOWN = (
    "what it copies lies nowhere in the tree",
    "put it into the set's files/, and write a step: copy:",
)
_CHECK = re.compile(r"--|(?:CMD|NONE)\b")
DEFAULTS: Mapping[str, Any] = {
    "tcib_distro": "centos", "tcib_extras": {}, "tcib_package": "", "tcib_packages": {}, "tcib_release": "9",
    "tcib_rhel_modules": {}, "tcib_user": "",
}  # fmt: skip
"""Default values of variables."""


@dataclass(slots=True)
class Image:
    """An image of the tree, converted."""

    folder: Folder
    origin: tuple[str, Spot] | None = None
    """The value of `tcib_from`."""
    changes: Changes = field(default_factory=Changes)


def read_image(
    folder: Folder, tree: Tree, arguments: Mapping[str, str], found: list[Diagnostic]
) -> Image | None:
    """Convert the files of a folder; None if one of them cannot be read, which `found` reports."""
    keys: dict[str, tuple[Written, Spot]] = {}
    for file in folder.files:
        try:
            written = read_foreign(file)
        except Refused as refused:
            empty = {"empty-file"}
            mistakes = [item for item in refused.diagnostics if item.code not in empty]
            found += (untaken(item.spot, f"'{folder.name}'", item.message, item.hint) for item in mistakes)
            if mistakes:
                return None
            continue
        if not isinstance(written.data, dict):
            found.append(untaken(written.spot(), f"'{folder.name}'", "its file is not a map"))
            return None
        keys |= {key: (_part(written, key), written.key_spot(key)) for key in written.data}
    return _Turning(folder, tree, keys, arguments, found).image()


def _part(written: Written, key: str) -> Written:
    part = written.part(key)
    return part if part.data is not None else part.with_data("")


class _Turning:
    """Converts the keys of one image."""

    def __init__(
        self,
        folder: Folder,
        tree: Tree,
        keys: Mapping[str, tuple[Written, Spot]],
        arguments: Mapping[str, str],
        found: list[Diagnostic],
    ) -> None:
        self._tree = tree
        self._keys = {key: part for key, (part, _) in keys.items()}
        self._places = {key: spot for key, (_, spot) in keys.items()}
        self._found = found
        self._image = Image(folder)
        given = {key: part.data for key, part in self._keys.items()}
        scope = {**DEFAULTS, "tcib_meta": {"name": folder.name}, **given, **arguments}
        self._filling = Filling(scope, lambda pattern: tree.glob(pattern, folder.path))
        self._reading = Reading(
            folder.name, self._image.changes, found, lambda source: tree.find(source, folder.path), _UNKNOWN
        )
        self._reading.exports = True

    def image(self) -> Image:
        self._check_keys()
        for key, word in _ORDER.items():
            if key not in self._keys:
                continue
            part = self._keys[key]
            for item, spot in self._items(key, word, part):
                self._take(item, spot)
        changes = self._image.changes
        if self._reading.user:
            changes.scalars["user"] = self._reading.user
        drop_inexpressible(changes, self._found)
        return self._image

    def _check_keys(self) -> None:
        used = " ".join(
            text for key, part in self._keys.items() if key in _ORDER for text in strings(part.data)
        )
        for key, part in self._keys.items():
            spot = self._places[key]
            if key == "tcib_from":
                origin = self._filled(part.data, spot, key)
                if origin:
                    self._image.origin = str(origin), spot
            elif key == "tcib_packages" and part.data and "tcib_packages" not in used:
                hint = "dnf -y install {{ tcib_packages['common'] | join(' ') }}"
                why = "no action installs them"
                self._found.append(untaken(spot, f"'{key}'", why, f"tcib does it by run: {hint}"))
            elif key == "tcib_gather_files":
                self._gather(part, spot)
            elif key.startswith("tcib_") and key not in _ORDER and key not in _INTERNAL and key not in used:
                self._found.append(untaken(spot, f"'{key}'", "it is not a known key of tcib"))

    def _gather(self, part: Written, spot: Spot) -> None:
        """Report files of the host; files in the tree are found when they are copied."""
        gathered = self._filled(part.data, spot, "tcib_gather_files")
        paths = gathered if isinstance(gathered, list) else [gathered] if gathered else []
        for number, path in enumerate(paths):
            place = self._image.folder.path
            if self._tree.find(str(path), place) is None:
                at = part.spot(number) if isinstance(part.data, list) else spot
                why = "it is a file of the host that builds, and lies nowhere in the tree"
                hint = "put it into the set's files/, and write a step: copy:"
                self._found.append(untaken(at, f"'{path}'", why, hint))

    def _filled(self, value: Any, spot: Spot, what: str) -> Any:
        try:
            return self._filling.fill(value)
        except Unfilled as problem:
            hint = "say --arg NAME=VALUE" if "undefined" in str(problem) else "write it out"
            self._found.append(untaken(spot, what, str(problem), hint))
            return None

    def _items(self, key: str, word: str, part: Written) -> Iterator[tuple[tuple[str, Any], Spot]]:
        """Yield each instruction of a key: word, value and place."""
        data = part.data
        if key == "tcib_actions":
            for number, action in enumerate(data if isinstance(data, list) else []):
                if isinstance(action, dict):
                    for verb in action:
                        yield (verb.upper(), action[verb]), part.key_spot(number, verb)
                else:
                    self._found.append(
                        untaken(part.spot(number), "an action", "it is not a map of one instruction")
                    )
            if not isinstance(data, list | str):
                self._found.append(untaken(part.spot(), f"'{key}'", "it is not a list"))
        elif isinstance(data, dict):
            if word not in {"ARG", "ENV", "LABEL"}:
                self._found.append(untaken(part.spot(), f"'{key}'", "it is a map"))
                return
            for name, value in data.items():
                yield (word, {name: value}), part.key_spot(name)
        elif isinstance(data, list) and word not in {"CMD", "ENTRYPOINT", "SHELL", "VOLUME"}:
            for number, value in enumerate(data):
                yield (word, value), part.spot(number)
        elif data not in ("", []):
            if word in {"CMD", "ENTRYPOINT", "SHELL"} and isinstance(data, str):
                filled = self._filled(data, part.spot(), word)
                data = filled.split() if isinstance(filled, str) else filled
            yield (word, data), part.spot()

    def _take(self, item: tuple[str, Any], spot: Spot) -> None:
        word, written = item
        value = self._filled(written, spot, word)
        if value is None:
            return
        if word in {"ARG", "ENV", "LABEL"} and isinstance(value, dict):
            self._pairs(word, value, spot)
            return
        if (
            word == "HEALTHCHECK"
            and isinstance(value, str)
            and value.split()[:1] not in ([], ["CMD"], ["NONE"])
        ):
            value = value if value.startswith("--") else f"CMD {value}"
        if word == "RUN" and isinstance(value, str):
            value, asked = settle(value)
            if asked:
                message = f"the condition on `uname -m` goes the way of {MACHINE}"
                self._found.append(Diagnostic(spot, Code.NOT_TAKEN_OVER, message))
            if value in {"", "true"}:
                return
        text = json.dumps(value) if isinstance(value, list) else str(value)
        try:
            instructions = read_instructions(f"{word} {text}", spot.file)
        except Refused as refused:
            mistakes = refused.diagnostics
            self._found += (untaken(spot, word, mistake.message, mistake.hint) for mistake in mistakes)
            return
        for instruction in instructions:
            self._instruct(replace(instruction, spot=spot))

    def _instruct(self, item: Instruction) -> None:
        if item.word == "FROM":
            self._found.append(untaken(item.spot, item.word, "an image has one beginning", "use tcib_from"))
            return
        if item.word == "RUN":
            self._name_missing(item)
        self._image.changes.steps += [(step, item.spot) for step in self._reading.steps(item)]

    def _name_missing(self, item: Instruction) -> None:
        for name in item.value.split():
            if self._tree.is_its(name) and self._tree.find(name, self._image.folder.path) is None:
                why = "the tree does not have it: a package of the image must"
                self._found.append(untaken(item.spot, name, why))

    def _pairs(self, word: str, pairs: Mapping[str, Any], spot: Spot) -> None:
        changes = self._image.changes
        for name, value in pairs.items():
            text = value if isinstance(value, str) else json.dumps(value)
            if "$" in text:
                if word != "LABEL":
                    changes.lost.add(name)
                why = f"the value of {name} is made of another"
                self._found.append(untaken(spot, word, why, "write the value out"))
            elif word == "ARG":
                self._reading.arguments[name] = text
            else:
                changes.merge("env" if word == "ENV" else "labels", name, text, spot)
