"""The public keys of a site, as files of the pool, wherever they come from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from buildsys import files
from buildsys.diagnostics import NOWHERE, Code, Diagnostic, Refused
from buildsys.image import ImageSet
from buildsys.lock import requests
from buildsys.lock.bases import look_at
from buildsys.lock.dnf import ask, sources
from buildsys.lock.fetch import Unfetched, fetch
from buildsys.lock.lockfile import Lock
from buildsys.lock.pool_files import Places
from buildsys.lock.signatures import file_of
from buildsys.lock.sound import is_sound


class Keys:
    """The keys a lock knows of: some lie in the set, some come from addresses, base images and packages."""

    def __init__(self, image_set: ImageSet, lock: Lock, places: Places, store: str) -> None:
        self._set = image_set
        self._lock = lock
        self._places = places
        self._store = store
        self._packages = lock.packages()
        self._paths = {item.id: item.key for item in image_set.site.repositories}
        self._host: Mapping[str, Any] | None = None

    def files(self) -> dict[str, Path]:
        """Repository -> the file of its key: there already, or where it will be."""
        local = {
            item.id: Path(item.key)
            for item in self._set.site.repositories
            if item.key and "://" not in item.key and not (self._set.site.inside and item.key.startswith("/"))
        }
        return local | {name: self._place(name) for name in self._lock.keys}

    def _place(self, name: str) -> Path:
        value = self._lock.keys[name]
        if value.startswith("sha256:"):
            return self._places.file(value.partition(":")[2])
        package = self._packages[value]
        return self._places.file(f"{package.checksum.partition(':')[2]}.{name}")

    def are_there(self) -> bool:
        """Whether no key is to be fetched, nor to be taken out of a package."""
        return all(self._is_there(name, path) for name, path in self.files().items())

    def _is_there(self, name: str, path: Path) -> bool:
        kind, _, sha256 = self._lock.keys.get(name, "").partition(":")
        return is_sound(path, sha256) if kind == "sha256" else path.is_file()

    def fetch(self) -> list[Path]:
        """The files of all keys that need no package; those the pool lacks are fetched.

        Raises:
            Refused: one cannot be had (`not-fetched`), or is another than the lock knows (`wrong-checksum`).
        """
        found = []
        for name, path in self.files().items():
            value = self._lock.keys.get(name, "")
            if value.startswith("sha256:") and not self._is_there(name, path):
                self._fetch(name, path, value.partition(":")[2])
            if path.is_file():
                found.append(path)
        return found

    def brought(self) -> list[Path]:
        """Keys that packages of the pool bring, and that were not known before."""
        found = []
        for name, value in self._lock.keys.items():
            path = self._place(name)
            package = self._packages.get(value)
            if path.is_file() or package is None or not self._places.package(package).is_file():
                continue
            content = file_of(self._places.package(package), self._paths[name])
            if content:
                self._keep(path, content)
                found.append(path)
        return found

    def _fetch(self, name: str, path: Path, sha256: str) -> None:
        address = self._of_host(name) if self._set.site.host_repositories else self._paths.get(name, "")
        if "://" in address:
            part = self._places.pool / "part" / path.name
            try:
                fetch(address, part)
            except Unfetched as error:
                message = f"the key of the repository '{name}' cannot be fetched: {error}"
                hint = f"is {address} in reach from here?"
                raise Refused([Diagnostic(NOWHERE, Code.NOT_FETCHED, message, hint)]) from error
            content = part.read_bytes()
            part.unlink()
        else:
            content = self._in_base(address)
        now = hashlib.sha256(content).hexdigest()
        if now != sha256:
            message = (
                f"the key of the repository '{name}' is not the one the lock knows: its sha256 is {now}, "
                f"not {sha256}"
            )
            hint = "find out why it changed before you lock anew"
            raise Refused([Diagnostic(NOWHERE, Code.WRONG_CHECKSUM, message, hint)])
        self._keep(path, content)

    def _of_host(self, name: str) -> str:
        """Where a key of the host's own repositories is: only its package manager knows."""
        if self._host is None:
            self._host = ask(sources(self._set, self._places.metadata) | {"fetch": []})["keys"]
        repository, _, number = name.rpartition(".")
        addresses = self._host.get(repository, ())
        if int(number) < len(addresses):
            return str(addresses[int(number)])
        message = f"the host's repository '{repository}' has no key number {number} any more"
        hint = "enable the repositories that the lock was made from, or lock again"
        raise Refused([Diagnostic(NOWHERE, Code.NOT_FETCHED, message, hint)])

    def _in_base(self, path: str) -> bytes:
        for reference, spot in requests.bases(self._set).items():
            digest = self._lock.bases[reference]
            base = look_at(reference, digest, spot, self._store, self._places.bases)
            if (file := base.file(path)) is not None:
                return file.read_bytes()
        return b""

    def _keep(self, path: Path, content: bytes) -> None:
        files.write(path, content)
