"""Writes a `Plan` to a directory: only what changed, never into a directory that is not ours.

What a run leaves there (state/, results/, logs/, events.jsonl) is not touched.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

from buildsys.diagnostics import NOWHERE, Diagnostic, Refused
from buildsys.plan.compile import Plan
from buildsys.spread import spread

MARK = ".buildsys-plan"
"""Says that a directory is ours to rewrite, and which layout it has."""
LAYOUT = "1\n"
OURS = ("steps", "keys", "lib", "context", "pool", "tests", "scenarios")
"""Folders in which a file the plan no longer names is removed."""


def write_plan(plan: Plan, directory: Path) -> int:
    """Make `directory` hold exactly this plan; returns how many files changed.

    Files are replaced by rename: a run that reads them meanwhile sees the old or the new one, whole.

    Raises:
        Refused: the directory holds something that is no plan (`plan-directory-taken`), or its
            layout is of another version of buildsys (`plan-directory-version`).
    """
    claim(directory)
    top = str(directory)
    for folder in sorted({name.rpartition("/")[0] for name in (*plan.texts, *plan.links)}):
        (directory / folder).mkdir(parents=True, exist_ok=True)
    changed = sum(spread(lambda item: _write(f"{top}/{item[0]}", *item[1:]), _files(plan)))
    changed += sum(_carry(directory / name, source) for name, source in plan.links.items())
    return changed + _sweep(directory, plan)


def claim(directory: Path) -> None:
    """Make sure the directory is a plan directory or becomes one."""
    mark = directory / MARK
    if mark.is_file():
        if mark.read_text() != LAYOUT:
            message = f"{directory} was written by another version of buildsys"
            hint = "write the plan into another directory, or remove this one"
            raise Refused([Diagnostic(NOWHERE, "plan-directory-version", message, hint)])
        return
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        message = f"{directory} is not empty and not a plan: nothing was written"
        hint = "give -o a directory that is empty, missing or holds a plan"
        raise Refused([Diagnostic(NOWHERE, "plan-directory-taken", message, hint)])
    directory.mkdir(parents=True, exist_ok=True)
    mark.write_text(LAYOUT)


def _files(plan: Plan) -> list[tuple[str, str, bool]]:
    return [(name, text, name.startswith("steps/")) for name, text in plan.texts.items()]


def _write(path: str, text: str, executable: bool) -> int:  # noqa: FBT001 - one caller, above
    # Plain calls on plain strings: a set of ten thousand images is written through here.
    data = text.encode()
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    target = path
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123
            runs = not executable or os.access(path, os.X_OK)
            if runs and file.read() == data:
                return 0
        folder, _, name = path.rpartition("/")
        target = f"{folder}/.{name}.new"
    except FileNotFoundError:
        # Nobody reads a file that is not there yet; one cut short by a crash is seen to differ next time.
        pass
    descriptor = os.open(target, flags, 0o755 if executable else 0o644)
    try:
        # A disk that fills up takes part of a write, and refuses the next.
        while data:
            data = data[os.write(descriptor, data) :]
    finally:
        os.close(descriptor)
    if target is not path:
        os.replace(target, path)  # noqa: PTH105
    return 1


def _carry(path: Path, source: Path) -> int:
    """Carry a file: packages as hard links where the file system allows it, the set's own as copies.

    A person edits the set's files, perhaps in place; a link would change under its content-addressed name.
    """
    here = source.stat()
    with contextlib.suppress(OSError):
        there = path.stat()
        if (there.st_ino, there.st_dev) == (here.st_ino, here.st_dev):
            return 0
        if there.st_size == here.st_size and path.read_bytes() == source.read_bytes():
            return 0
    aside = path.with_name(f".{path.name}.new")
    aside.unlink(missing_ok=True)
    try:
        if path.parts[-2] == "context":
            raise OSError
        os.link(source, aside)
    except OSError:
        shutil.copyfile(source, aside)
    aside.replace(path)
    return 1


def _sweep(directory: Path, plan: Plan) -> int:
    known = plan.texts.keys() | plan.links.keys()
    removed = 0
    for folder in OURS:
        root = directory / folder
        for where, _, names in os.walk(root):
            base = Path(where).relative_to(directory).as_posix()
            for name in names:
                if f"{base}/{name}" not in known:
                    Path(where, name).unlink()
                    removed += 1
    return removed
