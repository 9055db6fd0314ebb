"""One image as a Containerfile and its context.

Instructions keep their order. An instruction is written as one command of the image where that is possible,
else as a verb of `verbs.sh`, which the context then contains and which the last RUN removes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import assert_never

from buildsys.diagnostics import plan_path
from buildsys.exporters.containerfiles import configuration
from buildsys.exporters.containerfiles.as_written import cmd_said, given, user_said
from buildsys.exporters.containerfiles.copies import Copies
from buildsys.exporters.containerfiles.lines import Lines
from buildsys.exporters.request import Request
from buildsys.image import (
    AppendFile,
    AppendLines,
    BaseImage,
    Bootstrap,
    ChangeAccount,
    ChangeMode,
    ChangeOwner,
    CommentLines,
    CopyContext,
    CopyImage,
    CopyInside,
    CopyPayload,
    DeclareAccounts,
    DisableRepository,
    Download,
    EmptyRoot,
    Image,
    ImportKey,
    Install,
    InstallGems,
    Instruction,
    MakeDirectory,
    MovePath,
    ParentImage,
    RemovePath,
    ReplaceLines,
    Require,
    Run,
    Symlink,
    Touch,
    Transaction,
    Uninstall,
    UpdateAll,
    WriteRepository,
)
from buildsys.image import Containerfile as Written
from buildsys.packages.build_folder import CARE
from buildsys.shell import Glob, comment

_ROOT = {None, "root", "0", "root:root", "0:0"}


class Containerfile:
    """The files of one image: `texts` and `links`, by path relative to its directory."""

    def __init__(self, request: Request, image: Image, *, carried: bool) -> None:
        """`carried`: put locked packages into the context."""
        self.request = request
        self.image = image
        self.lines = Lines()
        self.copies = Copies(request, self.lines, self._parent(), carried=carried)
        if (written := image.containerfile) is not None:
            self.texts, self.links = given(request, image, written)
            return
        if isinstance(image.parent, EmptyRoot):
            self._add_root()
        else:
            self._carry_out()
        self._configure()
        self.texts = self.lines.texts | dict(self._files())
        self.links = self.lines.links

    def _add_root(self) -> None:
        self.lines.say(
            "# Packages were installed into an empty root from outside: no Containerfile can say that.",
            "# root.tar.gz is the root as it was built, with all that the recipe does to it.",
            "ADD root.tar.gz /",
        )
        self.lines.links["root.tar.gz"] = self.request.roots[self.image.name]

    def _carry_out(self) -> None:
        for step in self.image.instructions:
            self.lines.at(step.spot)
            self._instruction(step)
        if self.lines.cares():
            self.lines.at(None)
            self.lines.run("rm", "-rf", CARE)
        self.lines.flush()

    def _configure(self) -> None:
        image = self.image
        self.lines.say(*configuration.configuration(image, cmd(self.request, image)))
        last = configuration.user(image)
        if last is None and self._must_become_root():
            last = inherited_user(self.request, image)
        if last is not None:
            self.lines.say(f"USER {last}")

    def _files(self) -> Iterator[tuple[str, str]]:
        start = [
            comment(f"{self.image.name}: exported from {plan_path(self.image.spot.file)}"),
            comment(f"by `buildsys export`, set {self.request.set.name}: edit the recipe, not this file."),
            *self.copies.stages,
            f"FROM {self._parent()}",
            *(["USER root"] if self._must_become_root() else []),
            # As in a plan: commands write the date of the set, not the present one.
            *([f"ARG SOURCE_DATE_EPOCH={self.request.set.epoch}"] if self.lines.runs() else []),
            *([f"COPY buildsys/ {CARE}/"] if self.lines.cares() else []),
        ]
        yield "Containerfile", "\n".join([*start, *self.lines.lines]) + "\n"
        if annotations := self.image.config.annotations:
            yield "annotations", "".join(f"{name}={value}\n" for name, value in sorted(annotations.items()))

    def _must_become_root(self) -> bool:
        return inherited_user(self.request, self.image) not in _ROOT

    def _parent(self) -> str:
        match self.image.parent:
            case ParentImage(name=name):
                return self.request.reference(name)
            case BaseImage(reference=reference):
                return reference
            case EmptyRoot():
                return "scratch"
            case other:
                assert_never(other)

    # ── instructions ────────────────────────────────────────────────────────────────────────────────────────

    def _instruction(self, step: Instruction) -> None:
        match step:
            case Bootstrap() | Install() | Transaction() | Uninstall() | UpdateAll() | ImportKey():
                self.copies.packages(step)
            case CopyContext() | CopyImage() | CopyPayload() | Download() | InstallGems():
                self.copies.copy(step)
            case DeclareAccounts(accounts=accounts):
                for item in accounts:
                    words = (item.name, str(item.uid), str(item.gid), item.home, item.shell)
                    self.lines.verb("account", *words, *item.groups)
            case ChangeAccount():
                self.lines.verb("change_account", step.name, step.home, step.shell, *step.groups)
            case CommentLines():
                self.lines.verb(*_maybe(optional=step.optional), "comment", step.pattern, step.file)
            case ReplaceLines():
                edit = ("replace", step.pattern, step.replacement, step.file)
                self.lines.verb(*_maybe(optional=step.optional), *edit)
            case AppendLines():
                self.lines.verb("append", step.file, *step.lines)
            case AppendFile():
                self.lines.verb("append_file", step.source, step.file)
            case WriteRepository():
                lines = (f"{key}={value}" for key, value in step.options)
                self.lines.verb("append", step.file, f"[{step.id}]", *lines)
            case DisableRepository():
                self.lines.verb(*_maybe(optional=step.optional), "disable_repository", step.id)
            case Require():
                self.lines.run("grep", "-Eq", "-e", step.pattern, step.file)
            case Run(open_files=0):
                self.lines.run(*step.argv)
            case Run():
                self.lines.verb("limit", str(step.open_files), *step.argv)
            case Written():
                raise AssertionError("the image's only instruction, and exported as it is")
            case _:
                self._paths(step)

    def _paths(
        self,
        step: MakeDirectory | ChangeMode | ChangeOwner | Symlink | Touch | RemovePath | MovePath | CopyInside,
    ) -> None:
        match step:
            case MakeDirectory():
                self.lines.run("mkdir", "-p", *step.paths)
                self.lines.own(step.owner, step.mode, *step.paths)
            case ChangeMode():
                self._each(step.paths, ("chmod", *_recursive(step), step.mode), optional=step.optional)
            case ChangeOwner():
                self._each(step.paths, ("chown", "-h", *_recursive(step), step.owner), optional=step.optional)
            case RemovePath(optional=True):
                self.lines.run("rm", "-rf" if step.recursive else "-f", *map(Glob, step.paths))
            case RemovePath():
                self.lines.run("rm", *(("-r",) if step.recursive else ()), *map(Glob, step.paths))
            case Symlink(force=True):
                self.lines.room(step.link)
                self.lines.run("rm", "-f", step.link)
                self.lines.run("ln", "-s", "--", step.target, step.link)
            case Symlink():
                self.lines.verb("link", step.target, step.link)
            case Touch():
                self.lines.verb("file", *step.paths)
                self.lines.own("", step.mode, *step.paths)
            case MovePath():
                self.lines.room(step.to)
                self.lines.run("mv", step.source, step.to)
            case CopyInside(optional=True):
                self.lines.verb("duplicate", "-Rp" if step.preserve else "-R", step.to, step.source)
            case CopyInside():
                self.lines.room(step.to)
                self.lines.run("cp", "-Rp" if step.preserve else "-R", Glob(step.source), step.to)
            case _:
                assert_never(step)

    def _each(self, paths: Sequence[str], argv: tuple[str, ...], *, optional: bool) -> None:
        if not optional:
            self.lines.run(*argv, *map(Glob, paths))
            return
        for path in paths:
            self.lines.verb("each", path, *argv)


def lineage(request: Request, image: Image) -> Iterator[Image]:
    """The image, its parent, and so on, as far as they are in the set."""
    yield image
    while isinstance(image.parent, ParentImage):
        image = request.set.images[image.parent.name]
        yield image


def inherited_user(request: Request, image: Image) -> str | None:
    """The user of the parent of an image; None: the set sets none, and that of the base counts as root."""
    _, *above = lineage(request, image)
    return next((found for item in above if (found := _user(item)) is not None), None)


def _user(image: Image) -> str | None:
    return user_said(image.containerfile) if image.containerfile else configuration.user(image)


def cmd(request: Request, image: Image) -> tuple[str, ...] | None:
    """The command of an image; None: the set has none."""
    every = (
        cmd_said(item.containerfile) if item.containerfile else item.config.cmd
        for item in lineage(request, image)
    )
    return next((found for found in every if found is not None), None)


def _maybe(*, optional: bool) -> tuple[str, ...]:
    return ("maybe",) if optional else ()


def _recursive(step: ChangeMode | ChangeOwner) -> tuple[str, ...]:
    return ("-R",) if step.recursive else ()
