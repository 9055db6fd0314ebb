"""The public keys of a site as files of the pool, and the signatures that they check."""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from buildsys import files, programs
from buildsys.diagnostics import NOWHERE, Code, Diagnostic, Refused
from buildsys.image import ImageSet
from buildsys.lock import requests
from buildsys.lock.bases import look_at
from buildsys.lock.lockfile import Lock
from buildsys.lock.pool_files import Places, Unfetched, fetch, is_sound
from buildsys.lock.solver import solver_of


class Keys:
    """The keys of a lock: files of the set, or from addresses, base images and packages."""

    def __init__(self, image_set: ImageSet, lock: Lock, places: Places, store: str) -> None:
        self._set = image_set
        self._lock = lock
        self._places = places
        self._store = store
        self._packages = lock.packages()
        self._paths = {item.id: item.key for item in image_set.site.repositories}
        self._host: Mapping[str, Sequence[str]] | None = None

    def files(self) -> dict[str, Path]:
        """Repository -> the file of its key, which may not be there yet."""
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
        """Whether the file of every key is there."""
        return all(self._is_there(name, path) for name, path in self.files().items())

    def _is_there(self, name: str, path: Path) -> bool:
        kind, _, sha256 = self._lock.keys.get(name, "").partition(":")
        return is_sound(path, sha256) if kind == "sha256" else path.is_file()

    def fetch(self) -> list[Path]:
        """The files of all keys that do not come from packages; missing ones are fetched.

        Raises:
            Refused: one cannot be fetched (`not-fetched`), or is not the lock's (`wrong-checksum`).
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
        """Keys that were just taken out of packages in the pool."""
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
            hint = "find out why it changed before you lock again"
            raise Refused([Diagnostic(NOWHERE, Code.WRONG_CHECKSUM, message, hint)])
        self._keep(path, content)

    def _of_host(self, name: str) -> str:
        """The address of a key of the host's repositories, which only its package manager knows."""
        if self._host is None:
            self._host = solver_of(self._set.site).host_keys(self._set, self._places)
        repository, _, number = name.rpartition(".")
        addresses = self._host.get(repository, ())
        if int(number) < len(addresses):
            return addresses[int(number)]
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


# ── signatures ──────────────────────────────────────────────────────────────────────────────────────────────


class Keyring:
    """A database of public keys."""

    def __init__(self, database: Path) -> None:
        self._database = database

    def add(self, key: Path) -> None:
        """Trust a key from now on.

        Raises:
            Refused: the file holds no key that rpm can read (`bad-key`).
        """
        if self._rpmkeys("--import", str(key)).status:
            hint = "what is wanted is one in ASCII armour: gpg --armor --export"
            raise Refused(
                [Diagnostic(NOWHERE, Code.BAD_KEY, f"{key} is not a public key that rpm can read", hint)]
            )

    def refused(self, packages: Sequence[Path]) -> dict[Path, str]:
        """Packages without a signature by these keys -> what their signature is."""
        if not packages:
            return {}
        # By default rpm accepts packages without a signature.
        names = [str(path) for path in packages]
        done = self._rpmkeys("--define", "_pkgverify_level all", "--checksig", *names)
        if done.status == 0:
            return {}
        good = {line.rpartition(": ")[0] for line in done.out.splitlines() if line.endswith(" OK")}
        bad = {line.rpartition(": ")[0] for line in done.out.splitlines() if line.endswith(" NOT OK")}
        return {path: self._signature(path) for path in packages if str(path) in bad or str(path) not in good}

    def _signature(self, package: Path) -> str:
        output = self._rpmkeys("--checksig", "--verbose", str(package)).out
        keys = sorted(set(re.findall(r"[Ss]ignature, key ID ([0-9a-f]+)", output)))
        if not keys:
            return "it is not signed"
        if "BAD" in output:
            return f"its signature by the key {keys[0]} is not right"
        return f"it is signed by the key {', '.join(keys)}"

    def _rpmkeys(self, *words: str) -> programs.Result:
        command = ["rpmkeys", "--dbpath", str(self._database), *words]
        try:
            return programs.run(command)
        except FileNotFoundError as error:
            hint = "install rpm"
            message = "rpmkeys is needed and is not installed"
            raise Refused([Diagnostic(NOWHERE, Code.MISSING_TOOL, message, hint)]) from error


@contextmanager
def keyring(keys: Iterable[Path] = ()) -> Iterator[Keyring]:
    """A temporary keyring with these keys."""
    with tempfile.TemporaryDirectory(prefix="buildsys-keys-") as place:
        made = Keyring(Path(place))
        for key in keys:
            made.add(key)
        yield made


def is_whole(package: Path) -> bool:
    """Whether a file is a complete RPM package, by its digests; signatures are ignored."""
    command = ["rpmkeys", "--checksig", "--nosignature", str(package)]
    return programs.run(command).status == 0


def file_of(package: Path, path: str) -> bytes:
    """The content of one file of a package; empty if it has no such file."""
    with tempfile.TemporaryFile() as archive, package.open("rb") as source:
        programs.run(["rpm2archive", "-"], given=source, to=archive, check=True)
        archive.seek(0)
        command = ["tar", "--extract", "--gzip", "--to-stdout", f".{path}"]
        return programs.run(command, given=archive).stdout
