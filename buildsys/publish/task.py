"""One destination to update: the input and the outcome of every kind of destination."""

from __future__ import annotations

import math
import os
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from buildsys.diagnostics import NOWHERE, Code, Diagnostic, Refused
from buildsys.interrupts import Interrupted
from buildsys.publish.attachments import Attachments, Signing, Vouching
from buildsys.publish.built_set import Item, Subject
from buildsys.publish.destination import Destination
from buildsys.publish.journal import Entry, Journal
from buildsys.publish.layers import Packed, Shelf
from buildsys.publish.manifest import Compression, Form
from buildsys.publish.tags import tags_of


@dataclass(frozen=True, slots=True)
class Patience:
    """Retries of transient failures. `pause`: seconds before the first; each later one doubles."""

    tries: int = 6
    pause: float = 0.5
    longest: float = 60.0
    """Seconds; a server that asks for more counts as failed."""

    @staticmethod
    def of_environment() -> Patience:
        """The default, with the first pause of BS_PAUSE, which the runs of a plan obey too.

        Raises:
            Refused: it is not a number of seconds (`bad-pause`).
        """
        text = os.environ.get("BS_PAUSE") or "0.5"
        try:
            pause = float(text)
        except ValueError:
            pause = math.nan
        if not 0 <= pause < math.inf:
            raise Refused(
                [Diagnostic(NOWHERE, Code.BAD_PAUSE, f"BS_PAUSE is '{text}', not a number of seconds")]
            )
        return Patience(pause=pause)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishOptions:
    """How to publish."""

    tags: tuple[str, ...] = ()
    """Tags in addition to each image's own; `publish.tags` knows the words and variables in them."""
    changed: bool = False
    """Images that are there unchanged keep the tags that they have."""
    labels: tuple[tuple[str, str], ...] = ()
    compression: Compression = "gzip"
    uploads: int = 4
    """Concurrent uploads to one registry."""
    authfile: Path | None = None
    certificates: Path | None = None
    """Folder of the registry's certificates; None: `certs.d`, as the container tools look it up."""
    patience: Patience = field(default_factory=Patience)
    signing: Signing | None = None
    """None: nothing is signed or attached."""


@dataclass(slots=True)
class Outcome:
    """The result at one destination."""

    destination: Destination
    mistakes: list[Diagnostic] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    images: int = 0
    """Images that were not there before."""
    blobs: int = 0
    """Blobs uploaded or written."""
    tags: int = 0
    """Tags moved."""
    signed: int = 0
    """Images signed."""
    stopped: bool = False
    """Whether the run was interrupted before this destination was complete."""
    unforeseen: Exception | None = None
    """An exception that is a bug."""

    def well(self) -> bool:
        """Whether nothing has gone wrong so far."""
        return not (self.mistakes or self.stopped or self.unforeseen)


@dataclass(slots=True)
class Work:
    """One destination to update."""

    subject: Subject
    options: PublishOptions
    shelf: Shelf
    journal: Journal
    outcome: Outcome
    stop: threading.Event = field(default_factory=threading.Event)
    """Set when the run must end."""
    _vouching: Vouching | None = None

    def go_on(self) -> None:
        """Raises Interrupted when the run must end. Call it before anything slow or visible."""
        if self.stop.is_set():
            raise Interrupted

    def packed(self, item: Item, form: Form) -> Packed:
        """An image in that form, from the shelf."""
        self.go_on()
        return self.shelf.packed(item.id, form)

    def tags(self, item: Item) -> tuple[str, ...]:
        """All tags of an image, its own first."""
        form = Form(self.subject.format, self.options.compression, self.options.labels)
        before = self.journal.published.get(item.name)
        return tags_of(item, self.options.tags, before, form, changed=self.options.changed)

    def entry(self, item: Item, form: Form, repository: str, digest: str) -> Entry:
        """The journal's entry of an image."""
        known = self.journal.entries.get(item.name)
        same = known and (known.repository, known.digest) == (repository, digest)
        attached = known.attached if known and same else ""
        return Entry(item.id, form.text, repository, digest, item.tag, self.tags(item)[1:], attached)

    def attachments(self, item: Item, name: str, digest: str) -> Attachments | None:
        """What is attached to an image with this manifest, `HOST/REPOSITORY`; None: nothing is signed."""
        if self.options.signing is None:
            return None
        if self._vouching is None:
            self._vouching = Vouching(self.subject, self.options.signing)
        return self._vouching.attachments(item, name, self.tags(item), digest)

    def note_attached(self, item: Item, mark: str) -> None:
        """Record that attachments with this mark are there."""
        self.journal.note(item.name, replace(self.journal.entries[item.name], attached=mark))

    def known(self, item: Item, form: Form, repository: str) -> Entry | None:
        """The journal's entry of an image, if it is about this id in this form."""
        entry = self.journal.entries.get(item.name)
        if entry and (entry.id, entry.form, entry.repository) == (item.id, form.text, repository):
            return entry
        return None

    def doubted(self, images: list[tuple[Item, Packed]]) -> set[str]:
        """Digests of blobs to write again even if present: `verify` found their images damaged."""
        wrong = [packed for item, packed in images if self.journal.doubts(item.name)]
        return {blob.digest for packed in wrong for blob in packed.manifest.blobs()}

    def finish(self) -> None:
        """Record that all tags lead to the new images. A directory no longer holds what it held before."""
        stay = self.outcome.destination.transport in ("docker", "containers-storage")
        self.journal.finish(self.subject.names, self.subject.everything if stay else ())

    def announce(self, packed: list[tuple[Item, Packed]], kind: str) -> None:
        """Note the images whose health checks this destination cannot hold."""
        lost = [item.name for item, image in packed if image.drops_health_check]
        if lost:
            self.outcome.notes.append(f"{kind} cannot hold the health checks of {', '.join(lost)}")


class Publisher(Protocol):
    """Updates a destination; failures are in the outcome, or raised as PublishError."""

    def __call__(self, work: Work) -> None:
        """Update the destination of `work`."""
