"""What a registry holds besides an image: signatures, attestations and the plan, as manifests and blobs.

Signatures are a manifest under the tag `sha256-HEX.sig`, which cosign, podman and skopeo look for.
Attestations and the plan are artifacts whose `subject` is the image (OCI 1.1). A registry that does not list
these itself has an index of them under the tag `sha256-HEX`, as the distribution specification says.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from buildsys import __version__
from buildsys.attestation import published_plan, statement
from buildsys.attestation.provenance import TYPE, Commit, Made, provenance
from buildsys.attestation.signature import ANNOTATION, PAYLOAD_TYPE, Signature, sign
from buildsys.attestation.signing_key import SigningKey
from buildsys.publish.built_set import Item, Subject, lock_hash
from buildsys.publish.manifest import OCI_INDEX, OCI_MANIFEST, Blob, Manifest, digest

EMPTY = b"{}"
EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
SBOM_TYPE = "https://spdx.dev/Document"
"""The type of predicate that cosign calls `spdxjson`."""
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"


Bills = Callable[[Path, Sequence[str], Mapping[str, str]], Iterable[tuple[str, bytes]]]
"""(plan's directory, images, ids) -> name and SPDX document of each image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signing:
    """Who signs, and what the statements about the images need."""

    key: SigningKey
    bills: Bills
    identity: str = ""
    """`HOST[/NAMESPACE]` in signed names; empty: that of the destination."""
    commit: Commit | None = None
    """Of the recipes."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A manifest with all its blobs."""

    manifest: Manifest
    contents: Mapping[Blob, bytes]


@dataclass
class Attachments:
    """What is attached to one image."""

    key: SigningKey
    name: str
    """`HOST/REPOSITORY`, as it is signed."""
    tags: tuple[str, ...]
    digest: str
    id: str
    """Of the image of the store."""
    provenance: Mapping[str, Any]
    bill: Callable[[], Mapping[str, Any]]
    """Returns the SBOM, which depends on the plan and the id only: it is not made to compare."""
    plan: bytes

    @cached_property
    def mark(self) -> str:
        """Equal for equal attachments; made without signing."""
        who = [self.key.public.hint, __version__]
        parts = [*who, self.name, self.tags, self.digest, self.id, self.provenance, digest(self.plan)]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def signatures(self) -> list[Signature]:
        """A signature for each tag."""
        return [sign(f"{self.name}:{tag}", self.digest, self.key) for tag in self.tags]

    def artifacts(self, image: Manifest) -> list[Attachment]:
        """The artifacts whose subject is the image, with this manifest."""
        subject = {"mediaType": image.type, "digest": image.digest, "size": len(image.bytes)}
        found = []
        for kind, predicate in ((TYPE, self.provenance), (SBOM_TYPE, self.bill())):
            made = statement.Statement(self.name, self.digest, kind, predicate)
            notes = {
                "dev.sigstore.bundle.content": "dsse-envelope",
                "dev.sigstore.bundle.predicateType": kind,
            }
            content = statement.bundle(made, self.key)
            found.append(artifact(statement.BUNDLE, content, subject, notes))
        found.append(artifact(published_plan.TYPE, self.plan, subject, {}))
        return found


@dataclass
class Vouching:
    """Makes the attachments of all images of a set at one destination."""

    subject: Subject
    signing: Signing
    _plan: bytes = field(init=False)
    _made: Made = field(init=False)
    _bills: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        directory = self.subject.directory
        self._plan = published_plan.archived(directory)
        self._made = Made(directory, digest(self._plan), self.signing.commit, lock_hash(directory))

    def attachments(self, item: Item, name: str, tags: tuple[str, ...], of: str) -> Attachments:
        """The attachments of an image whose manifest has the digest `of`; `name` is `HOST/REPOSITORY`."""
        name = signed_as(name, self.signing.identity)
        predicate = provenance(self._made, item.name, item.id)

        def bill() -> Mapping[str, Any]:
            return self._bill(item.name)

        return Attachments(self.signing.key, name, tags, of, item.id, predicate, bill, self._plan)

    def _bill(self, image: str) -> Mapping[str, Any]:
        """The SBOM of an image; those of all images are made at once, which is faster."""
        with self._lock:
            if not self._bills:
                ids = {item.name: item.id for item in self.subject.items}
                made = self.signing.bills(self.subject.directory, self.subject.names, ids)
                self._bills = {name: json.loads(content) for name, content in made}
            return self._bills[image]


def signed_as(name: str, identity: str) -> str:
    """The name to sign for `HOST/REPOSITORY`; `identity` replaces the registry and namespace."""
    if not identity:
        return name
    host, slash, namespace = identity.rstrip("/").partition("/")
    plain = name.rpartition("/")[2] if slash else name.partition("/")[2]
    return "/".join(filter(None, (host, namespace, plain)))


def artifact(
    kind: str, content: bytes, subject: Mapping[str, Any], annotations: Mapping[str, str]
) -> Attachment:
    """An artifact of this type with one layer, about `subject`, a descriptor."""
    data = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": kind,
        "config": {"mediaType": EMPTY_TYPE, "digest": digest(EMPTY), "size": len(EMPTY)},
        "layers": [{"mediaType": kind, "digest": digest(content), "size": len(content)}],
        "subject": subject,
        **({"annotations": annotations} if annotations else {}),
    }
    return _attachment(data, [EMPTY, content])


def signed(signatures: Iterable[Signature], old: Manifest | None = None) -> Attachment | None:
    """The manifest of signatures, with those of the old one; None: the old one has them all.

    Blobs that only the old one needs are where that is.
    """
    layers: list[dict[str, Any]] = []
    if old is not None:
        layers += json.loads(old.bytes)["layers"]
    known = {(row["digest"], (row.get("annotations") or {}).get(ANNOTATION)) for row in layers}
    new = [item for item in signatures if (digest(item.payload), item.text) not in known]
    if not new:
        return None
    layers += [
        {
            "mediaType": PAYLOAD_TYPE,
            "digest": digest(item.payload),
            "size": len(item.payload),
            "annotations": {ANNOTATION: item.text},
        }
        for item in new
    ]
    config = json.dumps(
        {
            "architecture": "",
            "os": "",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [row["digest"] for row in layers]},
        },
        separators=(",", ":"),
    ).encode()
    data = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": CONFIG_TYPE, "digest": digest(config), "size": len(config)},
        "layers": layers,
    }
    return _attachment(data, [config, *(item.payload for item in new)])


def referring(artifacts: Iterable[Attachment], old: Manifest | None = None) -> Manifest | None:
    """The index of the artifacts of an image, with those of the old one; None: the old one has them all."""
    rows: list[dict[str, Any]] = []
    if old is not None:
        rows += json.loads(old.bytes)["manifests"]
    known = {row["digest"] for row in rows}
    new = [descriptor(item.manifest) for item in artifacts if item.manifest.digest not in known]
    if not new:
        return None
    data = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [*rows, *new]}
    return Manifest(OCI_INDEX, json.dumps(data, separators=(",", ":")).encode())


def descriptor(manifest: Manifest) -> dict[str, Any]:
    """An artifact's row of an index."""
    data = json.loads(manifest.bytes)
    return {
        "mediaType": manifest.type,
        "digest": manifest.digest,
        "size": len(manifest.bytes),
        "artifactType": data["artifactType"],
        **({"annotations": data["annotations"]} if "annotations" in data else {}),
    }


def referrers_tag(image: str) -> str:
    """The tag of the index of artifacts of an image, by its digest."""
    return image.replace(":", "-")


def signatures_tag(image: str) -> str:
    """The tag of the signatures of an image, by its digest."""
    return f"{referrers_tag(image)}.sig"


def files(attached: Attachments, image: Manifest) -> tuple[dict[str, Manifest], dict[Blob, bytes]]:
    """For a destination of files: manifests by tag or digest, and all blobs."""
    artifacts, signatures = attached.artifacts(image), signed(attached.signatures())
    index = referring(artifacts)
    assert signatures is not None and index is not None  # noqa: S101, PT018 - both are new
    blobs = {blob: content for item in (*artifacts, signatures) for blob, content in item.contents.items()}
    manifests = {item.manifest.digest: item.manifest for item in artifacts}
    tagged = {referrers_tag(image.digest): index, signatures_tag(image.digest): signatures.manifest}
    return {**manifests, **tagged}, blobs


def _attachment(data: Mapping[str, Any], contents: Iterable[bytes]) -> Attachment:
    manifest = Manifest(OCI_MANIFEST, json.dumps(data, separators=(",", ":")).encode())
    return Attachment(manifest, {Blob(digest(item), len(item)): item for item in contents})
