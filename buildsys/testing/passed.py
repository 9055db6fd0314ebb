"""What is known to have passed, in a plan's `state/` and `results/`; and the mark of a whole set.

A pass holds for what was tried and for the ids of the images it was tried with. When one of these changes, it
is none any more.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from buildsys import files
from buildsys.run.make import current
from buildsys.testing import expected
from buildsys.testing.result import Case, Kind, Outcome

MARK = "promoted.json"
"""Beside `results/`, where an image may have this name."""


def passed_before(directory: Path, kind: Kind, name: str, what: str, ids: Mapping[str, str]) -> bool:
    """Whether what has the hash `what` has passed with these images."""
    known = _known(directory, kind, name)
    return known.get("hash") == what and known.get("ids") == dict(ids) and known.get("passed") is True


def remember(directory: Path, outcome: Outcome) -> None:
    """Keep an outcome; the image's result file says it too."""
    data = {
        "hash": outcome.hash,
        "ids": dict(outcome.ids),
        "passed": outcome.passed,
        "seconds": round(outcome.seconds, 1),
        "cases": [
            {
                "name": case.name,
                "passed": not case.mistakes,
                "seconds": round(case.seconds, 1),
                "mistakes": [mistake.data() for mistake in case.mistakes],
            }
            for case in outcome.cases
        ],
    }
    write(_memory(directory, outcome.kind, outcome.name), data)
    if not outcome.passed:
        (directory / MARK).unlink(missing_ok=True)


def recalled(directory: Path, kind: Kind, name: str, what: str, ids: Mapping[str, str]) -> Outcome:
    """An outcome that was kept, of something that passed."""
    known = _known(directory, kind, name)
    cases = tuple(Case(case["name"], case["seconds"]) for case in known["cases"])
    return Outcome(kind, name, what, ids, cases, known["seconds"], known=True)


def show_in_results(directory: Path, names: Iterable[str]) -> None:
    """Put what is known of images' tests into their result files: the key `test`."""
    for name in names:
        path = directory / "results" / f"{name}.json"
        result, known = _data(path), _known(directory, "image", name)
        if not result or not known or known["ids"].get(name) != result.get("image_id"):
            continue
        test = {key: known[key] for key in ("passed", "seconds", "cases")}
        if result.get("test") != test:
            # A line, as a build writes it.
            write(path, {**result, "test": test}, indent=None)


# ── the mark of a set ───────────────────────────────────────────────────────────────────────────────────────


def promote(directory: Path) -> bool:
    """Give the set its mark if all its tests and scenarios have passed with the images there are now."""
    mark = _deserved(directory)
    if mark is None:
        (directory / MARK).unlink(missing_ok=True)
        return False
    if _data(directory / MARK) != mark:
        write(directory / MARK, mark)
    return True


def promoted(directory: Path) -> dict[str, str] | None:
    """The id of every image, if the set bears the mark and is still what it was given to; else None."""
    mark = _data(directory / MARK)
    if not mark:
        return None
    now = {"images": current(directory), "tried": expected.hashes(directory)}
    if {key: mark.get(key) for key in now} != now or not _whole(directory, now["images"]):
        return None
    return now["images"]


def _deserved(directory: Path) -> dict[str, Any] | None:
    ids = current(directory)
    hashes = expected.hashes(directory)
    # Where nothing is demanded, nothing has passed.
    if not hashes or not _whole(directory, ids):
        return None
    for name, test in expected.tests(directory).items():
        if not passed_before(directory, "image", name, test.hash, {name: ids[name]}):
            return None
    for name, scenario in expected.scenarios(directory).items():
        used = {image: ids.get(image, "") for image in scenario.images}
        if not passed_before(directory, "scenario", name, scenario.hash, used):
            return None
    return {"version": 1, "images": ids, "tried": hashes}


def _whole(directory: Path, ids: Mapping[str, str]) -> bool:
    """Whether every image of the plan is among these."""
    names: Mapping[str, Any] = json.loads((directory / "plan.json").read_text("utf-8"))["images"]
    return ids.keys() == names.keys()


# ── files ───────────────────────────────────────────────────────────────────────────────────────────────────


def write(path: Path, data: Any, indent: int | None = 1) -> None:
    """Write a file of JSON whole, by rename."""
    write_text(path, json.dumps(data, indent=indent) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a file whole, by rename."""
    if path.is_dir():
        shutil.rmtree(path)
    files.write(path, text, durable=True)


def _known(directory: Path, kind: str, name: str) -> dict[str, Any]:
    """What is kept of something that was tried; nothing, where that is damaged."""
    known = _data(_memory(directory, kind, name))
    try:
        whole = all(isinstance(case["name"], str) and case["seconds"] >= 0 for case in known["cases"])
        whole = whole and isinstance(known["ids"], dict) and known["seconds"] >= 0
    except (KeyError, TypeError):
        whole = False
    return known if whole else {}


def _memory(directory: Path, kind: str, name: str) -> Path:
    return directory / "state" / "tried" / f"{kind}.{name}.json"


def _data(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(_text(path))
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", errors="replace")
    except OSError:
        return ""
