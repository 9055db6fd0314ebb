"""Repositories that are nothing but an index: all that a solver reads, with no package behind it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import quoteattr

TIME = 1700000000
FLAGS = {"=": "EQ", "<": "LT", ">": "GT", "<=": "LE", ">=": "GE"}


@dataclass(frozen=True)
class Entry:
    """A package of an index. Relations are written as in a spec: `libmid >= 1.1`."""

    name: str
    version: str = "1.0"
    epoch: str = "0"
    arch: str = "noarch"
    requires: tuple[str, ...] = ()
    recommends: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    obsoletes: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    @property
    def nevra(self) -> str:
        """Its whole name; an epoch of zero is left out."""
        epoch = "" if self.epoch == "0" else f"{self.epoch}:"
        return f"{self.name}-{epoch}{self.version}-1.{self.arch}"


def write_index(folder: Path, entries: Iterable[Entry], kind: str = "sha256") -> None:
    """Write the index of a repository; equal entries give equal bytes."""
    entries = list(entries)
    data = folder / "repodata"
    data.mkdir(parents=True, exist_ok=True)
    head = '<?xml version="1.0" encoding="UTF-8"?>\n'
    space = f'xmlns="http://linux.duke.edu/metadata/{{}}" packages="{len(entries)}"'
    rpm = 'xmlns:rpm="http://linux.duke.edu/metadata/rpm"'
    primary = "".join(_primary(entry, kind) for entry in entries)
    lists = "".join(_lists(entry, kind) for entry in entries)
    parts = {
        "primary": f"{head}<metadata {space.format('common')} {rpm}>\n{primary}</metadata>\n",
        "filelists": f"{head}<filelists {space.format('filelists')}>\n{lists}</filelists>\n",
    }
    rows = [f"  <revision>{TIME}</revision>\n"]
    for name, text in parts.items():
        (data / f"{name}.xml").write_text(text)
        rows.append(
            f'  <data type="{name}">\n'
            f'    <checksum type="sha256">{hashlib.sha256(text.encode()).hexdigest()}</checksum>\n'
            f'    <location href="repodata/{name}.xml"/>\n'
            f"    <timestamp>{TIME}</timestamp>\n    <size>{len(text.encode())}</size>\n  </data>\n"
        )
    root = 'xmlns="http://linux.duke.edu/metadata/repo"'
    (data / "repomd.xml").write_text(f"{head}<repomd {root}>\n{''.join(rows)}</repomd>\n")


def _checksum(entry: Entry, kind: str) -> str:
    return hashlib.new(kind, repr(entry).encode()).hexdigest()


def _primary(entry: Entry, kind: str) -> str:
    own = f"{entry.name} = {entry.epoch}:{entry.version}-1"
    relations = {
        "provides": (own, *entry.provides),
        "requires": entry.requires,
        "conflicts": entry.conflicts,
        "obsoletes": entry.obsoletes,
        "recommends": entry.recommends,
    }
    said = "".join(
        f"      <rpm:{kind}>\n{''.join(map(_relation, items))}      </rpm:{kind}>\n"
        for kind, items in relations.items()
        if items
    )
    return (
        f'<package type="rpm">\n  <name>{entry.name}</name>\n  <arch>{entry.arch}</arch>\n'
        f'  <version epoch="{entry.epoch}" ver="{entry.version}" rel="1"/>\n'
        f'  <checksum type="{kind}" pkgid="YES">{_checksum(entry, kind)}</checksum>\n'
        "  <summary>none</summary>\n  <description>None.</description>\n"
        f'  <time file="{TIME}" build="{TIME}"/>\n'
        f'  <size package="{6000 + len(entry.name)}" installed="{len(entry.nevra)}" archive="0"/>\n'
        f'  <location href="{entry.name}-{entry.version}-1.{entry.arch}.rpm"/>\n'
        f"  <format>\n      <rpm:sourcerpm>index-1-1.src.rpm</rpm:sourcerpm>\n{said}"
        f"{_files(entry)}  </format>\n</package>\n"
    )


def _lists(entry: Entry, kind: str) -> str:
    return (
        f'<package pkgid="{_checksum(entry, kind)}" name="{entry.name}" arch="{entry.arch}">\n'
        f'  <version epoch="{entry.epoch}" ver="{entry.version}" rel="1"/>\n{_files(entry)}</package>\n'
    )


def _files(entry: Entry) -> str:
    return "".join(f"      <file>{path}</file>\n" for path in entry.files)


def _relation(text: str) -> str:
    name, *more = text.split()
    if not more:
        return f"        <rpm:entry name={quoteattr(name)}/>\n"
    sign, evr = more
    epoch, _, rest = evr.rpartition(":")
    version, _, release = rest.partition("-")
    words = f'flags="{FLAGS[sign]}" epoch="{epoch or 0}" ver="{version}"'
    words += f' rel="{release}"' if release else ""
    return f"        <rpm:entry name={quoteattr(name)} {words}/>\n"
