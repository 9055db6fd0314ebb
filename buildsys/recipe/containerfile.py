"""What a Containerfile says, as far as building images in order demands it."""

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
    """Without it nothing can be built; `required=false` says otherwise."""


@dataclass(frozen=True, slots=True)
class Command:
    """A RUN, the volumes that the file has declared by then, and the image that its stage goes back to."""

    text: str
    spot: Spot
    volumes: tuple[str, ...]
    base: str


@dataclass(frozen=True, slots=True)
class Containerfile:
    """A Containerfile, understood as far as building in order demands it."""

    file: str
    text: str
    """With variables of FROM filled in; line by line as it was written."""
    plain: str
    """The same in words that every builder knows: no here-documents, no flags that mean nothing here;
    what is read has OUTSIDE before its name."""
    instructions: tuple[Instruction, ...]
    parent: Read
    """What the last stage goes back to; SCRATCH: nothing."""
    reads: tuple[Read, ...]
    """All images outside of the file, each once, the parent first; nothing is none."""
    arguments: tuple[str, ...]
    """Names that ARG declares."""
    healthcheck: Spot | None
    """Of a health check in the last stage."""
    onbuild: Spot | None = None
    """Of the first trigger in the last stage."""
    documents: tuple[HereFile, ...] = ()
    offline: tuple[Spot, ...] = ()
    """Where a RUN says that it has no network."""
    secrets: tuple[Secret, ...] = ()
    commands: tuple[Command, ...] = ()
    volumes: tuple[str, ...] = ()
    """Of the last stage, without those of its parent."""
    based: bool = False
    """Whether a stage begins with another one."""
    stages: tuple[str, ...] = ()
    """Their names; empty for one that has none."""
