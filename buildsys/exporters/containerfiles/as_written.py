"""An image with its own Containerfile: exported unchanged, except for the names of images of the set."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from buildsys.exporters.containerfiles import configuration
from buildsys.exporters.request import Request
from buildsys.image import Containerfile, Image, OtherImage
from buildsys.image.build_file import renamed
from buildsys.image.ignore import context

NAME = "Containerfile"
CONTEXT = "context"
"""Directory of its build context, next to the Containerfile, with the same files as in the set."""
CONTEXTS = "contexts"
"""File of its named contexts, one `NAME=PATH` on each line, relative to the directory of the image."""
_STAGE = re.compile(r"(?:--\S+\s+)*(?P<from>\S+)(?:\s+as\s+(?P<name>\S+))?", re.IGNORECASE)


def given(request: Request, image: Image, written: Containerfile) -> tuple[dict[str, str], dict[str, Path]]:
    """Texts and links of the directory of the image.

    Raises:
        Refused: a label has a line break (`not-in-a-containerfile`).
    """
    texts = {NAME: _adapted(request, written) + _labels(image)}
    if arguments := dict(values(request, written)):
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
    """The named contexts: (name, path relative to the directory of the image)."""
    yield from ((item.written, f"named/{number}") for number, item in enumerate(written.contexts))


def _files(folder: str, place: str) -> Iterator[tuple[str, Path]]:
    top = Path(folder)
    for path in context(folder):
        # Do not follow links that lead out of the context.
        if (top / path).is_file() and (top / path).resolve().is_relative_to(top.resolve()):
            yield f"{place}/{path.as_posix()}", top / path


def links_of(written: Containerfile) -> list[Path]:
    """Symbolic links in its context."""
    return [path for path in context(written.folder) if Path(written.folder, path).is_symlink()]


def values(request: Request, written: Containerfile) -> Iterator[tuple[str, str]]:
    """Values of its build arguments: (name, value)."""
    yield from written.arguments
    if written.dated:
        yield "SOURCE_DATE_EPOCH", str(request.set.epoch)


def _adapted(request: Request, written: Containerfile) -> str:
    names = [(item.written, item.places, request.reference(item.image)) for item in written.images]
    # Names to which `contexts` of the recipe gives another meaning.
    names += [(item.written, item.places, item.reference) for item in written.others if _another(item)]
    text = renamed(written.text, names)
    return text if text.endswith("\n") else f"{text}\n"


def _another(item: OtherImage) -> bool:
    """Whether a name means another image than it says; only a digest in addition does not count."""
    if "@" in item.written or "@" not in item.reference:
        return item.written != item.reference
    name = item.written if ":" not in item.written.rpartition("/")[2] else item.written.rpartition(":")[0]
    return name != item.reference.partition("@")[0]


def _labels(image: Image) -> str:
    return "".join(f"{line}\n" for line in configuration.configuration(image, None))


# ── what children inherit ───────────────────────────────────────────────────────────────────────────────────


def user_said(written: Containerfile) -> str | None:
    """The user that it sets last; None: that of its base."""
    return _last(written, "USER")


def cmd_said(written: Containerfile) -> tuple[str, ...] | None:
    """The command that it sets last; None: that of its base."""
    value = _last(written, "CMD")
    if value is None:
        return None
    try:
        return tuple(json.loads(value))
    except ValueError:
        return ("/bin/sh", "-c", value)


def _last(written: Containerfile, word: str) -> str | None:
    """The value of the last such instruction in the last stage or in the stages that it is based on."""
    stages: dict[str, str | None] = {}
    name, found = "", None
    for instruction, value in written.lines:
        if instruction == "FROM" and (match := _STAGE.match(value)):
            name, found = (match["name"] or "").lower(), stages.get(match["from"].lower())
        elif instruction == word:
            found = value
        stages[name] = found
    return found
