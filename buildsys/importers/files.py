"""Files that steps take from files/: written beside what names them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from buildsys.diagnostics import NOWHERE, Code, Diagnostic, Refused

Files = Mapping[str, Path | str]
"""What each path holds: a copy of a file or a folder, or a text."""


def check_files(files: Files, folder: Path) -> None:
    """Make sure that none of them would take the place of another file.

    Raises:
        Refused: some would (`file-exists`).
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
    """Write them; links stay links."""
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
