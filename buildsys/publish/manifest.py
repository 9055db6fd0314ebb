"""Manifests and configurations in published form: format, compression, release labels."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Format = Literal["docker", "oci"]
Compression = Literal["gzip", "zstd"]

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST_TYPES = (
    DOCKER_MANIFEST,
    OCI_MANIFEST,
    "application/vnd.docker.distribution.manifest.list.v2+json",
    OCI_INDEX,
)

_TYPES = {
    "docker": (
        DOCKER_MANIFEST,
        "application/vnd.docker.container.image.v1+json",
        "application/vnd.docker.image.rootfs.diff.tar.",
    ),
    "oci": (
        OCI_MANIFEST,
        "application/vnd.oci.image.config.v1+json",
        "application/vnd.oci.image.layer.v1.tar+",
    ),
}
"""Media types of manifest, configuration and layer; the compression is appended to the last."""


@dataclass(frozen=True, slots=True)
class Blob:
    """A blob's digest, and its size in bytes."""

    digest: str
    size: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """The bytes of a manifest, and its media type."""

    type: str
    bytes: bytes

    @property
    def digest(self) -> str:
        """Digest of the bytes."""
        return digest(self.bytes)

    def blobs(self) -> list[Blob]:
        """Configuration and layers, in this order, without repetition."""
        data = json.loads(self.bytes)
        found = [Blob(item["digest"], item["size"]) for item in (data["config"], *data["layers"])]
        return list(dict.fromkeys(found))


@dataclass(frozen=True, slots=True)
class Form:
    """How an image of the store is transformed for publishing."""

    format: Format
    compression: Compression = "gzip"
    labels: tuple[tuple[str, str], ...] = ()

    @property
    def text(self) -> str:
        """The form as one line, to compare with an earlier one."""
        return json.dumps([self.format, self.compression, self.labels])


def digest(data: bytes) -> str:
    """`sha256:` and the hash of the bytes in hex."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def configuration(stored: bytes, form: Form) -> bytes:
    """An image's configuration in published form: with the release labels, without what its format lacks.

    Without a change it stays the same byte for byte: the published image keeps the id that was built.
    """
    data = json.loads(stored)
    if form.labels:
        data.setdefault("config", {})
        data["config"]["Labels"] = {**(data["config"].get("Labels") or {}), **dict(form.labels)}
    if form.format == "oci":
        for key in ("config", "container_config"):
            (data.get(key) or {}).pop("Healthcheck", None)
    return stored if data == json.loads(stored) else json.dumps(data, separators=(",", ":")).encode()


def loses_health_check(stored: bytes, form: Form) -> bool:
    """Whether an image has a health check that this format cannot hold."""
    test = ((json.loads(stored).get("config") or {}).get("Healthcheck") or {}).get("Test")
    return form.format == "oci" and bool(test)


def layer_ids(stored: bytes) -> list[str]:
    """Digests of an image's unpacked layers, lowest first."""
    ids: list[str] = json.loads(stored)["rootfs"]["diff_ids"]
    return ids


def manifest(config: bytes, layers: Sequence[Blob], form: Form) -> Manifest:
    """The manifest of a configuration and its packed layers."""
    kind, config_type, layer_type = _TYPES[form.format]
    data: Mapping[str, Any] = {
        "schemaVersion": 2,
        "mediaType": kind,
        "config": {"mediaType": config_type, "size": len(config), "digest": digest(config)},
        "layers": [
            {"mediaType": layer_type + form.compression, "size": layer.size, "digest": layer.digest}
            for layer in layers
        ],
    }
    return Manifest(kind, json.dumps(data, separators=(",", ":")).encode())
