"""Checks of what is in a file: copied bytes, edited lines, files made of other files."""

from __future__ import annotations

import configparser
import hashlib
import re
from collections.abc import Sequence

from . import paths
from .facts import CopiedFile, Event, Step
from .finding import Finding, Verdict, holds, same
from .reference import Reference, References
from .replay import copies
from .scene import Scene

_NO_REFERENCE = "no such file to compare with"


def check(
    scene: Scene, references: References, path: str, event: CopiedFile | Step, later: Sequence[Event]
) -> Finding:
    """The finding for what an event says of the content of a canonical path.

    `later` are the later events on that path; those that edit a copied file are undone before it is compared.
    """
    data = paths.read(scene.tree, path)
    if data is None:
        return Finding(scene.name, event.fact, "failed", f"{path}: content", "no regular file")
    if isinstance(event, CopiedFile):
        edits = [step for step in later if isinstance(step, Step)]
        return _copied(scene, references.files.get(event.source), event, data, edits)
    match event.kind:
        case "sed":
            return _edited(scene, event, _text(data))
        case "append_line":
            return _appended(scene, references, event, path, data)
        case "append_file":
            return _joined(scene, references, event, data)
        case "download":
            return _downloaded(scene, references, event, data)
        case "yum_repo_file":
            return _repository(scene, event, data)
        case _:
            return _same_as_source(scene, event, path, data)


def _copied(
    scene: Scene, reference: Reference | None, file: CopiedFile, data: bytes, edits: Sequence[Step]
) -> Finding:
    if reference is None:
        return Finding(scene.name, file.fact, "failed", f"the bytes of {file.source}", _NO_REFERENCE)
    ours, theirs = data, reference.sha256
    for step in reversed(edits):
        if step.kind == "append_line":
            ours = ours[: reference.size]
        elif prefix := step.text("interpreter"):
            ours = re.sub(rf"\A#!{re.escape(prefix)}\s+".encode(), b"#!", ours)
        elif keys := step.values.get("set"):
            if reference.data is None:
                return Finding(scene.name, file.fact, "unobservable", f"sha256 {theirs}", "an edited file")
            ours, theirs = _without(ours, keys), _sha256(_without(reference.data, keys))
    verdict: Verdict = "passed" if _sha256(ours) == theirs else "failed"
    expected = f"{file.to}: {reference.size} bytes of {file.source}, sha256 {theirs[:12]}"
    found = f"{len(ours)} bytes, sha256 {_sha256(ours)[:12]}"
    return Finding(scene.name, file.fact, verdict, expected, found)


def _edited(scene: Scene, step: Step, text: str) -> Finding:
    lines, file = text.splitlines(), step.text("file")
    if word := step.text("comment"):
        pattern = r"\s*".join(map(re.escape, word.split())) + r"\b"
        active = [line for line in lines if re.match(rf"\s*{pattern}", line)]
        commented = any(re.match(rf"\s*#\s*{pattern}", line) for line in lines)
        seen = active[0] if active else "no such line"
        return holds(scene.name, step.fact, commented and not active, f"{file}: #{word}", seen)
    if prefix := step.text("interpreter"):
        first = lines[0] if lines else ""
        right = bool(re.match(rf"#!{re.escape(prefix)}\s+/\S+", first))
        return holds(scene.name, step.fact, right, f"{file}: #!{prefix} …", first)
    ((key, value),) = step.values["set"].items()
    found = [match.strip("'\"") for match in re.findall(rf"(?m)^\s*{key}\s*=\s*(.*?)\s*$", text)]
    return holds(scene.name, step.fact, set(found) == {value}, f"{file}: {key} = {value}", str(found))


def _appended(scene: Scene, references: References, step: Step, path: str, data: bytes) -> Finding:
    text, removed = _text(data), step.texts("removes_as_root")
    if line := step.text("line"):
        there = line in text.splitlines()
        return holds(scene.name, step.fact, there, f"{path}: the line {line}", repr(text[-80:]))
    # What is copied there may speak of httpd itself; only what comes after it was appended.
    known = _last_copied(scene, references, step.text("file"))
    tail = _text(data[known.size :]) if known else text
    missing = [name for name in removed if not re.search(rf"(?<!\S){re.escape(name)}(?!\S)", tail)]
    if not re.search(r"\brm\b", tail):
        missing.append("rm")
    if not re.search(r"\bE?UID\b|\bid -u\b|\broot\b", tail):
        missing.append("a test for root")
    expected = f"{path}: lines after the copied ones that remove {' '.join(removed)} as root"
    found = f"without {', '.join(missing)}" if missing else "those lines"
    return holds(scene.name, step.fact, not missing, expected, found)


def _joined(scene: Scene, references: References, step: Step, data: bytes) -> Finding:
    source = step.text("source")
    known = _last_copied(scene, references, source)
    if known is None:
        return Finding(scene.name, step.fact, "failed", f"the bytes of {source}", _NO_REFERENCE)
    starts = [0, *(index + 1 for index, byte in enumerate(data) if byte == 0x0A)]
    inside = any(_sha256(data[start : start + known.size]) == known.sha256 for start in starts)
    expected = f"{step.text('file')}: {known.size} bytes of {source}"
    return holds(scene.name, step.fact, inside, expected, f"{len(data)} bytes without them")


def _last_copied(scene: Scene, references: References, path: str) -> Reference | None:
    copied = [event for event in scene.events if isinstance(event, CopiedFile) and event.to == path]
    return references.files.get(copied[-1].source) if copied else None


def _downloaded(scene: Scene, references: References, step: Step, data: bytes) -> Finding:
    expected, file = references.downloads.get(step.text("url")), step.text("dst")
    if expected is None:
        return holds(scene.name, step.fact, bool(data), f"{file}: some bytes", f"{len(data)} bytes")
    return same(scene.name, step.fact, f"{file}: sha256 {expected}", f"{file}: sha256 {_sha256(data)}")


def _repository(scene: Scene, step: Step, data: bytes) -> Finding:
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(_text(data))
    except configparser.Error as error:
        return Finding(scene.name, step.fact, "failed", step.text("file"), str(error).splitlines()[0])
    section = step.text("repo")
    found = dict(parser[section]) if parser.has_section(section) else {}
    return same(scene.name, step.fact, _sorted(step.values["options"]), _sorted(found))


def _same_as_source(scene: Scene, step: Step, path: str, data: bytes) -> Finding:
    """A copied or moved file: its source may be gone, but the package that owned it knows its checksum."""
    sources = [paths.canonical(scene.tree, step.text("src"))]
    if step.kind == "copy_in_image":
        sources = [source for source, to in copies(scene, step) if to == path]
    known = {file.sha256 for source in sources for _, _, file in scene.owners(source)} - {""}
    there = (paths.read(scene.tree, source) for source in sources)
    known |= {_sha256(content) for content in there if content is not None}
    expected = f"{path}: the bytes of {sources[0]}"
    if not known:
        return Finding(scene.name, step.fact, "failed", expected, "no such source, nor a package that had it")
    return holds(scene.name, step.fact, _sha256(data) in known, expected, f"sha256 {_sha256(data)[:12]}")


def _without(data: bytes, keys: dict[str, str]) -> bytes:
    pattern = "|".join(map(re.escape, keys))
    return re.sub(rf"(?m)^\s*({pattern})\s*=.*$".encode(), b"", data)


def _sorted(options: dict[str, str]) -> dict[str, str]:
    return dict(sorted(options.items()))


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
