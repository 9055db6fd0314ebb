"""What a solver's library gives: packages, repositories, solutions; in the same words for dnf 4 and dnf5."""

import re
from abc import ABC, abstractmethod
from typing import Any

Row = Any
"""A map, as it came out of JSON or goes there."""


_ANSWER = re.compile(r"Status code: \d+|Curl error \(\d+\): [^\[\n]*?(?= for |\[|\n|$)")


class Unreachable(Exception):  # noqa: N818 - reads as what happened
    """A repository does not answer, or the configuration of this host is not fit for use."""

    def __init__(self, words: Any, answers: Any = ()) -> None:
        """`answers`: what the library logged meanwhile; the last answer of a server is the reason."""
        words = " ".join(str(words).split())
        # Either library names the repository in its sentence and nowhere else; dnf5 its address as well.
        found = re.search(r"repo(?:sitory)? ['\"]([^'\"]+)['\"]: (.*)", words)
        self.repository, self.reason = found.groups() if found else ("", words)
        # Without addresses: they may be the host's own affair.
        causes = [part for line in answers for part in _ANSWER.findall(line)]
        if causes and "mirrors were" in words:
            self.reason = causes[-1].strip()
        super().__init__(words)


class Unreadable(Exception):  # noqa: N818 - reads as what happened
    """A package database that is there, and of which rpm makes nothing; carries its root."""


class Package:
    """A package of a repository or of a base image: one object for each."""

    __slots__ = ("arch", "evr", "installed", "name", "native", "nevra", "slot")

    def __init__(self, native: Any, name: str, arch: str, evr: Any, installed: Any) -> None:
        self.native = native
        self.name = name
        self.arch = arch
        self.evr = (str(evr[0] or 0), evr[1], evr[2])
        self.installed = bool(installed)
        """Whether a base image brings it."""
        self.slot = (name, arch)
        """Of packages that share this, an image holds one."""
        epoch, version, release = self.evr
        self.nevra = "{}-{}{}-{}.{}".format(name, f"{epoch}:" if epoch != "0" else "", version, release, arch)
        """Its whole name."""

    def row(self, repository: str, checksum: Any, place: Any, sizes: Any, texts: Any) -> Row:
        """As the lock names it.

        `place` is its location and what that is relative to, if not the repository; `sizes` are that of its
        file and that of what it installs; `texts` are its source package and its licence.
        """
        source, licence = (" ".join((text or "").split()) for text in texts)
        location, base = place
        return {
            "name": self.name,
            "epoch": self.evr[0],
            "version": self.evr[1],
            "release": self.evr[2],
            "arch": self.arch,
            "repository": repository,
            "checksum": ":".join(checksum),
            "location": f"{base.rstrip('/')}/{location}" if base else location,
            "size": sizes[0],
            "source": source,
            "installed": sizes[1],
            "licence": licence,
        }


class Job:
    """What is asked of the solver for one step, besides what is installed."""

    def __init__(self, step: Row) -> None:
        self.keep: Any = []
        """These packages, and no other versions of them."""
        self.any_version: Any = []
        """These packages, in any version."""
        self.optional: Any = []
        """These packages, in any version or not at all."""
        self.erase: Any = []
        """Packages that are installed and leave."""
        self.names: Any = []
        """Names of packages, of what they provide, or of files."""
        self.update = step["update"]
        """Whether everything that is installed is upgraded."""
        self.best = step["best"]
        """Whether only the newest version of what is asked for will do."""


class Library(ABC):
    """The repositories as a library sees them; what is installed in a root is installed to it.

    A subclass opens the repositories and answers the questions below.
    """

    def __init__(self, packages: Any) -> None:
        self.known = {package.native: package for package in packages}
        """All packages, by the library's own object for each."""
        self.installed = [package for package in self.known.values() if package.installed]

    def ours(self, natives: Any) -> Any:
        """The packages that these objects of the library are."""
        return [self.known[native] for native in natives]

    @abstractmethod
    def hide(self, packages: Any) -> None:
        """Make the solver blind to these packages."""

    @abstractmethod
    def show(self, packages: Any) -> None:
        """Let the solver see them again."""

    @abstractmethod
    def offers(self, name: str) -> bool:
        """Whether a package that is not hidden has this name, provides it, or holds this file."""

    @abstractmethod
    def solve(self, job: Job) -> Any:
        """Packages that are new, and why there is no solution: line by line, empty when there is one."""

    @abstractmethod
    def replaced(self, old: Package, new: Any) -> bool:
        """Whether one of the new packages obsoletes an old one."""

    @abstractmethod
    def called(self, name: str, *, newest: bool) -> Any:
        """Packages of the repositories with this name; all, or of each architecture the newest."""

    @abstractmethod
    def holding(self, path: str) -> Any:
        """Packages of the repositories that hold this file."""

    @abstractmethod
    def describe(self, package: Package) -> Row:
        """A package as the lock names it."""

    @abstractmethod
    def folders(self) -> Row:
        """Where the metadata of each repository lies, by its id."""

    @abstractmethod
    def keys(self) -> Row:
        """Where the public keys of each repository are, by its id."""

    @abstractmethod
    def download(self, packages: Any, folder: str) -> Any:
        """Fetch packages into a folder: pairs of a package and its file."""
