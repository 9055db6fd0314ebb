"""One image as its step: the script that builds it, and the key that says when it is stale.

Every word of a command comes from data and is quoted by `buildsys.command`; this module decides
which verb of `plan/runtime` says an instruction, and in which order.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import assert_never

from buildsys.command import Command, assignment, call, comment, fragment, heredoc, word, words
from buildsys.image import (
    Account,
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
    ImageSet,
    ImportKey,
    Install,
    InstallGems,
    Instruction,
    LockedPackage,
    MakeDirectory,
    MovePath,
    OciConfig,
    ParentImage,
    RemovePath,
    ReplaceLines,
    Require,
    Run,
    Site,
    Symlink,
    Touch,
    Transaction,
    Uninstall,
    UpdateAll,
    WriteRepository,
)
from buildsys.packages import MANAGERS, PackageInstruction


@dataclass(frozen=True, slots=True)
class ContextFile:
    """A file of the set's context as the plan carries it: `path` below the source, content hash, mode."""

    path: str
    hash: str
    mode: str


@dataclass(frozen=True, slots=True)
class Carried:
    """What the plan directory holds for the steps, known by content: context files and the pool."""

    context: Mapping[str, tuple[ContextFile, ...]]
    """Source path of a `CopyContext` -> its files; a single file has an empty `path`."""
    downloads: Mapping[str, str]
    """URL -> SHA-256 of the pooled file."""
    gems: Mapping[str, str]
    """Gem as a recipe names it -> file name in the pool."""
    gem_hashes: Mapping[str, str]
    """File name in the pool -> SHA-256."""


@dataclass(frozen=True, slots=True)
class Step:
    """A compiled image: script, key, and what the Makefile needs to order it."""

    image: Image
    script: str
    key: str
    """The static inputs of the build key, a line each; see plan/runtime/freshness.sh."""
    uses_run: bool


def compile_step(image: Image, image_set: ImageSet, carried: Carried, runtime: str) -> Step:
    """Compile one image. `runtime` is the hash of the runtime's content-changing files."""
    writer = _Writer(image_set, carried)
    body = list(writer.body(image))
    reads = list(image.dependencies())
    base = image.parent.reference if isinstance(image.parent, BaseImage) else ""
    head = [
        "#!/bin/bash",
        comment(f"{image.name}: compiled from {image.spot.file}"),
        f"# by `buildsys plan {image_set.name}`: edit the recipe, not this file.",
        assignment("IMAGE", image.name),
        assignment("RECIPE", str(image.spot)),
        assignment("FROM", image.parent.name if isinstance(image.parent, ParentImage) else ""),
        *([assignment("BASE", base)] if base else []),
        f"READS=({' '.join(word(name) for name in ([base] if base else []) + reads)})",
    ]
    tail = ["", '. "${0%/*}/../plan.env"', '. "${0%/*}/../lib/step.sh"', ""]
    script = "\n".join([*head, "", *fragment("build", body), *tail])
    return Step(image, script, writer.key(image, base, runtime), writer.uses_run)


class _Writer:
    """Walks the instructions of one image once; keeps the commands for the key."""

    def __init__(self, image_set: ImageSet, carried: Carried) -> None:
        self.set = image_set
        self.carried = carried
        self.manager = MANAGERS[installer(image_set.site)]
        self.packages: dict[str, LockedPackage] = {}
        self.gems: set[str] = set()
        self.commands: list[Command] = []
        self.uses_packages = False
        self.uses_run = False

    def body(self, image: Image) -> Iterator[str]:
        """Lines of `build()`: stretches of data instructions share one entry into the root."""
        data: list[Command] = []
        yield from self._sources(image)
        for step in image.instructions:
            match step:
                case Bootstrap() | Install() | Transaction() | Uninstall() | UpdateAll() | ImportKey():
                    yield from self._flush(data)
                    yield from self._packages(step)
                case Run():
                    yield from self._flush(data)
                    yield from self._run(step)
                case _:
                    data.extend(self._data(step))
        yield from self._flush(data)
        options = configure(image.config)
        if options:
            yield Command(("at", str(image.spot))).text()
            yield from self._configure(options)

    def key(self, image: Image, base: str, runtime: str) -> str:
        """The static inputs: commands without Spots, packages or repositories, format, epoch, runtime."""
        # A line each, whatever a word holds: newlines are written as sed and printf would.
        texts = (command.text().replace("\\", "\\\\").replace("\n", "\\n") for command in self.commands)
        lines = [f"do {text}" for text in texts]
        lines += [
            f"package {item.name} {_evr(item)} {item.arch} {item.file} {item.checksum}"
            for item in self.packages.values()
        ]
        lines += [f"gem {file} {self.carried.gem_hashes[file]}" for file in sorted(self.gems)]
        if self.uses_packages and not self.set.site.locked:
            site = self.set.site
            lines.append(f"installer {site.installer}")
            lines += [f"repository {item.id} {item.checksum or item.url}" for item in site.repositories]
            if site.host_repositories:
                lines.append("repository host")
        lines += [f"base {base}"] if base else []
        lines += [f"empty {image.name}"] if isinstance(image.parent, EmptyRoot) else []
        lines += [f"format {self.set.format}", f"epoch {self.set.epoch}", f"runtime {runtime}"]
        return "\n".join(lines) + "\n"

    def _sources(self, image: Image) -> Iterator[str]:
        """Open what is copied from first, so that it splits no stretch of data instructions."""
        opened: set[tuple[str, ...]] = set()
        for step in image.instructions:
            if (source := self._source(step)) and source not in opened:
                opened.add(source)
                command = Command(source, step.spot)
                if source[0] in {"fetched", "from_payload"}:
                    # Where it comes from is no input: what places it is, and its checksum.
                    yield from self._said(command)
                else:
                    yield from self._outside(command)

    def _flush(self, data: list[Command]) -> Iterator[str]:
        if not data:
            return
        lines: list[str] = []
        last = ""
        for command in data:
            if str(command.spot) != last:
                last = str(command.spot)
                lines.append(Command(("at", last)).text())
            lines.append(command.text())
        self.commands += data
        data.clear()
        yield from heredoc("inside", lines)

    def _outside(self, command: Command) -> Iterator[str]:
        self.commands.append(command)
        yield from self._said(command)

    def _said(self, command: Command) -> Iterator[str]:
        yield Command(("at", str(command.spot))).text()
        yield command.text()

    def _packages(self, step: PackageInstruction) -> Iterator[str]:
        self.uses_packages = True
        command = self.manager.command(step)
        if isinstance(step, Bootstrap | Install):
            self.commands.append(command)
            yield Command(("at", str(step.spot))).text()
            yield from call(command.argv[0], ((item.name, str(item.spot)) for item in step.packages))
        elif isinstance(step, Transaction):
            # Which builds of them is said by the lines of the packages themselves.
            self.commands.append(Command((command.argv[0], *(item.name for item in step.requested))))
            self.packages |= {item.file: item for item in step.packages}
            if step.packages:
                spots = {item.name: str(item.spot) for item in step.requested}
                yield Command(("at", str(step.spot))).text()
                rows = ((item.file, spots.get(item.name, "along")) for item in step.packages)
                yield from call(command.argv[0], rows)
        else:
            yield from self._outside(Command(command.argv, step.spot))

    def _run(self, step: Run) -> Iterator[str]:
        self.uses_run = True
        limit = ("--open-files", str(step.open_files)) if step.open_files else ()
        yield from self._outside(Command(("run", *limit, *step.argv), step.spot))

    def _configure(self, options: list[tuple[str, str]]) -> Iterator[str]:
        self.commands += [Command(("configure", *option)) for option in options]
        yield "configure \\"
        for index, (flag, value) in enumerate(options):
            yield f"    {flag} {word(value)}" + (" \\" if index < len(options) - 1 else "")

    def _data(self, step: Instruction) -> Iterator[Command]:
        """One data instruction as verbs of plan/runtime/inside.sh."""
        optional = ("optional",) if getattr(step, "optional", False) else ()
        for argv in self._verbs(step):
            yield Command((*optional, *argv), step.spot)

    def _source(self, step: Instruction) -> tuple[str, ...] | None:
        """What must be opened before a data instruction can copy from it."""
        match step:
            case CopyImage(image=image):
                return ("from_image", image)
            case CopyPayload(package=package, locked=None):
                self.uses_packages = True
                return ("from_payload", package.name)
            case CopyPayload(package=package, locked=LockedPackage() as locked):
                self.packages[locked.file] = locked
                return ("from_payload", package.name, locked.file)
            case Download(url=url, sha256=sha256) if url not in self.set.site.downloads:
                address = self.set.site.addresses.get(url, url)
                return ("fetched", address, _fetched(step), *((sha256,) if sha256 else ()))
            case _:
                return None

    def _verbs(self, step: Instruction) -> Iterator[tuple[str, ...]]:
        match step:
            case MakeDirectory():
                yield ("directory", step.mode, step.owner, *step.paths)
            case ChangeMode():
                yield ("mode", step.mode, *_recursive(step), *step.paths)
            case ChangeOwner():
                yield ("owner", step.owner, *_recursive(step), *step.paths)
            case Symlink():
                yield ("link", step.target, step.link, *(("force",) if step.force else ()))
            case Touch():
                yield ("file", step.mode, *step.paths)
            case RemovePath():
                yield ("remove", *_recursive(step), *step.paths)
            case MovePath():
                yield ("move", step.source, step.to)
            case CopyInside():
                yield ("duplicate", step.source, step.to, *(("preserve",) if step.preserve else ()))
            case CopyPayload():
                yield ("payload", step.mode, step.owner, step.package.name, step.source, step.to)
            case CopyImage():
                yield ("other", step.mode, step.owner, step.image, step.source, step.to)
            case CopyContext():
                yield from self._context(step)
            case Download():
                to = step.to + step.url.rsplit("/", 1)[-1] if step.to.endswith("/") else step.to
                mode = _mode(step.mode, "644")
                if step.url in self.carried.downloads:
                    yield ("pooled", mode, self.carried.downloads[step.url], to)
                else:
                    yield ("download", mode, _fetched(step), to)
            case InstallGems() if missing := [gem for gem in step.gems if gem not in self.carried.gems]:
                yield ("fail", f"the site {self.set.site.name} does not have the gems {', '.join(missing)}")
            case InstallGems():
                files = [self.carried.gems[gem] for gem in step.gems]
                self.gems.update(files)
                yield ("gems", str(step.open_files), " ".join(step.flags), *files)
            case CommentLines():
                yield ("comment", step.pattern, step.file)
            case ReplaceLines():
                yield ("replace", step.pattern, step.replacement, step.file)
            case AppendLines():
                yield ("append", step.file, *step.lines)
            case AppendFile():
                yield ("append_file", step.source, step.file)
            case Require():
                yield ("require", step.pattern, step.file)
            case WriteRepository():
                options = (part for option in step.options for part in option)
                yield ("repository", step.file, step.id, *options)
            case DisableRepository():
                yield ("disable_repository", step.id)
            case DeclareAccounts():
                yield from (_account(item) for item in step.accounts)
            case ChangeAccount():
                yield ("change_account", step.name, step.home, step.shell, *step.groups)
            case Bootstrap() | Install() | Transaction() | Uninstall() | UpdateAll() | ImportKey() | Run():
                raise AssertionError(f"{step} is no data instruction")
            case _:
                assert_never(step)

    def _context(self, step: CopyContext) -> Iterator[tuple[str, ...]]:
        name = step.source.rstrip("/").rsplit("/", 1)[-1]
        for item in self.carried.context[step.source]:
            to = step.to + name if step.to.endswith("/") else step.to
            to = f"{step.to.rstrip('/')}/{item.path}" if item.path else to
            yield ("context", _mode(step.mode, item.mode), step.owner, item.hash, to)


def installer(site: Site) -> str:
    """The package manager that acts: under a lock nothing is left to solve, rpm alone does it."""
    return "rpm" if site.locked and site.installer in {"dnf", "yum"} else site.installer


def _fetched(step: Download) -> str:
    """The name of what the plan fetches by itself: its checksum, or where nobody knows one, its URL's."""
    return step.sha256 or f"url-{hashlib.sha256(step.url.encode()).hexdigest()}"


def _evr(item: LockedPackage) -> str:
    epoch = "" if item.epoch in {"", "0"} else f"{item.epoch}:"
    return f"{epoch}{item.version}-{item.release}"


def _mode(asked: str, natural: str) -> str:
    """What chmod is told: `a+rx` adds to the natural mode of the file, not to that of the plan's copy."""
    if not asked or asked.isdigit():
        return asked or natural
    return {"644": "u=rw,go=r,", "755": "u=rwx,go=rx,"}[natural] + asked


def _recursive(step: ChangeMode | ChangeOwner | RemovePath) -> tuple[str, ...]:
    return ("-R",) if step.recursive else ()


def _account(item: Account) -> tuple[str, ...]:
    return ("account", item.name, str(item.uid), str(item.gid), item.home, item.shell, *item.groups)


def configure(config: OciConfig) -> list[tuple[str, str]]:
    """The options of `buildah config` that say this configuration; lists as JSON, which it takes for argv."""
    options: list[tuple[str, str]] = []
    if config.user is not None:
        options.append(("--user", config.user))
    if config.entrypoint is not None:
        options.append(("--entrypoint", json.dumps(list(config.entrypoint))))
    if config.cmd is not None:
        options.append(("--cmd", json.dumps(list(config.cmd))))
    if config.workdir is not None:
        options.append(("--workingdir", config.workdir))
    if config.stop_signal is not None:
        options.append(("--stop-signal", config.stop_signal))
    if config.healthcheck is not None:
        check = config.healthcheck
        # The value is split as by a shell; all of a CMD-SHELL is one word.
        options.append(("--healthcheck", words(check.command)))
        for flag, value in (
            ("--healthcheck-interval", check.interval),
            ("--healthcheck-timeout", check.timeout),
            ("--healthcheck-start-period", check.start_period),
        ):
            if value:
                options.append((flag, f"{value:g}s"))
        if check.retries:
            options.append(("--healthcheck-retries", str(check.retries)))
    options += _env(config)
    options += [("--label", f"{name}={value}") for name, value in sorted(config.labels.items())]
    options += [("--annotation", f"{name}={value}") for name, value in sorted(config.annotations.items())]
    options += [("--volume", _csv(path)) for path in config.volumes]
    options += [("--port", port) for port in config.ports]
    return options


def _csv(value: str) -> str:
    """One value for an option that takes a line of CSV."""
    return '"' + value.replace('"', '""') + '"' if set(value) & set(',"') else value


def _env(config: OciConfig) -> Iterator[tuple[str, str]]:
    """`--env` expands `$NAME` from what is set so far and has no escape: set to `$`, NAME stands for it."""
    for name, value in sorted(config.env.items()):
        if "$" in value:
            yield ("--env", f"{name}=$")
        yield ("--env", f"{name}={value.replace('$', f'${{{name}}}')}")
