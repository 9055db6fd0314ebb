"""Kolla's start command, which some deployment tools require of every image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from posixpath import basename

from buildsys.exporters.request import Request
from buildsys.image import Containerfile, Image, ParentImage

STARTER = "kolla_start"
"""The command of Kolla's images: it copies the configuration of the service, and starts it."""
CONFIGURATION = "/var/lib/kolla/config_files/config.json"
"""The file that STARTER reads."""
_SHOWN = 5


def without_starter(request: Request, names: Iterable[str], consumer: str) -> Iterator[str]:
    """A note that names the images whose containers do not start with STARTER; none if there are none."""
    lacking = [name for name in dict.fromkeys(names) if _lacks(request, request.set.images[name])]
    if not lacking:
        return
    more = len(lacking) - _SHOWN
    shown = lacking if more <= 1 else [*lacking[:_SHOWN], f"{more} more"]
    which = f"{', '.join(shown[:-1])} and {shown[-1]}" if len(shown) > 1 else shown[0]
    yield (
        f"{consumer} configures a container by {CONFIGURATION}, which {STARTER} reads: nothing says that "
        f"containers of {which} start with it, and without it they run without that configuration"
    )


def _lacks(request: Request, image: Image) -> bool:
    """Whether no image of the set makes it start with STARTER; a base that was built elsewhere may do so."""
    command = entrypoint = None
    at: Image | None = image
    while at is not None:
        own_command, own_entrypoint = _own(at)
        command = own_command if command is None else command
        entrypoint = own_entrypoint if entrypoint is None else entrypoint
        at = request.set.images[at.parent.name] if isinstance(at.parent, ParentImage) else None
    return not _starts(command) and not _starts(entrypoint)


def _own(image: Image) -> tuple[tuple[str, ...] | None, tuple[str, ...] | None]:
    """(command, entry point) that an image sets itself; None where it sets none."""
    step = next((step for step in image.instructions if isinstance(step, Containerfile)), None)
    if step is None:
        return image.config.cmd, image.config.entrypoint
    found: dict[str, tuple[str, ...]] = {}
    for word, value in step.lines:
        if word == "FROM":
            found.clear()
        elif word in {"CMD", "ENTRYPOINT"}:
            found[word] = tuple(value.strip("[]").replace('"', " ").replace(",", " ").split())
    return found.get("CMD"), found.get("ENTRYPOINT")


def _starts(words: tuple[str, ...] | None) -> bool:
    return any(basename(word) == STARTER for word in words or ())
