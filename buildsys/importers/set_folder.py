"""The folder that an imported set is written into: new or empty, and filled whole or not at all."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from buildsys.diagnostics import NOWHERE, Code, Diagnostic, Refused
from buildsys.image import NAME


def check_places(top: Path, output: Path) -> None:
    """Make sure that there is a tree at `top`, and that a set can be written into `output`.

    Raises:
        Refused: `no-match`, `file-exists`, `bad-name`, `bad-choice`.
    """
    if not top.is_dir():
        raise _refused(Code.NO_MATCH, f"there is no folder {top}", "name the folder of the tree")
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise _refused(Code.FILE_EXISTS, f"{output} is there already", "choose another place with -o")
    name = set_name(output)
    if not NAME.fullmatch(name):
        named = output.name not in {"", ".."}
        there = output.with_name(usual_name(output)) if named else output / usual_name(output)
        raise _refused(Code.BAD_NAME, f"'{name}' cannot name a set", f"say where it goes: -o {there}")
    if output.is_symlink():
        raise _refused(Code.FILE_EXISTS, f"{output} is a link", "choose another place with -o")
    if Path(os.path.realpath(output)).is_relative_to(os.path.realpath(top)):
        raise _refused(Code.BAD_CHOICE, f"{output} lies within {top}", "write the set beside the tree")


def _refused(code: Code, message: str, hint: str) -> Refused:
    return Refused([Diagnostic(NOWHERE, code, message, hint)])


def set_name(output: Path) -> str:
    """What a set in this folder is called."""
    return Path(os.path.realpath(output)).name


def usual_name(output: Path) -> str:
    """The name of the folder as references can have it."""
    name = re.sub(r"[._-]{2,}", "-", re.sub(r"[^a-z0-9._-]+", "-", set_name(output).lower())).strip("._-")
    return name or "images"


@contextmanager
def written_whole(output: Path) -> Iterator[Path]:
    """A folder to write the set into, which is brought to its place at the end."""
    name = set_name(output)
    beside = output if output.is_dir() else output.parent
    beside.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=beside) as place:
        made = Path(place) / name
        made.mkdir()
        yield made
        if beside != output:
            made.rename(output)
            return
        # Somebody may be in that folder: it stays. What makes a set of it comes last.
        for entry in sorted(made.iterdir(), key=lambda entry: entry.name == "set.yaml"):
            entry.rename(output / entry.name)
