"""Container stores, and images in them and elsewhere, read and copied by buildah and skopeo.

References are those of skopeo: `TRANSPORT:NAME`. `options` are those of buildah that select the store.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from buildsys.diagnostics import Refused
from buildsys.programs import ToolFailed, answer, output


@dataclass(frozen=True, slots=True)
class Store:
    """A container store: driver, place and free space."""

    driver: str
    location: str
    free: int
    """Bytes."""
    run: str
    """Its run root, emptied by a reboot."""
    options: tuple[str, ...] = ()
    """Options of the driver, `DRIVER.NAME=VALUE`, such as additional stores or the mount program."""

    def name(self, image: str) -> str:
        """skopeo's name of an image, given as `@ID` or reference; options with commas are left out."""
        options = ",".join(option for option in self.options if "," not in option)
        place = f"{self.driver}@{self.location}+{self.run}{':' if options else ''}{options}"
        return f"containers-storage:[{place}]{image}"


def store(options: str) -> Store | None:
    """The store that these options of buildah choose; None if buildah cannot open it."""
    printed = answer("buildah", *shlex.split(options), "info")
    try:
        data = json.loads(printed or "")["store"]
        location: str = data["GraphRoot"]
        return Store(
            data["GraphDriverName"],
            location,
            shutil.disk_usage(location).free,
            data.get("RunRoot", ""),
            tuple(data.get("GraphOptions") or ()),
        )
    except (ValueError, KeyError, OSError):
        return None


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


@dataclass(frozen=True, slots=True)
class Stored:
    """An image of a store: its size and its layers."""

    size: int
    """Bytes of all its layers, unpacked."""
    layers: tuple[str, ...]
    """Digests of its unpacked layers, the lowest first."""


def stored(options: str, names: Iterable[str]) -> dict[str, Stored] | None:
    """Size and layers of images of the store, given by id or reference; absent ones are left out.

    One call of podman answers for all: buildah and skopeo need one for each image. None: it is not installed,
    or cannot open the store.
    """
    wanted = list(dict.fromkeys(names))
    found = _inspected(options, wanted)
    if found is None:
        # podman refuses the whole call if one image is absent.
        try:
            ids = image_ids(options)
        except (ToolFailed, Refused):
            return None
        there = {*ids, *ids.values()}
        found = _inspected(options, [name for name in wanted if name in there])
    return found


def _inspected(options: str, names: list[str]) -> dict[str, Stored] | None:
    if not names:
        return {}
    form = "{{.Size}} {{range .RootFS.Layers}}{{.}},{{end}}"
    printed = answer("podman", *shlex.split(options), "image", "inspect", "--format", form, *names)
    if printed is None:
        return None
    rows = [line.split(" ") for line in printed.splitlines()]
    if len(rows) != len(names):
        return None
    return {
        name: Stored(int(size), tuple(layers.split(",")[:-1]))
        for name, (size, layers) in zip(names, rows, strict=True)
    }
