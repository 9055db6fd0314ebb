"""Files of kolla-build: archives that kolla-build.conf names, and files next to the overrides."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from buildsys.diagnostics import Diagnostic, Spot
from buildsys.importers.containerfile_steps import Reading
from buildsys.importers.overlay_text import Changes, Step, untaken
from buildsys.importers.run_text import SCRATCH

_KINDS = {"additions": "additions", "plugin": "plugins"}
"""Kind in a section's name -> the folder in the archive of that kind."""
_SECTION = re.compile(r"(?P<image>.+)-(?P<kind>plugin|additions)-(?P<name>.+)")


@dataclass(frozen=True, slots=True)
class Source:
    """A section that names a plugin or an addition."""

    image: str
    kind: str
    name: str
    type: str
    location: str
    spot: Spot

    @property
    def what(self) -> str:
        """Its name in messages."""
        origin = " ".join(["", "from", *self.location.split()]) if self.location else ""
        if self.kind == "plugins":
            return f"the plugin '{self.name}' of {self.image}{origin}"
        return f"the addition '{self.name}' to {self.image}{origin}"


@dataclass(slots=True)
class Archives:
    """The sources of all images; `taken` are those that an ADD uses."""

    sources: list[Source] = field(default_factory=list)
    taken: set[Source] = field(default_factory=set)

    def add(self, section: str, values: Mapping[str, str], spot: Spot) -> bool:
        """Add a section; False if it is neither a plugin nor an addition."""
        match = _SECTION.fullmatch(section)
        if match is None:
            return False
        kind = _KINDS[match["kind"]]
        how, where = (" ".join(values.get(name, "").split()) for name in ("type", "location"))
        self.sources.append(Source(match["image"], kind, match["name"], how, where, spot))
        return True

    def steps(
        self, kind: str, to: str, spot: Spot, reading: Reading, found: list[Diagnostic]
    ) -> Iterator[Step]:
        """Yield the steps of `ADD additions-archive TO`."""
        image = reading.image
        sources = [item for item in self.sources if (item.image, item.kind) == (image, kind)]
        if not sources and (archive := _made(image, kind, spot)):
            there = f"{image}/{archive.name}"
            reading.changes.files[there] = archive
            yield from _extracted(there, f"{SCRATCH}/{archive.name}", posixpath.normpath(to))
        elif not sources:
            why = f"no section {image}-{'plugin' if kind == 'plugins' else kind}-NAME describes its content"
            hint = "name kolla-build.conf as well, where it has one; or put the files into files/"
            found.append(untaken(spot, f"{kind}-archive", why, hint))
        folder = posixpath.normpath(posixpath.join(to, kind))
        for source in sources:
            self.taken.add(source)
            yield from _unpacked(source, folder, reading.changes, found)

    def unused(self) -> Iterator[Diagnostic]:
        """Report sources that no ADD uses."""
        for source in self.sources:
            if source in self.taken:
                continue
            if source.kind == "plugins":
                hint = "package it, give the site its repository, and append the package to the image"
                yield untaken(source.spot, source.what, "it is not a package", hint)
            else:
                hint = "put its files into files/ next to the overlay, and write a step: copy:"
                why = "no ADD additions-archive puts it into the image"
                yield untaken(source.spot, source.what, why, hint)


def _unpacked(source: Source, folder: str, changes: Changes, found: list[Diagnostic]) -> Iterator[Step]:
    if source.type == "url" and re.fullmatch(r"(?:https?|ftp)://\S+", source.location):
        name = posixpath.basename(urlsplit(source.location).path) or "archive"
        archive = f"{SCRATCH}/{name}"
        changes.downloads[source.location] = source.spot
        yield {"mkdir": folder}
        yield {"download": source.location, "to": archive}
        yield {"run": ["tar", "-x", "-f", archive, "-C", folder]}
        yield {"remove": archive}
        return
    path = _local(source)
    if source.type != "local" or path is None:
        why = "it is fetched by git" if source.type == "git" else f"there is no {source.location}"
        hint = "put its files into files/ next to the overlay, and write a step: copy:"
        found.append(untaken(source.spot, source.what, why, hint))
        return
    there = f"{source.image}/{source.kind}/{source.name}"
    if path.is_dir():
        # As in Python, a path with a trailing slash has an empty last name.
        changes.files[there] = path
        yield {"copy": there, "to": posixpath.join(folder, posixpath.basename(source.location)).rstrip("/")}
        return
    there += "".join(path.suffixes[-2:])
    changes.files[there] = path
    yield from _extracted(there, f"{SCRATCH}/{posixpath.basename(there)}", folder)


def _extracted(there: str, archive: str, folder: str) -> Iterator[Step]:
    """Yield steps that unpack an archive in files/ into a folder."""
    if folder != "/":
        yield {"mkdir": folder}
    yield {"copy": there, "to": archive}
    yield {"run": ["tar", "-x", "-f", archive, "-C", folder]}
    yield {"remove": archive}


def _made(image: str, kind: str, spot: Spot) -> Path | None:
    """Find an archive next to the overrides."""
    files = NearbyFiles(Path(spot.file).parent, image)
    names = (f"{kind}-archive{ending}" for ending in ("", ".tar", ".tar.gz"))
    return next((path for name in names if (path := files.find(name)) and path.is_file()), None)


def _local(source: Source) -> Path | None:
    """Find the file or folder of a source: from the working directory, or next to the configuration."""
    if not source.location:
        return None
    for place in (Path(), Path(source.spot.file).parent):
        path = place / source.location
        if path.is_file() or path.is_dir():
            return path
    return None


@dataclass(frozen=True, slots=True)
class NearbyFiles:
    """Files next to the overrides, which kolla-build copies into its contexts."""

    folder: Path
    image: str

    def find(self, source: str) -> Path | None:
        """Find the file that a COPY names."""
        name = posixpath.normpath(source)
        if name.startswith(("..", "/")) or name == ".":
            return None
        top = os.path.realpath(self.folder)
        for place in ("", self.image, f"files/{self.image}", "files", f"docker/{self.image}"):
            path = self.folder / place / name
            inside = Path(os.path.realpath(path)).is_relative_to(top)
            if inside and (path.is_file() or path.is_dir()):
                return path
        return None
