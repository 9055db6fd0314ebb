"""Where a set is published: `TRANSPORT:PLACE`, as the container tools write it."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from buildsys.diagnostics import NOWHERE, Code, Diagnostic, Refused, closest

Transport = Literal["docker", "oci", "oci-archive", "docker-archive", "dir", "containers-storage"]
TRANSPORTS: dict[str, Transport] = {
    "docker": "docker",
    "oci": "oci",
    "oci-archive": "oci-archive",
    "docker-archive": "docker-archive",
    "dir": "dir",
    "containers-storage": "containers-storage",
}
HINT = (
    "docker://HOST[:PORT][/NAMESPACE], oci:DIR, oci-archive:DIR, docker-archive:DIR, dir:DIR "
    "or containers-storage:[DRIVER@ROOT+RUNROOT]"
)

_HOST = re.compile(r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?|\[[0-9a-fA-F:]+\])(?::\d{1,5})?")
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_NAMESPACE = re.compile(rf"{_PART}(?:/{_PART})*")
_STORE = re.compile(r"\[(?P<driver>\w+)@(?P<root>/[^+\]]*)\+(?P<run>/[^\]:]*)\]")


@dataclass(frozen=True, slots=True)
class Destination:
    """Where to publish."""

    transport: Transport
    place: str
    """The text after the transport: `HOST[/NAMESPACE]`, a directory, or a store."""

    def __str__(self) -> str:
        return f"{self.transport}:{'//' if self.transport == 'docker' else ''}{self.place}"

    @property
    def host(self) -> str:
        """Of a registry: host and port."""
        return self.place.partition("/")[0]

    @property
    def namespace(self) -> str:
        """Of a registry: replaces the set's own namespace; empty: keep it."""
        return self.place.partition("/")[2]

    @property
    def is_directory(self) -> bool:
        """Whether it is a directory of files."""
        return self.transport not in ("docker", "containers-storage")

    @property
    def directory(self) -> Path:
        """The directory of the files."""
        return Path(self.place)

    def store(self) -> tuple[str, str, str]:
        """Of a store: driver, root and run root."""
        found = _STORE.fullmatch(self.place)
        assert found is not None  # noqa: S101 - `destination` has looked
        return found["driver"], found["root"], found["run"]

    @property
    def is_here(self) -> bool:
        """Whether it is on this host: a file, or a registry at a loopback address."""
        if self.transport != "docker":
            return True
        name = self.host.rpartition(":")[0] if re.search(r":\d+$", self.host) else self.host
        return name in ("localhost", "[::1]") or re.fullmatch(r"127(\.\d+){3}", name) is not None


def destination(text: str) -> Destination:
    """Parse a destination. Links in directories are resolved.

    Raises:
        Refused: it is not a destination (`bad-destination`).
    """
    word, _, place = text.partition(":")
    transport = TRANSPORTS.get(word)
    if transport is None:
        hint = closest(word, TRANSPORTS) or f"a destination is {HINT}"
        raise _bad(f"'{text}' has no known transport", hint)
    if transport == "docker":
        host, _, namespace = place.removeprefix("//").rstrip("/").partition("/")
        if not place.startswith("//") or not _HOST.fullmatch(host):
            raise _bad(f"'{text}' does not name a registry", "docker://HOST[:PORT][/NAMESPACE]")
        if namespace and not _NAMESPACE.fullmatch(namespace):
            raise _bad(f"'{text}': '{namespace}' is not valid in a repository's name")
        host = host.lower()
        return Destination(transport, f"{host}/{namespace}" if namespace else host)
    if transport == "containers-storage":
        if not _STORE.fullmatch(place):
            raise _bad(
                f"'{text}' does not name a container store", "containers-storage:[overlay@/ROOT+/RUNROOT]"
            )
        return Destination(transport, place)
    if not place or "\0" in place:
        raise _bad(f"'{text}' does not name a directory")
    return Destination(transport, os.path.realpath(place))


def destinations(texts: Sequence[str]) -> list[Destination]:
    """All destinations, each once.

    Raises:
        Refused: some are not destinations, or two are the same directory; all mistakes together.
    """
    found: list[Destination] = []
    mistakes: list[Diagnostic] = []
    for text in texts:
        try:
            there = destination(text)
        except Refused as refused:
            mistakes += refused.diagnostics
            continue
        for other in found:
            if there.is_directory and other.is_directory and other.place == there.place and other != there:
                wrong = _bad(
                    f"{other} and {there} are the same directory", "give each a directory of its own"
                )
                mistakes += wrong.diagnostics
        found.append(there)
    if mistakes:
        raise Refused(mistakes)
    return list(dict.fromkeys(found))


def _bad(message: str, hint: str = "") -> Refused:
    return Refused([Diagnostic(NOWHERE, Code.BAD_DESTINATION, message, hint)])
