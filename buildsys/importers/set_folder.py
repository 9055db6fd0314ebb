"""What an import writes: the folder of a new set, as a whole or not at all, and files next to an overlay."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from buildsys.diagnostics import NOWHERE, Code, Diagnostic, Refused
from buildsys.image import NAME


def check_places(top: Path, output: Path) -> None:
    """Check that `top` is a folder, and that a set can be written into `output`.

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
        raise _refused(Code.BAD_NAME, f"'{name}' cannot name a set", f"choose a name with -o {there}")
    if output.is_symlink():
        raise _refused(Code.FILE_EXISTS, f"{output} is a link", "choose another place with -o")
    if Path(os.path.realpath(output)).is_relative_to(os.path.realpath(top)):
        raise _refused(Code.BAD_CHOICE, f"{output} lies within {top}", "write the set outside of the tree")


def _refused(code: Code, message: str, hint: str) -> Refused:
    return Refused([Diagnostic(NOWHERE, code, message, hint)])


def set_name(output: Path) -> str:
    """Return the name of a set in this folder."""
    return Path(os.path.realpath(output)).name


def usual_name(output: Path) -> str:
    """Return the folder's name in the form that references allow."""
    name = re.sub(r"[._-]{2,}", "-", re.sub(r"[^a-z0-9._-]+", "-", set_name(output).lower())).strip("._-")
    return name or "images"


@contextmanager
def written_whole(output: Path) -> Iterator[Path]:
    """Yield a temporary folder for the set; rename it to `output` at the end."""
    name = set_name(output)
    folder = output if output.is_dir() else output.parent
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=folder) as place:
        made = Path(place) / name
        made.mkdir()
        yield made
        if folder != output:
            made.rename(output)
            return
        # The folder stays, since it may be a working directory. set.yaml makes it a set, and comes last.
        for entry in sorted(made.iterdir(), key=lambda entry: entry.name == "set.yaml"):
            entry.rename(output / entry.name)


Files = Mapping[str, Path | str]
"""Path below the folder -> the file or folder to copy, or a text."""


def check_files(files: Files, folder: Path) -> None:
    """Check that no file would replace another one.

    Raises:
        Refused: one would (`file-exists`).
    """
    found = [
        Diagnostic(
            NOWHERE, Code.FILE_EXISTS, f"{folder / path} is there already", "move it away, or choose -o"
        )
        for path, content in files.items()
        if (folder / path).exists() and not _equal(folder / path, content)
    ]
    if found:
        raise Refused(found)


def write_files(files: Files, folder: Path) -> None:
    """Write the files; links stay links."""
    for path, content in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            target.write_text(content, "utf-8")
        elif content.is_dir():
            shutil.copytree(
                content, target, symlinks=True, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".git")
            )
        else:
            shutil.copy2(content, target)


def _equal(there: Path, content: Path | str) -> bool:
    if isinstance(content, str):
        return there.is_file() and there.read_text("utf-8", "replace") == content
    return there.is_file() and content.is_file() and there.read_bytes() == content.read_bytes()
