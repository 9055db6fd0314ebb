"""Writes an `Export` to a directory: only what changed, and never into one that is not ours."""

from __future__ import annotations

import os
from filecmp import cmp
from pathlib import Path

from buildsys import files
from buildsys.diagnostics import NOWHERE, Code, Diagnostic, Refused
from buildsys.exporters.request import Export

MARK = ".buildsys-export"
"""Says that a directory is ours to rewrite, of which format it is, and which files are ours."""


def write_export(export: Export, form: str, directory: Path) -> int:
    """Make the directory hold exactly this export; returns how many files changed.

    A file is replaced by rename. What was exported before and is no more is removed; a file that a person
    added is left alone.

    Raises:
        Refused: it holds something that is no export (`export-directory-taken`), or one of another format
            (`export-other-format`), or a file of the export would not be in it (`export-bad-path`).
    """
    wrong = [
        Diagnostic(NOWHERE, Code.EXPORT_BAD_PATH, f"'{name}' is no path of a file in an export")
        for name in sorted({*export.texts, *export.links})
        if not _stays_in(name)
    ]
    if wrong:
        raise Refused(wrong)
    if directory.exists() and not directory.is_dir():
        raise _taken(directory)
    directory.mkdir(parents=True, exist_ok=True)
    # Two exports into one directory take turns.
    with files.locked(directory):
        return _write(export, form, directory)


def _write(export: Export, form: str, directory: Path) -> int:
    before = _claim(directory, form)
    now = {*export.texts, *export.links}
    # What is ours is written down before it is there: whatever is killed, the next run knows its files.
    _mark(directory, form, before | now)
    # First, for what was a file may be a folder now.
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
    """Make sure the directory is empty or one of ours; the files that are ours in it."""
    try:
        first, *names = files.claim(directory, MARK, f"{form}\n").splitlines()
    except files.ForeignDirectory as error:
        raise _taken(directory) from error
    if first != form:
        message = f"{directory} holds an export of another format: {first}"
        hint = "give -o another directory, or remove this one"
        raise Refused([Diagnostic(NOWHERE, Code.EXPORT_OTHER_FORMAT, message, hint)])
    # A list that somebody wrote into must not lead out of the directory.
    return {name for name in names if _stays_in(name)}


def _stays_in(name: str) -> bool:
    """Whether a path leads to a file below the directory, and can stand on a line of the list."""
    return not {"", ".", ".."} & {*name.split("/")} and name.isprintable()


def _taken(directory: Path) -> Refused:
    message = f"{directory} is not empty and not an export: nothing was written"
    hint = "give -o a directory that is empty, missing or holds an export"
    return Refused([Diagnostic(NOWHERE, Code.EXPORT_DIRECTORY_TAKEN, message, hint)])


def _mark(directory: Path, form: str, names: set[str]) -> None:
    _text(directory / MARK, "".join(f"{line}\n" for line in (form, *sorted(names))))


def _text(path: Path, text: str, *, runs: bool = False) -> int:
    return int(files.update(path, os.fsencode(text), mode=0o755 if runs else 0o644))


def _link(path: Path, source: Path, *, runs: bool) -> int:
    """A file as it is: a hard link would change with what a person edits in place, so it is a copy."""
    mode = 0o755 if runs or os.access(source, os.X_OK) else 0o644
    if files.is_file(path, mode) and cmp(path, source, shallow=False):
        return 0
    files.copy(source, path, mode=mode)
    return 1


def _remove(path: Path, top: Path) -> None:
    """Remove a file, and folders that nothing is in any more."""
    if path.is_file() or path.is_symlink():
        path.unlink()
    folder = path.parent
    while folder != top and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent
