"""Who signed a package: asked of rpm, by the public keys of one site and no others."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from buildsys import programs
from buildsys.diagnostics import NOWHERE, Code, Diagnostic, Refused


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
                [Diagnostic(NOWHERE, Code.BAD_KEY, f"{key} is no public key that rpm can read", hint)]
            )

    def refused(self, packages: Sequence[Path]) -> dict[Path, str]:
        """Packages that no key here signs, each with what is known of its signature."""
        if not packages:
            return {}
        # Of itself rpm is content with a package that is not signed at all.
        names = [str(path) for path in packages]
        done = self._rpmkeys("--define", "_pkgverify_level all", "--checksig", *names)
        if done.status == 0:
            return {}
        good = {line.rpartition(": ")[0] for line in done.out.splitlines() if line.endswith(" OK")}
        bad = {line.rpartition(": ")[0] for line in done.out.splitlines() if line.endswith(" NOT OK")}
        return {path: self._signature(path) for path in packages if str(path) in bad or str(path) not in good}

    def _signature(self, package: Path) -> str:
        said = self._rpmkeys("--checksig", "--verbose", str(package)).out
        keys = sorted(set(re.findall(r"[Ss]ignature, key ID ([0-9a-f]+)", said)))
        if not keys:
            return "it is not signed"
        if "BAD" in said:
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
    """A keyring of its own for a while, with these keys in it."""
    with tempfile.TemporaryDirectory(prefix="buildsys-keys-") as place:
        made = Keyring(Path(place))
        for key in keys:
            made.add(key)
        yield made


def is_whole(package: Path) -> bool:
    """Whether a package is one, from its first byte to its last, whoever made it."""
    command = ["rpmkeys", "--checksig", "--nosignature", str(package)]
    return programs.run(command).status == 0


def file_of(package: Path, path: str) -> bytes:
    """One file out of a package's payload; empty when it holds none of that name."""
    with tempfile.TemporaryFile() as archive, package.open("rb") as source:
        programs.run(["rpm2archive", "-"], given=source, to=archive, check=True)
        archive.seek(0)
        command = ["tar", "--extract", "--gzip", "--to-stdout", f".{path}"]
        return programs.run(command, given=archive).stdout
