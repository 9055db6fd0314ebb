"""One image as its step: the script that builds it, and the key that says when it is stale.

Every word of a command comes from data and is quoted by `buildsys.shell`; this module decides
in which order instructions are said; `plan/commands.py` says which verb a data instruction is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from buildsys.diagnostics import Spot
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
from buildsys.plan.commands import FOLDER, Carried, ContextFile, chmod_mode, fetched, seen, verbs
from buildsys.plan.configuration import configure, field_of
from buildsys.plan.reads import HERE, acting_text, called, names
from buildsys.shell import Command, assignment, call, comment, fragment, heredoc, word


@dataclass(frozen=True, slots=True)
class Step:
    """A compiled image: script, key, and what the Makefile needs to order it."""

    image: Image
    script: str
    key: str
    """The static inputs of the build key, a line each; see plan/runtime/freshness.sh."""
    places: str
    """Where they were written, a line each, for the words of a reason; see plan/runtime/reason.sh."""
    uses_run: bool
    stamp: str
    """The part of its stamps' names that carries the static inputs: mtimes alone are no evidence.

    Of images the key has the ids and not the names; but another name is a change to look at.
    """


Compiled = tuple[str, str, str, bool, str]
"""A `Step` in plain values, without its image."""


def compile_step(image: Image, image_set: ImageSet, carried: Carried, runtime: str) -> Compiled:
    """Compile one image. `runtime` is the hash of the runtime's content-changing files."""
    writer = _Writer(image_set, carried)
    body = list(writer.body(image))
    base = image.parent.reference if isinstance(image.parent, BaseImage) else ""
    written = image.containerfile
    others = [item.reference for item in written.others if item.reference != base] if written else []
    reads = [*others, *image.dependencies()]
    head = [
        "#!/bin/bash",
        comment(f"{image.name}: compiled from {image.spot.file}"),
        f"# by `buildsys plan {image_set.name}`: edit the recipe, not this file.",
        assignment("IMAGE", image.name),
        assignment("RECIPE", str(image.spot)),
        assignment("FROM", image.parent.name if isinstance(image.parent, ParentImage) else ""),
        *([assignment("BASE", base)] if base else []),
        f"READS=({' '.join(word(name) for name in ([base] if base else []) + reads)})",
        *([f"OUTSIDE=({' '.join(map(word, others))})"] if others else []),
        *([assignment("CONTAINERFILE", written.spots[0].file)] if written else []),
        *_array("GIVES", carried.given.get(image.name, ())),
        *_array("TAKES", sorted({" ".join(taken) for taken in taken_from_others(image)})),
        *(["UNLOCKED=1"] if written and written.network else []),
    ]
    tail = ["", '. "${0%/*}/../plan.env"', '. "${0%/*}/../lib/step.sh"', ""]
    script = "\n".join([*head, "", *fragment("build", body), *tail])
    key = writer.key(image, base, others, runtime)
    stamp = hashlib.sha256(f"{key}reads {' '.join(reads)}\n".encode()).hexdigest()[:16]
    return script, key, writer.where(image, base), writer.uses_run, stamp


def taken_from_others(image: Image) -> Iterator[tuple[str, str]]:
    """Image and path of each copy from an image that is not the parent: on that hangs everything anyway."""
    parent = image.parent.name if isinstance(image.parent, ParentImage) else ""
    for step in image.instructions:
        if isinstance(step, CopyImage) and step.image != parent:
            yield step.image, step.source


def _array(name: str, values: Iterable[str]) -> Iterator[str]:
    if said := " ".join(word(value) for value in values):
        yield f"{name}=({said})"


class _Writer:
    """Walks the instructions of one image once; keeps what it says for the key, and where it stands."""

    def __init__(self, image_set: ImageSet, carried: Carried) -> None:
        self.set = image_set
        self.carried = carried
        self.runtime = runtime_of(image_set.site)
        self.packages: dict[str, LockedPackage] = {}
        self.transactions: list[dict[str, LockedPackage]] = []
        self.payloads: dict[tuple[str, str], str] = {}
        self.gems: set[str] = set()
        self.commands: list[Command] = []
        self.places: list[tuple[str, ...]] = []
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
                case Containerfile():
                    yield from self._containerfile(image, step)
                    return
                case _:
                    data.extend(self._data(step))
        yield from self._flush(data)
        options = configure(image.config)
        if options:
            yield Command(("at", str(image.spot))).text()
            yield from self._configure(image, options)

    def key(self, image: Image, base: str, others: Iterable[str], runtime: str) -> str:
        """The static inputs: commands without Spots, packages or repositories, format, epoch, runtime."""
        # A line each, whatever a word holds: newlines are written as sed and printf would.
        texts = (command.text().replace("\\", "\\\\").replace("\n", "\\n") for command in self.commands)
        lines = [f"do {text}" for text in texts]
        installed = {file for packages in self.transactions for file in packages}
        copied = {file: item for file, item in self.packages.items() if file not in installed}
        for number, packages in enumerate([*self.transactions, copied]):
            # Where one transaction ends and another begins no line of a package says.
            lines += [f"transaction {number + 1}"] if 0 < number < len(self.transactions) else []
            lines += [
                f"package {item.name} {item.evr} {item.arch} {item.file} {item.checksum}"
                for item in packages.values()
            ]
        # The package may be another, as long as these files are the same.
        lines += [f"payload {name} {hashed} {path}" for (name, path), hashed in sorted(self.payloads.items())]
        lines += [f"gem {file} {self.carried.gem_hashes[file]}" for file in sorted(self.gems)]
        lines += list(self._origin()) if self.uses_packages else []
        lines += [f"base {base}"] if base else []
        lines += [f"outside {reference}" for reference in others]
        lines += [f"empty {image.name}"] if isinstance(image.parent, EmptyRoot) else []
        lines += [f"format {self.set.format}", f"epoch {self.set.epoch}", f"runtime {runtime}"]
        return "\n".join(lines) + "\n"

    def _origin(self) -> Iterator[str]:
        """Who installs packages, and without a lock from where."""
        site = self.set.site
        inside = " inside" if site.inside else ""
        if site.locked:
            yield f"installer {self.runtime.name}{inside}"
            return
        yield f"installer {site.installer}{inside}" + (f" release {site.release}" if site.release else "")
        for item in site.repositories:
            key = self.carried.keys.get(item.id, "")
            yield f"repository {item.id} {item.checksum or item.url}" + (f" key {key}" if key else "")
        if site.host_repositories:
            yield "repository host"

    def where(self, image: Image, base: str) -> str:
        """Where each command of the key was written, a line each; then what else explains a change.

        That is the parent, traits, variables and overlays used, the site and the lock. Tabs part a line: each
        package has a place of its own; a file of the set, its mode, its path, the path copied and where to.
        """
        kind, parent = (
            ("image", image.parent.name) if isinstance(image.parent, ParentImage) else ("base", base)
        )
        files = {place[0].rsplit(":", 2)[0] for place in self.places}
        lines = [
            *self.places,
            ("from", str(image.parent_spot), kind, parent),
            *(("trait", digest, file) for file, digest in self.set.traits.items() if file in files),
            *self._origins(image),
        ]
        return "".join("\t".join(" ".join(part.split()) for part in line) + "\n" for line in lines)

    def _origins(self, image: Image) -> Iterator[tuple[str, ...]]:
        origin = self.set.origin
        places = dict.fromkeys(spot for place in self.places for spot in place if spot in origin.uses)
        parent = str(image.parent_spot)
        if parent in origin.uses:
            places[parent] = None
        yield from (("uses", spot, *origin.uses[spot]) for spot in places)
        for name in dict.fromkeys(name for spot in places for name in origin.uses[spot]):
            setting = origin.variables[name]
            yield "variable", name, setting.value, setting.where
        for file, images in origin.overlays.items():
            if images is None or image.name in images:
                yield "overlay", file
        yield "site", self.set.site.name, origin.site
        yield "lock", origin.lock

    def _keep(self, command: Command, *places: str) -> None:
        """Keep a command for the key; `places` when they are not just its own."""
        self.commands.append(command)
        self.places.append(places or (str(command.spot),))

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
        data.clear()
        yield from heredoc("inside", lines)

    def _outside(self, command: Command) -> Iterator[str]:
        self._keep(command)
        yield from self._said(command)

    def _said(self, command: Command) -> Iterator[str]:
        yield Command(("at", str(command.spot))).text()
        yield command.text()

    def _packages(self, step: PackageInstruction) -> Iterator[str]:
        if isinstance(step, Transaction) and not step.packages:
            # What it asks for its parent has.
            return
        self.uses_packages = True
        command = self.runtime.command(step)
        if isinstance(step, Bootstrap | Install):
            self._keep(command, *_places(step.spot, step.packages))
            yield Command(("at", str(step.spot))).text()
            yield from call(command.argv[0], ((item.name, str(item.spot)) for item in step.packages))
        elif isinstance(step, Transaction):
            # Which builds of them is said by the lines of the packages themselves. What the parent has, or
            # bears another name than the package that brings it, makes no difference.
            brought = {item.name for item in step.packages}
            requested = [item for item in step.requested if item.name in brought]
            said = Command((command.argv[0], *(item.name for item in requested)))
            self._keep(said, *_places(step.spot, requested))
            self.transactions.append({item.file: item for item in step.packages})
            spots = {item.name: str(item.spot) for item in step.requested}
            remarks = {item.file: spots.get(item.name, "along") for item in step.packages}
            yield Command(("at", str(step.spot))).text()
            rows = ((text, remarks.get(text, "before the others")) for text in command.argv[1:])
            yield from call(command.argv[0], rows)
        else:
            yield from self._outside(Command(command.argv, step.spot))

    def _run(self, step: Run) -> Iterator[str]:
        self.uses_run = True
        limit = ("--open-files", str(step.open_files)) if step.open_files else ()
        yield from self._outside(Command(("run", *limit, *step.argv), step.spot))

    def _containerfile(self, image: Image, step: Containerfile) -> Iterator[str]:
        """Hand over what the Containerfile sees and reads, then build by it."""
        yield Command(("at", str(step.spot))).text()
        file = step.spots[0].file
        for item in self.carried.context[Path(step.folder)]:
            key = Command(("context", item.mode, "", item.hash, item.path))
            folder = Path(file).parent
            self._keep(key, str(step.spot), item.mode, str(folder / item.path), str(folder), ".")
            yield Command(seen(item)).text()
        for line, spot in zip(step.lines, step.spots, strict=True):
            self._keep(Command(("containerfile", *line)), str(spot))
        for more in step.contexts:
            yield Command(("with_context", called(more.written))).text()
            for item in self.carried.context[Path(more.folder)]:
                key = Command(("context", item.mode, more.written, item.hash, item.path))
                path = str(Path(more.folder) / item.path)
                self._keep(key, str(more.spot), item.mode, path, more.folder, more.written)
                yield Command(seen(item)).text()
        for secret in step.secrets:
            words = (secret.name, secret.file) if secret.file else (secret.name,)
            yield Command(("with_secret", *words)).text()
        if step.documents:
            yield Command(("with_context", HERE)).text()
            for here in step.documents:
                mode = "755" if here.executable else "644"
                yield Command(("with_file", mode, text_hash(here.text), here.path)).text()
        for name, read in names(step):
            yield Command(("with_image", name, read)).text()
        options = [("--build-arg", f"{name}={value}") for name, value in step.arguments]
        # What it fetches is as unlocked as packages of a site without a lock.
        self.uses_packages |= step.network and not self.set.site.locked
        said = (("online", step.network), ("dated", step.dated), ("based", step.based))
        flags = tuple(word for word, holds in said if holds)
        self._keep(Command(("containerfile", "flags", *flags)), str(step.spot))
        yield Command(("at", f"{file}:1:1")).text()
        call = Command(("containerfile", text_hash(acting_text(step)), *flags)).text()
        yield from self._configure(image, [*options, *configure(image.config)], call)

    def _configure(
        self, image: Image, options: list[tuple[str, str]], call: str = "configure"
    ) -> Iterator[str]:
        for option in options:
            spot = image.spots.get(field_of(*option), image.spot)
            self._keep(Command(("configure", *option)), str(spot))
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
            self.gems.update(self.carried.gem_hashes)
        for argv in verbs(step, self.set.site.name, self.carried):
            command = Command((*optional, *argv), step.spot)
            self._keep(command)
            yield command

    def _source(self, step: Instruction) -> tuple[str, ...] | None:
        """What must be opened before a data instruction can copy from it."""
        match step:
            case CopyImage(image=image):
                return ("from_image", image)
            case CopyPayload(package=package, locked=None):
                self.uses_packages = True
                return ("from_payload", package.name)
            case CopyPayload(package=package, source=path, locked=LockedPackage() as locked):
                known = self.carried.payloads.get((locked.file, path))
                if known is None:
                    self.packages[locked.file] = locked
                else:
                    self.payloads[package.name, path] = known
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
            source = f"{step.folder or 'files'}/{step.source.rstrip('/')}"
            file = f"{source}/{item.path}" if item.path else source
            for argv in _placing(step, item, to):
                command = Command(argv, step.spot)
                self._keep(command, str(step.spot), item.mode, file, source, step.to)
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
