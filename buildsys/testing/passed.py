"""What passed, kept in a plan's `state/` and `results/`; and the mark of a set of which everything passed.

A pass is valid for the hash of a test or a scenario and the ids of the images it was run with.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from buildsys import files
from buildsys.diagnostics import Code, Diagnostic, Spot
from buildsys.plan.read import current, names, result
from buildsys.testing import spec
from buildsys.testing.result import Case, Kind, Outcome

MARK = "promoted.json"
"""The mark, in the plan's directory: in `results/` an image may have this name."""


def remember(directory: Path, outcome: Outcome) -> None:
    """Keep an outcome; a failure removes the mark of the set."""
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
    files.write_record(_memory(directory, outcome.kind, outcome.name), data)
    if not outcome.passed:
        (directory / MARK).unlink(missing_ok=True)


def recalled(directory: Path, kind: Kind, name: str, digest: str, ids: Mapping[str, str]) -> Outcome | None:
    """The kept outcome of a pass with this hash and these images; None if there is none."""
    known = _known(directory, kind, name)
    if (known.get("hash"), known.get("ids"), known.get("passed")) != (digest, dict(ids), True):
        return None
    cases = tuple(Case(case["name"], case["seconds"]) for case in known["cases"])
    return Outcome(kind, name, digest, ids, cases, known["seconds"], known=True)


def kept(directory: Path, kind: Kind, name: str) -> Outcome | None:
    """The last outcome, passed or failed, of any test and any images of this name; None if there is none."""
    known = _known(directory, kind, name)
    if not known:
        return None
    cases = tuple(
        Case(case["name"], case["seconds"], tuple(_mistakes(case["mistakes"]))) for case in known["cases"]
    )
    return Outcome(kind, name, known["hash"], known["ids"], cases, known["seconds"], known=True)


def _mistakes(kept: list[dict[str, Any]]) -> Iterator[Diagnostic]:
    """Read back what `Diagnostic.data` wrote; codes of another version of buildsys are left out."""
    codes = {str(code): code for code in Code}
    for item in kept:
        spot = Spot(item["file"], item["line"], item["column"])
        if code := codes.get(item["code"]):
            yield Diagnostic(spot, code, item["message"], item["hint"])


def add_to_results(directory: Path, images: Iterable[str]) -> None:
    """Copy kept outcomes of images into their result files, as the key `test`."""
    for name in images:
        data, known = result(directory, name), _known(directory, "image", name)
        if not data or not known or known["ids"].get(name) != data.get("image_id"):
            continue
        test = {key: known[key] for key in ("passed", "seconds", "cases")}
        if data.get("test") != test:
            # In one line, as a build writes it.
            files.write_record(directory / "results" / f"{name}.json", {**data, "test": test}, indent=None)


# ── the mark of a set ───────────────────────────────────────────────────────────────────────────────────────


def promote(directory: Path) -> bool:
    """Mark the set if all its tests and scenarios passed with the present images, else remove the mark."""
    mark = _deserved(directory)
    if mark is None:
        (directory / MARK).unlink(missing_ok=True)
        return False
    if _data(directory / MARK) != mark:
        files.write_record(directory / MARK, mark)
    return True


def promoted(directory: Path) -> dict[str, str] | None:
    """The id of every image, if the mark of the set is valid for its present images and tests; else None."""
    mark = _data(directory / MARK)
    if not mark:
        return None
    now = {"images": current(directory), "tried": spec.read_hashes(directory)}
    if {key: mark.get(key) for key in now} != now or not _complete(directory, now["images"]):
        return None
    return now["images"]


def _deserved(directory: Path) -> dict[str, Any] | None:
    """The content of the mark; None where something did not pass, or nothing is tested at all."""
    ids = current(directory)
    hashes = spec.read_hashes(directory)
    if not hashes or not _complete(directory, ids):
        return None
    for name, test in spec.read_tests(directory).items():
        if recalled(directory, "image", name, test.hash, {name: ids[name]}) is None:
            return None
    for name, scenario in spec.read_scenarios(directory).items():
        used = {image: ids.get(image, "") for image in scenario.images}
        if recalled(directory, "scenario", name, scenario.hash, used) is None:
            return None
    return {"version": 1, "images": ids, "tried": hashes}


def _complete(directory: Path, ids: Mapping[str, str]) -> bool:
    """Whether these are all images of the plan."""
    return ids.keys() == set(names(directory))


# ── files ───────────────────────────────────────────────────────────────────────────────────────────────────


def _known(directory: Path, kind: str, name: str) -> dict[str, Any]:
    """What `remember` kept; empty if there is nothing, or the file is damaged."""
    known = _data(_memory(directory, kind, name))
    try:
        whole = all(
            isinstance(case["name"], str) and case["seconds"] >= 0 and isinstance(case["mistakes"], list)
            for case in known["cases"]
        )
        whole = whole and isinstance(known["ids"], dict) and known["seconds"] >= 0
        whole = whole and isinstance(known["hash"], str)
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
