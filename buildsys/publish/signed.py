"""Check that images are signed at a destination, and have the attestations that are asked for."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from buildsys.attestation.signature import ANNOTATION, PAYLOAD_TYPE, Signature, signed_name
from buildsys.attestation.signing_key import PublicKey
from buildsys.attestation.statement import BUNDLE, PREDICATES, Statement, opened
from buildsys.publish.attachments import referrers_tag, signatures_tag, signed_as
from buildsys.publish.journal import Entry
from buildsys.publish.manifest import Manifest, digest

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Demand:
    """What is asked of every image."""

    key: PublicKey
    attestations: tuple[str, ...] = ()
    """Words of `statement.PREDICATES`."""
    identity: str = ""
    """As in `Signing`."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Access to a destination; the first argument of each function is a repository."""

    manifest: Callable[[str, str], Manifest]
    """By tag or digest; raises LookupError if there is none."""
    content: Callable[[str, str], bytes]
    """Of a small blob, by digest; raises LookupError if there is none."""
    referrers: Callable[[str, str], Manifest | None]
    """The index of the artifacts of an image, by its digest; None: the destination lists none itself."""
    host: str = ""
    """Of a registry."""


def complaints(entry: Entry, reading: Reading, demand: Demand) -> list[str]:
    """What is missing of an image, a sentence each."""
    where = f"{reading.host}/{entry.repository}" if reading.host else entry.repository
    name = signed_as(where, demand.identity)
    names = set(_signed_names(entry, reading, demand.key))
    found = [
        f"{name}:{tag} is not signed with this key"
        for tag in (entry.tag, *entry.more)
        if f"{name}:{tag}" not in names
    ]
    if demand.attestations:
        kinds = {
            item.predicate_type for item in statements(entry.repository, entry.digest, reading, demand.key)
        }
        found += [
            f"has no {word} signed with this key"
            for word in demand.attestations
            if not kinds.intersection(PREDICATES[word])
        ]
    return found


def statements(repository: str, image: str, reading: Reading, key: PublicKey) -> list[Statement]:
    """The statements about an image, by its digest, that this key signed."""
    found = []
    for row in artifacts(repository, image, reading, BUNDLE):
        for content in _contents(repository, str(row["digest"]), reading, BUNDLE):
            statement = opened(content, image, key)
            found += [statement] if statement else []
    return found


def artifacts(repository: str, image: str, reading: Reading, kind: str) -> Iterator[dict[str, Any]]:
    """Descriptors of the artifacts of this type about an image."""
    seen = set()
    for index in (_quietly(reading.referrers, repository, image), _tagged(repository, image, reading)):
        for row in _rows(index, "manifests"):
            # Some tools leave the type out of the index, or write that of the configuration.
            if row.get("digest") not in seen and row.get("artifactType") in (kind, None, "", _EMPTY):
                seen.add(row["digest"])
                yield row


_EMPTY = "application/vnd.oci.empty.v1+json"


def _tagged(repository: str, image: str, reading: Reading) -> Manifest | None:
    return _quietly(reading.manifest, repository, referrers_tag(image))


def _signed_names(entry: Entry, reading: Reading, key: PublicKey) -> Iterator[str]:
    manifest = _quietly(reading.manifest, entry.repository, signatures_tag(entry.digest))
    for row in _rows(manifest, "layers"):
        text = (row.get("annotations") or {}).get(ANNOTATION)
        if row.get("mediaType") == PAYLOAD_TYPE and text:
            payload = _quietly(reading.content, entry.repository, row["digest"])
            name = signed_name(Signature(payload, text), entry.digest, key) if payload is not None else None
            if name:
                yield name


def _contents(repository: str, reference: str, reading: Reading, kind: str) -> Iterator[bytes]:
    manifest = _quietly(reading.manifest, repository, reference)
    for row in _rows(manifest, "layers"):
        content = _quietly(reading.content, repository, row["digest"]) if row["mediaType"] == kind else None
        if content is not None and digest(content) == row["digest"]:
            yield content


def _rows(manifest: Manifest | None, key: str) -> list[dict[str, Any]]:
    """The descriptors of a manifest; empty for another kind of manifest."""
    try:
        rows = json.loads(manifest.bytes)[key] if manifest else []
        return [row for row in rows if isinstance(row["digest"], str) and isinstance(row["mediaType"], str)]
    except (ValueError, KeyError, TypeError):
        return []


def _quietly(read: Callable[[str, str], T], repository: str, reference: str) -> T | None:
    try:
        return read(repository, reference)
    except (LookupError, ValueError):
        return None
