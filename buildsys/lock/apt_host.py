"""The host's own apt, called without changes to the host.

Sources, keys, proxies and preferences are the host's; the state lies below the build directory.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from buildsys import programs
from buildsys.diagnostics import NOWHERE, Code, Diagnostic, Refused
from buildsys.files import locked
from buildsys.image import LockedPackage
from buildsys.lock.pool_files import Places, Unfetched

HELPER = "/usr/lib/apt/apt-helper"
"""Path of the program that fetches files with the methods of apt."""
SETTINGS = """\
// What the host does after an update is done to the host.
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear APT::Architectures;
APT::Architecture "%s";
APT::Architectures { "%s"; };
APT::Install-Recommends "false";
APT::Install-Suggests "false";
APT::Update::Error-Mode "any";
// Of all indices only these say what there is to install.
#clear Acquire::IndexTargets;
Acquire::IndexTargets::deb::Packages {
  MetaKey "$(COMPONENT)/binary-$(ARCHITECTURE)/Packages";
  flatMetaKey "Packages";
  ShortDescription "Packages";
  Description "$(RELEASE)/$(COMPONENT) $(ARCHITECTURE) Packages";
  flatDescription "$(RELEASE) Packages";
  Optional "false";
};
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "srcpkgcache.bin";
"""
ADDRESS = re.compile(
    r"[a-zA-Z][a-zA-Z0-9+.-]*:/[^\s']*|(?<=resolving )'[^']*'|(?<=connect to )\S+(?: \([^)]*\))?"
    r"| \[IP: [^]]*\]"
)
FIELDS = ("FILENAME", "METAKEY", "REPO_URI", "SUITE", "CODENAME", "COMPONENT", "ORIGIN")
"""Fields of an index that `apt-get indextargets` prints."""
AFTERWARDS = "Some index files failed to download"
"""Begins the last error of apt, which only repeats that there are others."""


class AptFailed(Exception):  # noqa: N818 - reads as what happened
    """apt ends with an error; its reasons are apt's words without addresses of this host's mirrors."""

    def __init__(self, reasons: Iterable[str]) -> None:
        self.reasons = [*reasons]
        super().__init__("; ".join(self.reasons))


@dataclass(frozen=True, slots=True)
class Target:
    """An index of packages that apt has fetched."""

    file: Path
    repository: str
    """Its name in a lock, whatever its address: `bookworm/main`, `flat`."""
    base: str
    """Address that the paths of its packages are relative to. No lock holds it."""
    release: Path
    """Its signed Release file; missing in a repository that the host trusts without a signature."""

    @property
    def plain(self) -> str:
        """The name of its file without compression."""
        return self.file.name.partition("_Packages")[0] + "_Packages"


class Apt:
    """apt as it is configured on this host. `folder` keeps the indices of its sources between calls.

    `arch`: the architecture of the packages, which are not installed here; empty: the host's.
    """

    def __init__(self, folder: Path, arch: str = "") -> None:
        if shutil.which("apt-get") is None or not Path(HELPER).exists():
            hint = "packages come from a Debian host's own sources: build on one; `make setup` does the rest"
            raise Refused(
                [Diagnostic(NOWHERE, Code.MISSING_TOOL, "apt is needed and is not installed", hint)]
            )
        self._folder = folder.absolute()
        for part in ("lists/partial", "cache/archives/partial"):
            (self._folder / part).mkdir(parents=True, exist_ok=True)
        self.arch = arch or _said("apt-config", "dump", "--format", "%v", "APT::Architecture").strip()
        settings = self._folder / "apt.conf"
        text = SETTINGS % (self.arch, self.arch)
        if not settings.exists() or settings.read_text() != text:
            settings.write_text(text)
        self._options = [
            "-c", str(settings),
            "-o", f"Dir::State::lists={self._folder}/lists/",
            "-o", f"Dir::State::extended_states={self._folder}/extended_states",
            "-o", f"Dir::Cache={self._folder}/cache/",
            *(() if _open_to_all(self._folder) else ("-o", "APT::Sandbox::User=root")),
        ]  # fmt: skip

    # ── sources ─────────────────────────────────────────────────────────────────────────────────────────────

    def update(self) -> None:
        """Fetch the current indices of the sources.

        Raises:
            AptFailed: one of them does not answer, or is not signed by a key that the host trusts.
        """
        self._begin_with_the_hosts_lists()
        self._get("update", "-qq")

    def _begin_with_the_hosts_lists(self) -> None:
        """Copy the host's indices, so that apt fetches only those that changed since."""
        lists = self._folder / "lists"
        if any(entry.is_file() for entry in lists.iterdir()):
            return
        for file in _configured("Dir::State::lists/d").glob("*_*"):
            if file.name.rpartition("_")[2].split(".")[0] in {"InRelease", "Release", "Packages"}:
                shutil.copy2(file, lists / file.name)

    def targets(self) -> list[Target]:
        """The indices of all sources, as fetched by the last `update`."""
        form = "\t".join(f"$({key})" for key in FIELDS)
        lines = self._get("indextargets", "--format", form, "Identifier: Packages").splitlines()
        # apt prints the name of a field that a source does not have.
        rows = [["" if "$(" in text else text for text in line.split("\t")] for line in lines]
        origins: dict[str, set[str]] = {}
        for row in rows:
            origins.setdefault(_name(row), set()).add(row[-1])
        return [_target(row, shared=len(origins[_name(row)]) > 1) for row in rows]

    def index(self, target: Target) -> str:
        """The text of an index, whatever its compression."""
        return self._run([HELPER, *self._options, "cat-file", str(target.file)])

    # ── solving ─────────────────────────────────────────────────────────────────────────────────────────────

    def simulate(
        self, lists: Path, installed: str, words: Iterable[str], pins: Mapping[str, str]
    ) -> list[str]:
        """The actions of apt on a system with this status file, in order: lines `Inst …`, `Conf …`, `Remv …`.

        `lists`: folder of the indices. `pins`: package -> version to keep.

        Raises:
            AptFailed: apt finds no solution.
        """
        with tempfile.TemporaryDirectory(prefix="buildsys-apt-") as place:
            status, preferences = Path(place, "status"), Path(place, "preferences")
            status.write_text(installed)
            preferences.write_text(_preferences(pins))
            options = ["-o", f"Dir::State::status={status}", "-o", f"Dir::Etc::preferences={preferences}"]
            options += ["-o", f"Dir::State::lists={lists}/", "-o", f"Dir::Cache={lists}/"]
            output = self._get(*options, "--simulate", "--quiet", "--no-auto-remove", *words)
        return [line for line in output.splitlines() if line.startswith(("Inst ", "Conf ", "Remv ", "Purg "))]

    # ── fetching ────────────────────────────────────────────────────────────────────────────────────────────

    def fetch(self, wanted: Mapping[str, tuple[str, Path]]) -> dict[str, str]:
        """Fetch files: address -> checksum (`SHA256:HEX`) and path. Returns failures: address -> reason."""
        words = [word for address, (sum_is, file) in wanted.items() for word in (address, str(file), sum_is)]
        command = [HELPER, *self._options, "-qq", "-o", "Acquire::Retries=3", "download-file", *words]
        done = _start(command)
        found = {}
        for line in done.err.splitlines():
            match = re.match(r"[EW]: Failed to fetch (\S+) +(.*)", line)
            if match and match[1] in wanted:
                found[match[1]] = without_addresses(match[2])
        return found

    # ── ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _get(self, *words: str) -> str:
        return self._run(["apt-get", *self._options, *words])

    def _run(self, command: list[str]) -> str:
        done = _start(command)
        if done.status:
            raise AptFailed(_reasons(done.out, done.err))
        return done.out


def folder_of(places: Places, arch: str) -> Path:
    """Where the indices of an architecture are kept; `arch` is empty for sets that leave it to the host."""
    return places.metadata / (f"apt-{arch}" if arch else "apt")


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Exclusive lock on the folder of the indices: another update would replace them meanwhile."""
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / "lock"):
        yield


def without_addresses(text: str) -> str:
    """Text of apt without the addresses of the host's mirrors and proxies."""
    return ADDRESS.sub(lambda found: "" if found[0].startswith(" ") else "(an address of this host)", text)


def _target(row: list[str], *, shared: bool) -> Target:
    path = Path(row[0])
    stem = path.name.partition(row[1].replace("/", "_"))[0]
    signed = path.with_name(f"{stem}InRelease")
    release = signed if signed.exists() else path.with_name(f"{stem}Release")
    # Where publishers share a name, add the origin to tell their repositories apart.
    return Target(path, f"{row[-1]}:{_name(row)}" if shared else _name(row), row[2], release)


def _name(row: list[str]) -> str:
    suite, codename, component, _ = row[3:]
    return "/".join(part for part in (codename or suite or "flat", component) if part)


def _preferences(pins: Mapping[str, str]) -> str:
    theirs = _configured("Dir::Etc::preferences/f")
    of_host = theirs.read_text() if theirs.is_file() else ""
    own = (f"Package: {name}\nPin: version {pin}\nPin-Priority: 1001\n\n" for name, pin in pins.items())
    return "".join(own) + of_host


def _reasons(output: str, errors_output: str) -> list[str]:
    """Why apt fails: its lines about packages that do not fit together, else its errors."""
    problems, listing = [], False
    for line in output.splitlines():
        if line.startswith("The following packages have unmet dependencies"):
            listing = True
        elif listing and line.startswith(" "):
            problems.append(" ".join(line.split()))
        else:
            listing = False
    errors = [line[2:].strip() for line in errors_output.splitlines() if line.startswith("E:")]
    errors = [" ".join(line.split()) for line in errors if not line.startswith(AFTERWARDS)]
    reasons = dict.fromkeys(problems or errors or errors_output.split("\n")[-2:])
    return [without_addresses(reason) for reason in reasons]


def _open_to_all(folder: Path) -> bool:
    """Whether the account `_apt`, which fetches, can enter the folder."""
    return all(place.stat().st_mode & 0o001 for place in (folder, *folder.parents))


def _configured(key: str) -> Path:
    """A path of the host's configuration; `key` ends in /d for a folder, in /f for a file."""
    return Path(_said("apt-config", "shell", "x", key).partition("'")[2].rstrip("'\n"))


def _said(*command: str) -> str:
    return _start(command).out


def _start(command: Iterable[str]) -> programs.Result:
    return programs.run([*command], env={**os.environ, "LC_ALL": "C.UTF-8"})


# ── fetching the packages of a lock ─────────────────────────────────────────────────────────────────────────


GONE = ("404", "410", "File not found", "No such file")
"""Parts of apt's messages, one or more a method, that mean that a file does not exist."""


def bring(
    packages: Iterable[LockedPackage], part: Callable[[str], Path], places: Places, arch: str = ""
) -> dict[str, Unfetched]:
    """Fetch packages to the path that `part` gives for a checksum. Returns failures: checksum -> reason.

    apt compares checksums, resumes interrupted downloads and retries transient failures.
    """
    away = [item for item in packages if not _has(part(item.checksum), item.size)]
    if not away:
        return {}
    folder = folder_of(places, arch)
    with alone(folder):
        apt = Apt(folder, arch)
        try:
            mirrors = _mirrors(apt)
            if not {item.repository for item in away} <= mirrors.keys():
                apt.update()
                mirrors = _mirrors(apt)
        except AptFailed as failed:
            return {item.checksum: Unfetched(str(failed)) for item in away}
        found: dict[str, Unfetched] = {}
        for item in away:
            why = f"no apt source of this host is {item.repository}"
            found[item.checksum] = Unfetched(why, gone=True)
        # If one mirror fails, the next may have the file.
        for number in range(max(map(len, mirrors.values()), default=0)):
            ways = {
                mirrors[item.repository][number] + quote(item.location, safe="/:%+~,;=@!()$&'*"): item
                for item in away
                if item.checksum in found and number < len(mirrors.get(item.repository, ()))
            }
            if ways:
                tried = {item.checksum for item in ways.values()}
                found = {key: why for key, why in found.items() if key not in tried}
                found |= _bring(apt, ways, part)
    return found


def _mirrors(apt: Apt) -> dict[str, list[str]]:
    """Repository -> its addresses, one or several."""
    found: dict[str, list[str]] = {}
    for target in apt.targets():
        found.setdefault(target.repository, []).append(target.base)
    return found


def _bring(apt: Apt, ways: Mapping[str, LockedPackage], part: Callable[[str], Path]) -> dict[str, Unfetched]:
    unfetched = _fetch(apt, ways, part)
    # Fetch files with a wrong checksum once more: another copy may be right.
    again = {way: ways[way] for way in unfetched if _wrong(part(ways[way].checksum)).exists()}
    if again:
        unfetched = {way: why for way, why in unfetched.items() if way not in again}
        unfetched |= _fetch(apt, again, part)
    found = {}
    for way, why in unfetched.items():
        file = part(ways[way].checksum)
        if _wrong(file).exists():
            # The pool compares checksums and reports what is wrong.
            _wrong(file).replace(file)
        else:
            found[ways[way].checksum] = Unfetched(why, gone=any(sign in why for sign in GONE))
    return found


def _fetch(apt: Apt, ways: Mapping[str, LockedPackage], part: Callable[[str], Path]) -> dict[str, str]:
    return apt.fetch(
        {
            way: (f"SHA256:{item.checksum.partition(':')[2]}", part(item.checksum))
            for way, item in ways.items()
        }
    )


def _has(file: Path, size: int) -> bool:
    return file.exists() and file.stat().st_size == size


def _wrong(file: Path) -> Path:
    """Where apt keeps a file with a wrong checksum."""
    return file.with_name(f"{file.name}.FAILED")
