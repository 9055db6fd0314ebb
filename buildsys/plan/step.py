"""One image as its step: the script that builds it.

This module orders the commands of a step; `plan/commands.py` has their words, which `buildsys.shell` quotes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from buildsys.diagnostics import Spot, plan_path
from buildsys.image import (
    BaseImage,
    Bootstrap,
    Containerfile,
    CopyContext,
    CopyImage,
    CopyPayload,
    Download,
    EmptyRoot,
    Image,
    ImageSet,
    ImportKey,
    Install,
    InstallGems,
    Instruction,
    LockedPackage,
    PackageName,
    ParentImage,
    Run,
    Transaction,
    Uninstall,
    UpdateAll,
)
from buildsys.packages import PackageInstruction, runtime_of
from buildsys.plan.carried import FOLDER, Carried, ContextFile
from buildsys.plan.commands import (
    HERE,
    acting_text,
    called,
    chmod_mode,
    configure,
    fetched,
    field_of,
    read_images,
    shown,
    verbs,
)
from buildsys.plan.key import Inputs
from buildsys.shell import Command, assignment, call, comment, fragment, heredoc, word


@dataclass(frozen=True, slots=True)
class Step:
    """A compiled image: script, key, and what the Makefile needs to order it."""

    image: Image
    script: str
    key: str
    """The static inputs of the build key, a line each; see plan/runtime/freshness.sh."""
    places: str
    """The places of the inputs, a line each, for reasons; see plan/runtime/reason.sh."""
    stamp: str
    """Hash of `key` and of the names of the images that the step reads.

    It is part of the names of the image's stamps, since file times alone do not show a change.
    """


_NUMBERS = re.compile(r"[0-9]+(?::[0-9]*)?")
"""A user without a name."""
CompiledStep = tuple[str, str, str, str]
"""A `Step` in plain values, without its image."""


def compile_step(image: Image, image_set: ImageSet, carried: Carried, runtime: str) -> CompiledStep:
    """Compile one image. `runtime` is the hash of the runtime's content-changing files."""
    writer = _Writer(image_set, carried)
    body = list(writer.body(image))
    base = image.parent.reference if isinstance(image.parent, BaseImage) else ""
    written = image.containerfile
    others = [item.reference for item in written.others if item.reference != base] if written else []
    reads = [*others, *image.dependencies()]
    newest = _newest(image, carried)
    head = [
        "#!/bin/bash",
        comment(f"{image.name}: compiled from {plan_path(image.spot.file)}"),
        f"# by `buildsys plan {image_set.name}`: edit the recipe, not this file.",
        assignment("IMAGE", image.name),
        assignment("RECIPE", str(image.spot)),
        assignment("FROM", image.parent.name if isinstance(image.parent, ParentImage) else ""),
        *([assignment("BASE", base)] if base else []),
        f"READS=({' '.join(word(name) for name in ([base] if base else []) + reads)})",
        *(["BARE=1"] if _is_bare(image, image_set) else []),
        *([f"OUTSIDE=({' '.join(map(word, others))})"] if others else []),
        *([assignment("CONTAINERFILE", plan_path(written.spots[0].file))] if written else []),
        *_array("GIVES", carried.given.get(image.name, ())),
        *_array("TAKES", sorted({" ".join(taken) for taken in taken_from_others(image)})),
        *([assignment("NEWEST", newest)] if newest else []),
        *(["UNLOCKED=1"] if written and written.network else []),
    ]
    tail = ["", '. "${0%/*}/../plan.env"', '. "${0%/*}/../lib/step.sh"', ""]
    script = "\n".join([*head, "", *fragment("build", body), *tail])
    key = writer.inputs.key(image, base, others, newest, runtime)
    stamp = hashlib.sha256(f"{key}reads {' '.join(reads)}\n".encode()).hexdigest()[:16]
    return script, key, writer.inputs.places(image, base), stamp


def taken_from_others(image: Image) -> Iterator[tuple[str, str]]:
    """Yield (image, path) of each copy; not from the parent, of which everything counts anyway."""
    parent = image.parent.name if isinstance(image.parent, ParentImage) else ""
    for step in image.instructions:
        if isinstance(step, CopyImage) and step.image != parent:
            yield step.image, step.source


LAST = 253402300799
"""The last second of the year 9999."""


def shown_time(seconds: int) -> str:
    """A time in the form of an image's configuration."""
    return datetime.fromtimestamp(min(seconds, LAST), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _newest(image: Image, carried: Carried) -> str:
    """When the newest package was built that the image itself brings; empty: unknown."""
    held: dict[tuple[str, str], int] = {}
    for step in image.instructions:
        if isinstance(step, Transaction):
            held |= {(item.name, item.arch): carried.build_times.get(item.file, 0) for item in step.packages}
        elif isinstance(step, Uninstall):
            gone = {item.name for item in step.packages}
            held = {key: time for key, time in held.items() if key[0] not in gone}
    return shown_time(newest) if (newest := max(held.values(), default=0)) > 0 else ""


def _is_bare(image: Image, image_set: ImageSet) -> bool:
    """Whether the root began empty, and no package and no Containerfile put a shell there."""
    packages = (Bootstrap, Containerfile, Install, Transaction, UpdateAll)
    while not any(isinstance(step, packages) for step in image.instructions):
        if not isinstance(image.parent, ParentImage):
            return isinstance(image.parent, EmptyRoot)
        image = image_set.images[image.parent.name]
    return False


def _array(name: str, values: Iterable[str]) -> Iterator[str]:
    if text := " ".join(word(value) for value in values):
        yield f"{name}=({text})"


class _Writer:
    """Writes the script of one image in one pass over its instructions, and collects its inputs."""

    def __init__(self, image_set: ImageSet, carried: Carried) -> None:
        self.set = image_set
        self.carried = carried
        self.runtime = runtime_of(image_set.site)
        self.inputs = Inputs(image_set, carried)

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
                case Containerfile():
                    yield from self._containerfile(image, step)
                    return
                case _:
                    data.extend(self._data(step))
        yield from self._flush(data)
        if image.config.user is not None and not _NUMBERS.fullmatch(image.config.user):
            # No input: the name is one, with the rest of the configuration.
            yield from self._at(
                Command(("known_user", image.config.user), image.spots.get("user", image.spot)),
                "configuration",
            )
        options = configure(image.config)
        if options:
            yield Command(("at", str(image.spot), "configuration")).text()
            yield from self._configure(image, options)

    def _sources(self, image: Image) -> Iterator[str]:
        """Open the sources of copies first, so that opening does not split a stretch of data instructions."""
        opened: set[tuple[str, ...]] = set()
        for step in image.instructions:
            if (source := self._source(step)) and source not in opened:
                opened.add(source)
                command = Command(source, step.spot)
                if source[0] in {"fetched", "from_payload"}:
                    # The source is not an input: the verb that places the file is, and its checksum.
                    yield from self._at(command, "sources")
                else:
                    yield from self._kept(command, "sources")

    def _flush(self, data: list[Command]) -> Iterator[str]:
        if not data:
            return
        yield Command(("at", str(data[0].spot), "files")).text()
        lines: list[str] = []
        last = ""
        for command in data:
            if str(command.spot) != last:
                last = str(command.spot)
                lines.append(Command(("at", last)).text())
            lines.append(command.text())
        data.clear()
        yield from heredoc("inside", lines)

    def _kept(self, command: Command, *what: str) -> Iterator[str]:
        self.inputs.keep(command)
        yield from self._at(command, *what)

    def _at(self, command: Command, *what: str) -> Iterator[str]:
        yield Command(("at", str(command.spot), *what)).text()
        yield command.text()

    def _packages(self, step: PackageInstruction) -> Iterator[str]:
        if isinstance(step, Transaction) and not step.packages:
            # The parent has all that it requests.
            return
        self.inputs.uses_packages = True
        command = self.runtime.command(step)
        if isinstance(step, Bootstrap | Install):
            self.inputs.keep(command, *_places(step.spot, step.packages))
            yield Command(("at", str(step.spot), "packages", str(len(step.packages)))).text()
            yield from call(command.argv[0], ((item.name, str(item.spot)) for item in step.packages))
        elif isinstance(step, Transaction):
            # The key holds exact versions in its `package` lines. A request that the parent fulfils, or a
            # package of another name, is not an input.
            brought = {item.name for item in step.packages}
            requested = [item for item in step.requested if item.name in brought]
            request = Command((command.argv[0], *(item.name for item in requested)))
            self.inputs.keep(request, *_places(step.spot, requested))
            self.inputs.transactions.append({item.file: item for item in step.packages})
            spots = {item.name: str(item.spot) for item in step.requested}
            remarks = {item.file: spots.get(item.name, "along") for item in step.packages}
            yield Command(("at", str(step.spot), "packages", str(len(step.packages)))).text()
            rows = ((text, remarks.get(text, "before the others")) for text in command.argv[1:])
            yield from call(command.argv[0], rows)
        else:
            yield from self._kept(Command(command.argv, step.spot), "packages")

    def _run(self, step: Run) -> Iterator[str]:
        limit = ("--open-files", str(step.open_files)) if step.open_files else ()
        yield from self._kept(Command(("run", *limit, *step.argv), step.spot), "run")

    def _containerfile(self, image: Image, step: Containerfile) -> Iterator[str]:
        """Show the builder the context, and name the images that the Containerfile reads; then build."""
        yield Command(("at", str(step.spot), "context")).text()
        file = plan_path(step.spots[0].file)
        for item in self.carried.context[Path(step.folder)]:
            key = Command(("context", item.mode, "", item.hash, item.path))
            folder = Path(file).parent
            self.inputs.keep(key, str(step.spot), item.mode, str(folder / item.path), str(folder), ".")
            yield Command(shown(item)).text()
        for line, spot in zip(step.lines, step.spots, strict=True):
            self.inputs.keep(Command(("containerfile", *line)), str(spot))
        for more in step.contexts:
            yield Command(("with_context", called(more.written))).text()
            for item in self.carried.context[Path(more.folder)]:
                key = Command(("context", item.mode, more.written, item.hash, item.path))
                top = plan_path(more.folder)
                self.inputs.keep(
                    key, str(more.spot), item.mode, str(Path(top) / item.path), top, more.written
                )
                yield Command(shown(item)).text()
        for secret in step.secrets:
            words = (secret.name, secret.file) if secret.file else (secret.name,)
            yield Command(("with_secret", *words)).text()
        if step.documents:
            yield Command(("with_context", HERE)).text()
            for here in step.documents:
                mode = "755" if here.executable else "644"
                yield Command(("with_file", mode, text_hash(here.text), here.path)).text()
        for name, read in read_images(step):
            yield Command(("with_image", name, read)).text()
        options = [("--build-arg", f"{name}={value}") for name, value in step.arguments]
        # Without a lock of the site, files that it fetches depend on the repositories as packages do.
        self.inputs.uses_packages |= step.network and not self.set.site.locked
        states = (("online", step.network), ("dated", step.dated), ("based", step.based))
        flags = tuple(name for name, holds in states if holds)
        self.inputs.keep(Command(("containerfile", "flags", *flags)), str(step.spot))
        yield Command(("at", f"{file}:1:1", "containerfile")).text()
        call = Command(("containerfile", text_hash(acting_text(step)), *flags)).text()
        yield from self._configure(image, [*options, *configure(image.config)], call)

    def _configure(
        self, image: Image, options: list[tuple[str, str]], call: str = "configure"
    ) -> Iterator[str]:
        for option in options:
            spot = image.spots.get(field_of(*option), image.spot)
            self.inputs.keep(Command(("configure", *option)), str(spot))
        yield call + (" \\" if options else "")
        for index, (flag, value) in enumerate(options):
            yield f"    {flag} {word(value)}" + (" \\" if index < len(options) - 1 else "")

    def _data(self, step: Instruction) -> Iterator[Command]:
        """One data instruction as verbs of plan/runtime/inside.sh."""
        optional = ("optional",) if getattr(step, "optional", False) else ()
        if isinstance(step, CopyContext):
            yield from self._context(step)
            return
        if isinstance(step, InstallGems):
            self.inputs.gems.update(self.carried.gem_hashes)
        for argv in verbs(step, self.set.site.name, self.carried):
            command = Command((*optional, *argv), step.spot)
            self.inputs.keep(command)
            yield command

    def _source(self, step: Instruction) -> tuple[str, ...] | None:
        """The command that opens the source of a copy; None: the step copies nothing, or from the plan."""
        match step:
            case CopyImage(image=image):
                return ("from_image", image)
            case CopyPayload(package=package, locked=None):
                self.inputs.uses_packages = True
                return ("from_payload", package.name)
            case CopyPayload(package=package, source=path, locked=LockedPackage() as locked):
                known = self.carried.payloads.get((locked.file, path))
                if known is None:
                    self.inputs.packages[locked.file] = locked
                else:
                    self.inputs.payloads[package.name, path] = known
                return ("from_payload", package.name, locked.file, locked.checksum)
            case Download(url=url, sha256=sha256) if url not in self.set.site.downloads:
                address = self.set.site.addresses.get(url, url)
                return ("fetched", address, fetched(step), *((sha256,) if sha256 else ()))
            case _:
                return None

    def _context(self, step: CopyContext) -> Iterator[Command]:
        name = step.source.rstrip("/").rsplit("/", 1)[-1]
        for item in self.carried.context[step.path(self.set.directory)]:
            root = step.to + name if step.to.endswith("/") else step.to
            inner = f"{step.to.rstrip('/')}/{item.path}".rstrip("/")
            to = inner if item.path or item.mode == FOLDER else root
            source = f"{plan_path(step.folder) or 'files'}/{step.source.rstrip('/')}"
            file = f"{source}/{item.path}" if item.path else source
            for argv in _placing(step, item, to):
                command = Command(argv, step.spot)
                self.inputs.keep(command, str(step.spot), item.mode, file, source, step.to)
                yield command


def _placing(step: CopyContext, item: ContextFile, to: str) -> Iterator[tuple[str, ...]]:
    """The verbs that put one file or empty folder of the context at `to`."""
    match item.mode:
        case "folder":
            yield ("folders", step.owner, to)
        case "same":
            yield ("same", f"{step.to.rstrip('/')}/{item.hash}", to)
        case mode:
            yield ("context", chmod_mode(step.mode, mode), step.owner, item.hash, to)
            if item.attributes:
                yield ("attributes", to, *(part for pair in item.attributes for part in pair))


def text_hash(text: str) -> str:
    """SHA-256 of a text, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def _places(spot: Spot, packages: Iterable[PackageName]) -> tuple[str, ...]:
    return (str(spot), *(str(item.spot) for item in packages))
