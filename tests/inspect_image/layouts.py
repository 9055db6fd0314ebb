"""Images made byte by byte, as OCI layouts: whatever a layer can say, without a container store."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

FILE, DIRECTORY, SYMLINK, HARDLINK = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE
CHARACTER, BLOCK, PIPE = tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE
MANIFEST = "application/vnd.oci.image.manifest.v1+json"

Member = tuple[tarfile.TarInfo, bytes]


def member(
    path: str, content: bytes = b"", *, xattrs: Mapping[str, bytes] | None = None, **said: Any
) -> Member:
    """One thing that a layer says; `said` are attributes of a TarInfo."""
    info = tarfile.TarInfo(path)
    info.size = len(content)
    for name, value in {"mode": 0o644, "mtime": 1500000000, **said}.items():
        setattr(info, name, value)
    attributes = {name: value.decode(errors="surrogateescape") for name, value in (xattrs or {}).items()}
    info.pax_headers = {f"SCHILY.xattr.{name}": value for name, value in attributes.items()}
    return info, content


def layer(*members: Member) -> bytes:
    """The archive of a layer."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return packed.getvalue()


def folder(path: Path) -> bytes:
    """The archive of what a folder holds."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        archive.add(path, "")
    return packed.getvalue()


def image(
    place: Path,
    *layers: bytes,
    config: Mapping[str, Any] | None = None,
    text: str = "",
    pack: Callable[[bytes], bytes] = bytes,
) -> str:
    """Write an image of these layers; its name, as skopeo takes it.

    `text` is a configuration as it stands, `pack` compresses the layers as a registry would.
    """
    digests = [hashlib.sha256(data).hexdigest() for data in layers]
    whole = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Env": ["A=1"], "Cmd": ["sh"]},
        **(config or {}),
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest in digests]},
    }
    configuration = text.encode() or json.dumps(whole).encode()
    stored = [pack(data) for data in layers]
    form = "tar" if pack is bytes else "tar+gzip"
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": _described(configuration, "application/vnd.oci.image.config.v1+json"),
        "layers": [_described(data, f"application/vnd.oci.image.layer.v1.{form}") for data in stored],
    }
    blobs = place / "blobs/sha256"
    blobs.mkdir(parents=True)
    packed = json.dumps(manifest).encode()
    _write(blobs, [*stored, configuration, packed])
    (place / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (place / "index.json").write_text(
        json.dumps({"schemaVersion": 2, "manifests": [_described(packed, MANIFEST)]})
    )
    return f"oci:{place}"


def _described(data: bytes, media_type: str) -> dict[str, Any]:
    return {
        "mediaType": media_type,
        "digest": f"sha256:{hashlib.sha256(data).hexdigest()}",
        "size": len(data),
    }


def _write(blobs: Path, contents: Sequence[bytes]) -> None:
    for data in contents:
        (blobs / hashlib.sha256(data).hexdigest()).write_bytes(data)
