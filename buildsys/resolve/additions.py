"""What a site has, piece by piece: its own, and what overlays give it besides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from buildsys.diagnostics import Code, Spot
from buildsys.recipe import schema
from buildsys.resolve.source import Notes

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
    """Why a site has no package of a name: the repository that has it is left out."""

    repository: str
    because: str
    spot: Spot


def pieces(site: schema.Site, notes: Notes, additions: Sequence[Addition]) -> Pieces:
    """The pieces of a site; what is added takes the place of what has the same name."""
    own = site.repositories
    host = own if isinstance(own, str) else None
    repositories = _with_notes(own if isinstance(own, dict) else None, notes)
    downloads = _with_notes(site.downloads, notes)
    gems = (site.gems, notes) if site.gems is not None else None
    for patch, beside in additions:
        if host and patch.repositories:
            message = f"the site '{site.site}' takes the host's own repositories, and no others"
            beside.problem(
                ("repositories",), (Code.SITE_MISMATCH, message, "enable it on the host"), key=True
            )
        repositories |= _with_notes(patch.repositories, beside)
        downloads |= _with_notes(patch.downloads, beside)
        gems = (patch.gems, beside) if patch.gems is not None else gems
    return Pieces(repositories, downloads, gems)


def missing(site: schema.Site, notes: Notes, there: Pieces) -> dict[str, Missing]:
    """The packages that only repositories have which the site leaves out, and nobody has added."""
    return {
        package: Missing(name, left_out.because, notes.written.key_spot("left-out", name))
        for name, left_out in (site.left_out or {}).items()
        if name not in there.repositories
        for package in left_out.packages or ()
    }


def _with_notes(items: Mapping[str, T] | None, notes: Notes) -> dict[str, tuple[T, Notes]]:
    return {name: (item, notes) for name, item in (items or {}).items()}
