"""One image as a Containerfile and its context.

Instructions keep their order. What one command of every image says is written as that command; what takes
more is a verb of `verbs.sh`, which the context then carries and which leaves the image in the end.
"""

from __future__ import annotations

import hashlib
import json
import os
import posixpath
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import assert_never

from buildsys.command import Glob, chain, comment, line
from buildsys.diagnostics import Spot
from buildsys.exporters.containerfiles import configuration
from buildsys.exporters.containerfiles.packages import CARE, PAYLOAD, POOL, VERBS, key_is_carried, manager
from buildsys.exporters.containerfiles.packages import repositories as repositories_text
from buildsys.exporters.subject import Subject
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
    LockedPackage,
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

VERBS_FILE = Path(__file__).with_name("verbs.sh")
_SAFE = re.compile(r"[A-Za-z0-9_@%+=:,./-]+")
_ROOT = {None, "root", "0", "root:root", "0:0"}


class Containerfile:
    """Walks the instructions of one image; keeps the lines, and the files of the context."""

    def __init__(self, subject: Subject, image: Image, *, carried: bool) -> None:
        """`carried`: packages that are locked are put into the context."""
        self.subject = subject
        self.image = image
        self.carried = carried
        self.site = subject.set.site
        self.manager = manager(self.site)
        self.texts: dict[str, str] = {}
        self.links: dict[str, Path] = {}
        self._lines: list[str] = []
        self._stages: list[str] = []
        self._pending: list[tuple[str, str]] = []
        self._spot = self._last = ""
        self._write()

    def _write(self) -> None:
        image = self.image
        head = [
            comment(f"{image.name}: exported from {image.spot.file}"),
            comment(f"by `buildsys export`, set {self.subject.set.name}: edit the recipe, not this file."),
        ]
        inherited = inherited_user(self.subject, image)
        if isinstance(image.parent, EmptyRoot):
            self._lines += [
                "# Packages were installed into an empty root from outside: no Containerfile can say that.",
                "# root.tar.gz is the root as it was built, with all that the recipe does to it.",
                "ADD root.tar.gz /",
            ]
            self.links["root.tar.gz"] = self.subject.roots[image.name]
        else:
            for step in image.instructions:
                self._at(step.spot)
                self._instruction(step)
            if self._cares():
                self._spot = ""
                self._run("rm", "-rf", CARE)
            self._flush()
        self._say(*configuration.configuration(image, cmd(self.subject, image)))
        last = configuration.user(image)
        worked_as_root = inherited not in _ROOT and not isinstance(image.parent, EmptyRoot)
        if last is not None:
            self._say(f"USER {last}")
        elif worked_as_root:
            self._say(f"USER {inherited}")
        start = [f"FROM {self._parent()}"]
        start += ["USER root"] if worked_as_root else []
        start += [f"COPY buildsys/ {CARE}/"] if self._cares() else []
        self.texts["Containerfile"] = "\n".join([*head, *self._stages, *start, *self._lines]) + "\n"
        if image.config.annotations:
            rows = (f"{name}={value}" for name, value in sorted(image.config.annotations.items()))
            self.texts["annotations"] = "".join(f"{row}\n" for row in rows if "\n" not in row)

    def _parent(self) -> str:
        match self.image.parent:
            case ParentImage(name=name):
                return self.subject.reference(name)
            case BaseImage(reference=reference):
                return reference
            case EmptyRoot():
                return "scratch"
            case other:
                assert_never(other)

    # ── lines ───────────────────────────────────────────────────────────────────────────────────────────────

    def _at(self, spot: Spot) -> None:
        self._spot = str(spot)

    def _say(self, *lines: str) -> None:
        self._flush()
        self._lines += lines

    def _run(self, *argv: str) -> None:
        """A command; a stretch of them is one RUN, so one layer."""
        if any("\n" in item for item in argv):
            # In the shell's form a line break would end the instruction.
            self._placed(f"RUN {json.dumps(list(argv))}")
        else:
            self._pending.append((self._spot, line(argv)))

    def _placed(self, text: str) -> None:
        """A line of its own, below where it was written."""
        self._flush()
        if self._spot != self._last:
            self._lines.append(comment(self._spot))
        self._last = self._spot
        self._lines.append(text)

    def _verb(self, *words: str) -> None:
        self.links["buildsys/verbs.sh"] = VERBS_FILE
        self._run("sh", VERBS, *words)

    def _flush(self) -> None:
        if self._pending:
            self._lines += _run_lines(chain(self._pending, self._last))
            self._last = self._pending[-1][0]
            self._pending = []

    def _cares(self) -> bool:
        """Whether the context has a folder for what leaves again."""
        return any(name.startswith("buildsys/") for name in (*self.texts, *self.links))

    # ── instructions ────────────────────────────────────────────────────────────────────────────────────────

    def _instruction(self, step: Instruction) -> None:
        match step:
            case Bootstrap() | Install() | Transaction() | Uninstall() | UpdateAll() | ImportKey():
                self._packages(step)
            case CopyContext() | CopyImage() | CopyPayload() | Download() | InstallGems():
                self._copy(step)
            case DeclareAccounts(accounts=accounts):
                for item in accounts:
                    words = (item.name, str(item.uid), str(item.gid), item.home, item.shell)
                    self._verb("account", *words, *item.groups)
            case ChangeAccount():
                self._verb("change_account", step.name, step.home, step.shell, *step.groups)
            case CommentLines():
                self._verb(*_maybe(optional=step.optional), "comment", step.pattern, step.file)
            case ReplaceLines():
                said = ("replace", step.pattern, step.replacement, step.file)
                self._verb(*_maybe(optional=step.optional), *said)
            case AppendLines():
                self._verb("append", step.file, *step.lines)
            case AppendFile():
                self._verb("append_file", step.source, step.file)
            case WriteRepository():
                lines = (f"{key}={value}" for key, value in step.options)
                self._verb("append", step.file, f"[{step.id}]", *lines)
            case DisableRepository():
                self._verb(*_maybe(optional=step.optional), "disable_repository", step.id)
            case Require():
                self._run("grep", "-Eq", "-e", step.pattern, step.file)
            case Run(open_files=0):
                self._run(*step.argv)
            case Run():
                self._verb("limit", str(step.open_files), *step.argv)
            case _:
                self._paths(step)

    def _paths(
        self,
        step: MakeDirectory | ChangeMode | ChangeOwner | Symlink | Touch | RemovePath | MovePath | CopyInside,
    ) -> None:
        match step:
            case MakeDirectory():
                self._run("mkdir", "-p", *step.paths)
                self._owned(step.owner, step.mode, *step.paths)
            case ChangeMode():
                self._each(step.paths, ("chmod", *_recursive(step), step.mode), optional=step.optional)
            case ChangeOwner():
                self._each(step.paths, ("chown", "-h", *_recursive(step), step.owner), optional=step.optional)
            case RemovePath(optional=True):
                self._run("rm", "-rf" if step.recursive else "-f", *map(Glob, step.paths))
            case RemovePath():
                self._run("rm", *(("-r",) if step.recursive else ()), *map(Glob, step.paths))
            case Symlink(force=True):
                self._room(step.link)
                self._run("rm", "-f", step.link)
                self._run("ln", "-s", "--", step.target, step.link)
            case Symlink():
                self._verb("link", step.target, step.link)
            case Touch():
                self._verb("file", *step.paths)
                self._owned("", step.mode, *step.paths)
            case MovePath():
                self._room(step.to)
                self._run("mv", step.source, step.to)
            case CopyInside(optional=True):
                self._verb("duplicate", "-Rp" if step.preserve else "-R", step.to, step.source)
            case CopyInside():
                self._room(step.to)
                self._run("cp", "-Rp" if step.preserve else "-R", Glob(step.source), step.to)
            case _:
                assert_never(step)

    def _each(self, paths: Sequence[str], argv: tuple[str, ...], *, optional: bool) -> None:
        if not optional:
            self._run(*argv, *map(Glob, paths))
            return
        for path in paths:
            self._verb("each", path, *argv)

    def _room(self, path: str) -> None:
        folder = path if path.endswith("/") else posixpath.dirname(path)
        if folder.strip("/"):
            self._run("mkdir", "-p", folder)

    def _owned(self, owner: str, mode: str, *paths: str) -> None:
        if owner:
            self._run("chown", owner, *paths)
        if mode:
            self._run("chmod", mode, *paths)

    # ── copies ──────────────────────────────────────────────────────────────────────────────────────────────

    def _copy(self, step: CopyContext | CopyImage | CopyPayload | Download | InstallGems) -> None:
        match step:
            case CopyContext():
                for source, path, relative in _context(self.subject.set.directory, step.source):
                    to = f"{step.to.rstrip('/')}/{relative}" if relative else _target(step.to, step.source)
                    self._carry(f"files/{path}", source, to)
                    self._owned(step.owner, natural(step.mode, _mode(source)), to)
            case CopyImage():
                self._place(self.subject.reference(step.image), step.source, step)
            case CopyPayload():
                self._place(self._payload(step), f"{PAYLOAD}/root{step.source}", step)
            case Download(url=url):
                to = step.to + url.rsplit("/", 1)[-1] if step.to.endswith("/") else step.to
                if url in self.site.downloads:
                    source = Path(self.site.downloads[url])
                    self._carry(f"files/{source.name}", source, to)
                else:
                    self._placed(f"ADD {self.site.addresses.get(url, url)} {to}")
                if step.sha256:
                    self._verb("checked", step.sha256, to)
                self._owned("", natural(step.mode, "644"), to)
            case InstallGems():
                self._gems(step)
            case _:
                assert_never(step)

    def _carry(self, path: str, source: Path, to: str) -> None:
        """Copy a file of the context; by hand where its name or place would mean something to a builder."""
        if _SAFE.fullmatch(path) and _SAFE.fullmatch(to):
            self.links[path] = source
            self._placed(f"COPY {path} {to}")
            return
        name = hashlib.sha256(path.encode()).hexdigest()[:16]
        self.links[f"buildsys/files/{name}"] = source
        self._room(to)
        self._run("rm", "-f", to)
        self._run("cp", f"{CARE}/files/{name}", to)

    def _place(self, origin: str, source: str, step: CopyImage | CopyPayload) -> None:
        to = _target(step.to, step.source)
        self._placed(f"COPY --from={origin} --chown=0:0 {_words(source, to)}")
        if step.owner:
            self._run("chown", "-hR", step.owner, to)
        if step.mode:
            self._run("chmod", step.mode, to)

    def _payload(self, step: CopyPayload) -> str:
        """The stage that unpacks a package; its name."""
        name = re.sub(r"[^a-z0-9]+", "-", f"payload-{step.package.name}".lower())
        if any(f" AS {name}" in said for said in self._stages):
            return name
        carried = self.carried and step.locked is not None
        if carried and step.locked is not None:
            self._pool(step.locked)
        self._configure_packages(carried=carried)
        commands = list(self.manager.unpack(step.package.name, step.locked, carried=carried))
        if any(VERBS in argv for argv in commands):
            self.links["buildsys/verbs.sh"] = VERBS_FILE
        self._stages += [
            f"FROM {self._parent()} AS {name}",
            "USER root",
            *([f"COPY buildsys/ {CARE}/"] if self._cares() else []),
            *_run_lines(chain((self._spot, line(argv)) for argv in commands)),
            "",
        ]
        return name

    def _gems(self, step: InstallGems) -> None:
        limited = ("sh", VERBS, "limit", str(step.open_files)) if step.open_files else ()
        local = bool(self.site.gems)
        named = [gem_file(self.site.gems, gem) if local else gem for gem in step.gems]
        install = ("gem", "install", *(("--local",) if local else ()), *step.flags, *named)
        if local:
            # All that the site has: what the named ones depend on is found beside them.
            self.links |= {f"buildsys/gems/{Path(file).name}": Path(file) for file in self.site.gems}
            self._verb("within", f"{CARE}/gems", *limited, *install)
        elif limited:
            self._verb(*limited[2:], *install)
        else:
            self._run(*install)

    # ── packages ────────────────────────────────────────────────────────────────────────────────────────────

    def _packages(self, step: Bootstrap | Install | Transaction | Uninstall | UpdateAll | ImportKey) -> None:
        if isinstance(step, Transaction) and self.carried:
            for item in step.packages:
                self._pool(item)
        elif not isinstance(step, Uninstall | ImportKey):
            self._configure_packages(carried=False)
        for argv in self.manager.commands(step, carried=self.carried):
            if VERBS in argv:
                self.links["buildsys/verbs.sh"] = VERBS_FILE
            self._run(*argv)

    def _pool(self, package: LockedPackage) -> None:
        """Put a locked package into the context."""
        directories = {item.id: item.directory for item in self.site.repositories}
        source = (
            Path(self.site.pool, package.pooled)
            if self.site.pool
            else Path(directories[package.repository], package.location)
        )
        self.links[f"{POOL.replace(CARE, 'buildsys')}/{package.file}"] = source

    def _configure_packages(self, *, carried: bool) -> None:
        """Put into the context where packages come from, unless the image knows it."""
        site = self.site
        if carried or site.installer == "apt" or site.host_repositories or not site.repositories:
            return
        self.texts["buildsys/packages.conf"] = repositories_text(site)
        for item in site.repositories:
            if item.directory:
                for file in sorted(Path(item.directory).rglob("*")):
                    if file.is_file():
                        path = file.relative_to(item.directory).as_posix()
                        self.links[f"buildsys/repositories/{item.id}/{path}"] = file
            if key_is_carried(item, site):
                self.links[f"buildsys/keys/{item.id}"] = Path(item.key)


def lineage(subject: Subject, image: Image) -> Iterator[Image]:
    """The image and those it is built from, one by one, as far as the set goes."""
    yield image
    while isinstance(image.parent, ParentImage):
        image = subject.set.images[image.parent.name]
        yield image


def inherited_user(subject: Subject, image: Image) -> str | None:
    """The user an image's parent ends with, as far as the set says; None: the base's own, taken for root."""
    _, *above = lineage(subject, image)
    return next((found for item in above if (found := configuration.user(item)) is not None), None)


def cmd(subject: Subject, image: Image) -> tuple[str, ...] | None:
    """The command that an image ends with, as far as the set says."""
    every = (item.config.cmd for item in lineage(subject, image))
    return next((found for found in every if found is not None), None)


def natural(asked: str, own: str) -> str:
    """What chmod is told: `a+rx` adds to a file's natural mode, not to that of its copy in some checkout."""
    if not asked or asked.isdigit():
        return asked or own
    return {"644": "u=rw,go=r,", "755": "u=rwx,go=rx,"}[own] + asked


def gem_file(files: Sequence[str], gem: str) -> str:
    """The site's file of a gem that a recipe names: the newest that satisfies it."""
    from buildsys.resolve.gems import Gems

    found = Gems(files, known=True).file(gem)
    return Path(found).name if found else gem


def _run_lines(lines: Sequence[str]) -> list[str]:
    """Lines of shell as one RUN, the remark of the first above it."""
    above = [text for text in lines[:1] if text.startswith("#")]
    first, *rest = lines[len(above) :]
    return [*above, f"RUN {first}", *(f"    {text}" for text in rest)]


def _context(directory: str, source: str) -> Iterator[tuple[Path, str, str]]:
    """The files of a source: each, its path below the set's files, and below the source."""
    root = Path(directory) / "files" / source
    if not root.is_dir():
        yield root, source, ""
        return
    for folder, folders, files in os.walk(root):
        folders.sort()
        for name in sorted(files):
            path = Path(folder, name)
            relative = path.relative_to(root).as_posix()
            yield path, f"{source.rstrip('/')}/{relative}", relative


def _mode(path: Path) -> str:
    # Only the executable bit survives a checkout on any host, so only that bit counts.
    return "755" if os.access(path, os.X_OK) else "644"


def _target(to: str, source: str) -> str:
    return to + source.rstrip("/").rsplit("/", 1)[-1] if to.endswith("/") else to


def _words(*paths: str) -> str:
    if all(_SAFE.fullmatch(path) for path in paths):
        return " ".join(paths)
    return json.dumps([path.replace("\\", "\\\\").replace("$", "\\$") for path in paths])


def _maybe(*, optional: bool) -> tuple[str, ...]:
    return ("maybe",) if optional else ()


def _recursive(step: ChangeMode | ChangeOwner) -> tuple[str, ...]:
    return ("-R",) if step.recursive else ()
