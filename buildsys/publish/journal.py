"""The record of what is at a destination: written as it arrives, read by the next run and by `verify`."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Collection
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from buildsys.files import write_record


@dataclass(frozen=True, slots=True)
class Entry:
    """An image at a destination."""

    id: str
    """Of the image of the store."""
    form: str
    repository: str
    digest: str
    """Digest of its manifest; in a container store and in docker's archives, of its configuration."""
    tag: str
    """The image's own tag."""
    more: tuple[str, ...] = ()
    """Further tags."""
    attached: str = ""
    """Mark of the signatures and attestations attached to it; empty: none of this plan."""


@dataclass(slots=True)
class Journal:
    """The images of a set at one destination."""

    path: Path
    destination: str
    entries: dict[str, Entry] = field(default_factory=dict)
    """By image; also images of a run that has not moved its tags yet."""
    published: dict[str, Entry] = field(default_factory=dict)
    """By image; the images that the tags lead to."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, image: str, entry: Entry) -> None:
        """Record that an image is there, under its digest."""
        with self._lock:
            if self.entries.get(image) != entry:
                self.entries[image] = entry
                self._save()

    def finish(self, images: Collection[str], others: Collection[str] = ()) -> None:
        """Record that all tags of `images` lead to them. Keep what is known of `others`, drop all else."""
        with self._lock:
            before = (self.entries, self.published)
            self.published = {
                **{name: entry for name, entry in self.published.items() if name in others},
                **{name: self.entries[name] for name in images},
            }
            self.entries = {
                name: entry
                for name, entry in self.entries.items()
                if name in self.published or name in others
            }
            if before != (self.entries, self.published):
                self._save()

    def doubt(self, images: Collection[str]) -> None:
        """Mark images as damaged; the next publish uploads them again."""
        with self._lock:
            self.entries = {name: entry for name, entry in self.entries.items() if name not in images}
            self._save()

    def detach(self, images: Collection[str]) -> None:
        """Forget what is attached to images; the next publish that signs looks for it."""
        with self._lock:
            for known in (self.entries, self.published):
                known |= {
                    name: replace(entry, attached="") for name, entry in known.items() if name in images
                }
            self._save()

    def doubts(self, image: str) -> bool:
        """Whether an image is published and marked as damaged."""
        return image in self.published and image not in self.entries

    def _save(self) -> None:
        data = {
            "version": 1,
            "destination": self.destination,
            "published": {name: asdict(entry) for name, entry in self.published.items()},
            "there": {name: asdict(entry) for name, entry in self.entries.items()},
        }
        write_record(self.path, data)


def journal(directory: Path, destination: str) -> Journal:
    """The journal of a destination in the plan's `directory`; empty if nothing was published there."""
    word = re.sub(r"[^A-Za-z0-9.-]+", "-", destination).strip("-")[:60]
    mark = hashlib.sha256(destination.encode()).hexdigest()[:8]
    found = Journal(directory / "state/publish" / f"{word}.{mark}.json", destination)
    with suppress(OSError, ValueError, KeyError, TypeError):
        data = json.loads(found.path.read_text("utf-8"))
        entries, published = (
            {
                name: Entry(**{**entry, "more": tuple(entry.get("more", ()))})
                for name, entry in data[key].items()
            }
            for key in ("there", "published")
        )
        found.entries, found.published = entries, published
    return found


def digests(directory: Path, destination: str) -> dict[str, str]:
    """Digest of each image's manifest at a destination, as last published."""
    return {name: entry.digest for name, entry in journal(directory, destination).published.items()}


def tags(directory: Path, destination: str) -> dict[str, tuple[str, ...]]:
    """Tags that each image was last published with at a destination, its own first."""
    published = journal(directory, destination).published
    return {name: (entry.tag, *entry.more) for name, entry in published.items()}
