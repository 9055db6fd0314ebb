"""SLSA provenance of an image: what it was built from, enough to build it again.

The format: https://slsa.dev/spec/v1.0/provenance. It is read from the plan's directory, and holds no time and
no name of a host: equal builds have equal provenance.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from buildsys.logins import masked, parted
from buildsys.plan import read

TYPE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "urn:buildsys:plan:1"
"""The parameters are those of a plan, layout 1, which docs/reference/publishing.md describes."""
BUILDER = "urn:buildsys:builder"
SURROUNDINGS = ("driver", "layers", "database")
"""Lines of a build key that say what the tools of the host make of equal inputs."""


@dataclass(frozen=True, slots=True)
class Commit:
    """The commit of the recipes."""

    repository: str
    """URL of the repository; empty: it has none."""
    id: str


@dataclass(frozen=True, slots=True)
class Made:
    """What all images of one plan share in their provenance."""

    directory: Path
    plan: str
    """Digest of the published plan."""
    commit: Commit | None
    lock: str
    """Hash of all locked packages; empty: nothing is locked."""


def provenance(made: Made, image: str, identity: str) -> Mapping[str, Any]:
    """The predicate of an image that was built as the plan says, with this id.

    Raises:
        FileNotFoundError: the directory does not hold the records of its build.
    """
    summary = json.loads((made.directory / "plan.json").read_bytes())
    inputs = [line.partition(" ") for line in read.used(made.directory, image)]
    values = {word: rest for word, _, rest in inputs if word in ("platform", *SURROUNDINGS)}
    internal = {"format": summary["format"], "epoch": summary["epoch"], "tools": summary["tools"]}
    internal |= {word: values[word] for word in SURROUNDINGS if word in values}
    return {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": {
                "set": summary["set"],
                "image": image,
                "site": summary["site"],
                "platform": values.get("platform", ""),
                "lock": made.lock,
            },
            "internalParameters": internal,
            "resolvedDependencies": [*_sources(made), *_dependencies(inputs)],
        },
        "runDetails": {
            "builder": {"id": BUILDER, "version": {"buildsys": summary["buildsys"]}},
            "byproducts": [{"name": "image", "digest": {"sha256": identity}}],
        },
    }


def _sources(made: Made) -> Iterator[Mapping[str, Any]]:
    yield {"name": "plan", "digest": _digest(made.plan)}
    if made.commit:
        source: dict[str, Any] = {"name": "recipes", "digest": {"gitCommit": made.commit.id}}
        if made.commit.repository:
            source["uri"] = f"git+{parted(made.commit.repository)[0]}"
        yield source


def _dependencies(inputs: list[tuple[str, str, str]]) -> Iterator[Mapping[str, Any]]:
    """Parents, base images and packages, as the lines of the build key name them."""
    for word, _, rest in inputs:
        fields = rest.split(" ")
        if word == "package":
            yield {"name": f"package {fields[0]}", "uri": fields[3], "digest": _digest(fields[4])}
        elif word == "payload":
            yield {"name": f"payload {fields[0]}", "digest": _digest(fields[1])}
        elif word == "gem":
            yield {"name": f"gem {fields[0]}", "digest": _digest(fields[1])}
        elif word == "image":
            yield {"name": f"image {masked(fields[0])}", "digest": _digest(fields[1])}
        elif word in ("base", "outside"):
            yield {"name": f"{word} {masked(rest)}", **_pinned(rest)}


def _pinned(reference: str) -> Mapping[str, Any]:
    _, at, digest = reference.rpartition("@")
    return {"digest": _digest(digest)} if at else {}


def _digest(text: str) -> Mapping[str, str]:
    algorithm, colon, value = text.partition(":")
    return {algorithm: value} if colon else {"sha256": text}
