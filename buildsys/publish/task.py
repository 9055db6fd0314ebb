"""What each kind of destination is given, and what it gives back."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from buildsys.diagnostics import Diagnostic
from buildsys.publish.built_set import Item, Subject
from buildsys.publish.destination import Destination
from buildsys.publish.errors import Stopped
from buildsys.publish.journal import Entry, Journal
from buildsys.publish.layers import Packed, Shelf
from buildsys.publish.manifest import Compression, Form
from buildsys.publish.reach import Patience


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How to publish."""

    tags: tuple[str, ...] = ()
    """Beside each image's own; `date` and `lock` stand for others."""
    labels: tuple[tuple[str, str], ...] = ()
    compression: Compression = "gzip"
    uploads: int = 4
    """At once, to one registry."""
    authfile: Path | None = None
    certificates: Path | None = None
    """The folder of the registry's; None: as the container tools look for it."""
    patience: Patience = field(default_factory=Patience)


@dataclass(slots=True)
class Outcome:
    """What became of one destination."""

    destination: Destination
    mistakes: list[Diagnostic] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    images: int = 0
    """That were not there before."""
    blobs: int = 0
    """That were uploaded or written."""
    tags: int = 0
    """That were moved."""
    stopped: bool = False
    """Whether the run was interrupted before it came to its end here."""
    unforeseen: Exception | None = None
    """What nobody has thought of: a bug."""

    def well(self) -> bool:
        """Whether nothing stands in the way."""
        return not (self.mistakes or self.stopped or self.unforeseen)


@dataclass(slots=True)
class Work:
    """One destination to be brought up to date."""

    subject: Subject
    wish: Wish
    shelf: Shelf
    journal: Journal
    outcome: Outcome
    stop: threading.Event = field(default_factory=threading.Event)
    """Set when the run is to end."""

    def go_on(self) -> None:
        """Raises Stopped when the run is to end; asked before everything that takes time or can be seen."""
        if self.stop.is_set():
            raise Stopped

    def packed(self, item: Item, form: Form) -> Packed:
        """An image in that form, off the shelf."""
        self.go_on()
        return self.shelf.packed(item.id, form)

    def tags(self, item: Item) -> tuple[str, ...]:
        """All tags of an image."""
        return tuple(dict.fromkeys((item.tag, *self.wish.tags)))

    def entry(self, item: Item, form: Form, repository: str, digest: str) -> Entry:
        """What the journal is to say of an image."""
        return Entry(item.id, form.text, repository, digest, item.tag, self.tags(item)[1:])

    def known(self, item: Item, form: Form, repository: str) -> Entry | None:
        """What the journal says of an image, if that is about this image in this form."""
        entry = self.journal.entries.get(item.name)
        if entry and (entry.id, entry.form, entry.repository) == (item.id, form.text, repository):
            return entry
        return None

    def doubted(self, images: list[tuple[Item, Packed]]) -> set[str]:
        """Digests of the blobs that are to be put anew, whatever is there: their images were found wrong."""
        wrong = [packed for item, packed in images if self.journal.doubts(item.name)]
        return {blob.digest for packed in wrong for blob in packed.manifest.blobs()}

    def finish(self) -> None:
        """All tags of the images lead to them now. What a directory held before it holds no more."""
        stay = self.outcome.destination.transport in ("docker", "containers-storage")
        self.journal.finish(self.subject.names, self.subject.everything if stay else ())

    def announce(self, packed: list[tuple[Item, Packed]], kind: str) -> None:
        """Name the images whose health checks this destination has no place for."""
        lost = [item.name for item, image in packed if image.drops_health_check]
        if lost:
            self.outcome.notes.append(f"{kind} has no place for the health checks of {', '.join(lost)}")


class Publisher(Protocol):
    """Brings a destination up to date; what stands in the way is in the outcome, or raised as Problem."""

    def __call__(self, work: Work) -> None:
        """All of it."""
