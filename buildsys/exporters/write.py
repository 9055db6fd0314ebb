"""Write an `Export` to a directory: only changed files, and only into a directory of an earlier export."""

from __future__ import annotations

import os
from filecmp import cmp
from pathlib import Path

from buildsys import files
from buildsys.diagnostics import NOWHERE, Code, Diagnostic, Refused
from buildsys.exporters.request import Export

MARK = ".buildsys-export"
"""Marks a directory as an export: its format, then the paths of its files, one on each line."""


def write_export(export: Export, form: str, directory: Path) -> int:
    """Write an export and remove files of an earlier one; the number of changed files.

    Files are replaced atomically. Files that people added are kept.

    Raises:
        Refused: the directory has other content (`export-directory-taken`) or an export of another format
            (`export-other-format`), or a path of the export leads out of it (`export-bad-path`).
    """
    wrong = [
        Diagnostic(NOWHERE, Code.EXPORT_BAD_PATH, f"'{name}' is not a valid path in an export")
        for name in sorted({*export.texts, *export.links})
        if not _stays_in(name)
    ]
    if wrong:
        raise Refused(wrong)
    if directory.exists() and not directory.is_dir():
        raise _taken(directory)
    directory.mkdir(parents=True, exist_ok=True)
    # Another export into the same directory waits.
    with files.locked(directory):
        return _write(export, form, directory)


def _write(export: Export, form: str, directory: Path) -> int:
    before = _claim(directory, form)
    now = {*export.texts, *export.links}
    # List the files before they exist: if this run is killed, the next one knows which are from an export.
    _mark(directory, form, before | now)
    # Remove first, because a file may become a directory.
    for name in before - now:
        _remove(directory / name, directory)
    changed = sum(
        _text(directory / name, text, runs=name in export.programs) for name, text in export.texts.items()
    )
    changed += sum(
        _link(directory / name, source, runs=name in export.programs) for name, source in export.links.items()
    )
    _mark(directory, form, now)
    return changed + len(before - now)


def _claim(directory: Path, form: str) -> set[str]:
    """Claim an empty directory or one with an export; the paths of its exported files."""
    try:
        first, *names = files.claim(directory, MARK, f"{form}\n").splitlines()
    except files.ForeignDirectory as error:
        raise _taken(directory) from error
    if first != form:
        message = f"{directory} has an export of another format: {first}"
        hint = "give -o another directory, or remove this one"
        raise Refused([Diagnostic(NOWHERE, Code.EXPORT_OTHER_FORMAT, message, hint)])
    # Ignore edited lines of the list that lead out of the directory.
    return {name for name in names if _stays_in(name)}


def _stays_in(name: str) -> bool:
    """Whether a path stays below the directory, and fits in a line of the list."""
    return not {"", ".", ".."} & {*name.split("/")} and name.isprintable()


def _taken(directory: Path) -> Refused:
    message = f"{directory} is not empty and is not an export: nothing was written"
    hint = "give -o an empty or missing directory, or one with an export"
    return Refused([Diagnostic(NOWHERE, Code.EXPORT_DIRECTORY_TAKEN, message, hint)])


def _mark(directory: Path, form: str, names: set[str]) -> None:
    _text(directory / MARK, "".join(f"{line}\n" for line in (form, *sorted(names))))


def _text(path: Path, text: str, *, runs: bool = False) -> int:
    return int(files.update(path, os.fsencode(text), mode=0o755 if runs else 0o644))


def _link(path: Path, source: Path, *, runs: bool) -> int:
    """Copy a file. A hard link would change the original when someone edits the export."""
    mode = 0o755 if runs or os.access(source, os.X_OK) else 0o644
    if files.is_file(path, mode) and cmp(path, source, shallow=False):
        return 0
    files.copy(source, path, mode=mode)
    return 1


def _remove(path: Path, top: Path) -> None:
    """Remove a file, and directories that become empty."""
    if path.is_file() or path.is_symlink():
        path.unlink()
    folder = path.parent
    while folder != top and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent
