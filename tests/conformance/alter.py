"""Small changes to a copy of what was read from an image."""

from __future__ import annotations

import re
from dataclasses import replace

from . import paths
from .model import AlteredTree, BuiltImage, Entry


def put(image: BuiltImage, path: str, entry: Entry | None) -> BuiltImage:
    """The image with something else at a canonical path; None: nothing, nor anything below."""
    return replace(image, tree=AlteredTree(image.tree, {path: entry}))


def content(entry: Entry, data: bytes) -> Entry:
    """The entry with other bytes."""
    return replace(entry, read=lambda: data)


def text(image: BuiltImage, file: str) -> str:
    """The text of a file, empty when there is none."""
    return (paths.read(image.tree, file) or b"").decode("utf-8", "replace")


def write(image: BuiltImage, file: str, new: str) -> BuiltImage:
    """The image with another text in a file, which keeps its mode and owner."""
    path = paths.canonical(image.tree, file, follow=True)
    entry = image.tree.entry(path) or Entry("file")
    return put(image, path, content(entry, new.encode()))


def line(image: BuiltImage, file: str, start: str, new: str) -> BuiltImage:
    """The image with another line in place of every line of a file that begins with `start`."""
    return write(image, file, re.sub(rf"(?m)^{re.escape(start)}.*$", lambda _: new, text(image, file)))
