"""Verify a destination: tags lead to the recorded digests, all blobs exist and match theirs."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from buildsys import programs, storage
from buildsys.diagnostics import NOWHERE, Code, Diagnostic, Refused
from buildsys.files import sha256
from buildsys.publish.archives import SUMS, contents
from buildsys.publish.destination import Destination
from buildsys.publish.journal import Entry, Journal, journal
from buildsys.publish.manifest import Blob, Manifest
from buildsys.publish.oci_layout import NAME
from buildsys.publish.registry import registry
from buildsys.publish.signed import Demand, Reading, complaints
from buildsys.publish.store import options_of
from buildsys.publish.task import PublishOptions


@dataclass(frozen=True, slots=True)
class Finding:
    """Damage of an image at a destination."""

    image: str
    reference: str
    """Its name there."""
    message: str
    damaged: bool = True
    """False: only a signature or an attestation is missing."""


@dataclass(frozen=True, slots=True)
class Report:
    """Numbers of images, tags and blobs checked, and the damage."""

    images: int
    tags: int
    blobs: int
    findings: tuple[Finding, ...]


def verify(
    directory: Path, destination: Destination, options: PublishOptions, demand: Demand | None = None
) -> Report:
    """Compare a destination with its journal. The next publish uploads damaged images again.

    `demand`: check signatures and attestations too.

    Raises:
        Refused: this plan was never published there (`not-published`); signatures are asked of a destination
            that cannot hold them (`not-signed-there`).
        PublishError: the destination cannot be read.
    """
    known = journal(directory, str(destination))
    if not known.published:
        message = f"{directory.name} was not published to {destination} from this plan"
        hint = f"`buildsys publish {directory.name} --to {destination}` publishes it"
        raise Refused([Diagnostic(NOWHERE, Code.NOT_PUBLISHED, message, hint)])
    signs = {"docker": _at_registry, "oci": _in_layout, "dir": _in_tree}
    look = {
        "oci-archive": _in_archives,
        "docker-archive": _in_archives,
        "containers-storage": _in_store,
    }
    if destination.transport in signs:
        report = signs[destination.transport](destination, known, options, demand)
    elif demand is not None:
        message = f"{destination} cannot hold signatures"
        hint = "registries, `oci:` and `dir:` can"
        raise Refused([Diagnostic(NOWHERE, Code.NOT_SIGNED_THERE, message, hint)])
    else:
        report = look[destination.transport](destination, known, options)
    if report.findings:
        again = journal(directory, str(destination))
        again.doubt({finding.image for finding in report.findings if finding.damaged})
        again.detach({finding.image for finding in report.findings if not finding.damaged})
    return report


def _pairs(known: Journal) -> list[tuple[str, Entry, str]]:
    return [(name, entry, tag) for name, entry in known.published.items() for tag in (entry.tag, *entry.more)]


# ── destinations with manifests and blobs ───────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Source:
    """Access to a destination."""

    manifest: Callable[[str, str], Manifest]
    """(repository, tag) -> manifest; raises LookupError if there is none."""
    check: Callable[[str, Blob], str]
    """(repository, blob) -> its damage, or an empty string."""
    has: Callable[[str, Blob], bool]
    reading: Reading
    at_once: int = 4


def _compare(known: Journal, source: _Source, demand: Demand | None) -> Report:
    """Check every tag; read every blob once, and look for it in each repository that needs it."""
    pairs = _pairs(known)
    with ThreadPoolExecutor(source.at_once) as pool:
        read = list(pool.map(lambda pair: _read(pair, source), pairs))
        findings = [found for found, _ in read if found]
        needed: dict[Blob, dict[str, str]] = {}
        for (name, entry, _), (_, manifest) in zip(pairs, read, strict=True):
            for blob in manifest.blobs() if manifest else ():
                needed.setdefault(blob, {}).setdefault(entry.repository, name)
        for found in pool.map(lambda item: _blob_findings(item[0], item[1], source), needed.items()):
            findings += found
        if demand is not None:
            unsigned = pool.map(
                lambda item: complaints(item[1], source.reading, demand), known.published.items()
            )
            findings += [
                Finding(name, entry.repository, message, damaged=False)
                for (name, entry), messages in zip(known.published.items(), unsigned, strict=True)
                for message in messages
            ]
    return Report(len(known.published), len(pairs), len(needed), tuple(findings))


def _read(pair: tuple[str, Entry, str], source: _Source) -> tuple[Finding | None, Manifest | None]:
    name, entry, tag = pair
    reference = f"{entry.repository}:{tag}"
    try:
        manifest = source.manifest(entry.repository, tag)
    except LookupError:
        return Finding(name, reference, "there is no such tag"), None
    except ValueError:
        return Finding(name, reference, "does not lead to a manifest"), None
    if manifest.digest != entry.digest:
        return Finding(name, reference, f"leads to {manifest.digest}, not {entry.digest}"), None
    return None, manifest


def _blob_findings(blob: Blob, repositories: dict[str, str], source: _Source) -> list[Finding]:
    first, *others = repositories.items()
    found = []
    if wrong := source.check(first[0], blob):
        found.append(Finding(first[1], first[0], wrong))
    found += [
        Finding(name, place, f"{blob.digest} is missing")
        for place, name in others
        if not source.has(place, blob)
    ]
    return found


def _at_registry(
    destination: Destination, known: Journal, options: PublishOptions, demand: Demand | None
) -> Report:
    first = next(iter(known.published.values())).repository
    found, renamed = registry(destination, options, first, "pull")
    return _compare(
        known,
        _Source(
            lambda place, tag: found.manifest(renamed(place), tag)[1],
            lambda place, blob: found.check(renamed(place), blob),
            lambda place, blob: found.has(renamed(place), blob.digest),
            Reading(
                lambda place, reference: found.manifest(renamed(place), reference)[1],
                lambda place, digest: found.content(renamed(place), digest),
                lambda place, digest: found.referrers(renamed(place), digest),
                destination.host,
            ),
            options.uploads,
        ),
        demand,
    )


def _in_layout(
    destination: Destination, known: Journal, options: PublishOptions, demand: Demand | None
) -> Report:
    del options
    blobs = destination.directory / "blobs/sha256"
    rows: dict[str, dict[str, str]] = {}
    with suppress(OSError, ValueError, KeyError):
        index = json.loads((destination.directory / "index.json").read_text("utf-8"))
        rows = {row["annotations"][NAME]: row for row in index["manifests"]}

    def manifest(place: str, tag: str) -> Manifest:
        digest = tag if tag.startswith("sha256:") else rows[f"{place}:{tag}"]["digest"]
        return _manifest(blobs / digest.removeprefix("sha256:"))

    def path(_place: str, blob: Blob) -> Path:
        return blobs / blob.digest.removeprefix("sha256:")

    return _compare(known, _of_files(manifest, path), demand)


def _in_tree(
    destination: Destination, known: Journal, options: PublishOptions, demand: Demand | None
) -> Report:
    del options
    tree = destination.directory / "v2"
    return _compare(
        known,
        _of_files(
            lambda place, tag: _manifest(tree / place / "manifests" / tag),
            lambda place, blob: tree / place / "blobs" / blob.digest,
        ),
        demand,
    )


def _of_files(manifest: Callable[[str, str], Manifest], path: Callable[[str, Blob], Path]) -> _Source:
    def check(place: str, blob: Blob) -> str:
        file = path(place, blob)
        if not file.is_file():
            return f"{blob.digest} is missing"
        found = f"sha256:{sha256(file)}"
        return "" if found == blob.digest else f"{blob.digest} is {found}, {file.stat().st_size} bytes"

    def content(place: str, digest: str) -> bytes:
        try:
            return path(place, Blob(digest, 0)).read_bytes()
        except OSError as error:
            raise LookupError(digest) from error

    reading = Reading(manifest, content, lambda _place, _digest: None)
    return _Source(manifest, check, lambda place, blob: path(place, blob).is_file(), reading)


def _manifest(path: Path) -> Manifest:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise LookupError(path) from error
    return Manifest(str(json.loads(data).get("mediaType", "")), data)


# ── archives and stores ─────────────────────────────────────────────────────────────────────────────────────


def _in_archives(destination: Destination, known: Journal, options: PublishOptions) -> Report:
    """Every archive matches SHA256SUMS and has its tags and all blobs that they need, undamaged."""
    del options
    findings, blobs = [], 0
    sums = destination.directory / SUMS
    listed = sums.read_text("utf-8").splitlines() if sums.is_file() else []
    for name, entry in known.published.items():
        file = destination.directory / f"{name}.tar"
        if not file.is_file():
            findings.append(Finding(name, file.name, "there is no such archive"))
            continue
        if f"{sha256(file)}  {file.name}" not in listed:
            findings.append(Finding(name, file.name, f"does not match {SUMS}"))
            continue
        try:
            found = contents(file)
        except ValueError as error:
            findings.append(Finding(name, file.name, f"is not an archive of an image: {error}"))
            continue
        blobs += found.blobs
        findings += [Finding(name, file.name, wrong) for wrong in found.wrong]
        findings += [
            Finding(name, file.name, f"does not have {entry.repository}:{tag} as published")
            for tag in (entry.tag, *entry.more)
            if found.names.get(f"{entry.repository}:{tag}") != entry.digest
        ]
    return Report(len(known.published), len(_pairs(known)), blobs, tuple(findings))


def _in_store(destination: Destination, known: Journal, options: PublishOptions) -> Report:
    """Every name has the recorded id, and each layer matches its digest."""
    del options
    there = storage.image_ids(options_of(destination))
    findings, blobs = [], 0
    # The whole set is copied into it: /tmp is often memory.
    room = os.environ.get("TMPDIR") or "/var/tmp"  # noqa: S108 - the folder in it is private
    with TemporaryDirectory(dir=room, prefix="buildsys-verify.") as folder:
        for name, entry, tag in _pairs(known):
            reference = f"localhost/{entry.repository}:{tag}"
            found = there.get(reference)
            if found is None or f"sha256:{found}" != entry.digest:
                wrong = f"leads to sha256:{found}, not {entry.digest}" if found else "there is no such tag"
                findings.append(Finding(name, reference, wrong))
                continue
            try:
                # Layers of earlier images are already in the layout.
                storage.copy_image(f"containers-storage:{destination.place}@{found}", Path(folder))
            except programs.ToolFailed as failed:
                findings.append(Finding(name, reference, str(failed)))
        blobs = len(list(Path(folder).glob("blobs/sha256/*")))
    return Report(len(known.published), len(_pairs(known)), blobs, tuple(findings))
