"""Fragments (of recipes, traits, `common`) become Parts; a Draft adds Parts up to an image."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from buildsys import image
from buildsys.diagnostics import Code, Diagnostic, Spot
from buildsys.recipe import schema
from buildsys.recipe.schema import types
from buildsys.resolve import spelling
from buildsys.resolve.image_tests import TestPart, test_part
from buildsys.resolve.source import Notes
from buildsys.resolve.written_steps import Place, Surroundings, instruction, package_names

T = TypeVar("T")
Spotted = tuple[T, Spot]
Scalar = str | tuple[str, ...] | image.HealthCheck

NO_LOGIN = "/usr/sbin/nologin"


@dataclass(frozen=True, slots=True)
class Part:
    """The additions of one fragment to an image. Images that add the same share a Part."""

    accounts: Mapping[str, Spotted[image.Account]] = field(default_factory=dict)
    repositories: Mapping[str, image.WriteRepository] = field(default_factory=dict)
    before: tuple[image.Instruction, ...] = ()
    packages: tuple[image.PackageName, ...] = ()
    steps: tuple[image.Instruction, ...] = ()
    scalars: Mapping[str, Spotted[Scalar]] = field(default_factory=dict)
    """`user`, `cmd`, `entrypoint`, `healthcheck`, `stop_signal`, `workdir`, `version_of`."""
    env: Mapping[str, Spotted[str]] = field(default_factory=dict)
    labels: Mapping[str, Spotted[str]] = field(default_factory=dict)
    annotations: Mapping[str, Spotted[str]] = field(default_factory=dict)
    volumes: tuple[Spotted[str], ...] = ()
    ports: tuple[Spotted[str], ...] = ()
    test: TestPart | None = None


def part(fragment: schema.Fragment, notes: Notes, around: Surroundings) -> Part:
    """The Part a fragment stands for."""
    given: dict[str, Any] = {"scalars": scalars(fragment, notes)}
    # For speed: most fragments have few keys.
    if fragment.accounts:
        given["accounts"] = accounts(fragment.accounts, notes)
    if fragment.repositories:
        given["repositories"] = repositories(fragment.repositories, notes)
    if fragment.before:
        given["before"] = steps(fragment.before, ("before",), notes, around)
    if fragment.packages:
        given["packages"] = package_names(notes, ("packages",), fragment.packages)
    if fragment.steps:
        given["steps"] = steps(fragment.steps, ("steps",), notes, around)
    if fragment.env:
        given["env"] = named(fragment.env, "env", notes)
    if fragment.labels:
        given["labels"] = named(fragment.labels, "labels", notes)
    if fragment.annotations:
        given["annotations"] = named(fragment.annotations, "annotations", notes)
    if fragment.volumes:
        volumes = texts(fragment.volumes, ("volumes",), notes)
        given["volumes"] = tuple((spelling.path(text), spot) for text, spot in volumes)
    if fragment.ports:
        ports = texts(fragment.ports, ("ports",), notes)
        given["ports"] = tuple((spelling.port(text), spot) for text, spot in ports)
    if fragment.test:
        given["test"] = test_part(fragment.test, notes)
    return Part(**given)


def steps(
    written: list[schema.AnyStep], path: tuple[str, ...], notes: Notes, around: Surroundings
) -> tuple[image.Instruction, ...]:
    """The instructions of a list of steps."""
    return tuple(
        instruction(step, Place(notes, (*path, number), around)) for number, step in enumerate(written)
    )


def accounts(written: Mapping[str, schema.Account], notes: Notes) -> dict[str, Spotted[image.Account]]:
    """Declared accounts. Left out: the group has the account's number, the home is /home/NAME, no login."""
    declared = {}
    for name, account in written.items():
        groups = tuple(account.groups or ())
        gid = account.uid if account.gid is None else account.gid
        home, shell = account.home or f"/home/{name}", account.shell or NO_LOGIN
        declared[name] = (
            image.Account(name, account.uid, gid, home, shell, groups),
            notes.spot("accounts", name),
        )
    return declared


def repositories(
    written: Mapping[str, schema.RepositoryFile], notes: Notes
) -> dict[str, image.WriteRepository]:
    """Repository files to write."""
    files = {}
    for name, repository in written.items():
        options = tuple(repository.options.items())
        spot = notes.spot("repositories", name)
        files[name] = image.WriteRepository(repository.file, name, options, spot=spot)
    return files


def scalars(written: schema.Fragment | schema.Patch, notes: Notes) -> dict[str, Spotted[Scalar]]:
    """The settings with a single value."""
    found: dict[str, Spotted[Scalar]] = {}
    if written.user is not None:
        found["user"] = written.user, notes.spot("user")
    if written.cmd is not None:
        found["cmd"] = tuple(written.cmd), notes.spot("cmd")
    if written.entrypoint is not None:
        found["entrypoint"] = tuple(written.entrypoint), notes.spot("entrypoint")
    if written.healthcheck is not None:
        found["healthcheck"] = health_check(written.healthcheck, notes), notes.spot("healthcheck")
    if written.stop_signal is not None:
        found["stop_signal"] = spelling.signal(written.stop_signal), notes.spot("stop-signal")
    if written.workdir is not None:
        found["workdir"] = spelling.path(written.workdir), notes.spot("workdir")
    if written.version_of is not None:
        found["version_of"] = written.version_of, notes.spot("version-of")
    return found


def health_check(
    written: schema.HealthCheck, notes: Notes, whole: tuple[str | int, ...] = ("healthcheck",)
) -> image.HealthCheck:
    """A health check, written at the path `whole`."""
    command = written.command
    if not command or command == [""]:
        notes.problem(
            whole, (Code.EMPTY_COMMAND, "there is nothing to run", "write a command, or leave the key out")
        )
    test = ("CMD-SHELL", command) if isinstance(command, str) else ("CMD", *command)
    interval, timeout, start_period = (
        types.seconds(text or "") or 0.0 for text in (written.interval, written.timeout, written.start_period)
    )
    return image.HealthCheck(test, interval, timeout, start_period, written.retries or 0)


def named(written: Mapping[str, T], key: str, notes: Notes) -> dict[str, Spotted[T]]:
    """A map, each value with its Spot."""
    return {name: (value, notes.spot(key, name)) for name, value in written.items()}


def texts(written: list[str], path: tuple[str, ...], notes: Notes) -> tuple[Spotted[str], ...]:
    """A list, each text with its Spot."""
    return tuple((text, notes.spot(*path, number)) for number, text in enumerate(written))


# An image in the making ------------------------------------------------------------------------


@dataclass(slots=True)
class Draft:
    """The sum of Parts, each value with its Spot; later values win, lists grow."""

    accounts: dict[str, Spotted[image.Account]] = field(default_factory=dict)
    repositories: dict[str, image.WriteRepository] = field(default_factory=dict)
    before: list[image.Instruction] = field(default_factory=list)
    packages: dict[str, image.PackageName] = field(default_factory=dict)
    steps: list[image.Instruction] = field(default_factory=list)
    scalars: dict[str, Spotted[Scalar]] = field(default_factory=dict)
    env: dict[str, Spotted[str]] = field(default_factory=dict)
    labels: dict[str, Spotted[str]] = field(default_factory=dict)
    annotations: dict[str, Spotted[str]] = field(default_factory=dict)
    volumes: dict[str, Spot] = field(default_factory=dict)
    ports: dict[str, Spot] = field(default_factory=dict)
    tests: list[TestPart] = field(default_factory=list)
    gone: dict[tuple[str, str], Spot] = field(default_factory=dict)
    """Items that overlays removed, by key and name, with the place of the removal."""
    gone_steps: list[image.Instruction] = field(default_factory=list)
    """Steps that overlays removed."""

    def add(self, part: Part) -> None:
        """Add what a fragment gives."""
        if part.accounts:
            self.accounts.update(part.accounts)
        if part.repositories:
            self.repositories.update(part.repositories)
        self.before += part.before
        for package in part.packages:
            self.packages.setdefault(package.name, package)
        self.steps += part.steps
        self.scalars.update(part.scalars)
        self.env.update(part.env)
        self.labels.update(part.labels)
        self.annotations.update(part.annotations)
        for volume, spot in part.volumes:
            self.volumes.setdefault(volume, spot)
        for port, spot in part.ports:
            self.ports.setdefault(port, spot)
        if part.test:
            self.tests.append(part.test)

    def instructions(self) -> Iterable[image.Instruction]:
        """All instructions, in the order of the language."""
        if self.accounts:
            declared = tuple(account for account, _ in self.accounts.values())
            yield image.DeclareAccounts(declared, spot=next(iter(self.accounts.values()))[1])
        yield from self.repositories.values()
        yield from self.before
        if self.packages:
            packages = tuple(self.packages.values())
            yield image.Install(packages, spot=packages[0].spot)
        yield from self.steps

    def config(self) -> image.OciConfig:
        """The configuration."""
        scalars: dict[str, Any] = {key: value for key, (value, _) in self.scalars.items()}
        return image.OciConfig(
            **scalars,
            env=_values(self.env),
            labels=_values(self.labels),
            annotations=_values(self.annotations),
            volumes=tuple(self.volumes),
            ports=tuple(self.ports),
        )

    def spots(self) -> dict[str, Spot]:
        """The place of each value of the configuration: `user`, `labels.name`, `ports.80/tcp`."""
        spots = {key: spot for key, (_, spot) in self.scalars.items()}
        for kind, items in (("env", self.env), ("labels", self.labels), ("annotations", self.annotations)):
            for name, (_, spot) in items.items():
                spots[f"{kind}.{name}"] = spot
        for kind, names in (("volumes", self.volumes), ("ports", self.ports)):
            for name, spot in names.items():
                spots[f"{kind}.{name}"] = spot
        return spots


def _values(items: Mapping[str, Spotted[T]]) -> dict[str, T]:
    return {name: value for name, (value, _) in items.items()}


def check_draft(draft: Draft, form: image.Format, found: list[Diagnostic]) -> None:
    """Report mistakes across fragments: a number used twice, values that the format cannot hold."""
    owners: dict[int, tuple[str, Spot]] = {}
    for account, spot in draft.accounts.values():
        name, first = owners.setdefault(account.uid, (account.name, spot))
        if name != account.name:
            message = f"the accounts '{name}' and '{account.name}' have the same number, {account.uid}"
            found.append(Diagnostic(spot, Code.ACCOUNT_CLASH, message, related=((first, "the other one"),)))
    files: dict[str, image.WriteRepository] = {}
    for repository in draft.repositories.values():
        other = files.setdefault(repository.file, repository)
        if other is not repository:
            message = f"the repositories '{other.id}' and '{repository.id}' are written to the same file"
            related = ((other.spot, "the other one"),)
            found.append(
                Diagnostic(repository.spot, Code.DUPLICATE_NAME, message, "give each its own file", related)
            )
    if form == "oci" and "healthcheck" in draft.scalars:
        message = "an image in the OCI format has no health check"
        hint = "write format: docker in set.yaml, or leave the health check out"
        found.append(Diagnostic(draft.scalars["healthcheck"][1], Code.OCI_HEALTHCHECK, message, hint))
