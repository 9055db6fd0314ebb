"""The static part of an image's build key, and the places where its inputs were written.

`plan/runtime/freshness.sh` adds the dynamic part, and decides by both whether an image is stale.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from buildsys.image import EmptyRoot, Image, ImageSet, LockedPackage, ParentImage
from buildsys.packages import runtime_of
from buildsys.plan.carried import Carried
from buildsys.shell import Command


class Inputs:
    """The inputs of one image, collected while its step is written."""

    def __init__(self, image_set: ImageSet, carried: Carried) -> None:
        self._set = image_set
        self._carried = carried
        self._runtime = runtime_of(image_set.site)
        self._commands: list[Command] = []
        self._places: list[tuple[str, ...]] = []
        self.transactions: list[dict[str, LockedPackage]] = []
        """Packages that are installed together, by file."""
        self.packages: dict[str, LockedPackage] = {}
        """Packages that files are copied from, by file, if only the whole package tells one from another."""
        self.payloads: dict[tuple[str, str], str] = {}
        """Package and path that is copied from it -> hash of the files."""
        self.gems: set[str] = set()
        self.uses_packages = False
        """The installer, and without a lock the repositories, are inputs."""

    def keep(self, command: Command, *places: str) -> None:
        """Add a command; `places` if they are more than its own."""
        self._commands.append(command)
        self._places.append(places or (str(command.spot),))

    def key(self, image: Image, base: str, others: Iterable[str], newest: str, runtime: str) -> str:
        """The inputs, a line each: commands without Spots, packages or repositories, format, epoch, runtime.

        `base` is the reference of the base image, or empty; `others` are the other references that a
        Containerfile reads; `newest` is the build time of the image's newest package, or empty; `runtime` is
        the hash of the runtime's content-changing files.
        """
        # A word may hold newlines: they are written as sed and printf write them.
        texts = (command.text().replace("\\", "\\\\").replace("\n", "\\n") for command in self._commands)
        lines = [f"do {text}" for text in texts]
        installed = {file for packages in self.transactions for file in packages}
        copied = {file: item for file, item in self.packages.items() if file not in installed}
        for number, packages in enumerate([*self.transactions, copied]):
            # The lines of packages do not tell where a transaction ends.
            lines += [f"transaction {number + 1}"] if 0 < number < len(self.transactions) else []
            lines += [
                f"package {item.name} {item.evr} {item.arch} {item.file} {item.checksum}"
                for item in packages.values()
            ]
        # Another build of the package is the same input if these files are the same.
        lines += [f"payload {name} {hashed} {path}" for (name, path), hashed in sorted(self.payloads.items())]
        lines += [f"gem {file} {self._carried.gem_hashes[file]}" for file in sorted(self.gems)]
        lines += list(self._origin()) if self.uses_packages else []
        lines += [f"base {base}"] if base else []
        lines += [f"outside {reference}" for reference in others]
        lines += [f"empty {image.name}"] if isinstance(image.parent, EmptyRoot) else []
        # The image's creation time depends on it.
        lines += [f"newest {newest}"] if newest else []
        # A Containerfile has the layers that its builder makes.
        if self._set.layers != "one" and image.containerfile is None:
            lines += [f"split {self._set.layers}"]
        lines += [f"format {self._set.format}", f"epoch {self._set.epoch}", f"runtime {runtime}"]
        return "\n".join(lines) + "\n"

    def _origin(self) -> Iterator[str]:
        """The installer of packages; without a lock, their repositories."""
        site = self._set.site
        inside = " inside" if site.inside else ""
        if site.locked:
            yield f"installer {self._runtime.name}{inside}"
            return
        yield f"installer {site.installer}{inside}" + (f" release {site.release}" if site.release else "")
        for item in site.repositories:
            key = self._carried.keys.get(item.id, "")
            yield f"repository {item.id} {item.checksum or item.url}" + (f" key {key}" if key else "")
        if site.host_repositories:
            yield "repository host"

    def places(self, image: Image, base: str) -> str:
        """The place of each command of the key, a line each; then of all else that explains a change.

        These are the parent, traits, variables and overlays used, the site and the lock. Tabs separate the
        fields of a line: the place of the command and of each of its packages; for a file of the set also its
        mode, its path, the path that is copied and the destination.
        """
        kind, parent = (
            ("image", image.parent.name) if isinstance(image.parent, ParentImage) else ("base", base)
        )
        files = {place[0].rsplit(":", 2)[0] for place in self._places}
        lines = [
            *self._places,
            ("from", str(image.parent_spot), kind, parent),
            *(("trait", digest, file) for file, digest in self._set.traits.items() if file in files),
            *self._origins(image),
        ]
        return "".join("\t".join(" ".join(part.split()) for part in line) + "\n" for line in lines)

    def _origins(self, image: Image) -> Iterator[tuple[str, ...]]:
        origin = self._set.origin
        places = dict.fromkeys(spot for place in self._places for spot in place if spot in origin.uses)
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
        yield "site", self._set.site.name, origin.site
        yield "lock", origin.lock
