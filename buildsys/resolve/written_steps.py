"""A written step becomes an Instruction: defaults are filled in, references to other things are checked."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from buildsys import image
from buildsys.diagnostics import Code, Problem, Spot, closest
from buildsys.logins import parted
from buildsys.packages.gems import Gems
from buildsys.recipe.schema import steps as written
from buildsys.recipe.schema import types
from buildsys.resolve import spelling
from buildsys.resolve.context import Context
from buildsys.resolve.source import Notes

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The things outside its fragment that a step may refer to."""

    images: Collection[str]
    context: Context
    checksums: Mapping[str, str] | None
    """The site's checksum of each download it knows (empty: declared unverified); None: no site."""
    gems: Gems


@dataclass(frozen=True, slots=True)
class Place:
    """One step: its place and its surroundings."""

    notes: Notes
    path: Path
    around: Surroundings

    @property
    def spot(self) -> Spot:
        """Where the step begins."""
        return self.notes.written.spot(*self.path)

    def at(self, key: str) -> Path:
        """The path of one of the step's keys."""
        return (*self.path, key)

    def note(self, key: str, problem: Problem | None) -> None:
        """Add a mistake, if there is one, of the value under a key."""
        self.notes.problem(self.at(key), problem)


def instruction(step: written.AnyStep, place: Place) -> image.Instruction:
    """The instruction a step stands for; mistakes go to the place's notes."""
    return _KINDS[type(step)](step, place)


def package_names(notes: Notes, path: Path, names: list[str]) -> tuple[image.PackageName, ...]:
    """Names of packages, each with its Spot."""
    if not names:
        return ()
    spot = notes.written.spot
    return tuple([image.PackageName(name, spot(*path, number)) for number, name in enumerate(names)])


def _packages(step: written.Packages, at: Place) -> image.Install:
    return image.Install(package_names(at.notes, at.at("packages"), step.packages), spot=at.spot)


def _remove_packages(step: written.RemovePackages, at: Place) -> image.Uninstall:
    names = package_names(at.notes, at.at("remove-packages"), step.remove_packages)
    return image.Uninstall(names, bool(step.optional), spot=at.spot)


def _update(_: written.Update, at: Place) -> image.UpdateAll:
    return image.UpdateAll(spot=at.spot)


def _import_key(step: written.ImportKey, at: Place) -> image.ImportKey:
    return image.ImportKey(step.import_key, spot=at.spot)


def _disable_repository(step: written.DisableRepository, at: Place) -> image.DisableRepository:
    return image.DisableRepository(step.disable_repository, bool(step.optional), spot=at.spot)


def _gems(step: written.Gems, at: Place) -> image.InstallGems:
    for number, gem in enumerate(step.gems):
        at.notes.problem((*at.at("gems"), number), at.around.gems.problem(gem))
    return image.InstallGems(tuple(step.gems), tuple(step.flags or ()), step.open_files or 0, spot=at.spot)


def _copy(step: written.Copy, at: Place) -> image.Instruction:
    mode, owner = spelling.mode(step.mode or ""), step.owner or ""
    source, origin, to = step.copy_, step.from_, step.to
    inside = source.startswith("/") and origin is None
    if inside and (step.mode is not None or step.owner is not None):
        key = "mode" if step.mode is not None else "owner"
        message = f"'{key}' is not for a copy within the image"
        at.note(key, (Code.MISPLACED_KEY, message, "use `preserve`, or a step of its own"))
    if not inside and (step.preserve is not None or step.optional is not None):
        key = "preserve" if step.preserve is not None else "optional"
        at.note(key, (Code.MISPLACED_KEY, f"'{key}' is only for a copy within the image", "leave it out"))
    if not inside and origin is None:
        folder = at.around.context.folder(source, at.notes.written.file)
        at.note("copy", at.around.context.problem(source, folder))
        return image.CopyContext(source, to, mode, owner, folder, spot=at.spot)
    at.note("copy", types.PATH.problem(source))
    if origin is None:
        return image.CopyInside(source, to, bool(step.preserve), bool(step.optional), spot=at.spot)
    if isinstance(origin, written.PayloadOf):
        package = image.PackageName(origin.package, at.notes.spot(*at.at("from"), "package"))
        return image.CopyPayload(package, source, to, mode, owner, spot=at.spot)
    if origin not in at.around.images:
        hint = closest(origin, at.around.images) or "name an image of this set, or {package: NAME}"
        at.note("from", (Code.UNKNOWN_IMAGE, f"no image is called '{origin}'", hint))
    return image.CopyImage(origin, source, to, mode, owner, spot=at.spot)


def _mkdir(step: written.Mkdir, at: Place) -> image.MakeDirectory:
    mode = spelling.mode(step.mode or "")
    return image.MakeDirectory(tuple(map(spelling.path, step.mkdir)), mode, step.owner or "", spot=at.spot)


def _chmod(step: written.Chmod, at: Place) -> image.ChangeMode:
    mode = spelling.mode(step.mode)
    return image.ChangeMode(tuple(step.chmod), mode, bool(step.recursive), bool(step.optional), spot=at.spot)


def _chown(step: written.Chown, at: Place) -> image.ChangeOwner:
    recursive, optional = bool(step.recursive), bool(step.optional)
    return image.ChangeOwner(tuple(step.chown), step.owner, recursive, optional, spot=at.spot)


def _symlink(step: written.Symlink, at: Place) -> image.Symlink:
    return image.Symlink(step.symlink, step.target, bool(step.force), spot=at.spot)


def _touch(step: written.Touch, at: Place) -> image.Touch:
    return image.Touch(tuple(step.touch), spelling.mode(step.mode or ""), spot=at.spot)


def _remove(step: written.Remove, at: Place) -> image.RemovePath:
    return image.RemovePath(tuple(step.remove), bool(step.recursive), bool(step.optional), spot=at.spot)


def _move(step: written.Move, at: Place) -> image.MovePath:
    return image.MovePath(step.move, step.to, spot=at.spot)


def _comment(step: written.Comment, at: Place) -> image.CommentLines:
    return image.CommentLines(step.in_, step.comment, bool(step.optional), spot=at.spot)


def _replace(step: written.Replace, at: Place) -> image.ReplaceLines:
    return image.ReplaceLines(step.in_, step.replace, step.with_, bool(step.optional), spot=at.spot)


def _append(step: written.Append, at: Place) -> image.AppendLines:
    text = step.append
    lines = text.removesuffix("\n").split("\n") if isinstance(text, str) else text
    return image.AppendLines(step.in_, tuple(lines), spot=at.spot)


def _append_file(step: written.AppendFile, at: Place) -> image.AppendFile:
    return image.AppendFile(step.in_, step.append_file, spot=at.spot)


def _require(step: written.Require, at: Place) -> image.Require:
    return image.Require(step.in_, step.require, spot=at.spot)


def _change_account(step: written.ChangeAccount, at: Place) -> image.ChangeAccount:
    groups = tuple(step.groups or ())
    return image.ChangeAccount(step.account, step.home or "", step.shell or "", groups, spot=at.spot)


def _download(step: written.Download, at: Place) -> image.Download:
    url, login = parted(step.download)
    checksum = step.sha256 or ""
    known = at.around.checksums
    if known is not None and url in known:
        if checksum and known[url] not in {"", checksum}:
            message = f"this is not the checksum that the site has of {url}"
            at.note("sha256", (Code.WRONG_CHECKSUM, message, f"there it is {known[url]}"))
        checksum = checksum or known[url]
    elif known is not None and step.sha256 is None:
        hint = "write sha256: here, or under downloads: in the site"
        at.note("download", (Code.MISSING_CHECKSUM, f"the download {url} has no checksum", hint))
    return image.Download(url, checksum, step.to, spelling.mode(step.mode or ""), login, spot=at.spot)


def _run(step: written.Run, at: Place) -> image.Run:
    if isinstance(step.run, str):
        argv: tuple[str, ...] = ("/bin/sh", "-ec", spelling.script(step.run))
    else:
        argv = tuple(step.run)
    if not argv or not argv[-1].strip():
        hint = "write a command, or leave the step out"
        at.note("run", (Code.EMPTY_COMMAND, "there is nothing to run", hint))
    return image.Run(argv, step.open_files or 0, spot=at.spot)


_KINDS: dict[type[written.AnyStep], Callable[..., image.Instruction]] = {
    written.Packages: _packages,
    written.RemovePackages: _remove_packages,
    written.Update: _update,
    written.ImportKey: _import_key,
    written.DisableRepository: _disable_repository,
    written.Gems: _gems,
    written.Copy: _copy,
    written.Mkdir: _mkdir,
    written.Chmod: _chmod,
    written.Chown: _chown,
    written.Symlink: _symlink,
    written.Touch: _touch,
    written.Remove: _remove,
    written.Move: _move,
    written.Comment: _comment,
    written.Replace: _replace,
    written.Append: _append,
    written.AppendFile: _append_file,
    written.Require: _require,
    written.ChangeAccount: _change_account,
    written.Download: _download,
    written.Run: _run,
}
