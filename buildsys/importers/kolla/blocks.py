"""Convert the instructions in a template block into keys of an overlay."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from buildsys.diagnostics import Diagnostic, Refused
from buildsys.importers.containerfile_steps import CLOSE, OPEN, Reading
from buildsys.importers.kolla.sources import Archives, NearbyFiles
from buildsys.importers.kolla.templates import Block
from buildsys.importers.overlay_text import Changes, Step, untaken
from buildsys.importers.run_text import Wheels
from buildsys.importers.yaml_lines import IMAGE
from buildsys.recipe.containerfile_reader import read_instructions
from buildsys.recipe.scan import Instruction

_ARCHIVE = re.compile(r"(?P<kind>additions|plugins)-archive\s+(?P<to>/\S*)")
_MARK = re.compile(f"{OPEN}([0-9]+){CLOSE}")


class Blocks:
    """Converts blocks into changes of one image; `found` collects what it cannot convert.

    `user` is the image's user without the blocks.
    """

    def __init__(self, found: list[Diagnostic], archives: Archives, user: str = "") -> None:
        self._found = found
        self._archives = archives
        self._user = user

    def turn(self, block: Block, image: str, changes: Changes, *, before: bool) -> None:
        """Convert a block; with `before`, its steps come before the image's own.

        Settings replace the image's own, wherever the block is.
        Without an image name, the placeholder in the text stays.
        """
        try:
            text = block.text.replace(IMAGE, image) if image else block.text
            instructions = read_instructions(text, block.spot.file)
        except Refused as refused:
            self._found += (
                untaken(item.spot, f"the block '{block.name}'", item.message, item.hint)
                for item in refused.diagnostics
            )
            return
        files = NearbyFiles(Path(block.spot.file).parent, image)
        reading = Reading(image, changes, self._found, files.find)
        steps = [(step, item.spot) for item in instructions for step in self._steps(item, block, reading)]
        if before:
            changes.before += steps
        else:
            changes.steps += steps
        if reading.user and reading.user[0] != self._user:
            name, spot = reading.user
            if before:
                why = "Kolla's template sets the image's user after this block"
                hint = f"to change the image's user, write user: {name}"
                self._found.append(untaken(spot, "USER", why, hint))
            elif name.partition(":")[0] not in {"root", "0"}:
                changes.scalars["user"] = reading.user

    def _steps(self, item: Instruction, block: Block, reading: Reading) -> Iterator[Step]:
        marks = [int(number) for number in _MARK.findall(item.value)]
        if match := _ARCHIVE.fullmatch(item.value) if item.word == "ADD" else None:
            kind, to = match["kind"], match["to"]
            yield from self._archives.steps(kind, to, item.spot, reading, self._found)
            return
        if not marks or item.word in {"ENV", "LABEL"}:
            yield from reading.steps(item)
            return
        expression = block.expressions[marks[0]]
        if _MARK.fullmatch(item.value) and expression.packages:
            yield {"packages": list(expression.packages)}
        elif _MARK.fullmatch(item.value) and expression.wheels:
            yield from reading.pip(Wheels(("pip",), (), expression.wheels), item.spot)
        else:
            reading.lose(item)
            self._found.append(
                untaken(expression.spot, "an expression", "only kolla-build can fill it in", "write it out")
            )
