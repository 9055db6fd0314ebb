"""A Containerfile, as far as the build order and the oldest supported builder require it."""

from __future__ import annotations

from dataclasses import dataclass, field

from buildsys.diagnostics import Spot
from buildsys.recipe.plain_text import HereFile
from buildsys.recipe.scan import Instruction


@dataclass(frozen=True, slots=True)
class Read:
    """An image that a Containerfile reads, as it names it, variables filled in."""

    name: str
    spot: Spot = field(compare=False)
    places: tuple[tuple[int, int], ...] = field(default=(), compare=False)
    """Each line and column, counted from 1, at which the text of the whole file names it."""
    begins: bool = field(default=False, compare=False)
    """Whether a stage begins with it."""


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret that a RUN mounts."""

    name: str
    spot: Spot = field(compare=False)
    required: bool = True
    """Whether the build fails without it; `required=false` sets it to false."""


@dataclass(frozen=True, slots=True)
class Command:
    """A RUN, the volumes declared before it, and the image that its stage goes back to."""

    text: str
    spot: Spot
    volumes: tuple[str, ...]
    base: str


@dataclass(frozen=True, slots=True)
class Containerfile:
    """A Containerfile that was read."""

    file: str
    text: str
    """The text, with variables of FROM filled in; its lines are those of the file."""
    plain: str
    """The text for every builder: without here-documents and flags without effect; OUTSIDE stands before the
    names of images and contexts."""
    instructions: tuple[Instruction, ...]
    parent: Read
    """The image that the last stage goes back to; SCRATCH: none."""
    reads: tuple[Read, ...]
    """All images outside of the file, each once, the parent first; SCRATCH is not one."""
    arguments: tuple[str, ...]
    """Names that ARG declares."""
    healthcheck: Spot | None
    """Of a health check in the last stage."""
    onbuild: Spot | None = None
    """Of the first trigger in the last stage."""
    documents: tuple[HereFile, ...] = ()
    offline: tuple[Spot, ...] = ()
    """Each RUN with `--network=none`."""
    secrets: tuple[Secret, ...] = ()
    commands: tuple[Command, ...] = ()
    volumes: tuple[str, ...] = ()
    """Of the last stage, without those of its parent."""
    based: bool = False
    """Whether a stage begins with another one."""
    stages: tuple[str, ...] = ()
    """Their names; empty for one that has none."""
