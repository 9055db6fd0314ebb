"""The packed layers of a set: exported from the store once, kept until every destination has them.

skopeo packs only layers that are not known yet: in its layout, an empty file under the digest of an unpacked
layer makes it skip that layer.
"""

from __future__ import annotations

import base64
import json
import shutil
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from buildsys import programs, storage
from buildsys.diagnostics import Code
from buildsys.files import write_record
from buildsys.publish.errors import PublishError
from buildsys.publish.manifest import (
    Blob,
    Compression,
    Form,
    Manifest,
    configuration,
    digest,
    layer_ids,
    loses_health_check,
    manifest,
)


@dataclass(frozen=True, slots=True)
class Packed:
    """An image in its published form."""

    id: str
    """Id of the image in the store."""
    config: bytes
    layers: tuple[tuple[str, Blob], ...]
    """(digest of the unpacked layer, packed blob), lowest layer first."""
    manifest: Manifest
    drops_health_check: bool


@dataclass(slots=True)
class Shelf:
    """Packed layers below a directory. Threads may share it."""

    directory: Path
    store: storage.Store
    _known: dict[str, Blob] = field(default_factory=dict)
    _busy: set[str] = field(default_factory=set)
    _change: threading.Condition = field(default_factory=threading.Condition)

    def __post_init__(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        with suppress(OSError, ValueError, KeyError):
            data = json.loads((self.directory / "layers.json").read_text("utf-8"))
            self._known = {key: Blob(digest, size) for key, (digest, size) in data.items()}
        for left in self.directory.glob("export.*"):
            shutil.rmtree(left, ignore_errors=True)

    def reference(self, identity: str) -> str:
        """skopeo's name of an image of the store."""
        return self.store.name(f"@{identity}")

    def packed(self, identity: str, form: Form) -> Packed:
        """An image in that form. Layers without a known blob are exported from the store.

        Raises:
            PublishError: the store cannot read it (`unreadable-image`).
        """
        stored = self.config(identity)
        ids = layer_ids(stored)
        self._export(identity, ids, form.compression, lambda key: key not in self._known)
        with self._change:
            layers = tuple((layer, self._known[_key(layer, form.compression)]) for layer in ids)
        config = configuration(stored, form)
        made = manifest(config, [blob for _, blob in layers], form)
        return Packed(identity, config, layers, made, loses_health_check(stored, form))

    def file(self, packed: Packed, layer: str, blob: Blob, compression: Compression) -> Path:
        """The file of a packed layer; exported again if it is no longer here.

        Raises:
            PublishError: the store cannot read it, or packs it to other bytes (`unreadable-image`).
        """
        path = self.path(blob.digest)
        if not path.exists():
            self._export(
                packed.id,
                layer_ids(self.config(packed.id)),
                compression,
                lambda key: key == _key(layer, compression),
            )
        if not path.exists():
            with self._change:
                # Another version of skopeo compresses to other bytes.
                self._known.pop(_key(layer, compression), None)
                self._save()
            message = f"the layer {layer} packs to other bytes than before"
            raise PublishError(Code.UNREADABLE_IMAGE, message, "run it again")
        return path

    def path(self, blob: str) -> Path:
        """The path of a blob, whether it exists or not."""
        return self.directory / "blobs" / blob.removeprefix("sha256:")

    def clear(self) -> None:
        """Delete all blobs; their digests stay known."""
        shutil.rmtree(self.directory / "blobs", ignore_errors=True)

    def config(self, identity: str) -> bytes:
        """The configuration of an image, byte for byte as in the store: its digest is the id.

        Raises:
            PublishError: the store cannot read it (`unreadable-image`).
        """
        try:
            # Where the store is laid out as we know it, no process has to be started.
            name = "=" + base64.b64encode(f"sha256:{identity}".encode()).decode()
            path = Path(self.store.location, f"{self.store.driver}-images", identity, name)
            if path.is_file() and digest(data := path.read_bytes()) == f"sha256:{identity}":
                return data
            return storage.image_config(self.reference(identity)).encode()
        except programs.ToolFailed as failed:
            raise PublishError(
                Code.UNREADABLE_IMAGE, f"the image {identity[:12]} cannot be read: {failed}"
            ) from failed

    def _export(
        self, identity: str, ids: list[str], compression: Compression, wanted: Callable[[str], bool]
    ) -> None:
        keys = {_key(layer, compression): layer for layer in ids}
        with self._change:
            # Another thread exports these layers: wait, do not export them twice.
            while self._busy.intersection(keys):
                self._change.wait()
            missing = {key for key in keys if wanted(key) and not self._is_here(key)}
            if not missing:
                return
            self._busy |= missing
        try:
            layout = self.directory / f"export.{identity}.{threading.get_ident()}"
            blobs = layout / "blobs/sha256"
            blobs.mkdir(parents=True)
            for key in keys.keys() - missing:
                (blobs / keys[key].removeprefix("sha256:")).touch()
            storage.export_image(self.reference(identity), layout, compression)
            index = json.loads((layout / "index.json").read_bytes())
            top = index["manifests"][0]["digest"].removeprefix("sha256:")
            found = json.loads((blobs / top).read_bytes())["layers"]
            self.path("").mkdir(parents=True, exist_ok=True)
            brought = {}
            for layer, item in zip(ids, found, strict=True):
                file = blobs / item["digest"].removeprefix("sha256:")
                key = _key(layer, compression)
                if key in missing and key not in brought:
                    brought[key] = Blob(item["digest"], item["size"])
                    if file.exists():  # two layers may have the same content
                        file.replace(self.path(item["digest"]))
            with self._change:
                self._known |= brought
                self._save()
        except programs.ToolFailed as failed:
            raise PublishError(
                Code.UNREADABLE_IMAGE, f"the image {identity[:12]} cannot be read: {failed}"
            ) from failed
        finally:
            shutil.rmtree(self.directory / f"export.{identity}.{threading.get_ident()}", ignore_errors=True)
            with self._change:
                self._busy -= missing
                self._change.notify_all()

    def _is_here(self, key: str) -> bool:
        return key in self._known and self.path(self._known[key].digest).exists()

    def _save(self) -> None:
        write_record(
            self.directory / "layers.json",
            {key: [blob.digest, blob.size] for key, blob in self._known.items()},
        )


def _key(layer: str, compression: Compression) -> str:
    return f"{compression} {layer}"
