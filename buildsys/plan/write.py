"""Writes a `Plan` to a directory: changed files only, and never into a directory of something else.

The files of runs (state/, results/, logs/, events.jsonl) stay.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from buildsys import files
from buildsys.diagnostics import NOWHERE, Code, Diagnostic, Refused
from buildsys.plan.compile import Plan
from buildsys.plan.read import LAYOUT, MARK, OURS
from buildsys.spread import spread


def write_plan(
    plan: Plan, directory: Path, alone: Callable[[], AbstractContextManager[None]] = nullcontext
) -> int:
    """Make `directory` hold exactly this plan; returns the number of changed files.

    `alone` holds the lock of the directory against writers and runs, and is called only if a file changes.
    Each file is replaced in one step: a reader without the lock sees the old or the new file.

    Raises:
        Refused: the directory holds something else (`plan-directory-taken`), or a plan of another version of
            buildsys (`plan-directory-version`).
    """
    claim(directory)
    if not _pending(plan, directory):
        return 0
    with alone():
        return _write_all(plan, directory)


def _pending(plan: Plan, directory: Path) -> bool:
    top = str(directory)
    return (
        not all(spread(lambda item: _is_there(f"{top}/{item[0]}", *item[1:]), _files(plan)))
        or not all(_is_carried(directory / name, source) for name, source in plan.links.items())
        or any(_extras(directory, plan))
    )


def _write_all(plan: Plan, directory: Path) -> int:
    top = str(directory)
    for folder in sorted({name.rpartition("/")[0] for name in (*plan.texts, *plan.links)}):
        (directory / folder).mkdir(parents=True, exist_ok=True)
    changed = sum(spread(lambda item: _write(f"{top}/{item[0]}", *item[1:]), _files(plan)))
    changed += sum(_carry(directory / name, source) for name, source in plan.links.items())
    return changed + _sweep(directory, plan)


def claim(directory: Path) -> None:
    """Make sure the directory is a plan directory or becomes one."""
    try:
        layout = files.claim(directory, MARK, LAYOUT)
    except files.ForeignDirectory as error:
        message = f"{directory} is not empty and not a plan: nothing was written"
        hint = "give -o a directory that is empty, missing or holds a plan"
        raise Refused([Diagnostic(NOWHERE, Code.PLAN_DIRECTORY_TAKEN, message, hint)]) from error
    if layout != LAYOUT:
        message = f"{directory} was written by another version of buildsys"
        hint = "write the plan into another directory, or remove this one"
        raise Refused([Diagnostic(NOWHERE, Code.PLAN_DIRECTORY_VERSION, message, hint)])


def _files(plan: Plan) -> list[tuple[str, str, bool]]:
    return [(name, text, name.startswith("steps/")) for name, text in plan.texts.items()]


def _is_there(path: str, text: str, executable: bool) -> bool:  # noqa: FBT001 - as below
    # Plain calls on plain strings: a set of ten thousand images is written through here.
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123
            return file.read() == os.fsencode(text) and (not executable or os.access(path, os.X_OK))
    except FileNotFoundError:
        return False


def _write(path: str, text: str, executable: bool) -> int:  # noqa: FBT001 - one caller, above
    if _is_there(path, text, executable):
        return 0
    if os.path.exists(path):  # noqa: PTH110
        with files.aside(Path(path)) as new:
            _create(str(new), text, executable)
    else:
        # No run reads a file that is not there yet; the next plan replaces one that a crash cuts short.
        _create(path, text, executable)
    return 1


def _create(path: str, text: str, executable: bool) -> None:  # noqa: FBT001 - as above
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o755 if executable else 0o644)
    try:
        files.write_all(descriptor, os.fsencode(text))  # paths of recipes are bytes
    finally:
        os.close(descriptor)


def _is_carried(path: Path, source: Path) -> bool:
    here = source.stat()
    with contextlib.suppress(OSError):
        there = path.stat()
        if (there.st_ino, there.st_dev) == (here.st_ino, here.st_dev):
            return True
        return there.st_size == here.st_size and path.read_bytes() == source.read_bytes()
    return False


def _carry(path: Path, source: Path) -> int:
    """Carry a file: packages as hard links if the file system allows it, the set's own files as copies.

    A person may edit the set's files in place: a hard link would change under the name of its old content.
    """
    if _is_carried(path, source):
        return 0
    if path.parts[-2] == "context":
        files.copy(source, path)
    else:
        files.link(source, path)
    return 1


def _sweep(directory: Path, plan: Plan) -> int:
    extras = list(_extras(directory, plan))
    for path in extras:
        path.unlink()
    return len(extras)


def _extras(directory: Path, plan: Plan) -> Iterator[Path]:
    known = plan.texts.keys() | plan.links.keys()
    for folder in OURS:
        for where, _, names in os.walk(directory / folder):
            base = Path(where).relative_to(directory).as_posix()
            yield from (Path(where, name) for name in names if f"{base}/{name}" not in known)
