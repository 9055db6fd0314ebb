"""An image where it is stored: in a container store, a registry, a directory or an archive."""

from __future__ import annotations

import hashlib
import json
import tarfile
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from buildsys import programs, storage
from buildsys.diagnostics import NOWHERE, Code, Diagnostic, Refused
from buildsys.inspect_image.layer import Entry, entries, files

TRANSPORTS = ("containers-storage:", "dir:", "docker:", "docker-archive:", "oci:", "oci-archive:")
"""Prefixes of names for skopeo, containers-transports(5); other names belong to the container store."""


@dataclass(frozen=True, slots=True)
class BuiltImage:
    """A built image. Each layer is fetched when it is read first."""

    name: str
    """The name as the user wrote it."""
    source: str
    """The name for skopeo."""
    manifest: dict[str, Any]
    config: dict[str, Any]
    id: str
    """SHA-256 of the configuration."""
    place: Path
    """Directory for its layers."""

    @property
    def layers(self) -> tuple[str, ...]:
        """The digests of the uncompressed layers, the lowest first."""
        return tuple(self.config["rootfs"]["diff_ids"])

    def entries(self, number: int) -> dict[str, Entry]:
        """The entries of a layer, numbered from 0, by absolute path; see `layer.entries`.

        Raises:
            Refused: the layer cannot be fetched or read (`unreadable-image`).
        """
        with self._reading(number) as archive:
            return entries(archive)

    def files(self, number: int, folder: str) -> dict[str, bytes | None]:
        """The files directly in a directory of a layer: name -> content, None for a removed file.

        Raises:
            Refused: the layer cannot be fetched or read (`unreadable-image`).
        """
        with self._reading(number) as archive:
            return dict(files(archive, folder))

    def archive(self, number: int) -> Path:
        """The archive of a layer, numbered from 0; it exists while the image is open.

        Raises:
            Refused: the layer cannot be fetched (`unreadable-image`).
        """
        return self._archive(number)

    @contextmanager
    def _reading(self, number: int) -> Iterator[Path]:
        archive = self._archive(number)
        try:
            yield archive
        except (tarfile.TarError, EOFError, zlib.error) as error:
            raise unreadable(self.name, f"layer {number + 1}: {error}") from error

    def _archive(self, number: int) -> Path:
        layout = self.place / str(number)
        if not layout.is_dir():
            self._fetch(number, layout)
        (index,) = json.loads((layout / "index.json").read_text())["manifests"]
        layers = json.loads(_blob(layout, index["digest"]).read_text())["layers"]
        return _blob(layout, layers[number]["digest"])

    def _fetch(self, number: int, layout: Path) -> None:
        layout.mkdir(parents=True)
        # skopeo skips blobs that exist in the layout: empty files in place of the other layers save copying.
        for others in (self.layers, [layer["digest"] for layer in self.manifest["layers"]]):
            for other in {*others} - {others[number]}:
                blob = _blob(layout, other)
                blob.parent.mkdir(parents=True, exist_ok=True)
                blob.touch()
        try:
            storage.copy_image(self.source, layout)
        except programs.ToolFailed as failed:
            raise unreadable(self.name, str(failed)) from failed


def _blob(layout: Path, digest: str) -> Path:
    return layout / "blobs" / digest.replace(":", "/")


@contextmanager
def opened(names: Sequence[str], store: str) -> Iterator[list[BuiltImage]]:
    """Open images for reading.

    A name is an image of the store that these options of buildah select, an id, or `TRANSPORT:NAME`.

    Raises:
        Refused: one does not exist (`missing-image`) or cannot be read (`unreadable-image`).
    """
    with tempfile.TemporaryDirectory(prefix="buildsys-") as folder:
        yield [_open(name, store, Path(folder, str(number))) for number, name in enumerate(names)]


def _open(name: str, store: str, place: Path) -> BuiltImage:
    source = name if name.startswith(TRANSPORTS) else _in_store(name, store)
    try:
        manifest = json.loads(storage.image_manifest(source))
        if "layers" not in manifest:
            raise unreadable(name, "it is an image index for several platforms; give the digest of one image")
        config = storage.image_config(source)
    except programs.ToolFailed as failed:
        raise unreadable(name, str(failed)) from failed
    return BuiltImage(
        name, source, manifest, json.loads(config), hashlib.sha256(config.encode()).hexdigest(), place
    )


def _in_store(name: str, options: str) -> str:
    found = storage.image_id(options, name)
    store = storage.store(options) if found else None
    if store is None:
        if mistake := programs.look_up("buildah").mistake():
            raise Refused([mistake])
        words = f"buildah {options} images".replace("  ", " ")
        hint = f"`{words}` lists its images; for another place write TRANSPORT:NAME"
        message = f"the container store has no image '{name}'"
        raise Refused([Diagnostic(NOWHERE, Code.MISSING_IMAGE, message, hint)])
    return store.name(f"@{found}")


def unreadable(name: str, reason: str) -> Refused:
    """The error for an image that cannot be read."""
    return Refused([Diagnostic(NOWHERE, Code.UNREADABLE_IMAGE, f"'{name}' cannot be read: {reason}")])
