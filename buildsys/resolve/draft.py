"""An image in the making: Parts are added in order, an overlay's patch last, then it is an Image."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from buildsys import image
from buildsys.diagnostics import Code, Diagnostic, Spot
from buildsys.resolve.fragment import Part, Scalar, Spotted
from buildsys.resolve.tests import TestPart

T = TypeVar("T")


@dataclass(slots=True)
class Draft:
    """What has been added so far, each thing with its Spot; later wins, lists grow."""

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
    """What overlays have taken away, by key and name, and where they say so."""
    gone_steps: list[image.Instruction] = field(default_factory=list)
    """Steps that they have taken away, as they say them."""

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
        """Everything done to the root, in the order of the language."""
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
        """Where each value of the configuration was written: `user`, `labels.name`, `ports.80/tcp`."""
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
    """Note what single fragments cannot show: numbers given twice, what the format cannot hold."""
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
