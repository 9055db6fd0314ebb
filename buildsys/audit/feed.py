"""Advisories of local files: OSV, Debian security tracker, updateinfo.xml. Their content tells which."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import re
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any
from xml.parsers import expat

from buildsys.audit import updateinfo
from buildsys.audit.advisory import Advisory, Severity, cvss_severity, named_severity
from buildsys.diagnostics import Code, Diagnostic, Refused, Spot

LARGEST = 1 << 30
"""Bytes of a file at most, unpacked."""
_UNREADABLE = (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, zlib.error, lzma.LZMAError)
CODENAMES = {
    "buster": "10", "bullseye": "11", "bookworm": "12", "trixie": "13", "forky": "14", "duke": "15",
}  # fmt: skip
"""Releases of Debian. The next one gets its number here; until then its name is its version."""
_RPM_ECOSYSTEMS = {
    "AlmaLinux": "almalinux", "Rocky Linux": "rocky", "openSUSE": "opensuse", "openEuler": "openeuler",
    "Red Hat": "redhat", "Mageia": "mageia", "Fedora": "fedora",
}  # fmt: skip


def read(paths: Iterable[Path]) -> list[Advisory]:
    """The advisories of all files, and of all files below the folders.

    Raises:
        Refused: a file cannot be read, or is not one of the three forms (`bad-advisories`); a path has no
            advisories at all. Each with its file.
    """
    found: list[Advisory] = []
    mistakes: list[Diagnostic] = []
    for path in paths:
        files = [*_files(path)]
        if not files:
            hint = "name a file or a folder of OSV, of the Debian security tracker, or updateinfo.xml"
            mistakes.append(
                Diagnostic(Spot(str(path)), Code.BAD_ADVISORIES, "there are no advisories here", hint)
            )
        for file in files:
            try:
                found += _read(file)
            except (*_UNREADABLE, expat.ExpatError, RecursionError) as error:
                why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
                message = f"these advisories cannot be read: {' '.join(why.split())[:200]}"
                hint = "a feed that is read in part would pass for a clean one: fetch it again"
                mistakes.append(Diagnostic(Spot(str(file)), Code.BAD_ADVISORIES, message, hint))
    if mistakes:
        raise Refused(mistakes)
    return found


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        if path.exists():
            yield path
        return
    for folder, folders, names in os.walk(path):
        folders.sort()
        yield from (Path(folder, name) for name in sorted(names) if re.search(r"\.(json|xml)(\.|$)", name))


def _read(file: Path) -> Iterator[Advisory]:
    with _open(file) as opened:
        content = opened.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise ValueError(f"it is larger than {LARGEST >> 20} MiB")
    if content.lstrip()[:1] == b"<":
        return iter([*updateinfo.advisories(content)])
    data = json.loads(content)
    if isinstance(data, list) or "affected" in data or ("id" in data and "modified" in data):
        return iter([item for entry in (data if isinstance(data, list) else [data]) for item in _osv(entry)])
    return iter([*_debian(data)])


def _open(file: Path) -> IO[bytes] | gzip.GzipFile:
    match file.suffix:
        case ".gz":
            return gzip.open(file)
        case ".xz":
            return lzma.open(file)
        case ".bz2":
            return bz2.open(file)
        case _:
            return file.open("rb")


# ── OSV ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _osv(entry: dict[str, Any]) -> Iterator[Advisory]:
    """https://ossf.github.io/osv-schema/."""
    if entry.get("withdrawn"):
        return
    aliases = (*entry.get("aliases", ()), *entry.get("upstream", ()), *entry.get("related", ()))
    for affected in entry.get("affected", ()):
        package = affected.get("package")
        if package is None:
            continue
        name, _, release = package["ecosystem"].partition(":")
        if name in {"Debian", "Ubuntu"}:
            kind, vendor = "deb", name.lower()
        elif name in _RPM_ECOSYSTEMS:
            kind, vendor = "rpm", _RPM_ECOSYSTEMS[name]
        else:
            continue
        # The ecosystem of Red Hat names a product, not the release of a distribution.
        distribution = f"{vendor}-{release}" if release and vendor != "redhat" else ""
        severity = _osv_severity(entry, affected)
        for introduced, fixed, last in _intervals(affected):
            yield Advisory(
                entry["id"], aliases, severity, kind, distribution, package["name"], kind == "deb",
                introduced, fixed, last,
            )  # fmt: skip


def _intervals(affected: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Rows (introduced, fixed, last affected) of versions."""
    ranges = [item for item in affected.get("ranges", ()) if item["type"] == "ECOSYSTEM"]
    for item in ranges:
        introduced: str | None = None
        for event in item["events"]:
            if "introduced" in event:
                introduced = "" if event["introduced"] == "0" else event["introduced"]
            elif introduced is not None and ("fixed" in event or "last_affected" in event):
                yield introduced, event.get("fixed", ""), event.get("last_affected", "")
                introduced = None
        if introduced is not None:
            yield introduced, "", ""
    if not ranges:
        yield from ((version, "", version) for version in affected.get("versions", ()))


def _osv_severity(entry: dict[str, Any], affected: dict[str, Any]) -> Severity:
    for item in (*affected.get("severity", ()), *entry.get("severity", ())):
        found = cvss_severity(item["score"]) if item["type"] == "CVSS_V3" else named_severity(item["score"])
        if found != "unknown":
            return found
    for specific in (affected.get("ecosystem_specific"), affected.get("database_specific"),
                     entry.get("database_specific")):  # fmt: skip
        for key in ("severity", "urgency"):
            if specific and isinstance(specific.get(key), str):
                found = named_severity(specific[key])
                if found != "unknown":
                    return found
    return "unknown"


# ── the Debian security tracker ─────────────────────────────────────────────────────────────────────────────


def _debian(data: dict[str, dict[str, Any]]) -> Iterator[Advisory]:
    """Its JSON: source package -> CVE -> releases by code name."""
    for source, issues in data.items():
        for name, issue in issues.items():
            for codename, release in issue["releases"].items():
                fixed = release.get("fixed_version", "")
                # Version 0: the release was never vulnerable.
                if fixed == "0" or (release["status"] == "resolved" and not fixed):
                    continue
                yield Advisory(
                    name, (), named_severity(release.get("urgency", "")), "deb",
                    f"debian-{CODENAMES.get(codename, codename)}", source, True, "",  # noqa: FBT003
                    fixed if release["status"] == "resolved" else "",
                )  # fmt: skip
