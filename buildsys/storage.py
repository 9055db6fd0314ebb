"""Images in container stores and elsewhere, read and copied by buildah and skopeo.

References are those of skopeo: `TRANSPORT:NAME`. `options` are those of buildah that select the store.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable
from pathlib import Path

from buildsys.programs import answer, output


def image_id(options: str, name: str) -> str | None:
    """The id of an image of the store; None if there is no such image."""
    words = ("inspect", "--type", "image", "--format", "{{.FromImageID}}", name)
    printed = answer("buildah", *shlex.split(options), *words)
    return printed.strip() if printed else None


def image_manifest(reference: str) -> str:
    """The manifest of an image, byte for byte.

    Raises:
        ToolFailed: the image cannot be read.
    """
    return _skopeo("inspect", "--raw", reference)


def image_config(reference: str) -> str:
    """The configuration of an image, byte for byte.

    Raises:
        ToolFailed: the image cannot be read.
    """
    return _skopeo("inspect", "--raw", "--config", reference)


def copy_image(reference: str, layout: Path) -> None:
    """Copy an image into an OCI layout; blobs that exist there are not copied.

    Raises:
        ToolFailed: the image cannot be read, or the layout cannot be written.
    """
    options = ("--insecure-policy", "copy", "--quiet", "--dest-oci-accept-uncompressed-layers")
    _skopeo(*options, reference, f"oci:{layout}")


def export_image(reference: str, layout: Path, compression: str) -> None:
    """Copy an image into an OCI layout with compressed layers; layers that exist there are not read.

    `compression` is `gzip` or `zstd`.

    Raises:
        ToolFailed: the image cannot be read, or the layout cannot be written.
    """
    options = ("--insecure-policy", "copy", "--quiet", "--dest-compress-format", compression)
    _skopeo(*options, reference, f"oci:{layout}")


def copy_image_to(reference: str, name: str) -> None:
    """Copy an image to another reference; layers that exist there are not copied.

    Raises:
        ToolFailed: it cannot be read or written.
    """
    _skopeo("--insecure-policy", "copy", "--quiet", reference, name)


def name_image(options: str, identity: str, names: Iterable[str]) -> None:
    """Add names to an image of the store.

    Raises:
        ToolFailed: buildah failed.
    """
    output("buildah", *shlex.split(options), "tag", identity, *names)


def remove_names(options: str, names: Iterable[str]) -> None:
    """Remove names from images of the store; an image without another name is removed.

    Raises:
        ToolFailed: buildah failed.
    """
    output("buildah", *shlex.split(options), "rmi", *names)


def image_ids(options: str) -> dict[str, str]:
    """The id of every image of the store, by name; an image without a name is under its id.

    Raises:
        ToolFailed: the store cannot be read.
    """
    form = "{{.ID}} {{.Name}}:{{.Tag}}"
    printed = output("buildah", *shlex.split(options), "images", "--all", "--no-trunc", "--format", form)
    rows = (line.removeprefix("sha256:").split(None, 1) for line in printed.splitlines())
    return {name if "<none>" not in name else identity: identity for identity, name in rows}


def _skopeo(*words: str) -> str:
    # By default skopeo puts temporary files into /var/tmp and ignores TMPDIR.
    place = os.environ.get("TMPDIR")
    return output("skopeo", *(("--tmpdir", place) if place else ()), *words)
