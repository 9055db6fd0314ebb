"""A written step becomes an Instruction: defaults are filled in, names and paths are checked."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from buildsys import image
from buildsys.diagnostics import Code, Problem, Spot, closest
from buildsys.recipe.schema import steps as written
from buildsys.resolve import spelling, syntax
from buildsys.resolve.context import Context
from buildsys.resolve.gems import Gems
from buildsys.resolve.source import Notes

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a step may refer to outside its own fragment."""

    images: Collection[str]
    context: Context
    checksums: Mapping[str, str] | None
    """The site's checksum of each download it knows (empty: declared unverified); None: no site."""
    gems: Gems


@dataclass(frozen=True, slots=True)
class Place:
    """One step: where it was written, and what surrounds it."""

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

    def check(self, key: str, check: syntax.Check, text: str | None) -> str:
        """Check the text under a key; empty when it was left out."""
        return self.notes.check(self.at(key), check, text)

    def mode(self, text: str | None) -> str:
        """Check a mode, and write it as every other way of writing it is written."""
        return syntax.plain_mode(self.check("mode", syntax.mode, text))

    def check_each(self, key: str, check: syntax.Check, texts: list[str]) -> tuple[str, ...]:
        """Check the texts under a key."""
        return self.notes.check_each(self.at(key), check, texts)

    def note(self, key: str, problem: Problem | None) -> None:
        """Note what is wrong with the value under a key."""
        self.notes.problem(self.at(key), problem)


def instruction(step: written.AnyStep, place: Place) -> image.Instruction:
    """The instruction a step stands for; mistakes go to the place's notes."""
    return _KINDS[type(step)](step, place)


def package_names(notes: Notes, path: Path, names: list[str]) -> tuple[image.PackageName, ...]:
    """Names of packages, each with its Spot."""
    if not names:
        return ()
    notes.check_each(path, syntax.package, names)
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
    return image.ImportKey(at.check("import-key", syntax.path, step.import_key), spot=at.spot)


def _disable_repository(step: written.DisableRepository, at: Place) -> image.DisableRepository:
    name = at.check("disable-repository", syntax.repository, step.disable_repository)
    return image.DisableRepository(name, bool(step.optional), spot=at.spot)


def _gems(step: written.Gems, at: Place) -> image.InstallGems:
    gems = at.check_each("gems", syntax.gem, step.gems)
    for number, gem in enumerate(gems):
        at.notes.problem((*at.at("gems"), number), at.around.gems.problem(gem))
    flags = at.check_each("flags", syntax.gem_flag, step.flags or [])
    return image.InstallGems(gems, flags, _limit(step.open_files, at), spot=at.spot)


def _copy(step: written.Copy, at: Place) -> image.Instruction:
    to = at.check("to", syntax.path, step.to)
    mode = at.mode(step.mode)
    owner = at.check("owner", syntax.owner, step.owner)
    source, origin = step.copy_, step.from_
    inside = source.startswith("/") and origin is None
    if inside and (step.mode is not None or step.owner is not None):
        key = "mode" if step.mode is not None else "owner"
        message = f"'{key}' is not for a copy within the image"
        at.note(key, (Code.MISPLACED_KEY, message, "use `preserve`, or a step of its own"))
    if not inside and (step.preserve is not None or step.optional is not None):
        key = "preserve" if step.preserve is not None else "optional"
        at.note(key, (Code.MISPLACED_KEY, f"'{key}' is only for a copy within the image", "leave it out"))
    if inside:
        at.check("copy", syntax.path, source)
        return image.CopyInside(source, to, bool(step.preserve), bool(step.optional), spot=at.spot)
    if origin is None:
        folder = at.around.context.folder(source, at.notes.written.file)
        at.note("copy", at.around.context.problem(source, folder))
        return image.CopyContext(source, to, mode, owner, folder, spot=at.spot)
    at.check("copy", syntax.path, source)
    if isinstance(origin, written.PayloadOf):
        spot = at.notes.spot(*at.at("from"), "package")
        at.notes.check((*at.at("from"), "package"), syntax.package, origin.package)
        return image.CopyPayload(
            image.PackageName(origin.package, spot), source, to, mode, owner, spot=at.spot
        )
    if origin not in at.around.images:
        at.note("from", (Code.UNKNOWN_IMAGE, f"no image is called '{origin}'", _image_hint(origin, at)))
    return image.CopyImage(origin, source, to, mode, owner, spot=at.spot)


def _mkdir(step: written.Mkdir, at: Place) -> image.MakeDirectory:
    paths = tuple(map(spelling.path, at.check_each("mkdir", syntax.path, step.mkdir)))
    return image.MakeDirectory(paths, *_mode_and_owner(step.mode, step.owner, at), spot=at.spot)


def _chmod(step: written.Chmod, at: Place) -> image.ChangeMode:
    paths = at.check_each("chmod", syntax.path, step.chmod)
    mode = at.mode(step.mode)
    return image.ChangeMode(paths, mode, bool(step.recursive), bool(step.optional), spot=at.spot)


def _chown(step: written.Chown, at: Place) -> image.ChangeOwner:
    paths = at.check_each("chown", syntax.path, step.chown)
    owner = at.check("owner", syntax.owner, step.owner)
    return image.ChangeOwner(paths, owner, bool(step.recursive), bool(step.optional), spot=at.spot)


def _symlink(step: written.Symlink, at: Place) -> image.Symlink:
    at.check("target", _link_target, step.target)
    link = at.check("symlink", syntax.path, step.symlink)
    return image.Symlink(link, step.target, bool(step.force), spot=at.spot)


def _touch(step: written.Touch, at: Place) -> image.Touch:
    paths = at.check_each("touch", syntax.path, step.touch)
    return image.Touch(paths, at.mode(step.mode), spot=at.spot)


def _remove(step: written.Remove, at: Place) -> image.RemovePath:
    paths = at.check_each("remove", syntax.removable, step.remove)
    return image.RemovePath(paths, bool(step.recursive), bool(step.optional), spot=at.spot)


def _move(step: written.Move, at: Place) -> image.MovePath:
    source = at.check("move", syntax.removable, step.move)
    return image.MovePath(source, at.check("to", syntax.path, step.to), spot=at.spot)


def _comment(step: written.Comment, at: Place) -> image.CommentLines:
    pattern = at.check("comment", syntax.pattern, step.comment)
    return image.CommentLines(_file(step.in_, at), pattern, bool(step.optional), spot=at.spot)


def _replace(step: written.Replace, at: Place) -> image.ReplaceLines:
    pattern = at.check("replace", syntax.pattern, step.replace)
    text = at.check("with", syntax.one_line, step.with_)
    return image.ReplaceLines(_file(step.in_, at), pattern, text, bool(step.optional), spot=at.spot)


def _append(step: written.Append, at: Place) -> image.AppendLines:
    if isinstance(step.append, str):
        lines = tuple(step.append.removesuffix("\n").split("\n"))
    else:
        lines = at.check_each("append", syntax.one_line, step.append)
    return image.AppendLines(_file(step.in_, at), lines, spot=at.spot)


def _append_file(step: written.AppendFile, at: Place) -> image.AppendFile:
    source = at.check("append-file", syntax.path, step.append_file)
    return image.AppendFile(_file(step.in_, at), source, spot=at.spot)


def _require(step: written.Require, at: Place) -> image.Require:
    return image.Require(_file(step.in_, at), at.check("require", syntax.pattern, step.require), spot=at.spot)


def _change_account(step: written.ChangeAccount, at: Place) -> image.ChangeAccount:
    name = at.check("account", syntax.account, step.account)
    home = at.check("home", syntax.path, step.home or None)
    shell = at.check("shell", syntax.path, step.shell or None)
    groups = at.check_each("groups", syntax.account, step.groups or [])
    return image.ChangeAccount(name, home, shell, groups, spot=at.spot)


def _download(step: written.Download, at: Place) -> image.Download:
    url, login = at.notes.address(at.at("download"), step.download)
    to = at.check("to", syntax.path, step.to)
    mode = at.mode(step.mode)
    checksum = at.check("sha256", syntax.sha256, step.sha256)
    known = at.around.checksums
    if known is not None and url in known:
        if checksum and known[url] not in {"", checksum}:
            message = f"this is not the checksum that the site has of {url}"
            at.note("sha256", (Code.WRONG_CHECKSUM, message, f"there it is {known[url]}"))
        checksum = checksum or known[url]
    elif known is not None and step.sha256 is None:
        hint = "write sha256: here, or under downloads: in the site"
        at.note("download", (Code.MISSING_CHECKSUM, f"the download {url} has no checksum", hint))
    return image.Download(url, checksum, to, mode, login, spot=at.spot)


def _run(step: written.Run, at: Place) -> image.Run:
    if isinstance(step.run, str):
        argv: tuple[str, ...] = ("/bin/sh", "-ec", spelling.script(step.run))
    else:
        argv = tuple(step.run)
    if not argv or not argv[-1].strip():
        at.note(
            "run", (Code.EMPTY_COMMAND, "there is nothing to run", "write a command, or leave the step out")
        )
    return image.Run(argv, _limit(step.open_files, at), spot=at.spot)


def _mode_and_owner(mode: str | None, owner: str | None, at: Place) -> tuple[str, str]:
    return at.mode(mode), at.check("owner", syntax.owner, owner)


def _file(path: str, at: Place) -> str:
    return at.check("in", syntax.path, path)


def _limit(open_files: int | None, at: Place) -> int:
    if open_files is not None and not 1 <= open_files <= 1 << 20:
        at.note(
            "open-files",
            (Code.BAD_NUMBER, f"a limit of {open_files} open files cannot be", "write 1 to 1048576"),
        )
    return open_files or 0


def _link_target(text: str) -> Problem | None:
    """A link may lead anywhere within the image, upwards too."""
    if not text:
        return Code.BAD_PATH, "a link must lead somewhere", ""
    return syntax.one_line(text)


def _image_hint(name: str, at: Place) -> str:
    return closest(name, at.around.images) or "name an image of this set, or {package: NAME}"


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
