"""An image that has a Containerfile of its own: exported as it is, but for the names of the set's images."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from buildsys.exporters.containerfiles import configuration
from buildsys.exporters.request import Subject
from buildsys.image import Containerfile, Image, OtherImage
from buildsys.image.build_file import renamed
from buildsys.image.ignore import context

NAME = "Containerfile"
CONTEXT = "context"
"""The folder that it is built in, beside the Containerfile: COPY finds what it found, and nothing else."""
CONTEXTS = "contexts"
"""A line for each folder that it names: the name, and where that is, from its own folder."""
_STAGE = re.compile(r"(?:--\S+\s+)*(?P<from>\S+)(?:\s+as\s+(?P<name>\S+))?", re.IGNORECASE)


def given(subject: Subject, image: Image, written: Containerfile) -> tuple[dict[str, str], dict[str, Path]]:
    """Texts and links of its folder.

    Raises:
        Refused: a label has a line break (`not-in-a-containerfile`).
    """
    texts = {NAME: _adapted(subject, written) + _labels(image)}
    if arguments := dict(values(subject, written)):
        texts["arguments"] = "".join(f"{name}={value}\n" for name, value in arguments.items())
    if annotations := image.config.annotations:
        texts["annotations"] = "".join(f"{name}={value}\n" for name, value in sorted(annotations.items()))
    links = dict(_files(written.folder, CONTEXT))
    if written.contexts:
        texts[CONTEXTS] = "".join(f"{name}={place}\n" for name, place in folders(written))
    for (_, place), item in zip(folders(written), written.contexts, strict=True):
        links |= dict(_files(item.folder, place))
    return texts, links


def folders(written: Containerfile) -> Iterator[tuple[str, str]]:
    """The folders that its Containerfile names, each with its place beside that."""
    yield from ((item.written, f"named/{number}") for number, item in enumerate(written.contexts))


def _files(folder: str, place: str) -> Iterator[tuple[str, Path]]:
    top = Path(folder)
    for path in context(folder):
        # A link must not bring along what somebody else's folder holds.
        if (top / path).is_file() and (top / path).resolve().is_relative_to(top.resolve()):
            yield f"{place}/{path.as_posix()}", top / path


def links_of(written: Containerfile) -> list[Path]:
    """Links in its context."""
    return [path for path in context(written.folder) if Path(written.folder, path).is_symlink()]


def values(subject: Subject, written: Containerfile) -> Iterator[tuple[str, str]]:
    """Values of its arguments."""
    yield from written.arguments
    if written.dated:
        yield "SOURCE_DATE_EPOCH", str(subject.set.epoch)


def _adapted(subject: Subject, written: Containerfile) -> str:
    names = [(item.written, item.places, subject.reference(item.image)) for item in written.images]
    # What `contexts` of the recipe says that it is.
    names += [(item.written, item.places, item.reference) for item in written.others if _another(item)]
    text = renamed(written.text, names)
    return text if text.endswith("\n") else f"{text}\n"


def _another(item: OtherImage) -> bool:
    """Whether what it means is another image than its name says; by digest alone it is not."""
    if "@" in item.written or "@" not in item.reference:
        return item.written != item.reference
    name = item.written if ":" not in item.written.rpartition("/")[2] else item.written.rpartition(":")[0]
    return name != item.reference.partition("@")[0]


def _labels(image: Image) -> str:
    return "".join(f"{line}\n" for line in configuration.configuration(image, None))


# ── what a child must know ──────────────────────────────────────────────────────────────────────────────────


def user_said(written: Containerfile) -> str | None:
    """The user that it ends with; None: its base's."""
    return _last(written, "USER")


def cmd_said(written: Containerfile) -> tuple[str, ...] | None:
    """The command that it ends with; None: its base's."""
    value = _last(written, "CMD")
    if value is None:
        return None
    try:
        return tuple(json.loads(value))
    except ValueError:
        return ("/bin/sh", "-c", value)


def _last(written: Containerfile, word: str) -> str | None:
    """What the last instruction of a kind says, in the last stage or in one that it begins with."""
    stages: dict[str, str | None] = {}
    name, found = "", None
    for said, value in written.lines:
        if said == "FROM" and (match := _STAGE.match(value)):
            name, found = (match["name"] or "").lower(), stages.get(match["from"].lower())
        elif said == word:
            found = value
        stages[name] = found
    return found
