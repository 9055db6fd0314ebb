"""The indices of apt's sources: every package with all its fields, and the part that a set can reach."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from pathlib import Path

from buildsys.image import LockedPackage
from buildsys.lock.apt_host import Apt, Target
from buildsys.lock.lockfile import Metadata

FIELD = re.compile(r"^([A-Za-z0-9-]+): *(.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Entry:
    """One package of an index."""

    text: str
    """Its paragraph of the index."""
    repository: str
    file: str
    """Name of the index."""

    def get(self, name: str) -> str:
        """The first line of a field; empty if it is missing."""
        match = re.search(rf"^{name}: *(.*)$", self.text, re.MULTILINE)
        return match[1] if match else ""


@dataclass(frozen=True, slots=True)
class Index:
    """All sources together."""

    entries: dict[str, list[Entry]] = field(default_factory=dict)
    """By the name of the package, in the order of the host's sources."""
    repositories: dict[str, Metadata] = field(default_factory=dict)

    def find(self, name: str, version: str) -> Entry | None:
        """The entry of that version."""
        return next((item for item in self.entries.get(name, ()) if item.get("Version") == version), None)

    def essential(self) -> list[str]:
        """The packages marked `Essential: yes`, which every system has."""
        found = (name for name, items in self.entries.items() if any(_is_essential(item) for item in items))
        return sorted(found)


def read_index(apt: Apt) -> Index:
    """Read all indices, as fetched by the last update."""
    index = Index()
    for target in apt.targets():
        for text in apt.index(target).split("\n\n"):
            if text.startswith("Package: "):
                name = text[9 : text.index("\n")]
                index.entries.setdefault(name, []).append(
                    Entry(text.strip("\n"), target.repository, target.file.name)
                )
    index.repositories.update(metadata(apt.targets()))
    return index


def metadata(targets: Iterable[Target]) -> dict[str, Metadata]:
    """The state of the sources, by repository; equal states have equal packages."""
    found: dict[str, list[Target]] = {}
    for target in targets:
        found.setdefault(target.repository.partition("/")[0], []).append(target)
    return {name: _metadata(items) for name, items in sorted(found.items())}


def _metadata(targets: list[Target]) -> Metadata:
    sums, times = hashlib.sha256(), [0]
    for file in sorted({item.release if item.release.exists() else item.file for item in targets}):
        content = file.read_bytes()
        sums.update(content)
        if date := re.search(rb"^Date: (.*)$", content, re.MULTILINE):
            times.append(int(parsedate_to_datetime(date[1].decode()).timestamp()))
    return Metadata(sums.hexdigest(), "", max(times))


def locked(entry: Entry) -> LockedPackage:
    """A package as the lock names it."""
    fields = dict(FIELD.findall(entry.text))
    epoch, version, release = parted(fields["Version"])
    return LockedPackage(
        name=fields["Package"],
        epoch=epoch,
        version=version,
        release=release,
        arch=fields["Architecture"],
        repository=entry.repository,
        checksum=f"sha256:{fields.get('SHA256', '')}",
        location=fields["Filename"].removeprefix("./"),
        size=int(fields["Size"]),
        source=_source(fields),
        installed=int(fields.get("Installed-Size", "0")) * 1024,
    )


def _source(fields: dict[str, str]) -> str:
    name, _, version = fields.get("Source", fields["Package"]).partition(" ")
    return f"{name}_{version.strip('()') or fields['Version']}"


def parted(version: str) -> tuple[str, str, str]:
    """A Debian version as epoch, upstream version and revision; missing parts are empty."""
    epoch, colon, rest = version.partition(":")
    upstream, dash, revision = (rest if colon else version).rpartition("-")
    return epoch if colon else "", upstream if dash else revision, revision if dash else ""


def whole_version(package: LockedPackage) -> str:
    """The version as Debian writes it."""
    return (
        f"{package.epoch and f'{package.epoch}:'}{package.version}{package.release and '-'}{package.release}"
    )


def _is_essential(entry: Entry) -> bool:
    return "\nEssential: yes" in entry.text


def installed_text(entries: Iterable[str]) -> str:
    """A status file of dpkg with these packages as installed."""
    return "".join(_installed(entries))


def _installed(entries: Iterable[str]) -> Iterator[str]:
    for text in entries:
        yield text.replace("\n", "\nStatus: install ok installed\n", 1) + "\n\n"


# ── the part that can matter ────────────────────────────────────────────────────────────────────────────────


NEEDS = re.compile(r"^(?:Pre-)?Depends: (.*)$", re.MULTILINE)
GIVES = re.compile(r"^Provides: (.*)$", re.MULTILINE)
NAME = re.compile(r"(?:^|[,|]) *([^ ,|:(]+)")


def reach(index: Index, names: Iterable[str]) -> set[str]:
    """These packages, all that they may depend on, and all that may provide one of these.

    apt can install no others for them, since it does not install recommended packages. It takes a tenth of
    the time with these alone.
    """
    giving = _giving(index)
    found: set[str] = set()
    waiting = [*names]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += giving.get(name, ())
            for entry in index.entries.get(name, ()):
                waiting += _named(NEEDS, entry.text)
    return found


def write_lists(index: Index, targets: Iterable[Target], names: set[str], folder: Path) -> None:
    """Write indices of these packages only, under the names by which apt knows those of its sources."""
    folder.mkdir(parents=True)
    texts: dict[str, list[str]] = defaultdict(list)
    for name in sorted(names):
        for entry in index.entries.get(name, ()):
            texts[entry.file].append(entry.text)
    for target in targets:
        # apt refuses a file with nothing but an empty line.
        text = "\n\n".join(texts[target.file.name])
        (folder / target.plain).write_text(f"{text}\n" if text else "")
        if target.release.exists():
            shutil.copy2(target.release, folder)


def _giving(index: Index) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for name, entries in index.entries.items():
        for entry in entries:
            if "\nProvides: " in entry.text:
                for given in _named(GIVES, entry.text):
                    found[given].append(name)
    return found


def _named(field: re.Pattern[str], text: str) -> Iterator[str]:
    for line in field.findall(text):
        yield from NAME.findall(line)
