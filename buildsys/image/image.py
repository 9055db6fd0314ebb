"""An image and an image set, resolved: parent, instructions, configuration."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from buildsys.diagnostics import NOWHERE, Diagnostic, Spot
from buildsys.image.instructions import Containerfile, CopyImage, Download, Instruction
from buildsys.image.names import ImageReference
from buildsys.image.package_sources import Site
from buildsys.logins import Login
from buildsys.testing.spec import ImageTest, Scenario


@dataclass(frozen=True, slots=True)
class Setting:
    """A value, and the place that set it."""

    value: str
    where: str
    """`file:line:column`, or an option of the command line."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The places that chose the site, the lock, overlays and variables of a resolved set."""

    site: str = ""
    """The place that chose the site: `file:line:column`, or an option of the command line."""
    lock: str = ""
    """The lock's file, or why there is none; empty: no lock was requested."""
    overlays: Mapping[str, Collection[str] | None] = field(default_factory=dict)
    """File of each overlay -> the images that it changes; None: all."""
    variables: Mapping[str, Setting] = field(default_factory=dict)
    """Variables of the set, by name."""
    uses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Place of each value that holds variables, as `file:line:column` -> their names."""


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """Docker's health check: `command` is the whole test, `CMD` or `CMD-SHELL` first; times in seconds."""

    command: tuple[str, ...]
    interval: float = 0
    timeout: float = 0
    start_period: float = 0
    retries: int = 0


@dataclass(frozen=True, slots=True)
class OciConfig:
    """What this image sets on top of its parent's configuration. None and empty: inherited."""

    user: str | None = None
    cmd: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    healthcheck: HealthCheck | None = None
    stop_signal: str | None = None
    volumes: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    workdir: str | None = None
    version_of: str | None = None
    """The package that a lock takes the image's labels from; by itself it changes nothing."""
    removed_labels: tuple[str, ...] = ()
    """Labels of the parent that this image does not have."""


@dataclass(frozen=True, slots=True)
class ParentImage:
    """The parent is another image of the set."""

    name: str


@dataclass(frozen=True, slots=True)
class BaseImage:
    """The parent is an image built elsewhere, to be pulled (`docker.io/library/centos:7`)."""

    reference: str


@dataclass(frozen=True, slots=True)
class EmptyRoot:
    """The parent is nothing: the image begins with a Bootstrap."""


@dataclass(frozen=True, slots=True)
class Image:
    """One image of a set, resolved: what it starts from, what is done to it, how it is configured."""

    name: str
    reference: ImageReference
    parent: ParentImage | BaseImage | EmptyRoot
    instructions: tuple[Instruction, ...]
    config: OciConfig
    profiles: tuple[str, ...] = ()
    spot: Spot = field(default=NOWHERE, compare=False)
    parent_spot: Spot = field(default=NOWHERE, compare=False)
    spots: Mapping[str, Spot] = field(default_factory=dict, compare=False)
    """Where each value of `config` was written: `user`, `labels.name`, `ports.80/tcp`."""
    test: ImageTest = field(default=ImageTest(), compare=False)
    """Its tests; they do not belong to its identity."""

    def dependencies(self) -> dict[str, Spot]:
        """The images of the set that this one reads, each with the Spot of that reference: parent first."""
        found: dict[str, Spot] = {}
        if isinstance(self.parent, ParentImage):
            found[self.parent.name] = self.parent_spot
        for step in self.instructions:
            if isinstance(step, CopyImage):
                found.setdefault(step.image, step.spot)
            elif isinstance(step, Containerfile):
                for named in step.images:
                    found.setdefault(named.image, named.spot)
        return found

    @property
    def filled(self) -> bool:
        """Whether it begins with an empty root, which the host fills."""
        return isinstance(self.parent, EmptyRoot) and self.containerfile is None

    @property
    def containerfile(self) -> Containerfile | None:
        """The Containerfile that builds it; None for an image of steps."""
        first = self.instructions[0] if self.instructions else None
        return first if isinstance(first, Containerfile) else None


@dataclass(frozen=True, slots=True)
class Absent:
    """An image that the site of its set cannot build."""

    why: Diagnostic
    """The same object for an image and all its descendants."""
    reason: str
    """What the site lacks, as part of a sentence: `it has no gems`."""
    profiles: tuple[str, ...] = ()


Format = Literal["docker", "oci"]
Layers = Literal["one", "databases"]
"""What an image adds to its parent: one layer, or a second one with the databases that installs rewrite."""


@dataclass(frozen=True, slots=True)
class ImageSet:
    """A resolved image set: what `plan.compile` and the exporters start from."""

    name: str
    format: Format
    epoch: int
    """Seconds since 1970; no file of a layer is newer."""
    directory: str
    """The set's folder, the root of its context."""
    site: Site
    images: Mapping[str, Image]
    profiles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    absent: Mapping[str, Absent] = field(default_factory=dict)
    """Images that the site cannot build."""
    remarks: tuple[Diagnostic, ...] = field(default=(), compare=False)
    """Warnings: probable mistakes."""
    traits: Mapping[str, str] = field(default_factory=dict, compare=False)
    """File of each trait -> hash of its data, without comments and places."""
    origin: Origin = field(default=Origin(), compare=False)
    scenarios: Mapping[str, Scenario] = field(default_factory=dict)
    layers: Layers = "one"
    platforms: tuple[str, ...] = ()
    """All platforms of the set, `linux/arm64`; none: the set leaves its platform to the host that builds."""
    platform: str = ""
    """The platform that this resolved set is for, one of `platforms`; empty if there are none."""

    @property
    def architecture(self) -> str:
        """The architecture of `platform` as OCI and Debian name it; empty: that of the host."""
        return self.platform.partition("/")[2]

    @property
    def part(self) -> str:
        """The architecture in names of plans, locks and tags; empty for the first platform of the set."""
        return self.architecture if self.platforms and self.platform != self.platforms[0] else ""

    def logins(self) -> Iterator[Login]:
        """Credentials from URLs of the recipes and the site."""
        yield from self.site.logins
        for item in self.images.values():
            for step in item.instructions:
                if isinstance(step, Download) and step.login is not None:
                    yield step.login
