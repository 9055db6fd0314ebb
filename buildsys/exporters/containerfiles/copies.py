"""Instructions that need files of the context, other images or stages: copies, packages, gems."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import assert_never

from buildsys.exporters.containerfiles.lines import SAFE, Lines
from buildsys.exporters.request import Request
from buildsys.image import (
    CopyContext,
    CopyImage,
    CopyPayload,
    Download,
    ImportKey,
    InstallGems,
    LockedPackage,
    Transaction,
    Uninstall,
)
from buildsys.packages import PackageInstruction, manager_of
from buildsys.packages.build_folder import CARE, PAYLOAD, POOL, VERBS, key_is_carried
from buildsys.packages.gems import Gems


class Copies:
    """Writes copies and packages of one image; `stages` holds lines for before its FROM."""

    def __init__(self, request: Request, lines: Lines, parent: str, *, carried: bool) -> None:
        """`parent` is the argument of FROM; `carried`: put locked packages into the context."""
        self.request = request
        self.lines = lines
        self.parent = parent
        self.carried = carried
        self.site = request.set.site
        self.manager = manager_of(self.site)
        self.stages: list[str] = []

    def copy(self, step: CopyContext | CopyImage | CopyPayload | Download | InstallGems) -> None:
        """Copy from the context, another image, a package or a URL; install gems."""
        match step:
            case CopyContext():
                for source, path, relative in _context(step.path(self.request.set.directory), step.source):
                    to = f"{step.to.rstrip('/')}/{relative}" if relative else _target(step.to, step.source)
                    if source.is_dir():
                        self.lines.run("mkdir", "-p", to)
                        self.lines.own(step.owner, "", to)
                        continue
                    self.lines.carry(f"files/{path}", source, to)
                    self.lines.own(step.owner, _natural(step.mode, _mode(source)), to)
            case CopyImage():
                self._place(self.request.reference(step.image), step.source, step)
            case CopyPayload():
                self._place(self._payload(step), f"{PAYLOAD}/root{step.source}", step)
            case Download(url=url):
                to = step.to + url.rsplit("/", 1)[-1] if step.to.endswith("/") else step.to
                if url in self.site.downloads:
                    source = Path(self.site.downloads[url])
                    self.lines.carry(f"files/{source.name}", source, to)
                else:
                    self.lines.place(f"ADD {_words(self.site.addresses.get(url, url), to)}")
                if step.sha256:
                    self.lines.verb("checked", step.sha256, to)
                self.lines.own("", _natural(step.mode, "644"), to)
            case InstallGems():
                self._gems(step)
            case _:
                assert_never(step)

    def _place(self, origin: str, source: str, step: CopyImage | CopyPayload) -> None:
        to = _target(step.to, step.source)
        self.lines.place(f"COPY --from={origin} --chown=0:0 {_words(source, to)}")
        if step.owner:
            self.lines.run("chown", "-hR", step.owner, to)
        if step.mode:
            self.lines.run("chmod", step.mode, to)

    def _payload(self, step: CopyPayload) -> str:
        """Add a stage that unpacks a package; its name."""
        name = re.sub(r"[^a-z0-9]+", "-", f"payload-{step.package.name}".lower())
        if any(f" AS {name}" in line for line in self.stages):
            return name
        carried = self.carried and step.locked is not None
        if carried and step.locked is not None:
            self._pool(step.locked)
        self._configure_packages(carried=carried)
        unpack = list(self.manager.unpack(step.package.name, step.locked, self.site, carried=carried))
        commands = self.lines.commands(unpack)
        self.stages += [
            f"FROM {self.parent} AS {name}",
            "USER root",
            f"ARG SOURCE_DATE_EPOCH={self.request.set.epoch}",
            *([f"COPY buildsys/ {CARE}/"] if self.lines.cares() else []),
            *commands,
            "",
        ]
        return name

    def _gems(self, step: InstallGems) -> None:
        limited = ("sh", VERBS, "limit", str(step.open_files)) if step.open_files else ()
        local = bool(self.site.gems)
        named = [_gem(self.site.gems, gem) if local else gem for gem in step.gems]
        install = ("gem", "install", *(("--local",) if local else ()), *step.flags, *named)
        if local:
            # All gems of the site: the requested ones may depend on any of them.
            self.lines.links |= {f"buildsys/gems/{Path(file).name}": Path(file) for file in self.site.gems}
            self.lines.verb("within", f"{CARE}/gems", *limited, *install)
        elif limited:
            self.lines.verb(*limited[2:], *install)
        else:
            self.lines.run(*install)

    def packages(self, step: PackageInstruction) -> None:
        """Install, remove or update packages, or import a key."""
        if isinstance(step, Transaction) and self.carried:
            for item in step.packages:
                self._pool(item)
        elif not isinstance(step, Uninstall | ImportKey):
            self._configure_packages(carried=False)
        for argv in self.manager.commands(step, self.site, carried=self.carried):
            self.lines.run(*argv)

    def _pool(self, package: LockedPackage) -> None:
        """Put a locked package into the context."""
        directories = {item.id: item.directory for item in self.site.repositories}
        source = (
            Path(self.site.pool, package.pooled)
            if self.site.pool
            else Path(directories[package.repository], package.location)
        )
        self.lines.links[f"{POOL.replace(CARE, 'buildsys')}/{package.file}"] = source

    def _configure_packages(self, *, carried: bool) -> None:
        """Put the configuration of repositories into the context, unless the image has it."""
        site = self.site
        if carried or site.host_repositories or not site.repositories:
            return
        texts = self.manager.configuration(site)
        self.lines.texts |= {f"buildsys/{path}": text for path, text in texts.items()}
        for item in site.repositories:
            if item.directory:
                for file in sorted(Path(item.directory).rglob("*")):
                    if file.is_file():
                        path = file.relative_to(item.directory).as_posix()
                        self.lines.links[f"buildsys/repositories/{item.id}/{path}"] = file
            if key_is_carried(item, site):
                self.lines.links[f"buildsys/keys/{item.id}"] = Path(item.key)


def _natural(asked: str, own: str) -> str:
    """The mode for chmod: `a+rx` adds to the default mode `own`, not to the mode of a checkout."""
    if not asked or asked.isdigit():
        return asked or own
    return {"644": "u=rw,go=r,", "755": "u=rwx,go=rx,"}[own] + asked


def _gem(files: Sequence[str], gem: str) -> str:
    """The file of the newest gem of the site that satisfies a recipe."""
    found = Gems(files, known=True).file(gem)
    return Path(found).name if found else gem


def _context(root: Path, source: str) -> Iterator[tuple[Path, str, str]]:
    """The files and empty directories of a source at `root`.

    Each: (path, path relative to the files of the set, path relative to the source).
    """
    if not root.is_dir():
        yield root, source, ""
        return
    for folder, folders, files in os.walk(root):
        folders.sort()
        for name in sorted(files) if files or folders else [""]:
            path = Path(folder, name)
            relative = path.relative_to(root).as_posix()
            yield path, f"{source.rstrip('/')}/{relative}", relative


def _mode(path: Path) -> str:
    # git keeps only the executable bit.
    return "755" if os.access(path, os.X_OK) else "644"


def _target(to: str, source: str) -> str:
    return to + source.rstrip("/").rsplit("/", 1)[-1] if to.endswith("/") else to


def _words(*paths: str) -> str:
    if all(SAFE.fullmatch(path) for path in paths):
        return " ".join(paths)
    return json.dumps([path.replace("\\", "\\\\").replace("$", "\\$") for path in paths])
