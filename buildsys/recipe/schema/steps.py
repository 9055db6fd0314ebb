"""The steps of recipes: one model for each verb."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Tag

from buildsys.recipe.schema import types
from buildsys.recipe.schema.base import Maybe, Model, OneOrMore, TextOrList


class Packages(Model):
    """A further transaction, at this place."""

    packages: list[types.PackageName]


class RemovePackages(Model):
    """Remove packages."""

    remove_packages: list[types.PackageName]
    optional: Maybe[bool] = None


class Update(Model):
    """Update every installed package."""

    update: Literal[True]


class ImportKey(Model):
    """Import a public key, a file in the image, into the package database."""

    import_key: types.Path


class DisableRepository(Model):
    """Set enabled=0 in the image's own repository files."""

    disable_repository: types.RepositoryId
    optional: Maybe[bool] = None


class Gems(Model):
    """Install Ruby gems: `name` or `name:constraint`."""

    gems: list[types.Gem]
    flags: Maybe[list[types.GemFlag]] = None
    open_files: Maybe[types.OpenFiles] = None


class PayloadOf(Model):
    """A package whose payload a file is copied from."""

    package: types.PackageName


def _where_from(value: Any) -> str:
    return "<payload>" if isinstance(value, dict) else "<image>"


class Copy(Model):
    """Copy from the set's files (a relative path), within the image, from another image or a payload."""

    copy_: str
    to: types.Path
    from_: Maybe[
        Annotated[
            Annotated[str, Tag("<image>")] | Annotated[PayloadOf, Tag("<payload>")],
            Discriminator(_where_from),
        ]
    ] = None
    mode: Maybe[types.Mode] = None
    owner: Maybe[types.Owner] = None
    preserve: Maybe[bool] = None
    optional: Maybe[bool] = None


class Mkdir(Model):
    """Make directories with their parents; existing is fine."""

    mkdir: OneOrMore[types.Path]
    mode: Maybe[types.Mode] = None
    owner: Maybe[types.Owner] = None


class Chmod(Model):
    """Change the mode of paths or globs."""

    chmod: OneOrMore[types.Path]
    mode: types.Mode
    recursive: Maybe[bool] = None
    optional: Maybe[bool] = None


class Chown(Model):
    """Change the owner of paths or globs."""

    chown: OneOrMore[types.Path]
    owner: types.Owner
    recursive: Maybe[bool] = None
    optional: Maybe[bool] = None


class Symlink(Model):
    """Make a symbolic link that leads to `target`."""

    symlink: types.Path
    target: types.LinkTarget
    force: Maybe[bool] = None


class Touch(Model):
    """Make sure files exist."""

    touch: OneOrMore[types.Path]
    mode: Maybe[types.Mode] = None


class Remove(Model):
    """Remove paths or globs."""

    remove: OneOrMore[types.Removable]
    recursive: Maybe[bool] = None
    optional: Maybe[bool] = None


class Move(Model):
    """Move a path within the image."""

    move: types.Removable
    to: types.Path


class Comment(Model):
    """Put `#` before the lines an extended regular expression matches."""

    comment: types.Pattern
    in_: types.Path
    optional: Maybe[bool] = None


class Replace(Model):
    """Replace what an extended regular expression matches; `&` and `\\1` as in sed."""

    replace: types.Pattern
    in_: types.Path
    with_: types.OneLine
    optional: Maybe[bool] = None


class Append(Model):
    """Append a text or lines to a file."""

    append: TextOrList[types.OneLine]
    in_: types.Path


class AppendFile(Model):
    """Append one file of the image to another of the image."""

    append_file: types.Path
    in_: types.Path


class Require(Model):
    """Fail unless a line of the file matches an extended regular expression."""

    require: types.Pattern
    in_: types.Path


class ChangeAccount(Model):
    """Change an existing account; groups are joined."""

    account: types.AccountName
    home: Maybe[types.PathOrNothing] = None
    shell: Maybe[types.PathOrNothing] = None
    groups: Maybe[list[types.AccountName]] = None


class Download(Model):
    """Put a downloaded file into the image; its checksum stands here or in the site."""

    download: types.Url
    to: types.Path
    mode: Maybe[types.Mode] = None
    sha256: Maybe[types.Sha256] = None


class Run(Model):
    """Run a program inside the image, without network: a text by `/bin/sh -ec`, a list as it is."""

    run: TextOrList[str]
    open_files: Maybe[types.OpenFiles] = None


AnyStep = (
    Packages | RemovePackages | Update | ImportKey | DisableRepository | Gems | Copy | Mkdir | Chmod | Chown
    | Symlink | Touch | Remove | Move | Comment | Replace | Append | AppendFile | Require | ChangeAccount
    | Download | Run
)  # fmt: skip


def verb_of(model: type[Model]) -> str:
    """The verb of a step: the first key of its model."""
    field = next(iter(model.__annotations__))
    return field.rstrip("_").replace("_", "-")


VERBS: dict[str, type[AnyStep]] = {verb_of(model): model for model in AnyStep.__args__}
"""The model of each verb."""


def _verb(step: Any) -> str | None:
    if isinstance(step, dict):
        for key in step:
            if key in VERBS:
                return f"<{key}>"
    return None


Step = Annotated[
    Annotated[Packages, Tag("<packages>")]
    | Annotated[RemovePackages, Tag("<remove-packages>")]
    | Annotated[Update, Tag("<update>")]
    | Annotated[ImportKey, Tag("<import-key>")]
    | Annotated[DisableRepository, Tag("<disable-repository>")]
    | Annotated[Gems, Tag("<gems>")]
    | Annotated[Copy, Tag("<copy>")]
    | Annotated[Mkdir, Tag("<mkdir>")]
    | Annotated[Chmod, Tag("<chmod>")]
    | Annotated[Chown, Tag("<chown>")]
    | Annotated[Symlink, Tag("<symlink>")]
    | Annotated[Touch, Tag("<touch>")]
    | Annotated[Remove, Tag("<remove>")]
    | Annotated[Move, Tag("<move>")]
    | Annotated[Comment, Tag("<comment>")]
    | Annotated[Replace, Tag("<replace>")]
    | Annotated[Append, Tag("<append>")]
    | Annotated[AppendFile, Tag("<append-file>")]
    | Annotated[Require, Tag("<require>")]
    | Annotated[ChangeAccount, Tag("<account>")]
    | Annotated[Download, Tag("<download>")]
    | Annotated[Run, Tag("<run>")],
    Discriminator(_verb),
]
"""A step; the verb selects its model before anything is checked."""
