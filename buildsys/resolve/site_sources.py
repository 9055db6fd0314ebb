"""The site a set is resolved for: repositories, downloads, gems and the base, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from buildsys import image
from buildsys.diagnostics import NOWHERE, Code, Diagnostic, Refused, Spot, closest, closest_path
from buildsys.files import sha256
from buildsys.logins import Login, parted
from buildsys.packages import MANAGERS, PackageManager
from buildsys.packages.gems import Gems
from buildsys.recipe import schema, substitution
from buildsys.recipe.document import strings
from buildsys.recipe.library import Library, Source
from buildsys.recipe.schema import types
from buildsys.resolve.context import local_path
from buildsys.resolve.fragment import Spotted, named
from buildsys.resolve.source import Notes, filled
from buildsys.resolve.written_steps import package_names

STAND_INS = "stand_ins"


@dataclass(frozen=True, slots=True)
class Chosen:
    """A site, and its contributions to every image."""

    site: image.Site
    base: image.BaseImage | image.EmptyRoot
    bootstrap: image.Bootstrap | None
    checksums: Mapping[str, str]
    """The checksum of each download the site knows; empty: declared unverified."""
    gems: Gems
    missing: Mapping[str, Missing]
    """Packages that the site is known not to have."""
    labels: Mapping[str, Spotted[str]]
    epoch: int | None
    """Replaces the set's; None: the set's."""
    spot: Spot
    """Where the base is written."""
    site_spot: Spot
    """Where the site's file begins."""


def choose(library: Library, name: str | None) -> Source[schema.Site]:
    """The site of that name, or the set's own.

    Raises:
        Refused: there is no such site.
    """
    wanted = name or library.set.site or (next(iter(library.sites)) if len(library.sites) == 1 else None)
    if wanted is None:
        message = "no site is named, and the set names none" if library.sites else "this set has no site"
        raise _refuse(
            library.written.spot(), Code.NO_SITE, message, "write site: in set.yaml, and sites/NAME.yaml"
        )
    site = library.sites.get(wanted)
    if site is None:
        spot = NOWHERE if name else library.written.spot("site")
        hint = closest(wanted, library.sites) or f"known sites: {', '.join(sorted(library.sites)) or 'none'}"
        raise _refuse(spot, Code.UNKNOWN_SITE, f"no site is called '{wanted}'", hint)
    return site


def _refuse(spot: Spot, code: Code, message: str, hint: str) -> Refused:
    return Refused([Diagnostic(spot, code, message, hint)])


def resolve_site(
    source: Source[schema.Site], library: Library, scope: Mapping[str, Any], stand_ins: Path | None,
    found: list[Diagnostic],
) -> Chosen | None:  # fmt: skip
    """The site with its variables filled in; None when that failed, and `found` says why.

    Without `stand_ins` everything that lies in that directory is left out, and a note says so: enough to
    look at a set, not to build it.
    """
    # Only a lock knows the source package of an image: the text keeps these two.
    scope = {"source_package": image.SOURCE_PACKAGE, "source_version": image.SOURCE_VERSION, **scope}
    if stand_ins is None:
        source = _without_stand_ins(source)
    else:
        scope = {**scope, STAND_INS: str(stand_ins.absolute())}
    ready = filled(source, scope, found)
    name = source.written.data["site"]
    patches = [item.sites[name] for item in library.overlays if name in item.sites]
    additions = [filled(patch, scope, found) for patch in patches]
    if ready is None or None in additions:
        return None
    written, notes = ready
    there = pieces(written, notes, [item for item in additions if item])
    return _Resolver(written, notes, library, there, made=stand_ins is not None).chosen()


def _without_stand_ins(source: Source[schema.Site]) -> Source[schema.Site]:
    data = dict(source.written.data)
    if not _in_stand_ins(data):
        return source
    if isinstance(data.get("repositories"), dict):
        data["repositories"] = {k: v for k, v in data["repositories"].items() if not _in_stand_ins(v)}
    if isinstance(data.get("downloads"), dict):
        data["downloads"] = {
            url: {key: value for key, value in place.items() if not _in_stand_ins(value)}
            if isinstance(place, dict)
            else place
            for url, place in data["downloads"].items()
        }
    data = {key: value for key, value in data.items() if key != "gems" or not _in_stand_ins(value)}
    return Source(source.written.with_data(data), source.kind, None, substitution.holes(data))


def _in_stand_ins(data: Any) -> bool:
    return STAND_INS in substitution.names_in(strings(data))


class _Resolver:
    """Resolves the parts of one site."""

    def __init__(
        self, written: schema.Site, notes: Notes, library: Library, there: Pieces, *, made: bool
    ) -> None:
        self._written = written
        self._notes = notes
        self._library = library
        self._there = there
        self._made = made
        self._sentences: list[str] = []
        self._logins: list[Login] = []

    def chosen(self) -> Chosen:
        """The whole site."""
        written, notes = self._written, self._notes
        if written.stand_ins is not None:
            self._sentences.append(self._about_stand_ins())
            if not self._made:
                self._sentences.append("the stand-ins are not made yet: nothing can be installed from them")
        repositories = self._repositories()
        files, addresses, checksums = self._downloads()
        gems = self._gems()
        base, bootstrap = self._base()
        left_out = {
            name: item
            for name, item in (written.left_out or {}).items()
            if name not in self._there.repositories
        }
        for name, item in left_out.items():
            self._sentences.append(f"the repository {name} is left out: {item.because}")
        site = image.Site(
            name=written.site,
            installer=written.installer,
            inside=bool(written.inside),
            repositories=repositories,
            host_repositories=written.repositories == "host",
            downloads=files,
            addresses=addresses,
            gems=gems,
            stand_ins=written.stand_ins is not None,
            left_out=tuple(left_out),
            release=written.release or "",
            sources=written.sources or "",
            logins=tuple(self._logins),
            notes=tuple(self._sentences),
        )
        labels = named(written.labels or {}, "labels", notes)
        return Chosen(
            site,
            base,
            bootstrap,
            checksums,
            Gems(gems, known=self._there.gems is not None),
            missing(written, notes, self._there),
            labels,
            written.epoch,
            notes.spot("base"),
            notes.spot("site"),
        )

    def _about_stand_ins(self) -> str:
        real = sorted(
            name for name, site in self._library.sites.items() if not site.written.data.get("stand-ins")
        )
        others = f"; for the real ones use the site {' or '.join(real)}" if real else ""
        return f"packages of the site {self._written.site} are stand-ins made here{others}"

    def _base(self) -> tuple[image.BaseImage | image.EmptyRoot, image.Bootstrap | None]:
        base, notes = self._written.base, self._notes
        self._check_manager(MANAGERS[self._written.installer])
        if isinstance(base, schema.BaseImage) and base.image != schema.SCRATCH:
            return image.BaseImage(base.image), None
        if self._written.inside:
            problem = (Code.SITE_MISMATCH, "an empty root holds no installer to run inside it",
                       "write base: {image: …}, or inside: false")  # fmt: skip
            notes.problem(("inside",), problem)
        if not isinstance(base, schema.Bootstrap) or not base.bootstrap:
            return image.EmptyRoot(), None
        packages = package_names(notes, ("base", "bootstrap"), base.bootstrap)
        return image.EmptyRoot(), image.Bootstrap(packages, spot=notes.spot("base", "bootstrap"))

    def _check_manager(self, manager: PackageManager) -> None:
        if manager.only_host and self._written.repositories != "host":
            message = f"{manager.name} installs from the sources of the host, and from no others"
            path = ("installer",) if self._written.repositories is None else ("repositories",)
            self._notes.problem(path, (Code.SITE_MISMATCH, message, "write repositories: host"))
        if not manager.takes_host and self._written.repositories == "host":
            message = f"{manager.name} takes no packages from the host's repositories"
            hint = "write repositories: {NAME: {url: …, key: …}}"
            self._notes.problem(("repositories",), (Code.SITE_MISMATCH, message, hint))
        base = self._written.base
        if (
            not manager.into_base_images
            and isinstance(base, schema.BaseImage)
            and base.image != schema.SCRATCH
        ):
            problem = (Code.SITE_MISMATCH, f"with {manager.name} the base is made here, from an empty root",
                       "write base: {bootstrap: [PACKAGE, …]}")  # fmt: skip
            self._notes.problem(("base", "image"), problem)

    def _repositories(self) -> tuple[image.Repository, ...]:
        return tuple(
            self._repository(name, written, notes)
            for name, (written, notes) in self._there.repositories.items()
        )

    def _repository(self, name: str, written: schema.Repository, notes: Notes) -> image.Repository:
        path = ("repositories", name)
        directory = checksum = ""
        if (written.directory is None) == (written.url is None):
            message = f"the repository '{name}' needs either a directory or a url"
            notes.problem(path, (Code.SITE_MISMATCH, message, "write one of them"))
        elif written.directory is not None:
            directory = self._local(written.directory, (*path, "directory"), notes)
            if directory:
                checksum = self._metadata_checksum(directory, (*path, "directory"), notes)
        url = self._address(written.url)
        key = ""
        if written.gpgcheck is False:
            self._sentences.append(f"the repository {name} is not signed: its packages are taken as they are")
        elif written.key is None:
            message = f"the repository '{name}' has no key to check its packages by"
            notes.problem(path, (Code.SITE_MISMATCH, message, "write key:, or gpgcheck: false"))
        else:
            key = self._key(written.key, (*path, "key"), notes)
        return image.Repository(name, directory, url, key, checksum)

    def _metadata_checksum(self, directory: str, path: tuple[str, ...], notes: Notes) -> str:
        metadata = Path(directory, "repodata", "repomd.xml")
        try:
            return sha256(metadata)
        except OSError:
            if Path(directory).is_dir():
                message = f"{directory} is not a repository: it has no repodata/repomd.xml"
                notes.problem(path, (Code.MISSING_FILE, message, "createrepo_c makes it"))
            return ""

    def _key(self, key: str, path: tuple[str, ...], notes: Notes) -> str:
        if "://" in key:
            notes.problem(path, types.URL.problem(key))
            return self._address(key)
        if self._written.inside and key.startswith("/"):
            return key  # a file of the image itself
        return self._local(key, path, notes)

    def _downloads(self) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
        files: dict[str, str] = {}
        addresses, checksums = {}, {}
        for written, (place, notes) in self._there.downloads.items():
            path = ("downloads", written)
            url = self._address(written)
            if place.file is not None:
                files[url] = self._local(place.file, (*path, "file"), notes)
            if place.url is not None:
                addresses[url] = self._address(place.url)
                if place.file is not None:
                    message = f"the download '{url}' is either a file or comes from a url"
                    notes.problem(path, (Code.SITE_MISMATCH, message, "write one of them"), key=True)
            file = Path(files[url]) if url in files else None
            actual = sha256(file) if file and file.is_file() else ""
            if place.sha256 is not None:
                checksums[url] = place.sha256
                if actual not in {"", place.sha256}:
                    message = f"this is not the checksum of {file}"
                    notes.problem((*path, "sha256"), (Code.WRONG_CHECKSUM, message, f"it is {actual}"))
            elif place.unverified:
                checksums[url] = ""
                self._sentences.append(f"the download {url} is not verified")
            elif actual and place.file and not place.file.startswith("/"):
                # A file of the set is as trusted as its recipes.
                checksums[url] = actual
        return files, addresses, checksums

    def _gems(self) -> tuple[str, ...]:
        if self._there.gems is None:
            return ()
        directory = Path(self._local(self._there.gems[0], ("gems",), self._there.gems[1]))
        return tuple(str(file) for file in sorted(directory.glob("*.gem")))

    def _address(self, text: str | None) -> str:
        """A URL without the credentials in it, which the site keeps apart."""
        url, login = parted(text or "")
        if login is not None:
            self._logins.append(login)
        return url

    def _local(self, text: str, path: tuple[str, ...], notes: Notes) -> str:
        """A local path: absolute, or within the set's folder; empty for an invalid one."""
        if problem := local_path(text):
            notes.problem(path, problem)
            return ""
        if ".." in text.split("/"):
            problem = (
                Code.PATH_LEAVES_CONTEXT,
                f"'{text}' leads out of the set's folder",
                "write an absolute path",
            )
            notes.problem(path, problem)
            return text
        whole = self._library.directory / text
        if not whole.exists():
            siblings = [entry.name for entry in whole.parent.iterdir()] if whole.parent.is_dir() else []
            hint = closest_path(text, siblings) or "a relative path begins at the set's folder"
            notes.problem(path, (Code.MISSING_FILE, f"there is no {whole}", hint))
        return str(whole)


T = TypeVar("T")
Addition = tuple[schema.SitePatch, Notes]


@dataclass(frozen=True, slots=True)
class Pieces:
    """Repositories, downloads, gems: each with the notes of the file that it stands in."""

    repositories: Mapping[str, tuple[schema.Repository, Notes]]
    downloads: Mapping[str, tuple[schema.DownloadSource, Notes]]
    gems: tuple[str, Notes] | None


@dataclass(frozen=True, slots=True)
class Missing:
    """The reason for a missing package: its repository is left out."""

    repository: str
    because: str
    spot: Spot


def pieces(site: schema.Site, notes: Notes, additions: Sequence[Addition]) -> Pieces:
    """The pieces of a site; additions replace pieces of the same name."""
    own = site.repositories
    host = own if isinstance(own, str) else None
    repositories = _with_notes(own if isinstance(own, dict) else None, notes)
    downloads = _with_notes(site.downloads, notes)
    gems = (site.gems, notes) if site.gems is not None else None
    for patch, patch_notes in additions:
        if host and patch.repositories:
            message = f"the site '{site.site}' takes the host's own repositories, and no others"
            patch_notes.problem(
                ("repositories",), (Code.SITE_MISMATCH, message, "enable it on the host"), key=True
            )
        repositories |= _with_notes(patch.repositories, patch_notes)
        downloads |= _with_notes(patch.downloads, patch_notes)
        gems = (patch.gems, patch_notes) if patch.gems is not None else gems
    return Pieces(repositories, downloads, gems)


def missing(site: schema.Site, notes: Notes, there: Pieces) -> dict[str, Missing]:
    """Packages of repositories that the site leaves out and no overlay adds."""
    return {
        package: Missing(name, left_out.because, notes.written.key_spot("left-out", name))
        for name, left_out in (site.left_out or {}).items()
        if name not in there.repositories
        for package in left_out.packages or ()
    }


def _with_notes(items: Mapping[str, T] | None, notes: Notes) -> dict[str, tuple[T, Notes]]:
    return {name: (item, notes) for name, item in (items or {}).items()}
